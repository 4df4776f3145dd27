/* fuzz_onnx.c - the ONNX reader on any bytes. */
#include "fuzz.h"

#include "format/checkpoint.h"

static void read_file(tn__buffer *file)
{
    tn_model *model = NULL;
    (void)tn__onnx_is(file);
    if (tn__onnx_read(&model, file, "fuzz.onnx", NULL) == TN_OK)
        tn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_buffer(data, size, read_file);
}
