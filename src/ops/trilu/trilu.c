/* trilu.c - Trilu: the upper or lower triangle of the last two axes, the rest 0.
 * Element (i, j) stays where j - i >= k (upper) or j - i <= k (lower). */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

static tn_status trilu_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 2, TN__MAX_RANK, err)) != TN_OK)
        return status;
    const tn__tensor *k = tn__site_constant(site, 1);
    if (tn__site_in(site, 1) && (!k || tn__tensor_count(k) != 1))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'k' is no single number known at compile time");
    out->shape = *site->in[0];
    out->dtype = site->in_dtype[0];
    return TN_OK;
}

static tn_status trilu_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    int rank = site->in[0]->rank;
    tn_status status = TN_OK;
    for (int a = 0; a < rank && !status; a++) {
        if (a < rank - 2) {
            status = tn__couple_axes(c, 0, a, TN__OUT(0), a,
                                     (size_t)site->in[0]->dims[a], err);
            continue;
        }
        status = c->freeze(c, 0, a, "axis of a triangle", err);
        if (!status)
            status = c->freeze(c, TN__OUT(0), a, "axis of a triangle", err);
    }
    if (!status && tn__site_in(site, 1))
        status = tn__couple_freeze(c, site, 1, "k", err);
    return status;
}

/* to = the triangle of from. */
static tn_status cut(tn__tensor *to, const tn__tensor *from, const tn__site *site,
                     tn_error *err)
{
    const tn__shape *shape = site->in[0];
    const tn__tensor *offset = tn__site_constant(site, 1);
    bool upper = tn__node_int(site->node, "upper", 1) != 0;
    int64_t k = offset ? tn__tensor_get_i64(offset, 0) : 0;
    int64_t rows = shape->dims[shape->rank - 2], columns = shape->dims[shape->rank - 1];
    size_t size = tn__dtype_size(from->dtype), count = tn__tensor_count(from);
    const char *source = tn__tensor_data(from);
    void *data;
    tn_status status = tn__tensor_write(to, &data, err);
    if (status)
        return status;
    for (size_t n = 0; n < count; n++) {
        int64_t j = (int64_t)n % columns, i = (int64_t)n / columns % rows;

        bool kept = upper ? k <= j - i : k >= j - i;
        if (kept)
            memcpy((char *)data + n * size, source + n * size, size);
        else
            memset((char *)data + n * size, 0, size);
    }
    return TN_OK;
}

static tn_status trilu_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    return cut(out[0], in[0], site, err);
}

static tn_status trilu_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    (void)in;
    (void)out;
    return din[0] ? cut(din[0], dout[0], site, err) : TN_OK;
}

const tn__op tn__op_trilu = {
    .type = "Trilu",
    .domain = "",
    .infer = trilu_infer,
    .couple = trilu_couple,
    .forward = trilu_forward,
    .backward = trilu_backward,
};
