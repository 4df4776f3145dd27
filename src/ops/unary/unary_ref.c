/* unary_ref.c - the loops of the elementwise functions: f32 through double, and int64
 * where the formula has a whole form. The formulas are in formulas.c. */
#include "ops/operand.h"
#include "ops/unary/unary.h"

static tn_status start(const tn__formula **formula, double p[2],
                       const tn__tensor *const *in, const tn__site *site, tn_error *err)
{
    *formula = tn__formula_find(site->node->type);
    tn_status status = tn__expect_f32(in[0], err);
    if (!status && (*formula)->read)
        status = (*formula)->read(p, in, site, err);
    return status;
}

static tn_status forward_i64(tn__tensor *out, const tn__tensor *in,
                             const tn__formula *f, tn_error *err)
{
    const int64_t *x = tn__tensor_i64_const(in);
    void *data;
    tn_status status = tn__tensor_write(out, &data, err);
    if (status)
        return status;
    int64_t *y = data;
    for (size_t i = 0, count = tn__tensor_count(in); i < count; i++)
        y[i] = f->integer(x[i]);
    return TN_OK;
}

tn_status tn__unary_forward(tn__tensor *const *out, const tn__tensor *const *in,
                            const tn__site *site, tn_error *err)
{
    const tn__formula *f = tn__formula_find(site->node->type);
    if (in[0]->dtype == TN_I64 && f->integer)
        return forward_i64(out[0], in[0], f, err);
    double p[2] = {0};
    tn_status status = start(&f, p, in, site, err);
    if (status)
        return status;
    const float *x = tn__tensor_f32_const(in[0]);
    float *y = tn__tensor_f32(out[0]);
    for (size_t i = 0, count = tn__tensor_count(in[0]); i < count; i++)
        y[i] = (float)f->value((double)x[i], p);
    return TN_OK;
}

tn_status tn__unary_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                             const tn__tensor *const *in, const tn__tensor *const *out,
                             const tn__site *site, tn_error *err)
{
    (void)out;
    const tn__formula *f;
    double p[2] = {0};
    tn_status status = start(&f, p, in, site, err);
    if (status)
        return status;
    for (size_t k = 1; k < site->input_count; k++)
        if (in[k] && din[k])
            return tn__fail(err, TN_ERROR_UNSUPPORTED, "bound %zu has no gradient", k);
    if (!din[0])
        return TN_OK;
    const float *x = tn__tensor_f32_const(in[0]);
    const float *dy = tn__tensor_f32_const(dout[0]);
    float *dx = tn__tensor_f32(din[0]);
    for (size_t i = 0, count = tn__tensor_count(in[0]); i < count; i++) {
        double u = (double)x[i];
        dx[i] = (float)((double)dy[i] * f->slope(u, f->value(u, p), p));
    }
    return TN_OK;
}
