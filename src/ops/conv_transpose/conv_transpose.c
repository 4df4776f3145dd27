/* conv_transpose.c - ConvTranspose: shapes, cost and coupling rule.
 *
 * extent = stride (in - 1) + output_padding + (kernel - 1) dilation + 1 - pads. Where
 * `output_shape` is given, or auto_pad asks for in * stride, the pads follow from it;
 * the odd one goes to the end for SAME_UPPER, else to the beginning.
 */
#include "ops/conv_transpose/conv_transpose.h"

#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

#define EXTENT_MAX (INT64_C(1) << 32)

typedef struct lists {
    tn__ints strides, dilations, pads, output_padding, output_shape;
    const char *auto_pad;
} lists;

static int64_t at_or(const tn__ints *list, int k, int64_t otherwise)
{
    return list->given ? list->v[k] : otherwise;
}

static tn_status read_lists(lists *l, const tn__site *site, int rank, tn_error *err)
{
    struct {
        const char *name;
        tn__ints *to;
        int count, least;
    } wanted[] = {{"strides", &l->strides, rank, 1},
                  {"dilations", &l->dilations, rank, 1},
                  {"pads", &l->pads, 2 * rank, 0},
                  {"output_padding", &l->output_padding, rank, 0},
                  {"output_shape", &l->output_shape, rank, 0}};
    l->auto_pad = tn__node_string(site->node, "auto_pad", "NOTSET");
    for (size_t i = 0; i < TN__COUNT(wanted); i++) {
        tn__ints *list = wanted[i].to;
        tn_status status = tn__ints_attr(list, site, wanted[i].name, err);
        if (status)
            return status;
        if (list->given && list->count != (size_t)wanted[i].count)
            return tn__fail(err, TN_ERROR_FORMAT, "'%s' has %zu elements, expected %d",
                            wanted[i].name, list->count, wanted[i].count);
        for (size_t k = 0; k < list->count; k++)
            if (list->v[k] < wanted[i].least || list->v[k] > EXTENT_MAX)
                return tn__fail(err, TN_ERROR_FORMAT, "'%s' holds %lld", wanted[i].name,
                                (long long)list->v[k]);
    }
    return TN_OK;
}

static tn_status set_axis(tn__window *w, const lists *l, int k, tn_error *err)
{
    bool same = strncmp(l->auto_pad, "SAME", 4) == 0;
    bool pads = strcmp(l->auto_pad, "NOTSET") == 0;
    w->stride[k] = at_or(&l->strides, k, 1);
    w->dilation[k] = at_or(&l->dilations, k, 1);
    int64_t full, grown, reach;
    if (__builtin_mul_overflow(w->stride[k], w->out[k] - 1, &grown) ||
        __builtin_mul_overflow(w->dilation[k], w->kernel[k] - 1, &reach) ||
        __builtin_add_overflow(grown, reach + 1, &full))
        return tn__fail(err, TN_ERROR_FORMAT, "axis %d would be too long", k + 2);
    full += at_or(&l->output_padding, k, 0);
    if (l->output_shape.given || same) {
        int64_t wanted = at_or(&l->output_shape, k, w->out[k] * w->stride[k]);
        int64_t total = TN__MAX(full - wanted, 0);
        bool upper = strcmp(l->auto_pad, "SAME_UPPER") == 0;
        w->begin[k] = upper ? total / 2 : total - total / 2;
        w->end[k] = total - w->begin[k];
        w->in[k] = wanted;
    } else {
        w->begin[k] = pads ? at_or(&l->pads, k, 0) : 0;
        w->end[k] = pads ? at_or(&l->pads, k + w->rank, 0) : 0;
        w->in[k] = full - w->begin[k] - w->end[k];
    }
    if (w->in[k] < 1 || w->in[k] > EXTENT_MAX)
        return tn__fail(err, TN_ERROR_FORMAT, "axis %d would have extent %lld", k + 2,
                        (long long)w->in[k]);
    return TN_OK;
}

tn_status tn__conv_transpose_read(tn__conv_transpose *out, const tn__site *site,
                                  tn_error *err)
{
    const tn__shape *x = site->in[0], *w = site->in[1];
    int64_t groups = tn__node_int(site->node, "group", 1);
    tn__conv_transpose conv = {.n = (size_t)x->dims[0], .c = (size_t)x->dims[1]};
    lists l;
    if (groups < 1 || x->dims[1] % groups != 0 || w->dims[0] != x->dims[1])
        return tn__fail(
            err, TN_ERROR_MISMATCH, "%lld channels in %lld groups, the weight has %lld",
            (long long)x->dims[1], (long long)groups, (long long)w->dims[0]);
    conv.groups = (size_t)groups;
    if (w->dims[1] > EXTENT_MAX || groups > EXTENT_MAX)
        return tn__fail(err, TN_ERROR_FORMAT, "too many channels");
    conv.o = (size_t)(w->dims[1] * groups);
    conv.window.rank = x->rank - 2;
    tn_status status = read_lists(&l, site, conv.window.rank, err);
    for (int k = 0; k < conv.window.rank && !status; k++) {
        conv.window.out[k] = x->dims[k + 2];
        conv.window.kernel[k] = w->dims[k + 2];
        if (x->dims[k + 2] < 1 || w->dims[k + 2] < 1)
            return tn__fail(err, TN_ERROR_MISMATCH, "axis %d is empty", k + 2);
        status = set_axis(&conv.window, &l, k, err);
    }
    if (!status)
        *out = conv;
    return status;
}

static tn_status conv_transpose_infer(tn__inferred *out, const tn__site *site,
                                      tn_error *err)
{
    tn__conv_transpose conv;
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 0, 1, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 3, TN__WINDOW_RANK + 2, err)) != TN_OK ||
        (status = tn__expect_rank(site, 1, site->in[0]->rank, site->in[0]->rank,
                                  err)) != TN_OK ||
        (status = tn__conv_transpose_read(&conv, site, err)) != TN_OK)
        return status;
    if (tn__site_in(site, 2) && (status = tn__expect_vector(site, 2, (int64_t)conv.o,
                                                            "channels", err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = (tn__shape){.rank = site->in[0]->rank,
                             .dims = {site->in[0]->dims[0], (int64_t)conv.o}};
    for (int k = 0; k < conv.window.rank; k++)
        out->shape.dims[k + 2] = conv.window.in[k];
    return TN_OK;
}

/* n * c * in * (o / groups) * taps */
static uint64_t conv_transpose_macs(const tn__site *site)
{
    const tn__shape *x = site->in[0], *w = site->in[1];
    uint64_t macs = 1;
    for (int k = 0; k < x->rank; k++)
        macs = tn__saturating_mul(macs, (uint64_t)x->dims[k]);
    for (int k = 1; k < w->rank; k++)
        macs = tn__saturating_mul(macs, (uint64_t)w->dims[k]);
    return macs;
}

/* With groups, neither side may move: the weight's axis 1 is shared by position. */
static tn_status conv_transpose_couple(tn__coupling *c, const tn__site *site,
                                       tn_error *err)
{
    tn__conv_transpose conv;
    tn_status status = tn__conv_transpose_read(&conv, site, err);
    if (status)
        return status;
    c->role(c, 1, 1, TN__PRODUCER);
    c->role(c, 1, 0, TN__CONSUMER);
    if (conv.groups > 1) {
        const char *why = "grouped transposed convolution";
        if ((status = tn__couple_freeze(c, site, 0, why, err)) != TN_OK ||
            (status = tn__couple_freeze(c, site, 1, why, err)) != TN_OK ||
            (status = tn__couple_freeze(c, site, TN__OUT(0), why, err)) != TN_OK)
            return status;
        return tn__site_in(site, 2) ? tn__couple_freeze(c, site, 2, why, err) : TN_OK;
    }
    if ((status = tn__couple_axes(c, 0, 0, TN__OUT(0), 0, conv.n, err)) != TN_OK ||
        (status = tn__couple_axes(c, 0, 1, 1, 0, conv.c, err)) != TN_OK ||
        (status = tn__couple_axes(c, 1, 1, TN__OUT(0), 1, conv.o, err)) != TN_OK)
        return status;
    if (tn__site_in(site, 2)) {
        c->role(c, 2, 0, TN__PRODUCER);
        status = tn__couple_axes(c, 2, 0, TN__OUT(0), 1, conv.o, err);
    }
    for (int operand = -1; operand < 2 && !status; operand++)
        status = tn__window_freeze(c, site, operand, err);
    return status;
}

const tn__op tn__op_conv_transpose = {
    .type = "ConvTranspose",
    .domain = "",
    .infer = conv_transpose_infer,
    .macs = conv_transpose_macs,
    .couple = conv_transpose_couple,
    .forward = tn__conv_transpose_forward,
    .backward = tn__conv_transpose_backward,
};
