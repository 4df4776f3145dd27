/* layer.c - layers whose outputs can be scaled and shifted through their own
 * parameters.
 *
 * Convolution and Gemm, where the weight is read once. Where a norm stands behind, a
 * factor would only be divided away again: there its callers change the norm.
 */
#include <math.h>
#include <string.h>

#include "fuse/recalibrate.h"
#include "stats/stats.h"

bool tn__layer_of(tn__layer *out, const tn_model *model, const tn__links *links,
                  size_t node)
{
    const tn__node *n = &model->nodes[node];
    bool conv = !strcmp(n->type, "Conv"), gemm = !strcmp(n->type, "Gemm");
    if ((!conv && !gemm) || n->domain[0] || n->input_count < 2)
        return false;
    size_t weight = n->inputs[1];
    if (!tn__value_is_parameter(&model->values[weight]) ||
        links->first_use[weight + 1] - links->first_use[weight] != 1)
        return false;
    int axis = gemm && !tn__node_int(n, "transB", 0) ? 1 : 0;
    size_t norm = tn__value_norm(model, links, n->outputs[0]);
    *out = (tn__layer){node, weight, n->outputs[0], norm, axis};
    return true;
}

/* Multiplies the slices of a tensor along `axis`. */
static tn_status scale_axis(tn__tensor *tensor, int axis, const double *scale,
                            tn_error *err)
{
    size_t inner = 1, extent = (size_t)tensor->shape.dims[axis];
    tn__tensor wide = {0}, made = {0};
    void *data = NULL;
    for (int k = axis + 1; k < tensor->shape.rank; k++)
        inner *= (size_t)tensor->shape.dims[k];
    tn_status status = tn__tensor_convert(&wide, tensor, TN_F64, err);
    if (status == TN_OK)
        status = tn__tensor_write(&wide, &data, err);
    double *x = data;
    for (size_t i = 0; status == TN_OK && i < tn__tensor_count(&wide); i++)
        x[i] *= scale[i / inner % extent];
    if (status == TN_OK)
        status = tn__tensor_convert(&made, &wide, tensor->dtype, err);
    tn__tensor_release(&wide);
    if (status == TN_OK) {
        tn__tensor_release(tensor);
        *tensor = made;
    }
    return status;
}

/* The layer's bias as it works on the output, zeros where there is none. */
static void bias_read(double *bias, const tn_model *model, const tn__node *node,
                      size_t channels, double beta)
{
    const tn__tensor *old = NULL;
    if (node->input_count > 2 && node->inputs[2] != TN__NONE)
        old = &model->values[node->inputs[2]].parameter;
    for (size_t c = 0; c < channels; c++) {
        size_t at = old && tn__tensor_count(old) == channels ? c : 0;
        bias[c] = old ? beta * tn__tensor_get_f64(old, at) : 0;
    }
}

/* A value of a name not in use for the bias of `layer`: "fc1.bias" for "fc1.weight". */
static tn_status bias_add(size_t *out, tn_model *model, const tn__layer *layer,
                          const tn__tensor *bias, tn_error *err)
{
    const char *weight = model->values[layer->weight].name;
    size_t length = strlen(weight);
    if (length > 7 && !strcmp(weight + length - 7, ".weight"))
        length -= 7;
    char *name = tn__format("%.*s.bias", (int)length, weight);
    for (int k = 2; name && tn__model_find_value(model, name) != TN__NONE; k++) {
        tn__free(name);
        name = tn__format("%.*s.bias%d", (int)length, weight, k);
    }
    if (!name)
        return tn__fail_memory(err, length + 16);
    tn_status status = tn__model_add_parameter(out, model, name, bias, err);
    tn__free(name);
    return status;
}

/* Makes input 2 of the layer's node the value `bias`. */
static tn_status bias_connect(tn_model *model, const tn__layer *layer, size_t bias,
                              tn_error *err)
{
    tn__node *node = &model->nodes[layer->node];
    if (node->input_count == 2) {
        size_t *inputs = tn__realloc(node->inputs, 3, sizeof *inputs);
        if (!inputs)
            return tn__fail_memory(err, 3 * sizeof *inputs);
        node->inputs = inputs;
        node->input_count = 3;
    }
    node->inputs[2] = bias;
    return TN_OK;
}

/* Whether the node's bias is one number a channel that nobody else reads. */
static bool bias_is_own(const tn_model *model, const tn__node *node, size_t channels)
{
    if (node->input_count < 3 || node->inputs[2] == TN__NONE)
        return false;
    size_t readers = 0;
    for (size_t n = 0; n < model->node_count; n++) {
        for (size_t k = 0; k < model->nodes[n].input_count; k++)
            readers += model->nodes[n].inputs[k] == node->inputs[2];
    }
    return readers == 1 &&
           tn__tensor_count(&model->values[node->inputs[2]].parameter) == channels;
}

static tn_status bias_write(tn_model *model, const tn__layer *layer, const double *bias,
                            size_t channels, tn_error *err)
{
    tn__node *node = &model->nodes[layer->node];
    tn__tensor made = {.dtype = model->values[layer->weight].parameter.dtype};
    tn__shape shape = {.rank = 1, .dims = {(int64_t)channels}};
    size_t value;
    tn_status status = tn__tensor_set_f64(&made, &shape, bias, err);
    if (status != TN_OK)
        return status;
    if (bias_is_own(model, node, channels)) {
        tn__tensor *old = &model->values[node->inputs[2]].parameter;
        made.shape = old->shape;
        tn__tensor_release(old);
        *old = made;
        return TN_OK;
    }
    status = bias_add(&value, model, layer, &made, err);
    tn__tensor_release(&made);
    return status == TN_OK ? bias_connect(model, layer, value, err) : status;
}

tn_status tn__layer_scale(tn_model *model, const tn__layer *layer, const double *scale,
                          const double *shift, tn_error *err)
{
    const tn__node *node = &model->nodes[layer->node];
    tn__tensor *weight = &model->values[layer->weight].parameter;
    size_t channels = (size_t)weight->shape.dims[layer->axis];
    double beta = (double)tn__node_float(node, "beta", 1), most = 0;
    double *bias = tn__alloc(channels, sizeof *bias);
    if (!bias)
        return tn__fail_memory(err, channels * sizeof *bias);
    bias_read(bias, model, node, channels, beta);
    for (size_t c = 0; c < channels; c++) {
        bias[c] = (bias[c] * scale[c] + shift[c]) / (beta == 0 ? 1 : beta);
        most = TN__MAX(most, fabs(bias[c]));
    }
    tn_status status = scale_axis(weight, layer->axis, scale, err);
    bool has_bias = node->input_count > 2 && node->inputs[2] != TN__NONE;
    if (status == TN_OK && (has_bias || most > 0))
        status = bias_write(model, layer, bias, channels, err);
    tn__free(bias);
    return status;
}

tn_status tn__layer_own_bias(tn_model *model, const tn__layer *layer, tn_error *err)
{
    const tn__node *node = &model->nodes[layer->node];
    size_t channels =
        (size_t)model->values[layer->weight].parameter.shape.dims[layer->axis];
    if (bias_is_own(model, node, channels))
        return TN_OK;
    double *bias = tn__alloc(channels, sizeof *bias);
    if (!bias)
        return tn__fail_memory(err, channels * sizeof *bias);
    bias_read(bias, model, node, channels, 1);
    tn_status status = bias_write(model, layer, bias, channels, err);
    tn__free(bias);
    return status;
}
