/* fuzz_external.c - ONNX models whose weights are in a file beside them, "weights": two
 * bytes say how many of the others are that file. */
#include "fuzz.h"

#include "format/checkpoint.h"

static void read_model(tn__buffer *file)
{
    char path[FUZZ_PATH];
    tn_model *model = NULL;
    if (tn__onnx_read(&model, file, fuzz_beside(path, "model.onnx"), NULL))
        return;
    for (size_t v = 0; v < model->value_count; v++)
        if (tn__value_is_parameter(&model->values[v]))
            fuzz_touch(tn__tensor_data(&model->values[v].parameter),
                       tn__tensor_bytes(&model->values[v].parameter));
    tn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    if (size < 2)
        return 0;
    size_t of_weights = (size_t)data[0] << 8 | data[1];
    of_weights = of_weights < size - 2 ? of_weights : size - 2;
    fuzz_write(fuzz_beside(path, "weights"), data + 2, of_weights);
    return fuzz_buffer(data + 2 + of_weights, size - 2 - of_weights, read_model);
}
