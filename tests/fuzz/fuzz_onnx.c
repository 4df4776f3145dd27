/* fuzz_onnx.c - the ONNX reader on any bytes. */
#include "fuzz.h"

#include "format/checkpoint.h"

static void read_file(tn__buffer *file)
{
    tn_model *model = NULL;
    (void)tn__onnx_is(file);
    if (tn__onnx_read(&model, file, "fuzz.onnx", NULL))
        return;
    for (size_t v = 0; v < model->value_count; v++)
        if (tn__value_is_parameter(&model->values[v]))
            fuzz_touch(tn__tensor_data(&model->values[v].parameter),
                       tn__tensor_bytes(&model->values[v].parameter));
    tn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_buffer(data, size, read_file);
}
