/* fold_stitch.c - a stitch multiplied into the layer behind it (StitchNet,
 * Teerapittayanon et al. 2023, section 3.2): W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 +
 * b2).
 *
 * Exact where that layer alone reads the stitch and pads nothing: the zeros of a
 * padding do not pass through the stitch.
 */
#include <string.h>

#include "assemble/adapter.h"

/* Whether node n adds no padding and takes its first input as it is. */
static bool is_plain(const tn__node *node)
{
    size_t count = 0;
    if (!strcmp(node->type, "Gemm"))
        return !tn__node_int(node, "transA", 0) && tn__node_int(node, "transB", 0) &&
               (double)tn__node_float(node, "alpha", 1) == 1 &&
               (double)tn__node_float(node, "beta", 1) == 1;
    const int64_t *pads = tn__node_ints(node, "pads", &count);
    for (size_t k = 0; k < count; k++)
        if (pads[k])
            return false;
    return !strcmp(node->type, "Conv") && tn__node_int(node, "group", 1) == 1 &&
           !strcmp(tn__node_string(node, "auto_pad", "NOTSET"), "NOTSET");
}

static bool sole_f32(const tn_model *model, const tn__links *links, size_t value)
{
    return model->values[value].parameter.dtype == TN_F32 &&
           links->first_use[value + 1] - links->first_use[value] == 1;
}

/* The only reader of `value`, where it can take a stitch; else TN__NONE. */
static size_t reader_of(const tn_model *model, const tn__links *links, size_t value)
{
    size_t first = links->first_use[value];
    if (links->first_use[value + 1] - first != 1 || links->uses[first].input != 0)
        return TN__NONE;
    size_t n = links->uses[first].node;
    const tn__node *node = &model->nodes[n];
    bool bias = node->input_count > 2 && node->inputs[2] != TN__NONE;
    if (node->domain[0] || !is_plain(node) ||
        !sole_f32(model, links, node->inputs[1]) ||
        (bias && !sole_f32(model, links, node->inputs[2])))
        return TN__NONE;
    return n;
}

tn_status tn__fold_find(tn__fold *out, const tn__member *member, size_t cut,
                        tn_error *err)
{
    const tn_model *model = member->model;
    tn__links links = {0};
    tn__shapes shapes = {0};
    tn__fold fold = {.taps = 1, .positions = 1};
    tn_status status = tn__links_create(&links, model, err);
    if (status == TN_OK)
        status = tn__shapes_infer(&shapes, model, 1, err);
    if (status == TN_OK) {
        size_t n = reader_of(model, &links, member->cuts[cut].value);
        const tn__node *node = n == TN__NONE ? NULL : &model->nodes[n];
        const tn__shape *w =
            node ? &model->values[node->inputs[1]].parameter.shape : NULL;
        const tn__shape *y = node ? &shapes.shape[node->outputs[0]] : NULL;
        fold.possible = node != NULL;
        fold.outputs = w ? w->dims[0] : 0;
        fold.biased = node && node->input_count > 2 && node->inputs[2] != TN__NONE;
        for (int a = 2; w && a < w->rank; a++)
            fold.taps *= w->dims[a];
        for (int a = 2; y && a < y->rank; a++)
            fold.positions *= y->dims[a];
        *out = fold;
    }
    tn__links_release(&links);
    tn__shapes_release(&shapes);
    return status;
}

tn__cost tn__fold_cost(const tn__fold *f, const tn__adapter *a)
{
    int64_t wider = f->outputs * f->taps * (a->from.channels - a->to.channels);
    return (tn__cost){.params = wider + (f->biased ? 0 : f->outputs),
                      .macs = wider * f->positions};
}

/* new [outputs, from, taps] and bias [outputs] of the layer with the stitch in it. */
static void multiply(float *weight, float *bias, const tn_model *model,
                     const tn__node *stitch, const tn__node *layer)
{
    const tn__tensor *w = &model->values[layer->inputs[1]].parameter;
    const tn__tensor *a = &model->values[stitch->inputs[1]].parameter;
    const float *wx = tn__tensor_f32_const(w), *ax = tn__tensor_f32_const(a);
    const float *shift =
        tn__tensor_f32_const(&model->values[stitch->inputs[2]].parameter);
    size_t outputs = (size_t)w->shape.dims[0], to = (size_t)w->shape.dims[1];
    size_t from = (size_t)a->shape.dims[1], taps = 1;
    for (int k = 2; k < w->shape.rank; k++)
        taps *= (size_t)w->shape.dims[k];
    for (size_t o = 0; o < outputs; o++) {
        double sum = (double)bias[o];
        for (size_t d = 0; d < to; d++)
            for (size_t t = 0; t < taps; t++)
                sum += (double)wx[(o * to + d) * taps + t] * (double)shift[d];
        bias[o] = (float)sum;
        for (size_t c = 0; c < from; c++)
            for (size_t t = 0; t < taps; t++) {
                double at = 0;
                for (size_t d = 0; d < to; d++)
                    at +=
                        (double)wx[(o * to + d) * taps + t] * (double)ax[d * from + c];
                weight[(o * from + c) * taps + t] = (float)at;
            }
    }
}

static void replace(tn_model *model, size_t value, tn__tensor *tensor)
{
    tn__tensor_release(&model->values[value].parameter);
    model->values[value].parameter = *tensor;
    *tensor = (tn__tensor){0};
}

/* The layer gets the weight, the stitch's bias slot the new bias. */
static tn_status merge(tn_model *model, tn__node *stitch, tn__node *layer,
                       tn_error *err)
{
    tn__tensor weight = {0}, bias = {0};
    const tn__tensor *w = &model->values[layer->inputs[1]].parameter;
    bool biased = layer->input_count > 2 && layer->inputs[2] != TN__NONE;
    size_t slot = biased ? layer->inputs[2] : stitch->inputs[2];
    int64_t dims[TN__MAX_RANK];
    memcpy(dims, w->shape.dims, sizeof dims);
    dims[1] = model->values[stitch->inputs[1]].parameter.shape.dims[1];
    tn_status status = tn__tensor_create(&weight, TN_F32, w->shape.rank, dims, err);
    if (status == TN_OK)
        status = tn__tensor_create(&bias, TN_F32, 1, dims, err);
    if (status == TN_OK && biased)
        memcpy(tn__tensor_f32(&bias),
               tn__tensor_f32_const(&model->values[slot].parameter),
               tn__tensor_bytes(&bias));
    if (status == TN_OK && !biased) {
        size_t *grown = tn__realloc(layer->inputs, 3, sizeof *grown);
        if (grown) {
            layer->inputs = grown;
            layer->input_count = 3;
            grown[2] = slot;
        } else {
            status = tn__fail_memory(err, 3 * sizeof *grown);
        }
    }
    if (status == TN_OK) {
        multiply(tn__tensor_f32(&weight), tn__tensor_f32(&bias), model, stitch, layer);
        replace(model, layer->inputs[1], &weight);
        replace(model, slot, &bias);
        layer->inputs[0] = stitch->inputs[0];
    }
    tn__tensor_release(&weight);
    tn__tensor_release(&bias);
    return status;
}

tn_status tn__fold_apply(tn_model *model, size_t value, tn_error *err)
{
    tn__links links = {0};
    tn_status status = tn__links_create(&links, model, err);
    if (status != TN_OK)
        return status;
    size_t layer = reader_of(model, &links, value), stitch = links.producer[value];
    tn__links_release(&links);
    if (layer == TN__NONE || stitch == TN__NONE)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "no layer takes the stitch '%s'",
                        model->values[value].name);
    return merge(model, &model->nodes[stitch], &model->nodes[layer], err);
}
