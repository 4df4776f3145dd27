/* made.h - files that tests of the data room make for themselves. */
#ifndef TN_TESTS_DATA_MADE_H
#define TN_TESTS_DATA_MADE_H

#include <fcntl.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>
#include <png.h>
#include <turbojpeg.h>

#include "test.h"

#include "base/base.h"
#include "tenon/data.h"

/* Bytes that grow. */
typedef struct bytes {
    uint8_t at[1 << 16];
    size_t size;
} bytes;

static inline void put_u8(bytes *b, unsigned value)
{
    assert_true(b->size < sizeof b->at);
    b->at[b->size++] = (uint8_t)value;
}

static inline void put_u32be(bytes *b, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put_u8(b, value >> shift & 255);
}

/* A folder of the test's own, "/tmp/tenon-XXXXXX"; removed by remove_folder(). */
static inline void make_folder(char path[64])
{
    snprintf(path, 64, "/tmp/tenon-data-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void remove_folder(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", path);
    assert_int_equal(system(command), 0);
}

/* Writes folder/name, making the folders in name; filter 0, 'g' or 'z' compresses. */
static inline void write_file(const char *folder, const char *name, const void *data,
                              size_t size, char filter)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/'));
         slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    if (filter == 'g')
        archive_write_add_filter_gzip(a);
    if (filter == 'z')
        archive_write_add_filter_zstd(a);
    archive_write_set_format_raw(a);
    archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, data, size), (la_ssize_t)size);
    archive_entry_free(entry);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

/* n images of height x width: pixel k of image i is (i + k) % 256, its label i %
 * classes. */
static inline void idx_images(bytes *b, uint32_t n, uint32_t height, uint32_t width)
{
    b->size = 0;
    put_u32be(b, 0x803);
    put_u32be(b, n);
    put_u32be(b, height);
    put_u32be(b, width);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < height * width; k++)
            put_u8(b, (i + k) % 256);
    }
}

static inline void idx_labels(bytes *b, uint32_t n, uint32_t classes)
{
    b->size = 0;
    put_u32be(b, 0x801);
    put_u32be(b, n);
    for (uint32_t i = 0; i < n; i++)
        put_u8(b, i % classes);
}

static inline void write_idx(const char *folder, const char *prefix, uint32_t n,
                             uint32_t height, uint32_t width, uint32_t classes)
{
    static bytes b;
    char name[64];
    idx_images(&b, n, height, width);
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    write_file(folder, name, b.at, b.size, 0);
    idx_labels(&b, n, classes);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    write_file(folder, name, b.at, b.size, 0);
}

/* A flat picture of one colour (grey where channels is 1). */
static inline void png_picture(bytes *out, unsigned channels, unsigned height,
                               unsigned width, unsigned red, unsigned green,
                               unsigned blue)
{
    uint8_t *pixels = calloc((size_t)height * width, channels);
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = width,
                     .height = height,
                     .format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    for (size_t k = 0; k < (size_t)height * width; k++) {
        pixels[k * channels] = (uint8_t)red;
        if (channels == 3) {
            pixels[k * 3 + 1] = (uint8_t)green;
            pixels[k * 3 + 2] = (uint8_t)blue;
        }
    }
    png_alloc_size_t size = sizeof out->at;
    assert_true(png_image_write_to_memory(&png, out->at, &size, 0, pixels, 0, NULL));
    out->size = size;
    free(pixels);
}

static inline void jpeg_picture(bytes *out, unsigned channels, unsigned height,
                                unsigned width, unsigned grey)
{
    uint8_t *pixels = malloc((size_t)height * width * channels), *jpeg = NULL;
    unsigned long size = 0;
    tjhandle tj = tjInitCompress();
    memset(pixels, (int)grey, (size_t)height * width * channels);
    assert_int_equal(tjCompress2(tj, pixels, (int)width, 0, (int)height,
                                 channels == 3 ? TJPF_RGB : TJPF_GRAY, &jpeg, &size,
                                 channels == 3 ? TJSAMP_420 : TJSAMP_GRAY, 95, 0),
                     0);
    assert_true(size <= sizeof out->at);
    memcpy(out->at, jpeg, size);
    out->size = size;
    tjFree(jpeg);
    tjDestroy(tj);
    free(pixels);
}

/* A member of a tar being written. */
static inline void add_member(struct archive *tar, const char *name, const bytes *data)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)data->size);
    assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(tar, data->at, data->size),
                     (la_ssize_t)data->size);
    archive_entry_free(entry);
}

static inline struct archive *start_tar(const char *path, char filter)
{
    struct archive *tar = archive_write_new();
    if (filter == 'g')
        archive_write_add_filter_gzip(tar);
    if (filter == 'z')
        archive_write_add_filter_zstd(tar);
    archive_write_set_format_pax_restricted(tar);
    assert_int_equal(archive_write_open_filename(tar, path), ARCHIVE_OK);
    return tar;
}

static inline void finish_tar(struct archive *tar)
{
    assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
    archive_write_free(tar);
}

/* Opens "kind:path" + keys, which must work. */
static inline tn_dataset *open_data(const char *kind, const char *path,
                                    const char *keys, const char *split)
{
    char spec[512];
    tn_dataset *data = NULL;
    snprintf(spec, sizeof spec, "%s:%s%s", kind, path, keys);
    assert_ok(tn_dataset_open(&data, spec, split, err));
    return data;
}

/* Opening it fails with `status` and a message that holds `text`. */
static inline void open_fails(const char *kind, const char *path, const char *keys,
                              tn_status status, const char *text)
{
    char spec[512];
    tn_dataset *data = NULL;
    snprintf(spec, sizeof spec, "%s:%s%s", kind, path, keys);
    assert_fails(tn_dataset_open(&data, spec, NULL, err), status, text);
    assert_null(data);
}

/* Every allocation that fails on the way is reported as such, and nothing leaks. */
static inline void open_survives_failing_allocations(const char *kind, const char *path)
{
    char spec[512];
    snprintf(spec, sizeof spec, "%s:%s", kind, path);
    for (size_t k = 1;; k++) {
        tn_dataset *data = NULL;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        tn_status status = tn_dataset_open(&data, spec, NULL, &err);
        tn__alloc_fail_after(0);
        tn_dataset_free(data);
        if (status == TN_OK) {
            assert_true(k > 3);
            return;
        }
        assert_int_equal(status, TN_ERROR_MEMORY);
    }
}

#endif
