/* fuzz.h - a fuzz target reads bytes from memory and forgets what it read. What it may
 * do is judged by the sanitizers. The same target is linked to libFuzzer, and to
 * replay.c, which runs it on the files of a corpus. */
#ifndef TN_TESTS_FUZZ_FUZZ_H
#define TN_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <string.h>

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

#endif
