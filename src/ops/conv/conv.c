/* conv.c - Conv: shapes, cost and coupling rule. Any group, stride, dilation and
 * padding, 1 to 3 spatial axes. */
#include "ops/conv/conv.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

static tn_status check_channels(const tn__site *site, int64_t groups, tn_error *err)
{
    const tn__shape *x = site->in[0], *w = site->in[1];
    if (groups < 1)
        return tn__fail(err, TN_ERROR_FORMAT, "'group' is %lld, expected at least 1",
                        (long long)groups);
    if (w->dims[0] < 1 || w->dims[0] % groups != 0)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "%lld output channels do not divide into %lld groups",
                        (long long)w->dims[0], (long long)groups);
    int64_t wanted = 0;
    if (w->dims[1] < 1 || __builtin_mul_overflow(w->dims[1], groups, &wanted) ||
        x->dims[1] != wanted)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "expected %lld input channels in %lld groups, found %lld",
                        (long long)wanted, (long long)groups, (long long)x->dims[1]);
    return TN_OK;
}

tn_status tn__conv_read(tn__conv *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 0, 1, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 3, 2 + TN__WINDOW_RANK, err)) != TN_OK)
        return status;
    const tn__shape *x = site->in[0], *w = site->in[1];
    int64_t groups = tn__node_int(site->node, "group", 1);
    if ((status = tn__expect_rank(site, 1, x->rank, x->rank, err)) != TN_OK ||
        (status = check_channels(site, groups, err)) != TN_OK)
        return status;
    tn__conv conv = {.n = (size_t)x->dims[0],
                     .c = (size_t)x->dims[1],
                     .o = (size_t)w->dims[0],
                     .groups = (size_t)groups,
                     .bias = tn__site_in(site, 2) != NULL};
    if (conv.bias)
        status = tn__expect_vector(site, 2, w->dims[0], "biases", err);
    if (!status)
        status = tn__window_read(&conv.window, site, &w->dims[2], err);
    if (!status)
        *out = conv;
    return status;
}

static tn_status conv_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__conv conv;
    tn_status status = tn__conv_read(&conv, site, err);
    if (status)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape.rank = site->in[0]->rank;
    out->shape.dims[0] = (int64_t)conv.n;
    out->shape.dims[1] = (int64_t)conv.o;
    for (int k = 0; k < conv.window.rank; k++)
        out->shape.dims[k + 2] = conv.window.out[k];
    return TN_OK;
}

/* n * o * out * (c / groups) * taps */
static uint64_t conv_macs(const tn__site *site)
{
    const tn__shape *w = site->in[1], *y = &site->out[0];
    uint64_t macs = 1;
    for (int k = 0; k < y->rank; k++)
        macs = tn__saturating_mul(macs, (uint64_t)y->dims[k]);
    for (int k = 1; k < w->rank; k++)
        macs = tn__saturating_mul(macs, (uint64_t)w->dims[k]);
    return macs;
}

/* How the input's channels lie on the weight: axis 1, for a depthwise convolution axis
 * 0 in blocks, else the axis of op.h that strings the groups together. */
static tn_status couple_input(tn__coupling *c, const tn__conv *conv, int rank,
                              tn_error *err)
{
    tn_status status = TN_OK;
    if (conv->groups == 1 || conv->groups != conv->c) {
        int axis = conv->groups == 1 ? 1 : rank;
        c->role(c, 1, 0, TN__PRODUCER);
        c->role(c, 1, axis, TN__CONSUMER);
        return tn__couple_axes(c, 0, 1, 1, axis, conv->c, err);
    }
    size_t multiplier = conv->o / conv->c;
    for (size_t i = 0; i < conv->o && !status; i++)
        status =
            c->tie(c, (tn__spot){0, 1, i / multiplier}, (tn__spot){1, 0, i}, 1, err);
    return status;
}

static tn_status conv_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__conv conv;
    tn_status status;
    if ((status = tn__conv_read(&conv, site, err)) != TN_OK ||
        (status = tn__couple_axes(c, 0, 0, TN__OUT(0), 0, conv.n, err)) != TN_OK ||
        (status = couple_input(c, &conv, site->in[1]->rank, err)) != TN_OK ||
        (status = tn__couple_axes(c, 1, 0, TN__OUT(0), 1, conv.o, err)) != TN_OK)
        return status;
    bool depthwise = conv.groups > 1 && conv.groups == conv.c;
    if (conv.bias) {
        c->role(c, 2, 0, depthwise ? TN__CARRIER : TN__PRODUCER);
        if ((status = tn__couple_axes(c, 1, 0, 2, 0, conv.o, err)) != TN_OK)
            return status;
    }
    if ((status = tn__window_freeze(c, site, 0, err)) != TN_OK ||
        (status = tn__window_freeze(c, site, 1, err)) != TN_OK)
        return status;
    return tn__window_freeze(c, site, TN__OUT(0), err);
}

const tn__op tn__op_conv = {
    .type = "Conv",
    .domain = "",
    .infer = conv_infer,
    .macs = conv_macs,
    .couple = conv_couple,
    .joint = true,
    .forward = tn__conv_forward,
    .backward = tn__conv_backward,
    .kernel = &tn__conv_dnnl,
};
