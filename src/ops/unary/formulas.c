/* formulas.c - the formulas of the elementwise functions, with their slopes, in double.
 *
 * Where a function has a kink the slope is PyTorch's: Relu and Abs 0 at 0, LeakyRelu
 * alpha at 0, Clip 1 on its bounds, HardSigmoid 0 on them. Steps (Sign, Floor, Ceil,
 * Round) have slope 0. Gelu: Hendrycks and Gimpel, arXiv 1606.08415; Selu: Klambauer et
 * al., arXiv 1706.02515; Mish: Misra, arXiv 1908.08681.
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

static double absolute(double x, const double p[2])
{
    (void)p;
    return fabs(x);
}

static double absolute_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static int64_t negative_i64(int64_t x)
{
    return (int64_t)(0 - (uint64_t)x);
}

static int64_t absolute_i64(int64_t x)
{
    return x < 0 ? negative_i64(x) : x;
}

static int64_t sign_i64(int64_t x)
{
    return (x > 0) - (x < 0);
}

static double negative(double x, const double p[2])
{
    (void)p;
    return -x;
}

static double negative_slope(double x, double y, const double p[2])
{
    (void)x;
    (void)y;
    (void)p;
    return -1;
}

static double sign(double x, const double p[2])
{
    (void)p;
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static double flat(double x, double y, const double p[2])
{
    (void)x;
    (void)y;
    (void)p;
    return 0;
}

static double exponential(double x, const double p[2])
{
    (void)p;
    return exp(x);
}

static double exponential_slope(double x, double y, const double p[2])
{
    (void)x;
    (void)p;
    return y;
}

static double logarithm(double x, const double p[2])
{
    (void)p;
    return log(x);
}

static double logarithm_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    return 1 / x;
}

static double reciprocal(double x, const double p[2])
{
    (void)p;
    return 1 / x;
}

static double reciprocal_slope(double x, double y, const double p[2])
{
    (void)x;
    (void)p;
    return -y * y;
}

static double round_down(double x, const double p[2])
{
    (void)p;
    return floor(x);
}

static double round_up(double x, const double p[2])
{
    (void)p;
    return ceil(x);
}

/* Halves to even, as rint() does in the default mode. */
static double round_even(double x, const double p[2])
{
    (void)p;
    return rint(x);
}

static double sine(double x, const double p[2])
{
    (void)p;
    return sin(x);
}

static double sine_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    return cos(x);
}

static double cosine(double x, const double p[2])
{
    (void)p;
    return cos(x);
}

static double cosine_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    return -sin(x);
}

#define SQRT_HALF 0.70710678118654752440
#define TWO_OVER_SQRT_PI 1.12837916709551257390

static double error_function(double x, const double p[2])
{
    (void)p;
    return erf(x);
}

static double error_function_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    return TWO_OVER_SQRT_PI * exp(-x * x);
}

/* p[0]: the approximation by tanh, sqrt(2 / pi) (x + 0.044715 x^3). */
static double gelu_inner(double x)
{
    return TWO_OVER_SQRT_PI * SQRT_HALF * (x + 0.044715 * x * x * x);
}

static double gelu(double x, const double p[2])
{
    if (p[0] != 0)
        return 0.5 * x * (1 + tanh(gelu_inner(x)));
    return 0.5 * x * (1 + erf(x * SQRT_HALF));
}

static double gelu_slope(double x, double y, const double p[2])
{
    (void)y;
    if (p[0] != 0) {
        double t = tanh(gelu_inner(x));
        double inner = TWO_OVER_SQRT_PI * SQRT_HALF * (1 + 3 * 0.044715 * x * x);
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner;
    }
    double density = 0.5 * TWO_OVER_SQRT_PI * SQRT_HALF * exp(-0.5 * x * x);
    return 0.5 * (1 + erf(x * SQRT_HALF)) + x * density;
}

static tn_status gelu_read(double p[2], const tn__tensor *const *in,
                           const tn__site *site, tn_error *err)
{
    (void)in;
    const char *form = tn__node_string(site->node, "approximate", "none");
    if (strcmp(form, "none") != 0 && strcmp(form, "tanh") != 0)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "'approximate' is '%s', expected 'none' or 'tanh'", form);
    p[0] = strcmp(form, "tanh") == 0;
    return TN_OK;
}

/* p = {alpha, gamma}: gamma x, and gamma alpha (exp(x) - 1) below 0. */
static double elu(double x, const double p[2])
{
    return p[1] * (x > 0 ? x : p[0] * expm1(x));
}

static double elu_slope(double x, double y, const double p[2])
{
    (void)y;
    return p[1] * (x > 0 ? 1 : p[0] * exp(x));
}

static tn_status elu_read(double p[2], const tn__tensor *const *in,
                          const tn__site *site, tn_error *err)
{
    (void)in;
    (void)err;
    p[0] = (double)tn__node_float(site->node, "alpha", 1);
    p[1] = 1;
    return TN_OK;
}

static tn_status selu_read(double p[2], const tn__tensor *const *in,
                           const tn__site *site, tn_error *err)
{
    (void)in;
    (void)err;
    p[0] = (double)tn__node_float(site->node, "alpha", 1.67326319217681884765625f);
    p[1] = (double)tn__node_float(site->node, "gamma", 1.05070102214813232421875f);
    return TN_OK;
}

static double celu(double x, const double p[2])
{
    return x > 0 ? x : p[0] * expm1(x / p[0]);
}

static double celu_slope(double x, double y, const double p[2])
{
    (void)y;
    return x > 0 ? 1 : exp(x / p[0]);
}

static tn_status alpha_one_read(double p[2], const tn__tensor *const *in,
                                const tn__site *site, tn_error *err)
{
    (void)in;
    (void)err;
    p[0] = (double)tn__node_float(site->node, "alpha", 1);
    return TN_OK;
}

static double softplus(double x, const double p[2])
{
    (void)p;
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double softplus_slope(double x, double y, const double p[2])
{
    (void)y;
    return sigmoid(x, p);
}

static double softsign(double x, const double p[2])
{
    (void)p;
    return x / (1 + fabs(x));
}

static double softsign_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    double scale = 1 + fabs(x);
    return 1 / (scale * scale);
}

static double mish(double x, const double p[2])
{
    return x * tanh(softplus(x, p));
}

static double mish_slope(double x, double y, const double p[2])
{
    (void)y;
    double t = tanh(softplus(x, p));
    return t + x * (1 - t * t) * sigmoid(x, p);
}

static double thresholded_relu(double x, const double p[2])
{
    return x > p[0] ? x : 0;
}

static double thresholded_relu_slope(double x, double y, const double p[2])
{
    (void)y;
    return x > p[0] ? 1 : 0;
}

/* p = {alpha, beta}: alpha x + beta, cut to [0, 1]. */
static double hard_sigmoid(double x, const double p[2])
{
    double line = p[0] * x + p[1];
    return line < 0 ? 0 : line > 1 ? 1 : line;
}

static double hard_sigmoid_slope(double x, double y, const double p[2])
{
    (void)x;
    return y > 0 && y < 1 ? p[0] : 0;
}

static tn_status hard_sigmoid_read(double p[2], const tn__tensor *const *in,
                                   const tn__site *site, tn_error *err)
{
    (void)in;
    (void)err;
    p[0] = (double)tn__node_float(site->node, "alpha", 0.2f);
    p[1] = (double)tn__node_float(site->node, "beta", 0.5f);
    return TN_OK;
}

static const double hard_swish_gate[2] = {1.0 / 6, 0.5};

static double hard_swish(double x, const double p[2])
{
    (void)p;
    return x * hard_sigmoid(x, hard_swish_gate);
}

static double hard_swish_slope(double x, double y, const double p[2])
{
    (void)y;
    (void)p;
    double gate = hard_sigmoid(x, hard_swish_gate);
    return gate + x * hard_sigmoid_slope(x, gate, hard_swish_gate);
}

static const tn__formula formulas[] = {
    {"Relu", relu, relu_slope, NULL, NULL},
    {"LeakyRelu", leaky_relu, leaky_relu_slope, leaky_relu_read, NULL},
    {"Clip", clip, clip_slope, clip_read, NULL},
    {"Sigmoid", sigmoid, sigmoid_slope, NULL, NULL},
    {"Tanh", hyperbolic_tangent, tanh_slope, NULL, NULL},
    {"Sqrt", square_root, sqrt_slope, NULL, NULL},
    {"Abs", absolute, absolute_slope, NULL, absolute_i64},
    {"Neg", negative, negative_slope, NULL, negative_i64},
    {"Sign", sign, flat, NULL, sign_i64},
    {"Exp", exponential, exponential_slope, NULL, NULL},
    {"Log", logarithm, logarithm_slope, NULL, NULL},
    {"Reciprocal", reciprocal, reciprocal_slope, NULL, NULL},
    {"Floor", round_down, flat, NULL, NULL},
    {"Ceil", round_up, flat, NULL, NULL},
    {"Round", round_even, flat, NULL, NULL},
    {"Sin", sine, sine_slope, NULL, NULL},
    {"Cos", cosine, cosine_slope, NULL, NULL},
    {"Erf", error_function, error_function_slope, NULL, NULL},
    {"Gelu", gelu, gelu_slope, gelu_read, NULL},
    {"Elu", elu, elu_slope, elu_read, NULL},
    {"Selu", elu, elu_slope, selu_read, NULL},
    {"Celu", celu, celu_slope, alpha_one_read, NULL},
    {"Softplus", softplus, softplus_slope, NULL, NULL},
    {"Softsign", softsign, softsign_slope, NULL, NULL},
    {"Mish", mish, mish_slope, NULL, NULL},
    {"ThresholdedRelu", thresholded_relu, thresholded_relu_slope, alpha_one_read, NULL},
    {"HardSigmoid", hard_sigmoid, hard_sigmoid_slope, hard_sigmoid_read, NULL},
    {"HardSwish", hard_swish, hard_swish_slope, NULL, NULL},
};

const tn__formula *tn__formula_find(const char *type)
{
    for (size_t i = 0; i < TN__COUNT(formulas); i++)
        if (strcmp(formulas[i].type, type) == 0)
            return &formulas[i];
    return NULL;
}
