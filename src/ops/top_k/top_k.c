/* top_k.c - TopK: the k largest (or smallest) elements of an axis, and where they are.
 * Of equal ones those of lower index come first. The gradient of the values goes back
 * to where they came from. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

typedef struct top_k {
    int axis;
    int64_t k;
    bool largest;
    size_t outer, n, inner; /* of the input */
} top_k;

static tn_status read_k(int64_t *k, const tn__site *site, tn_error *err)
{
    const tn__tensor *given = tn__site_constant(site, 1);
    if (site->opset < 10) {
        *k = tn__node_int(site->node, "k", -1);
        return TN_OK;
    }
    if (!given || tn__tensor_count(given) != 1)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'K' is no single number known at compile time");
    *k = tn__tensor_get_i64(given, 0);
    return TN_OK;
}

static tn_status read_top_k(top_k *t, const tn__site *site, tn_error *err)
{
    const tn__shape *x = site->in[0];
    *t = (top_k){
        .largest = tn__node_int(site->node, "largest", 1) != 0, .outer = 1, .inner = 1};
    tn_status status = read_k(&t->k, site, err);
    if (!status)
        status = tn__axis_resolve(&t->axis, tn__node_int(site->node, "axis", -1),
                                  x->rank, err);
    if (status)
        return status;
    t->n = (size_t)x->dims[t->axis];
    for (int a = 0; a < x->rank; a++)
        if (a != t->axis)
            *(a < t->axis ? &t->outer : &t->inner) *= (size_t)x->dims[a];
    if (t->k < 0 || (size_t)t->k > t->n)
        return tn__fail(err, TN_ERROR_MISMATCH, "k is %lld on an axis of %zu",
                        (long long)t->k, t->n);
    return TN_OK;
}

static tn_status top_k_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    top_k t;
    tn_status status;
    size_t inputs = site->opset < 10 ? 1 : 2;
    if ((status = tn__expect_inputs(site, inputs, inputs, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 1, TN__MAX_RANK, err)) != TN_OK ||
        (status = read_top_k(&t, site, err)) != TN_OK)
        return status;
    if (site->output_count > 2)
        return tn__fail(err, TN_ERROR_FORMAT, "%zu outputs, expected 2",
                        site->output_count);
    for (size_t k = 0; k < site->output_count; k++) {
        out[k].shape = *site->in[0];
        out[k].shape.dims[t.axis] = t.k;
        out[k].dtype = k ? TN_I64 : site->in_dtype[0];
    }
    return TN_OK;
}

/* The axis is sorted: it may not move. */
static tn_status top_k_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    top_k t;
    tn_status status = read_top_k(&t, site, err);
    for (int o = 0; o < (int)site->output_count && !status; o++) {
        if (site->node->outputs[o] == TN__NONE)
            continue;
        for (int a = 0; a < site->in[0]->rank && !status; a++)
            status = a == t.axis ? c->freeze(c, TN__OUT(o), a, "sorted axis", err)
                                 : tn__couple_axes(c, 0, a, TN__OUT(o), a,
                                                   (size_t)site->in[0]->dims[a], err);
    }
    if (!status)
        status = c->freeze(c, 0, t.axis, "sorted axis", err);
    if (!status && tn__site_in(site, 1))
        status = tn__couple_freeze(c, site, 1, "k", err);
    return status;
}

typedef struct ranked {
    float value; /* larger is better */
    int64_t index;
} ranked;

static int better_first(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Sorts one line of the input, whose elements are `inner` apart. */
static void rank_line(ranked *line, const float *x, const top_k *t)
{
    for (size_t i = 0; i < t->n; i++) {
        float v = x[i * t->inner];
        line[i] = (ranked){t->largest ? v : -v, (int64_t)i};
    }
    qsort(line, t->n, sizeof *line, better_first);
}

static tn_status top_k_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    top_k t;
    void *indices = NULL;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = read_top_k(&t, site, err)) != TN_OK ||
        (site->output_count > 1 && out[1] &&
         (status = tn__tensor_write(out[1], &indices, err)) != TN_OK))
        return status;
    ranked *line = tn__alloc(t.n, sizeof *line);
    if (!line)
        return tn__fail_memory(err, t.n * sizeof *line);
    float *values = out[0] ? tn__tensor_f32(out[0]) : NULL;
    for (size_t o = 0; o < t.outer; o++)
        for (size_t i = 0; i < t.inner; i++) {
            const float *x = tn__tensor_f32_const(in[0]) + o * t.n * t.inner + i;
            rank_line(line, x, &t);
            for (size_t k = 0; k < (size_t)t.k; k++) {
                size_t at = (o * (size_t)t.k + k) * t.inner + i;
                if (values)
                    values[at] = x[(size_t)line[k].index * t.inner];
                if (indices)
                    ((int64_t *)indices)[at] = line[k].index;
            }
        }
    tn__free(line);
    return TN_OK;
}

static tn_status top_k_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    top_k t;
    (void)out;
    tn_status status = read_top_k(&t, site, err);
    if (status || !din[0])
        return status;
    ranked *line = tn__alloc(t.n, sizeof *line);
    if (!line)
        return tn__fail_memory(err, t.n * sizeof *line);
    float *dx = tn__tensor_f32(din[0]);
    const float *dy = dout[0] ? tn__tensor_f32_const(dout[0]) : NULL;
    memset(dx, 0, tn__tensor_bytes(din[0]));
    for (size_t o = 0; o < t.outer && dy; o++)
        for (size_t i = 0; i < t.inner; i++) {
            size_t first = o * t.n * t.inner + i;
            rank_line(line, tn__tensor_f32_const(in[0]) + first, &t);
            for (size_t k = 0; k < (size_t)t.k; k++)
                dx[first + (size_t)line[k].index * t.inner] =
                    dy[(o * (size_t)t.k + k) * t.inner + i];
        }
    tn__free(line);
    return TN_OK;
}

const tn__op tn__op_top_k = {
    .type = "TopK",
    .domain = "",
    .infer = top_k_infer,
    .couple = top_k_couple,
    .forward = top_k_forward,
    .backward = top_k_backward,
};
