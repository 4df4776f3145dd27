/* transpose.c - Transpose: shapes, coupling rule and the one strided copy it is. */
#include "ops/transpose/transpose.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

tn_status tn__transpose_read(int perm[TN__MAX_RANK], const tn__site *site,
                             tn_error *err)
{
    int rank = site->in[0]->rank;
    bool seen[TN__MAX_RANK];
    tn__ints list;
    tn_status status = tn__ints_attr(&list, site, "perm", err);
    if (status)
        return status;
    if (list.given && list.count != (size_t)rank)
        return tn__fail(err, TN_ERROR_FORMAT, "'perm' has %zu elements, expected %d",
                        list.count, rank);
    if (list.given && (status = tn__axes_mark(seen, &list, rank, err)) != TN_OK)
        return status;
    for (int k = 0; k < rank; k++)
        perm[k] = list.given ? (int)(list.v[k] < 0 ? list.v[k] + rank : list.v[k])
                             : rank - 1 - k;
    return TN_OK;
}

static tn_status transpose_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    int perm[TN__MAX_RANK];
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__transpose_read(perm, site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape.rank = site->in[0]->rank;
    for (int k = 0; k < out->shape.rank; k++)
        out->shape.dims[k] = site->in[0]->dims[perm[k]];
    return TN_OK;
}

static tn_status transpose_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    int perm[TN__MAX_RANK];
    tn_status status = tn__transpose_read(perm, site, err);
    for (int k = 0; k < site->in[0]->rank && !status; k++)
        status = tn__couple_axes(c, 0, perm[k], TN__OUT(0), k,
                                 (size_t)site->out[0].dims[k], err);
    return status;
}

/* The input seen with the extent of the output. */
static tn_status read_view(tn__view *view, const tn__site *site, tn_error *err)
{
    int perm[TN__MAX_RANK];
    tn_status status = tn__transpose_read(perm, site, err);
    if (status)
        return status;
    tn__view in = tn__view_dense(site->in[0]);
    *view = (tn__view){0};
    for (int k = 0; k < site->in[0]->rank; k++)
        view->stride[k] = in.stride[perm[k]];
    return TN_OK;
}

static tn_status transpose_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                   const tn__site *site, tn_error *err)
{
    tn__view from;
    tn_status status = read_view(&from, site, err);
    return status ? status : tn__view_forward(out[0], in[0], &from, err);
}

static tn_status transpose_backward(tn__tensor *const *din,
                                    const tn__tensor *const *dout,
                                    const tn__tensor *const *in,
                                    const tn__tensor *const *out, const tn__site *site,
                                    tn_error *err)
{
    (void)in;
    (void)out;
    tn__view shown;
    tn_status status = read_view(&shown, site, err);
    if (!status && din[0])
        tn__view_backward(din[0], dout[0], &shown);
    return status;
}

const tn__op tn__op_transpose = {
    .type = "Transpose",
    .domain = "",
    .infer = transpose_infer,
    .couple = transpose_couple,
    .joint = true,
    .forward = transpose_forward,
    .backward = transpose_backward,
    .kernel = &tn__transpose_dnnl,
};
