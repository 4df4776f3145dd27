/* adapter.c - stitches as nodes of a graph.
 *
 * Where grids differ by a whole factor cells are averaged, else nearest neighbours are
 * taken, so that every block runs on the grid it was trained on and costs of blocks and
 * stitches add up. The published stitch has a random stride instead and lets the block
 * run at whatever size arrives.
 */
#include "assemble/adapter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 96

static tn__form form_of(const tn__shape *shape)
{
    const int64_t *d = shape->dims;
    if (shape->rank == 4)
        return (tn__form){TN__MAP, d[1], d[2], d[3]};
    if (shape->rank != 3)
        return (tn__form){TN__VECTOR, d[1], 1, 1};
    int64_t side = (int64_t)floor(sqrt((double)d[1]) + 0.5);
    bool square = side * side == d[1];
    return (tn__form){TN__TOKENS, d[2], square ? side : d[1], square ? side : 1};
}

static bool same_grid(const tn__form *a, const tn__form *b)
{
    return a->height == b->height && a->width == b->width;
}

static bool both_tokens(const tn__adapter *a)
{
    return a->from.layout == TN__TOKENS && a->to.layout == TN__TOKENS &&
           same_grid(&a->from, &a->to);
}

static bool off_grid(const tn__form *form)
{
    return form->layout == TN__TOKENS && form->width == 1 && form->height > 1;
}

bool tn__adapter_plan(tn__adapter *out, const tn__shape *from, const tn__shape *to)
{
    if (from->rank < 2 || from->rank > 4 || to->rank < 2 || to->rank > 4)
        return false;
    tn__adapter a = {form_of(from), form_of(to), 1, false};
    if (a.from.layout == TN__VECTOR && a.to.layout != TN__VECTOR)
        return false;
    if (!both_tokens(&a) && (off_grid(&a.from) || off_grid(&a.to)))
        return false;
    if (a.to.layout != TN__VECTOR && !same_grid(&a.from, &a.to)) {
        int64_t step = a.from.height / a.to.height;
        a.nearest = step < 1 || a.from.height != step * a.to.height ||
                    a.from.width != step * a.to.width;
        a.pool = a.nearest ? 1 : step;
    }
    *out = a;
    return true;
}

tn__cost tn__adapter_cost(const tn__adapter *a)
{
    int64_t weights = a->from.channels * a->to.channels;
    int64_t positions = a->to.layout == TN__VECTOR ? 1 : a->to.height * a->to.width;
    int64_t widest = TN__MAX(a->from.channels * a->from.height * a->from.width,
                             a->to.channels * positions);
    return (tn__cost){.params = weights + a->to.channels,
                      .macs = weights * positions,
                      .peak = 2 * widest * (int64_t)sizeof(float)};
}

/* --- nodes -------------------------------------------------------------------------
 */

/* Appends a node whose second input is a parameter; type names it too. */
static tn_status append(size_t *out, tn__splice *s, const char *type, const char *name,
                        const tn__tensor *parameter, tn_error *err)
{
    size_t inputs[2] = {s->end, 0}, number = 0;
    char text[NAME_SIZE];
    tn_status status = TN_OK;
    snprintf(text, sizeof text, "%s.%s.operand", name, type);
    if (parameter)
        status = tn__model_add_parameter(&inputs[1], s->model, text, parameter, err);
    snprintf(text, sizeof text, "%s.%s", name, type);
    if (status == TN_OK)
        status =
            tn__splice_node(&number, s, type, text, parameter ? 2 : 1, inputs, err);
    if (status == TN_OK && out)
        *out = number;
    return status;
}

static tn_status append_ints(size_t *out, tn__splice *s, const char *type,
                             const char *name, size_t count, const int64_t *ints,
                             tn_error *err)
{
    tn__tensor tensor = {0};
    tn_status status =
        tn__tensor_create(&tensor, TN_I64, 1, (int64_t[]){(int64_t)count}, err);
    void *data = NULL;
    if (status == TN_OK)
        status = tn__tensor_write(&tensor, &data, err);
    if (status == TN_OK) {
        memcpy(data, ints, count * sizeof *ints);
        status = append(out, s, type, name, &tensor, err);
    }
    tn__tensor_release(&tensor);
    return status;
}

tn_status tn__channels_first(tn__splice *splice, const char *name, tn_error *err)
{
    size_t node = 0;
    const int64_t order[3] = {0, 2, 1};
    tn_status status = append(&node, splice, "Transpose", name, NULL, err);
    if (status != TN_OK)
        return status;
    return tn__node_set_ints(&splice->model->nodes[node], "perm", 3, order, err);
}

/* Rows or columns of the nearest neighbours. */
static tn_status gather(tn__splice *s, const char *name, int axis, int64_t from,
                        int64_t to, tn_error *err)
{
    size_t node = 0;
    char text[NAME_SIZE];
    int64_t *index = tn__alloc((size_t)to, sizeof *index);
    if (!index)
        return tn__fail_memory(err, (size_t)to * sizeof *index);
    for (int64_t i = 0; i < to; i++)
        index[i] = (2 * i + 1) * from / (2 * to);
    snprintf(text, sizeof text, "%s.%s", name, axis == 2 ? "rows" : "columns");
    tn_status status = append_ints(&node, s, "Gather", text, (size_t)to, index, err);
    tn__free(index);
    if (status != TN_OK)
        return status;
    return tn__node_set_int(&s->model->nodes[node], "axis", axis, err);
}

static tn_status average(tn__splice *s, const char *name, int64_t side, tn_error *err)
{
    size_t node = 0;
    const int64_t window[2] = {side, side};
    tn_status status = append(&node, s, "AveragePool", name, NULL, err);
    tn__node *made = status == TN_OK ? &s->model->nodes[node] : NULL;
    if (status == TN_OK)
        status = tn__node_set_ints(made, "kernel_shape", 2, window, err);
    return status ? status : tn__node_set_ints(made, "strides", 2, window, err);
}

tn_status tn__adapter_regrid(tn__splice *splice, const tn__adapter *a, const char *name,
                             tn_error *err)
{
    tn_status status = TN_OK;
    bool tokens = a->from.layout == TN__TOKENS && !both_tokens(a);
    int64_t grid[4] = {0, a->from.channels, a->from.height, a->from.width};
    if (tokens)
        status = tn__channels_first(splice, name, err);
    if (tokens && status == TN_OK)
        status = append_ints(NULL, splice, "Reshape", name, 4, grid, err);
    if (a->to.layout == TN__VECTOR && a->from.layout != TN__VECTOR) {
        if (status == TN_OK)
            status = append(NULL, splice, "GlobalAveragePool", name, NULL, err);
        return status ? status : append(NULL, splice, "Flatten", name, NULL, err);
    }
    if (status == TN_OK && a->pool > 1)
        status = average(splice, name, a->pool, err);
    if (status == TN_OK && a->nearest)
        status = gather(splice, name, 2, a->from.height, a->to.height, err);
    if (status == TN_OK && a->nearest)
        status = gather(splice, name, 3, a->from.width, a->to.width, err);
    return status;
}

/* The weight as the layer wants it: [to, from], [to, from, 1, 1], or [from, to]. */
static tn_status weight_tensor(tn__tensor *out, const tn__adapter *a,
                               const float *weight, bool conv, bool turned,
                               tn_error *err)
{
    int64_t rows = a->to.channels, columns = a->from.channels;
    int64_t dims[4] = {turned ? columns : rows, turned ? rows : columns, 1, 1};
    tn_status status = tn__tensor_create(out, TN_F32, conv ? 4 : 2, dims, err);
    float *w = status == TN_OK ? tn__tensor_f32(out) : NULL;
    for (int64_t i = 0; w && i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            w[turned ? j * rows + i : i * columns + j] = weight[i * columns + j];
    return status;
}

/* Conv and Gemm take their bias themselves. */
static tn_status append_layer(tn__splice *s, const char *type, const char *name,
                              const tn__tensor *weight, const tn__tensor *bias,
                              tn_error *err)
{
    char text[NAME_SIZE];
    size_t inputs[3] = {s->end, 0, 0}, node = 0;
    snprintf(text, sizeof text, "%s.weight", name);
    tn_status status = tn__model_add_parameter(&inputs[1], s->model, text, weight, err);
    snprintf(text, sizeof text, "%s.bias", name);
    if (status == TN_OK)
        status = tn__model_add_parameter(&inputs[2], s->model, text, bias, err);
    snprintf(text, sizeof text, "%s.%s", name, type);
    if (status == TN_OK)
        status = tn__splice_node(&node, s, type, text, 3, inputs, err);
    if (status == TN_OK && !strcmp(type, "Gemm"))
        status = tn__node_set_int(&s->model->nodes[node], "transB", 1, err);
    return status;
}

tn_status tn__adapter_map(tn__splice *splice, const tn__adapter *a, const float *weight,
                          const float *bias, const char *name, tn_error *err)
{
    tn__tensor w = {0}, b = {0};
    bool tokens = both_tokens(a), conv = !tokens && a->to.layout != TN__VECTOR;
    tn_status status = weight_tensor(&w, a, weight, conv, tokens, err);
    if (status == TN_OK)
        status = tn__tensor_create(&b, TN_F32, 1, &a->to.channels, err);
    if (status == TN_OK)
        memcpy(tn__tensor_f32(&b), bias, (size_t)a->to.channels * sizeof *bias);
    if (status == TN_OK && !tokens)
        status = append_layer(splice, conv ? "Conv" : "Gemm", name, &w, &b, err);
    if (status == TN_OK && tokens)
        status = append(NULL, splice, "MatMul", name, &w, err);
    if (status == TN_OK && tokens)
        status = append(NULL, splice, "Add", name, &b, err);
    tn__tensor_release(&w);
    tn__tensor_release(&b);
    if (status != TN_OK || tokens || a->to.layout != TN__TOKENS)
        return status;
    char text[NAME_SIZE];
    int64_t flat[3] = {0, a->to.channels, a->to.height * a->to.width};
    snprintf(text, sizeof text, "%s.tokens", name);
    status = append_ints(NULL, splice, "Reshape", text, 3, flat, err);
    return status ? status : tn__channels_first(splice, text, err);
}
