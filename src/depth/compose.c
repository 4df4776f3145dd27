/* compose.c - see compose.h. Tap by tap, each one matrix product. */
#include <string.h>

#include "depth/compose.h"
#include "tensor/linalg.h"

void tn__linear_release(tn__linear *linear)
{
    tn__free(linear->w);
    tn__free(linear->b);
    *linear = (tn__linear){0};
}

static tn_status linear_create(tn__linear *l, tn_error *err)
{
    size_t taps = l->taps[0] * l->taps[1];
    l->w = tn__alloc(taps * l->out, l->in * sizeof *l->w);
    l->b = tn__alloc(l->out, sizeof *l->b);
    if (l->w && l->b)
        return TN_OK;
    tn__linear_release(l);
    return tn__fail_memory(err, taps * l->out * l->in * sizeof *l->w);
}

static tn_status refuse(const tn_model *model, size_t node, const char *why,
                        tn_error *err)
{
    char label[TN__LABEL_TEXT];
    return tn__fail(err, TN_ERROR_UNSUPPORTED, "cannot fold %s: %s",
                    tn__node_label(model, node, label, sizeof label), why);
}

static bool all_ones(const tn__node *node, const char *attr)
{
    size_t count = 0;
    const int64_t *list = tn__node_ints(node, attr, &count);
    for (size_t i = 0; i < count; i++) {
        if (list[i] != 1)
            return false;
    }
    return true;
}

static bool is_plain_conv(const tn__node *node, const tn__tensor *weight)
{
    return !strcmp(node->type, "Conv") && weight->shape.rank == 4 &&
           tn__node_int(node, "group", 1) == 1 && all_ones(node, "dilations") &&
           !strcmp(tn__node_string(node, "auto_pad", "NOTSET"), "NOTSET");
}

static void read_window(tn__linear *l, const tn__node *node)
{
    size_t pads = 0, strides = 0;
    const int64_t *pad = tn__node_ints(node, "pads", &pads);
    const int64_t *stride = tn__node_ints(node, "strides", &strides);
    for (size_t k = 0; k < 4; k++)
        l->pads[k] = pads == 4 ? pad[k] : 0;
    for (size_t k = 0; k < 2; k++)
        l->strides[k] = strides == 2 ? stride[k] : 1;
}

tn_status tn__linear_read(tn__linear *out, const tn_model *model, size_t node,
                          tn_error *err)
{
    const tn__node *n = &model->nodes[node];
    const tn__tensor *weight =
        n->input_count > 1 ? &model->values[n->inputs[1]].parameter : NULL;
    bool conv = weight && is_plain_conv(n, weight);
    bool gemm = weight && !strcmp(n->type, "Gemm") && !tn__node_int(n, "transA", 0) &&
                weight->shape.rank == 2;
    if (!conv && !gemm)
        return refuse(model, node, "wanted a plain convolution or Gemm", err);
    bool columns = gemm && !tn__node_int(n, "transB", 0);
    double alpha = gemm ? (double)tn__node_float(n, "alpha", 1) : 1;
    double beta = gemm ? (double)tn__node_float(n, "beta", 1) : 1;
    tn__linear made = {.out = (size_t)weight->shape.dims[columns],
                       .in = (size_t)weight->shape.dims[!columns],
                       .taps = {1, 1}};
    for (int k = 0; conv && k < 2; k++)
        made.taps[k] = (size_t)weight->shape.dims[2 + k];
    read_window(&made, n);
    tn_status status = linear_create(&made, err);
    if (status != TN_OK)
        return status;
    size_t taps = made.taps[0] * made.taps[1], cells = made.out * made.in;
    for (size_t c = 0; c < cells; c++) {
        size_t o = columns ? c % made.out : c / made.in;
        size_t i = columns ? c / made.out : c % made.in;
        for (size_t t = 0; t < taps; t++)
            made.w[t * cells + o * made.in + i] =
                alpha * tn__tensor_get_f64(weight, c * taps + t);
    }
    if (n->input_count > 2 && n->inputs[2] != TN__NONE) {
        const tn__tensor *bias = &model->values[n->inputs[2]].parameter;
        size_t count = tn__tensor_count(bias);
        for (size_t o = 0; o < made.out; o++)
            made.b[o] = beta * tn__tensor_get_f64(bias, count == made.out ? o : 0);
    }
    *out = made;
    return TN_OK;
}

void tn__linear_scale(tn__linear *linear, const double *d, const double *e)
{
    size_t rows = linear->taps[0] * linear->taps[1] * linear->out;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < linear->in; i++)
            linear->w[r * linear->in + i] *= d[r % linear->out];
    }
    for (size_t o = 0; o < linear->out; o++)
        linear->b[o] = d[o] * linear->b[o] + e[o];
}

tn_status tn__linear_compose(tn__linear *out, const tn__linear *first,
                             const tn__linear *then, tn_error *err)
{
    if (first->strides[0] != 1 || first->strides[1] != 1 || first->out != then->in)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "a layer with a stride cannot be folded into the next");
    tn__linear made = {.out = then->out, .in = first->in};
    for (int k = 0; k < 2; k++) {
        made.taps[k] = first->taps[k] + then->taps[k] - 1;
        made.strides[k] = then->strides[k];
    }
    for (int k = 0; k < 4; k++)
        made.pads[k] = first->pads[k] + then->pads[k];
    tn_status status = linear_create(&made, err);
    if (status != TN_OK)
        return status;
    size_t m = first->out, n = first->taps[0] * first->taps[1];
    memcpy(made.b, then->b, made.out * sizeof *made.b);
    for (size_t t = 0; t < then->taps[0] * then->taps[1]; t++) {
        const double *w = then->w + t * then->out * m;
        for (size_t u = 0; u < n; u++) {
            size_t row = t / then->taps[1] + u / first->taps[1];
            size_t column = t % then->taps[1] + u % first->taps[1];
            tn__gemm_f64(false, false, made.out, made.in, m, 1, w, m,
                         first->w + u * m * made.in, made.in, 1,
                         made.w + (row * made.taps[1] + column) * made.out * made.in,
                         made.in);
        }
        tn__gemm_f64(false, false, made.out, 1, m, 1, w, m, first->b, 1, 1, made.b, 1);
    }
    *out = made;
    return TN_OK;
}

tn_status tn__linear_widen(tn__linear *linear, const size_t taps[2], tn_error *err)
{
    tn__linear made = *linear;
    size_t more[2], cells = linear->out * linear->in;
    for (int k = 0; k < 2; k++) {
        if (taps[k] < linear->taps[k] || (taps[k] - linear->taps[k]) % 2)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "a kernel of %zu taps cannot become one of %zu around it",
                            linear->taps[k], taps[k]);
        more[k] = (taps[k] - linear->taps[k]) / 2;
        made.taps[k] = taps[k];
        made.pads[k] += (int64_t)more[k];
        made.pads[k + 2] += (int64_t)more[k];
    }
    tn_status status = linear_create(&made, err);
    if (status != TN_OK)
        return status;
    for (size_t t = 0; t < linear->taps[0] * linear->taps[1]; t++) {
        size_t row = t / linear->taps[1] + more[0];
        size_t column = t % linear->taps[1] + more[1];
        memcpy(made.w + (row * taps[1] + column) * cells, linear->w + t * cells,
               cells * sizeof *made.w);
    }
    memcpy(made.b, linear->b, linear->out * sizeof *made.b);
    tn__linear_release(linear);
    *linear = made;
    return TN_OK;
}

/* --- back into the graph --- */

tn_status tn__parameter_write(tn_model *model, size_t value, int rank,
                              const int64_t *dims, const double *numbers, tn_error *err)
{
    tn__shape shape = {.rank = rank};
    memcpy(shape.dims, dims, (size_t)rank * sizeof *dims);
    return tn__tensor_set_f64(&model->values[value].parameter, &shape, numbers, err);
}

/* numbers [weight as ONNX lays it out]. */
static void lay_out(double *numbers, const tn__linear *l, bool columns, double alpha)
{
    size_t taps = l->taps[0] * l->taps[1], cells = l->out * l->in;
    for (size_t c = 0; c < cells; c++) {
        size_t o = columns ? c % l->out : c / l->in;
        size_t i = columns ? c / l->out : c % l->in;
        for (size_t t = 0; t < taps; t++)
            numbers[c * taps + t] = l->w[t * cells + o * l->in + i] / alpha;
    }
}

static tn_status write_window(tn__node *node, const tn__linear *l, tn_error *err)
{
    const int64_t taps[2] = {(int64_t)l->taps[0], (int64_t)l->taps[1]};
    tn_status status = tn__node_set_ints(node, "kernel_shape", 2, taps, err);
    if (status == TN_OK)
        status = tn__node_set_ints(node, "pads", 4, l->pads, err);
    if (status == TN_OK)
        status = tn__node_set_ints(node, "strides", 2, l->strides, err);
    return status;
}

tn_status tn__linear_write(tn_model *model, size_t node, const tn__linear *linear,
                           tn_error *err)
{
    tn__node *n = &model->nodes[node];
    bool gemm = !strcmp(n->type, "Gemm");
    bool columns = gemm && !tn__node_int(n, "transB", 0);
    double alpha = gemm ? (double)tn__node_float(n, "alpha", 1) : 1;
    double beta = gemm ? (double)tn__node_float(n, "beta", 1) : 1;
    size_t taps = linear->taps[0] * linear->taps[1];
    size_t count = taps * linear->out * linear->in;
    int64_t dims[4] = {(int64_t)linear->out, (int64_t)linear->in,
                       (int64_t)linear->taps[0], (int64_t)linear->taps[1]};
    if (columns) {
        dims[0] = (int64_t)linear->in;
        dims[1] = (int64_t)linear->out;
    }
    double *numbers = tn__alloc(count + linear->out, sizeof *numbers);
    if (!numbers)
        return tn__fail_memory(err, count * sizeof *numbers);
    lay_out(numbers, linear, columns, alpha);
    tn_status status =
        tn__parameter_write(model, n->inputs[1], gemm ? 2 : 4, dims, numbers, err);
    const int64_t width[1] = {(int64_t)linear->out};
    double *bias = numbers + count;
    for (size_t o = 0; o < linear->out; o++)
        bias[o] = beta == 0 ? 0 : linear->b[o] / beta;
    if (status == TN_OK && n->input_count > 2 && n->inputs[2] != TN__NONE)
        status = tn__parameter_write(model, n->inputs[2], 1, width, bias, err);
    tn__free(numbers);
    if (status == TN_OK && !gemm)
        status = write_window(n, linear, err);
    return status;
}
