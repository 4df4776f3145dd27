/* fuzz.h - a fuzz target reads bytes from memory and forgets what it read. What it may
 * do is judged by the sanitizers. The same target is linked to libFuzzer, and to
 * replay.c, which runs it on the files of a corpus. */
#ifndef TN_TESTS_FUZZ_FUZZ_H
#define TN_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls `read` with a buffer of exactly these bytes. */
static inline int fuzz_buffer(const uint8_t *data, size_t size,
                              void (*read)(tn__buffer *file))
{
    tn__buffer *file = NULL;
    if (tn__buffer_create(&file, size, NULL))
        return 0;
    if (size)
        memcpy(tn__buffer_writable(file), data, size);
    read(file);
    tn__buffer_release(file);
    return 0;
}

#define FUZZ_PATH 64

/* Writes the bytes to a file of this process, "fuzz_NAME.PID", in the folder where it
 * runs; unlink() it. */
static inline void fuzz_file(char path[FUZZ_PATH], const char *name,
                             const uint8_t *data, size_t size)
{
    (void)snprintf(path, FUZZ_PATH, "fuzz_%s.%ld", name, (long)getpid());
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
        perror(path);
        abort();
    }
}

#endif
