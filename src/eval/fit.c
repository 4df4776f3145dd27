/* fit.c - whether a model and a data set go together. */
#include "eval/fit.h"

#include <string.h>

const char *tn__model_title(const tn_model *model)
{
    return model->source ? model->source : model->name;
}

/* The shape of one image, without the batch axis */
static tn__shape without_batch(const tn__shape *shape)
{
    tn__shape inner = {.rank = shape->rank > 0 ? shape->rank - 1 : 0};
    memcpy(inner.dims, shape->dims + 1, (size_t)inner.rank * sizeof *inner.dims);
    return inner;
}

tn_status tn__check_fit(const tn__engine *engine, const tn_model *model,
                        const tn_dataset *data, tn_error *err)
{
    tn__shape input = without_batch(tn__engine_input_shape(engine));
    tn__shape image = {.rank = 3};
    size_t numbers = 0;
    char wanted[TN__SHAPE_TEXT], found[TN__SHAPE_TEXT], hint[64] = "";
    tn_dataset_shape(image.dims, data);
    bool fits = input.rank == 3 ? tn__shape_equal(&input, &image)
                                : tn__shape_count(&numbers, &image) &&
                                      numbers == tn__engine_input_count(engine);
    if (!fits) {
        bool scales = input.rank == 3 && input.dims[0] == image.dims[0] &&
                      input.dims[1] == input.dims[2];
        if (scales)
            snprintf(hint, sizeof hint, " ('size=%lld' in the data spec scales them)",
                     (long long)input.dims[1]);
        return tn__fail(err, TN_ERROR_MISMATCH, "'%s' takes %s, data is %s%s",
                        tn__model_title(model),
                        tn__shape_text(wanted, sizeof wanted, &input),
                        tn__shape_text(found, sizeof found, &image), hint);
    }
    size_t outputs = tn__engine_output_count(engine);
    if (tn_dataset_classes(data) > outputs)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "'%s' has %zu outputs, data has %zu classes",
                        tn__model_title(model), outputs, tn_dataset_classes(data));
    return TN_OK;
}
