/* range.c - Range: start, start + delta, ... before limit. All three must be known at
 * compile time, since they give the extent. */
#include <math.h>

#include "ops/operand.h"
#include "ops/registry.h"

#define RANGE_MAX (INT64_C(1) << 32)

static tn_status count_f64(int64_t *out, const double v[3], tn_error *err)
{
    double count = ceil((v[1] - v[0]) / v[2]);
    if (!(count <= (double)RANGE_MAX))
        return tn__fail(err, TN_ERROR_FORMAT, "a range from %g to %g by %g", v[0], v[1],
                        v[2]);
    *out = count > 0 ? (int64_t)count : 0;
    return TN_OK;
}

static tn_status count_i64(int64_t *out, const int64_t v[3], tn_error *err)
{
    bool up = v[2] > 0;
    uint64_t room =
        up ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = up ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    if (up ? v[0] >= v[1] : v[0] <= v[1])
        room = 0;
    uint64_t count = room / step + (room % step != 0);
    if (count > (uint64_t)RANGE_MAX)
        return tn__fail(err, TN_ERROR_FORMAT, "a range from %lld to %lld by %lld",
                        (long long)v[0], (long long)v[1], (long long)v[2]);
    *out = (int64_t)count;
    return TN_OK;
}

static tn_status range_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    double real[3];
    int64_t whole[3];
    tn_status status;
    if ((status = tn__expect_inputs(site, 3, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    for (size_t k = 0; k < 3; k++) {
        const tn__tensor *value = site->constant[k];
        if (!value)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "input %zu depends on the data, expected a constant", k);
        if (tn__tensor_count(value) != 1)
            return tn__fail(err, TN_ERROR_FORMAT, "input %zu is no scalar", k);
        if ((status = tn__expect_same_dtype(site, 0, k, err)) != TN_OK)
            return status;
        real[k] = tn__tensor_get_f64(value, 0);
        whole[k] = tn__tensor_get_i64(value, 0);
    }
    bool is_float = tn__dtype_is_float(site->in_dtype[0]);
    if (is_float ? real[2] == 0 : whole[2] == 0)
        return tn__fail(err, TN_ERROR_FORMAT, "the step is 0");
    out->dtype = site->in_dtype[0];
    out->shape.rank = 1;
    return is_float ? count_f64(&out->shape.dims[0], real, err)
                    : count_i64(&out->shape.dims[0], whole, err);
}

static tn_status range_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    (void)site;
    return c->freeze(c, TN__OUT(0), 0, "constant", err);
}

static tn_status range_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    (void)site;
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    size_t count = tn__tensor_count(out[0]);
    if (out[0]->dtype == TN_I64) {
        uint64_t first = (uint64_t)tn__tensor_get_i64(in[0], 0);
        uint64_t step = (uint64_t)tn__tensor_get_i64(in[2], 0);
        for (size_t i = 0; i < count; i++)
            ((int64_t *)data)[i] = (int64_t)(first + i * step);
        return TN_OK;
    }
    if ((status = tn__expect_f32(out[0], err)) != TN_OK)
        return status;
    double first = tn__tensor_get_f64(in[0], 0), step = tn__tensor_get_f64(in[2], 0);
    for (size_t i = 0; i < count; i++)
        ((float *)data)[i] = (float)(first + (double)i * step);
    return TN_OK;
}

const tn__op tn__op_range = {
    .type = "Range",
    .domain = "",
    .infer = range_infer,
    .couple = range_couple,
    .forward = range_forward,
};
