/* arg_max.c - ArgMax and ArgMin: where the largest or smallest element of an axis is.
 * No gradient passes. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

static tn_status read_axis(int *axis, const tn__site *site, tn_error *err)
{
    return tn__axis_resolve(axis, tn__node_int(site->node, "axis", 0),
                            site->in[0]->rank, err);
}

static tn_status arg_max_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    int axis;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = read_axis(&axis, site, err)) != TN_OK)
        return status;
    bool keep = tn__node_int(site->node, "keepdims", 1) != 0;
    if (site->in[0]->dims[axis] == 0)
        return tn__fail(err, TN_ERROR_MISMATCH, "axis %d is empty", axis);
    out->dtype = TN_I64;
    for (int k = 0; k < site->in[0]->rank; k++)
        if (keep || k != axis)
            out->shape.dims[out->shape.rank++] = k == axis ? 1 : site->in[0]->dims[k];
    return TN_OK;
}

/* The axis is numbered: it may not move. */
static tn_status arg_max_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    int axis, to = 0;
    tn_status status = read_axis(&axis, site, err);
    bool keep = tn__node_int(site->node, "keepdims", 1) != 0;
    for (int k = 0; k < site->in[0]->rank && !status; k++) {
        status = k == axis ? c->freeze(c, 0, k, "numbered axis", err)
                           : tn__couple_axes(c, 0, k, TN__OUT(0), to,
                                             (size_t)site->in[0]->dims[k], err);
        to += keep || k != axis;
    }
    return status;
}

/* The first (or last) of the best of n elements, `step` apart. */
static int64_t best_of(const float *x, size_t n, size_t step, bool least, bool last)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        float v = x[i * step], so_far = x[best * step];
        bool better = least ? v < so_far : v > so_far;
        best = better || (last && v == so_far) ? i : best;
    }
    return (int64_t)best;
}

static tn_status arg_max_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err)
{
    int axis;
    void *data;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = read_axis(&axis, site, err)) != TN_OK ||
        (status = tn__tensor_write(out[0], &data, err)) != TN_OK)
        return status;
    bool least = strcmp(site->node->type, "ArgMin") == 0;
    bool last = tn__node_int(site->node, "select_last_index", 0) != 0;
    size_t outer = 1, inner = 1, n = (size_t)site->in[0]->dims[axis];
    for (int k = 0; k < site->in[0]->rank; k++)
        if (k != axis)
            *(k < axis ? &outer : &inner) *= (size_t)site->in[0]->dims[k];
    const float *x = tn__tensor_f32_const(in[0]);
    int64_t *y = data;
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++)
            *y++ = best_of(x + o * n * inner + i, n, inner, least, last);
    return TN_OK;
}

#define ARG_MAX(name)                                                                  \
    {                                                                                  \
        .type = name, .domain = "", .infer = arg_max_infer, .couple = arg_max_couple,  \
        .forward = arg_max_forward                                                     \
    }

const tn__op tn__op_arg_max = ARG_MAX("ArgMax");
const tn__op tn__op_arg_min = ARG_MAX("ArgMin");
