/* fuzz.h - a fuzz target reads bytes from memory and forgets what it read. What it may
 * do is judged by the sanitizers. The same target is linked to libFuzzer, and to
 * replay.c, which runs it on the files of a corpus. */
#ifndef TN_TESTS_FUZZ_FUZZ_H
#define TN_TESTS_FUZZ_FUZZ_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process where something is so that can never be. */
static inline void fuzz_want(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s\n", what);
    abort();
}

/* The bytes in memory of their own, exact, so that one byte more is seen; a zero behind
 * them where `text`. To be freed. */
static inline void *fuzz_copy(const uint8_t *data, size_t size, bool text)
{
    char *copy = malloc(size || text ? size + text : 1);
    fuzz_want(copy != NULL, "no memory");
    if (size)
        memcpy(copy, data, size);
    if (text)
        copy[size] = 0;
    return copy;
}

/* Calls `read` with a buffer of exactly these bytes, read only like a mapped file. */
static inline int fuzz_buffer(const uint8_t *data, size_t size,
                              void (*read)(tn__buffer *file))
{
    tn__buffer *file = NULL;
    void *bytes = fuzz_copy(data, size, false);
    if (tn__buffer_adopt(&file, bytes, size, free, bytes, NULL) == TN_OK)
        read(file);
    tn__buffer_release(file);
    return 0;
}

/* Reads every byte: those of a tensor must be there. */
static inline void fuzz_touch(const void *bytes, size_t size)
{
    const volatile uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        (void)at[i];
}

/* --- files --------------------------------------------------------------------------
 */

#define FUZZ_PATH 64

static inline void fuzz_write(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
        perror(path);
        abort();
    }
}

/* Writes the bytes to a file of this process, "fuzz_NAME.PID", in the folder where it
 * runs; unlink() it. */
static inline void fuzz_file(char path[FUZZ_PATH], const char *name,
                             const uint8_t *data, size_t size)
{
    (void)snprintf(path, FUZZ_PATH, "fuzz_%s.%ld", name, (long)getpid());
    fuzz_write(path, data, size);
}

/* "fuzz_folder.XXXXXX/NAME": a file of this process in a folder of its own, which goes
 * with the process. */
static char fuzz_folder[FUZZ_PATH / 2];

static inline void fuzz_remove_folder(void)
{
    char path[FUZZ_PATH + 256];
    DIR *dir = opendir(fuzz_folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder, entry->d_name);
        if (entry->d_name[0] != '.')
            (void)unlink(path);
    }
    if (dir)
        closedir(dir);
    (void)rmdir(fuzz_folder);
}

static inline const char *fuzz_beside(char path[FUZZ_PATH], const char *name)
{
    if (!fuzz_folder[0]) {
        strcpy(fuzz_folder, "fuzz_folder.XXXXXX");
        fuzz_want(mkdtemp(fuzz_folder) != NULL, "no folder can be made");
        (void)atexit(fuzz_remove_folder);
    }
    (void)snprintf(path, FUZZ_PATH, "%s/%s", fuzz_folder, name);
    return path;
}

#endif
