/* expand.c - Expand: an array stretched to a shape that broadcasting gives it. The
 * shape must be known at compile time. */
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status read_shape(tn__shape *out, const tn__site *site, tn_error *err)
{
    tn__ints list;
    tn_status status = tn__ints_input(&list, site, 1, "shape", err);
    if (status)
        return status;
    if (list.count > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'shape' has %zu elements, expected at most %d", list.count,
                        TN__MAX_RANK);
    *out = (tn__shape){.rank = (int)list.count};
    for (size_t k = 0; k < list.count; k++)
        out->dims[k] = list.v[k];
    return TN_OK;
}

static tn_status expand_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__shape wanted;
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = read_shape(&wanted, site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    return tn__broadcast_shape(&out->shape, site->in[0], &wanted, err);
}

/* Axes whose extent the shape spells out are frozen: it would no longer fit. */
static tn_status expand_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__shape wanted;
    tn_status status = read_shape(&wanted, site, err);
    int shift = site->out[0].rank - wanted.rank;
    for (int k = 0; k < wanted.rank && !status; k++)
        if (wanted.dims[k] != 1)
            status = c->freeze(c, TN__OUT(0), k + shift, "extent of an expansion", err);
    if (!status)
        status = tn__couple_broadcast(c, site, 0, err);
    if (!status)
        status = tn__couple_freeze(c, site, 1, "shape", err);
    return status;
}

static tn_status expand_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                const tn__site *site, tn_error *err)
{
    (void)site;
    tn__view from = tn__view_broadcast(&in[0]->shape, &out[0]->shape);
    return tn__view_forward(out[0], in[0], &from, err);
}

static tn_status expand_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                 const tn__tensor *const *in,
                                 const tn__tensor *const *out, const tn__site *site,
                                 tn_error *err)
{
    (void)out;
    (void)site;
    if (!din[0])
        return TN_OK;
    tn__view shown = tn__view_broadcast(&in[0]->shape, &dout[0]->shape);
    return tn__view_backward_sum(din[0], dout[0], &shown, err);
}

const tn__op tn__op_expand = {
    .type = "Expand",
    .domain = "",
    .infer = expand_infer,
    .couple = expand_couple,
    .joint = true,
    .forward = expand_forward,
    .backward = expand_backward,
};
