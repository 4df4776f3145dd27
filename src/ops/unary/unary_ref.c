/* unary_ref.c - the formulas of the elementwise functions, with their slopes, in
 * double.
 *
 * Where a function has a kink the slope is PyTorch's: Relu 0 at 0, LeakyRelu alpha at
 * 0, Clip 1 on its bounds.
 */
#include "ops/operand.h"
#include "ops/unary/unary.h"

#include <math.h>
#include <string.h>

static double relu(double x, const double p[2])
{
    (void)p;
    return x < 0 ? 0 : x; /* keeps NaN */
}

static double relu_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    return x > 0 ? 1 : 0;
}

static double leaky_relu(double x, const double p[2])
{
    return x > 0 ? x : p[0] * x;
}

static double leaky_relu_slope(double x, double y, const double p[2])
{
    (void)y;
    return x > 0 ? 1 : p[0];
}

static tn_status leaky_relu_read(double p[2], const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err)
{
    (void)in;
    (void)err;
    p[0] = (double)tn__node_float(site->node, "alpha", 0.01f);
    return TN_OK;
}

/* p = {lower, upper}; the upper bound wins where they cross. */
static double clip(double x, const double p[2])
{
    double low = x < p[0] ? p[0] : x;
    return low > p[1] ? p[1] : low;
}

static double clip_slope(double x, double y, const double p[2])
{
    (void)y;
    return x >= p[0] && x <= p[1] ? 1 : 0;
}

static tn_status clip_read(double p[2], const tn__tensor *const *in,
                           const tn__site *site, tn_error *err)
{
    p[0] = -HUGE_VAL;
    p[1] = HUGE_VAL;
    if (site->opset < 11) {
        p[0] = (double)tn__node_float(site->node, "min", -HUGE_VALF);
        p[1] = (double)tn__node_float(site->node, "max", HUGE_VALF);
        return TN_OK;
    }
    for (size_t k = 1; k < site->input_count; k++) {
        if (!in[k])
            continue;
        tn_status status = tn__expect_f32(in[k], err);
        if (status)
            return status;
        p[k - 1] = (double)tn__tensor_f32_const(in[k])[0];
    }
    return TN_OK;
}

static double sigmoid(double x, const double p[2])
{
    (void)p;
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double sigmoid_slope(double x, double y, const double p[2])
{
    (void)x;
    (void)p;
    return y * (1 - y);
}

static double hyperbolic_tangent(double x, const double p[2])
{
    (void)p;
    return tanh(x);
}

static double tanh_slope(double x, double y, const double p[2])
{
    (void)x;
    (void)p;
    return 1 - y * y;
}

static double square_root(double x, const double p[2])
{
    (void)p;
    return sqrt(x);
}

static double sqrt_slope(double x, double y, const double p[2])
{
    (void)x;
    (void)p;
    return 0.5 / y;
}

static const tn__formula formulas[] = {
    {"Relu", relu, relu_slope, NULL},
    {"LeakyRelu", leaky_relu, leaky_relu_slope, leaky_relu_read},
    {"Clip", clip, clip_slope, clip_read},
    {"Sigmoid", sigmoid, sigmoid_slope, NULL},
    {"Tanh", hyperbolic_tangent, tanh_slope, NULL},
    {"Sqrt", square_root, sqrt_slope, NULL},
};

const tn__formula *tn__formula_find(const char *type)
{
    for (size_t i = 0; i < TN__COUNT(formulas); i++)
        if (strcmp(formulas[i].type, type) == 0)
            return &formulas[i];
    return NULL;
}

static tn_status start(const tn__formula **formula, double p[2],
                       const tn__tensor *const *in, const tn__site *site, tn_error *err)
{
    *formula = tn__formula_find(site->node->type);
    tn_status status = tn__expect_f32(in[0], err);
    if (!status && (*formula)->read)
        status = (*formula)->read(p, in, site, err);
    return status;
}

tn_status tn__unary_forward(tn__tensor *const *out, const tn__tensor *const *in,
                            const tn__site *site, tn_error *err)
{
    const tn__formula *f;
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
