/* fuzz_safetensors.c - the safetensors reader on any bytes. */
#include "fuzz.h"

#include "format/checkpoint.h"

static void read_file(tn__buffer *file)
{
    tn__checkpoint checkpoint = {0};
    (void)tn__safetensors_is(file);
    if (tn__safetensors_read(&checkpoint, file, "fuzz.safetensors", NULL))
        return;
    for (size_t k = 0; k < checkpoint.count; k++)
        fuzz_touch(tn__tensor_data(&checkpoint.tensors[k].tensor),
                   tn__tensor_bytes(&checkpoint.tensors[k].tensor));
    tn__checkpoint_release(&checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_buffer(data, size, read_file);
}
