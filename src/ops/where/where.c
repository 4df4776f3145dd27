/* where.c - Where: elements of one array or another, as a condition says; all three are
 * broadcast against each other. No gradient reaches the condition. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status where_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__shape choices;
    tn_status status;
    if ((status = tn__expect_inputs(site, 3, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 1, 2, err)) != TN_OK)
        return status;
    if (site->in_dtype[0] != TN_BOOL)
        return tn__fail(err, TN_ERROR_MISMATCH, "the condition is %s, expected bool",
                        tn__dtype_name(site->in_dtype[0]));
    out->dtype = site->in_dtype[1];
    status = tn__broadcast_shape(&choices, site->in[1], site->in[2], err);
    return status ? status
                  : tn__broadcast_shape(&out->shape, site->in[0], &choices, err);
}

static tn_status where_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = TN_OK;
    for (int k = 0; k < 3 && !status; k++)
        status = tn__couple_broadcast(c, site, k, err);
    return status;
}

static tn_status where_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    (void)site;
    const tn__shape *extent = &out[0]->shape;
    const unsigned char *condition = tn__tensor_data(in[0]);
    const char *choice[2] = {tn__tensor_data(in[2]), tn__tensor_data(in[1])};
    size_t size = tn__dtype_size(out[0]->dtype), count = tn__tensor_count(out[0]);
    tn__view view[2], when = tn__view_broadcast(&in[0]->shape, extent);
    for (int k = 0; k < 2; k++)
        view[k] = tn__view_broadcast(&in[2 - k]->shape, extent);
    int64_t at[TN__MAX_RANK] = {0};
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        bool first = condition[tn__view_at(&when, at, extent->rank)] != 0;
        int64_t from = tn__view_at(&view[first], at, extent->rank);
        memcpy((char *)data + i * size, choice[first] + (size_t)from * size, size);
        (void)tn__index_next(at, extent, extent->rank);
    }
    return TN_OK;
}

/* What was taken of operand `k` passes, summed where it was stretched. */
static tn_status gradient(tn__tensor *to, const tn__tensor *dout,
                          const tn__tensor *condition, bool taken, tn_error *err)
{
    const tn__shape *extent = &dout->shape;
    tn__view when = tn__view_broadcast(&condition->shape, extent);
    tn__tensor passed = {0};
    int64_t at[TN__MAX_RANK] = {0};
    tn_status status =
        tn__tensor_create(&passed, TN_F32, extent->rank, extent->dims, err);
    if (status)
        return status;
    const unsigned char *bits = tn__tensor_data(condition);
    const float *dy = tn__tensor_f32_const(dout);
    float *g = tn__tensor_f32(&passed);
    for (size_t i = 0, count = tn__tensor_count(dout); i < count; i++) {
        bool first = bits[tn__view_at(&when, at, extent->rank)] != 0;
        g[i] = first == taken ? dy[i] : 0;
        (void)tn__index_next(at, extent, extent->rank);
    }
    tn__view shown = tn__view_broadcast(&to->shape, extent);
    status = tn__view_backward_sum(to, &passed, &shown, err);
    tn__tensor_release(&passed);
    return status;
}

static tn_status where_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    (void)out;
    (void)site;
    tn_status status = TN_OK;
    for (int k = 1; k < 3 && !status; k++)
        if (din[k])
            status = gradient(din[k], dout[0], in[0], k == 1, err);
    return status;
}

const tn__op tn__op_where = {
    .type = "Where",
    .domain = "",
    .infer = where_infer,
    .couple = where_couple,
    .joint = true,
    .forward = where_forward,
    .backward = where_backward,
};
