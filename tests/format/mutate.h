/* mutate.h - what every reader must survive: files cut off, files with wrong bytes, and
 * memory that runs out. The sanitizers judge; the statuses are checked here. */
#ifndef TN_TESTS_FORMAT_MUTATE_H
#define TN_TESTS_FORMAT_MUTATE_H

#include "base/file.h"
#include "test.h"

/* Reads a whole file and forgets what it read. */
typedef tn_status reader(tn__buffer *file, tn_error *err);

static inline tn__buffer *buffer_of(const void *bytes, size_t size)
{
    tn__buffer *buffer = NULL;
    assert_ok(tn__buffer_create(&buffer, size, err));
    if (size)
        memcpy(tn__buffer_writable(buffer), bytes, size);
    return buffer;
}

static inline tn__buffer *map(const char *path)
{
    tn__buffer *file = NULL;
    assert_ok(tn__buffer_map(&file, path, err));
    return file;
}

/* Every shorter file is an error that names the file. */
static inline void check_truncations(const char *path, reader *read)
{
    tn__buffer *file = map(path);
    for (size_t size = 0; size < tn__buffer_size(file); size++) {
        tn_error error = {0};
        tn__buffer *cut = buffer_of(tn__buffer_bytes(file), size);
        tn_status status = read(cut, &error);
        tn__buffer_release(cut);
        if (status == TN_OK || !strstr(error.message, "cannot read 'mutant'"))
            fail_msg("%zu bytes of %s: status %d, '%s'", size, path, (int)status,
                     error.message);
        assert_int_equal(error.code, status);
    }
    tn__buffer_release(file);
}

/* Every file with one byte changed is read, or is an error that says something. */
static inline void check_flips(const char *path, reader *read)
{
    static const uint8_t flips[] = {0xff, 0x01, 0x80, 0x20};
    tn__buffer *file = map(path);
    tn__buffer *mutant = buffer_of(tn__buffer_bytes(file), tn__buffer_size(file));
    for (size_t at = 0; at < tn__buffer_size(file); at++)
        for (size_t k = 0; k < sizeof flips; k++) {
            tn_error error = {0};
            uint8_t *byte = tn__buffer_writable(mutant) + at;
            *byte ^= flips[k];
            tn_status status = read(mutant, &error);
            byte = tn__buffer_writable(mutant) + at;
            *byte ^= flips[k];
            assert_int_equal(error.code, status);
            assert_true(status == TN_OK || error.message[0]);
        }
    tn__buffer_release(mutant);
    tn__buffer_release(file);
}

/* Where the k-th allocation fails the read fails for want of memory, for every k. */
static inline void check_memory(const char *path, reader *read)
{
    tn__buffer *file = map(path);
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status == TN_ERROR_MEMORY; k++) {
        tn_error error = {0};
        tn__alloc_fail_after(k);
        status = read(file, &error);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
    }
    tn__buffer_release(file);
}

#endif
