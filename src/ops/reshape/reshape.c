/* reshape.c - Reshape, Flatten, Squeeze and Unsqueeze: the family that keeps the
 * elements in their order and changes the shape only. They differ in their infer(). */

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

static tn_status reshape_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = tn__couple_reshape(c, site, 0, err);
    if (!status && tn__site_in(site, 1))
        status = tn__couple_freeze(c, site, 1, "shape", err);
    return status;
}

static tn_status fail_count(const tn__shape *in, const tn__ints *to, tn_error *err)
{
    tn__shape wanted = {.rank = (int)TN__MIN(to->count, TN__MAX_RANK)};
    for (int k = 0; k < wanted.rank; k++)
        wanted.dims[k] = to->v[k];
    char from[TN__SHAPE_TEXT], onto[TN__SHAPE_TEXT];
    return tn__fail(err, TN_ERROR_MISMATCH, "cannot reshape %s to %s",
                    tn__shape_text(from, sizeof from, in),
                    tn__shape_text(onto, sizeof onto, &wanted));
}

/* Puts in 0 (the input's extent, unless `zero_is_zero`) and -1 (what remains). */
static tn_status resolve(tn__shape *out, const tn__shape *in, const tn__ints *to,
                         bool zero_is_zero, tn_error *err)
{
    tn__shape shape = {.rank = (int)to->count};
    size_t count, rest = 1;
    int open = -1;
    if (!tn__shape_count(&count, in))
        return fail_count(in, to, err);
    for (int k = 0; k < shape.rank; k++) {
        int64_t dim = to->v[k];
        if (dim == 0 && !zero_is_zero && k >= in->rank)
            return fail_count(in, to, err);
        shape.dims[k] = dim == 0 && !zero_is_zero ? in->dims[k] : dim;
        if (dim < -1 || (dim == -1 && open >= 0))
            return fail_count(in, to, err);
        if (dim == -1)
            open = k;
        else if (!tn__mul(&rest, rest, (size_t)shape.dims[k]))
            return fail_count(in, to, err);
    }
    if (open >= 0) {
        if (rest == 0 || count % rest != 0)
            return fail_count(in, to, err);
        shape.dims[open] = (int64_t)(count / rest);
    } else if (rest != count) {
        return fail_count(in, to, err);
    }
    *out = shape;
    return TN_OK;
}

static tn_status reshape_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__ints to;
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__ints_input(&to, site, 1, "shape", err)) != TN_OK)
        return status;
    if (to.count > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'shape' has %zu elements, expected at most %d", to.count,
                        TN__MAX_RANK);
    out->dtype = site->in_dtype[0];
    bool zero_is_zero = tn__node_int(site->node, "allowzero", 0) != 0;
    return resolve(&out->shape, site->in[0], &to, zero_is_zero, err);
}

static tn_status flatten_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    const tn__shape *in = site->in[0];
    int64_t axis = tn__node_int(site->node, "axis", 1);
    if (axis < -in->rank || axis > in->rank)
        return tn__fail(err, TN_ERROR_FORMAT, "axis %lld is not in [%d, %d]",
                        (long long)axis, -in->rank, in->rank);
    axis = axis < 0 ? axis + in->rank : axis;
    out->dtype = site->in_dtype[0];
    out->shape = (tn__shape){.rank = 2, .dims = {1, 1}};
    for (int k = 0; k < in->rank; k++)
        out->shape.dims[k < axis ? 0 : 1] *= in->dims[k];
    return TN_OK;
}

static tn_status squeeze_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__ints axes;
    bool gone[TN__MAX_RANK];
    const tn__shape *in = site->input_count ? site->in[0] : NULL;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__ints_either(&axes, site, "axes", 13, 1, err)) != TN_OK ||
        (status = tn__axes_mark(gone, &axes, in->rank, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    for (int k = 0; k < in->rank; k++) {
        if (gone[k] && in->dims[k] != 1)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "cannot squeeze axis %d, whose extent is %lld", k,
                            (long long)in->dims[k]);
        if (axes.given ? !gone[k] : in->dims[k] != 1)
            out->shape.dims[out->shape.rank++] = in->dims[k];
    }
    return TN_OK;
}

static tn_status unsqueeze_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__ints axes;
    bool added[TN__MAX_RANK];
    const tn__shape *in = site->input_count ? site->in[0] : NULL;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__ints_either(&axes, site, "axes", 13, 1, err)) != TN_OK)
        return status;
    if (!axes.given)
        return tn__fail(err, TN_ERROR_FORMAT, "'axes' is missing");
    if (axes.count > (size_t)(TN__MAX_RANK - in->rank))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "%zu new axes on %d, expected at most %d in all", axes.count,
                        in->rank, TN__MAX_RANK);
    int rank = in->rank + (int)axes.count, from = 0;
    if ((status = tn__axes_mark(added, &axes, rank, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape.rank = rank;
    for (int k = 0; k < rank; k++)
        out->shape.dims[k] = added[k] ? 1 : in->dims[from++];
    return TN_OK;
}

#define RESHAPE(name, shapes)                                                          \
    {                                                                                  \
        .type = name, .domain = "", .infer = shapes, .couple = reshape_couple,         \
        .joint = true, .forward = tn__same_forward, .backward = tn__same_backward,     \
        .kernel = &tn__same_dnnl                                                       \
    }

const tn__op tn__op_reshape = RESHAPE("Reshape", reshape_infer);
const tn__op tn__op_flatten = RESHAPE("Flatten", flatten_infer);
const tn__op tn__op_squeeze = RESHAPE("Squeeze", squeeze_infer);
const tn__op tn__op_unsqueeze = RESHAPE("Unsqueeze", unsqueeze_infer);
