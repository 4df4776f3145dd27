/* variadic.c - Sum, Mean, Max and Min of any number of broadcast arrays: shapes,
 * coupling rule and plain C. The gradient of Max and Min is shared in equal parts by
 * the operands that attain it, as PyTorch does. */
#include <math.h>
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status variadic_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    size_t n = site->input_count;
    tn_status status;
    if ((status = tn__expect_inputs(site, TN__MAX(n, 1), SIZE_MAX, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    tn__shape shape = *site->in[0];
    for (size_t k = 1; k < n && !status; k++) {
        tn__shape so_far = shape;
        status = tn__broadcast_shape(&shape, &so_far, site->in[k], err);
        if (!status)
            status = tn__expect_same_dtype(site, 0, k, err);
    }
    out->shape = shape;
    out->dtype = site->in_dtype[0];
    return status;
}

static tn_status variadic_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = TN_OK;
    for (int k = 0; k < (int)site->input_count && !status; k++)
        status = tn__couple_broadcast(c, site, k, err);
    return status;
}

/* +1 for Max, -1 for Min, 0 for Sum and Mean. */
static int extremum(const tn__site *site)
{
    const char *type = site->node->type;
    return strcmp(type, "Max") == 0 ? 1 : strcmp(type, "Min") == 0 ? -1 : 0;
}

static double combine(double a, double b, int extremum)
{
    if (extremum == 0)
        return a + b;
    if (isnan(a) || isnan(b))
        return NAN;
    return extremum > 0 ? fmax(a, b) : fmin(a, b);
}

/* Largest or smallest of integers, which doubles would round. */
static tn_status forward_i64(tn__tensor *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    const tn__shape *extent = &out->shape;
    void *data;
    tn_status status = tn__tensor_write(out, &data, err);
    if (status)
        return status;
    int64_t *y = data;
    int sign = extremum(site);
    for (size_t k = 0; k < site->input_count; k++) {
        tn__view from = tn__view_broadcast(&in[k]->shape, extent);
        int64_t at[TN__MAX_RANK] = {0};
        for (size_t i = 0, count = tn__tensor_count(out); i < count; i++) {
            int64_t v =
                tn__tensor_i64_const(in[k])[tn__view_at(&from, at, extent->rank)];
            y[i] = k == 0 || (sign > 0 ? v > y[i] : v < y[i]) ? v : y[i];
            (void)tn__index_next(at, extent, extent->rank);
        }
    }
    return TN_OK;
}

static tn_status variadic_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                  const tn__site *site, tn_error *err)
{
    int sign = extremum(site);
    if (in[0]->dtype == TN_I64 && sign)
        return forward_i64(out[0], in, site, err);
    tn_status status = tn__expect_f32(in[0], err);
    const tn__shape *extent = &out[0]->shape;
    size_t count = tn__tensor_count(out[0]);
    double *y = status ? NULL : tn__alloc(count, sizeof *y);
    if (!y)
        return status ? status : tn__fail_memory(err, count * sizeof *y);
    for (size_t k = 0; k < site->input_count; k++) {
        tn__view from = tn__view_broadcast(&in[k]->shape, extent);
        int64_t at[TN__MAX_RANK] = {0};
        for (size_t i = 0; i < count; i++) {
            double v = (double)tn__tensor_f32_const(
                in[k])[tn__view_at(&from, at, extent->rank)];
            y[i] = k == 0 ? v : combine(y[i], v, sign);
            (void)tn__index_next(at, extent, extent->rank);
        }
    }
    bool mean = strcmp(site->node->type, "Mean") == 0;
    for (size_t i = 0; i < count && mean; i++)
        y[i] /= (double)site->input_count;
    tn__store_f64(out[0], y);
    tn__free(y);
    return TN_OK;
}

/* How many operands attain out[i]: the gradient is divided by it. */
static double sharers(const tn__tensor *const *in, const tn__tensor *out,
                      const tn__site *site, const int64_t *at, size_t i)
{
    double count = 0;
    for (size_t k = 0; k < site->input_count; k++) {
        tn__view from = tn__view_broadcast(&in[k]->shape, &out->shape);
        int64_t offset = tn__view_at(&from, at, out->shape.rank);
        count += tn__tensor_f32_const(in[k])[offset] == tn__tensor_f32_const(out)[i];
    }
    return TN__MAX(count, 1);
}

static tn_status gradient(tn__tensor *to, size_t k, const tn__tensor *dout,
                          const tn__tensor *const *in, const tn__tensor *out,
                          const tn__site *site, tn_error *err)
{
    const tn__shape *extent = &dout->shape;
    tn__view from = tn__view_broadcast(&to->shape, extent);
    size_t count = tn__tensor_count(to);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    bool mean = strcmp(site->node->type, "Mean") == 0, extreme = extremum(site) != 0;
    double share = mean ? 1 / (double)site->input_count : 1;
    int64_t at[TN__MAX_RANK] = {0};
    for (size_t i = 0, total = tn__tensor_count(dout); i < total; i++) {
        int64_t offset = tn__view_at(&from, at, extent->rank);
        double g = share * (double)tn__tensor_f32_const(dout)[i];
        bool taken = !extreme || tn__tensor_f32_const(in[k])[offset] ==
                                     tn__tensor_f32_const(out)[i];
        if (taken)
            sum[offset] += extreme ? g / sharers(in, out, site, at, i) : g;
        (void)tn__index_next(at, extent, extent->rank);
    }
    tn__store_f64(to, sum);
    tn__free(sum);
    return TN_OK;
}

static tn_status variadic_backward(tn__tensor *const *din,
                                   const tn__tensor *const *dout,
                                   const tn__tensor *const *in,
                                   const tn__tensor *const *out, const tn__site *site,
                                   tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < site->input_count && !status; k++)
        if (din[k])
            status = gradient(din[k], k, dout[0], in, out[0], site, err);
    return status;
}

#define VARIADIC(name)                                                                 \
    {                                                                                  \
        .type = name, .domain = "", .infer = variadic_infer,                           \
        .couple = variadic_couple, .joint = true, .forward = variadic_forward,         \
        .backward = variadic_backward                                                  \
    }

const tn__op tn__op_sum = VARIADIC("Sum");
const tn__op tn__op_mean = VARIADIC("Mean");
const tn__op tn__op_max = VARIADIC("Max");
const tn__op tn__op_min = VARIADIC("Min");
