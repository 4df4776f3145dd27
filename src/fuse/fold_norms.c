/* fold_norms.c - batch norms multiplied into the layers before them.
 *
 * The scale of a layer before a batch norm is arbitrary, so weights say something about
 * neurons only after this; and neurons that are mixed need one weight and one bias.
 */
#include <math.h>

#include "fuse/recalibrate.h"
#include "ops/batch_norm/batch_norm.h"

/* Element c of the parameter is multiplied by factor[c]; where factor is NULL it
 * becomes x. */
static tn_status change(tn_model *model, size_t value, const double *factor, double x,
                        tn_error *err)
{
    tn__tensor *tensor = &model->values[value].parameter;
    void *data = NULL;
    tn__tensor wide = {0}, made = {0};
    tn_status status =
        tn__tensor_create(&wide, TN_F64, tensor->shape.rank, tensor->shape.dims, err);
    if (status == TN_OK)
        status = tn__tensor_write(&wide, &data, err);
    for (size_t i = 0; status == TN_OK && i < tn__tensor_count(&wide); i++)
        ((double *)data)[i] = factor ? factor[i] * tn__tensor_get_f64(tensor, i) : x;
    if (status == TN_OK)
        status = tn__tensor_convert(&made, &wide, tensor->dtype, err);
    tn__tensor_release(&wide);
    if (status != TN_OK)
        return status;
    tn__tensor_release(tensor);
    *tensor = made;
    return TN_OK;
}

static tn_status fold(tn_model *model, const tn__layer *layer, tn__fold_kind kind,
                      tn_error *err)
{
    bool compat = kind == TN__FOLD_COMPAT;
    const tn__node *norm = &model->nodes[layer->norm];
    const size_t *in = norm->inputs;
    double epsilon = (double)tn__node_float(norm, "epsilon", 1e-5f);
    size_t channels = tn__tensor_count(&model->values[in[TN__BN_MEAN]].parameter);
    double *scale = tn__alloc(channels, 2 * sizeof *scale), *shift = scale + channels;
    if (!scale)
        return tn__fail_memory(err, channels * 2 * sizeof *scale);
    for (size_t c = 0; c < channels; c++) {
        double at[5] = {0};
        for (size_t k = 1; k < 5; k++)
            at[k] = tn__tensor_get_f64(&model->values[in[k]].parameter, c);
        double variance = at[TN__BN_VARIANCE] + (compat ? 0 : epsilon);
        scale[c] = variance > 0 ? at[TN__BN_SCALE] / sqrt(variance) : 0;
        if (kind != TN__FOLD_SCALE)
            shift[c] = at[TN__BN_BIAS] - at[TN__BN_MEAN] * scale[c];
    }
    tn_status status = tn__layer_scale(model, layer, scale, shift, err);
    const double idle[5] = {
        [TN__BN_SCALE] = 1, [TN__BN_VARIANCE] = compat ? 1 : 1 - epsilon};
    in = model->nodes[layer->norm].inputs;
    for (size_t k = 1; k < 5 && status == TN_OK; k++) {
        if (kind != TN__FOLD_SCALE || k == TN__BN_SCALE || k == TN__BN_VARIANCE)
            status = change(model, in[k], NULL, idle[k], err);
        else if (k == TN__BN_MEAN)
            status = change(model, in[k], scale, 0, err);
    }
    tn__free(scale);
    return status;
}

bool tn__norm_is_own(const tn_model *model, const tn__links *links, size_t norm)
{
    const tn__node *node = &model->nodes[norm];
    for (size_t k = 1; k < 5; k++) {
        size_t v = node->inputs[k];
        if (!tn__value_is_parameter(&model->values[v]) ||
            links->first_use[v + 1] - links->first_use[v] != 1)
            return false;
    }
    return true;
}

tn_status tn__norms_fold(tn_model **out, const tn_model *model, tn__fold_kind kind,
                         tn_error *err)
{
    tn_model *made = NULL;
    tn__links links = {0};
    tn_status status = tn__model_clone(&made, model, err);
    if (status == TN_OK)
        status = tn__links_create(&links, model, err);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        tn__layer layer;
        if (tn__layer_of(&layer, model, &links, n) && layer.norm != TN__NONE &&
            tn__norm_is_own(model, &links, layer.norm))
            status = fold(made, &layer, kind, err);
    }
    tn__links_release(&links);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}
