/* fuzz_safetensors.c - the safetensors reader on any bytes. */
#include "fuzz.h"

#include "format/checkpoint.h"

static void read_file(tn__buffer *file)
{
    tn__checkpoint checkpoint = {0};
    (void)tn__safetensors_is(file);
    if (tn__safetensors_read(&checkpoint, file, "fuzz.safetensors", NULL) == TN_OK)
        tn__checkpoint_release(&checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_buffer(data, size, read_file);
}
