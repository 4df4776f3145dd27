/* binary_ref.c - elementwise functions of two broadcast tensors: f32 through double,
 * and int64 for what exporters compute from shapes (sums wrap, quotients are cut
 * towards zero). The gradient of a stretched operand is summed over its stretched axes.
 */
#include "ops/binary/binary.h"
#include "ops/operand.h"
#include "ops/view.h"

#include <math.h>
#include <string.h>

typedef struct formula {
    const char *type;
    double (*value)(double a, double b);
    double (*slope_a)(double a, double b);
    double (*slope_b)(double a, double b);
    int64_t (*integer)(int64_t a, int64_t b); /* NULL: none */
    bool divides;                             /* integer() is not given a b of 0 */
} formula;

static double add(double a, double b)
{
    return a + b;
}

static double sub(double a, double b)
{
    return a - b;
}

static double mul(double a, double b)
{
    return a * b;
}

static double quotient(double a, double b)
{
    return a / b;
}

static double one(double a, double b)
{
    (void)a;
    (void)b;
    return 1;
}

static double minus_one(double a, double b)
{
    (void)a;
    (void)b;
    return -1;
}

static double first(double a, double b)
{
    (void)b;
    return a;
}

static double second(double a, double b)
{
    (void)a;
    return b;
}

static double inverse_b(double a, double b)
{
    (void)a;
    return 1 / b;
}

static double div_slope_b(double a, double b)
{
    return -a / (b * b);
}

static double pow_slope_a(double a, double b)
{
    return b == 0 ? 0 : b * pow(a, b - 1);
}

/* 0 where the logarithm has no value. */
static double pow_slope_b(double a, double b)
{
    return a > 0 ? pow(a, b) * log(a) : 0;
}

static int64_t add_i64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t sub_i64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t mul_i64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t div_i64(int64_t a, int64_t b)
{
    return b == -1 ? sub_i64(0, a) : a / b;
}

static double mod_slope_b(double a, double b)
{
    return -trunc(a / b);
}

static int64_t rest_i64(int64_t a, int64_t b)
{
    return b == -1 ? 0 : a % b;
}

static int64_t mod_i64(int64_t a, int64_t b)
{
    int64_t rest = rest_i64(a, b);
    return rest && (rest < 0) != (b < 0) ? rest + b : rest;
}

static double prelu(double a, double b)
{
    return a < 0 ? b * a : a;
}

static double prelu_slope_a(double a, double b)
{
    return a > 0 ? 1 : b;
}

static double prelu_slope_b(double a, double b)
{
    (void)b;
    return a < 0 ? a : 0;
}

/* a to the power b, wrapping; fractions are cut to 0. */
static int64_t pow_i64(int64_t a, int64_t b)
{
    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    int64_t power = 1;
    for (; b; b >>= 1, a = mul_i64(a, a))
        power = b & 1 ? mul_i64(power, a) : power;
    return power;
}

static const formula formulas[] = {
    {"Add", add, one, one, add_i64, false},
    {"Sub", sub, one, minus_one, sub_i64, false},
    {"Mul", mul, second, first, mul_i64, false},
    {"Div", quotient, inverse_b, div_slope_b, div_i64, true},
    {"Pow", pow, pow_slope_a, pow_slope_b, pow_i64, false},
    {"Mod", fmod, one, mod_slope_b, mod_i64, true},
    {"PRelu", prelu, prelu_slope_a, prelu_slope_b, NULL, false},
};

/* Mod with `fmod` on integers: the dividend gives the sign. */
static const formula c_rest = {"Mod", fmod, one, mod_slope_b, rest_i64, true};

static const formula *find(const tn__node *node)
{
    for (size_t i = 0; i < TN__COUNT(formulas); i++)
        if (strcmp(formulas[i].type, node->type) == 0)
            return formulas[i].integer == mod_i64 && tn__node_int(node, "fmod", 0)
                       ? &c_rest
                       : &formulas[i];
    return NULL;
}

/* The operands of output element `at` lie at element offsets a and b. */
typedef struct pair {
    tn__view a, b;
    const tn__shape *extent;
    int64_t at[TN__MAX_RANK];
} pair;

static pair pair_of(const tn__tensor *const *in, const tn__shape *extent)
{
    return (pair){.a = tn__view_broadcast(&in[0]->shape, extent),
                  .b = tn__view_broadcast(&in[1]->shape, extent),
                  .extent = extent};
}

static int64_t offset_a(const pair *p)
{
    return tn__view_at(&p->a, p->at, p->extent->rank);
}

static int64_t offset_b(const pair *p)
{
    return tn__view_at(&p->b, p->at, p->extent->rank);
}

static void next(pair *p)
{
    (void)tn__index_next(p->at, p->extent, p->extent->rank);
}

static tn_status forward_i64(tn__tensor *out, const tn__tensor *const *in,
                             const formula *f, tn_error *err)
{
    const int64_t *a = tn__tensor_i64_const(in[0]), *b = tn__tensor_i64_const(in[1]);
    void *data;
    tn_status status = tn__tensor_write(out, &data, err);
    if (status)
        return status;
    int64_t *y = data;
    pair p = pair_of(in, &out->shape);
    for (size_t i = 0, count = tn__tensor_count(out); i < count; i++, next(&p)) {
        if (f->divides && b[offset_b(&p)] == 0)
            return tn__fail(err, TN_ERROR_NUMERIC, "integer division by 0");
        y[i] = f->integer(a[offset_a(&p)], b[offset_b(&p)]);
    }
    return TN_OK;
}

/* y[i] = a[i * s] op b[i * t]. The four operations are rounded alike whether computed
 * in float or in double and then rounded (Figueroa 1995), so they need no doubles. */
static void row_f32(float *y, const float *a, int64_t s, const float *b, int64_t t,
                    int64_t n, const formula *f)
{
    if (f->value == add)
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * s] + b[i * t];
    else if (f->value == sub)
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * s] - b[i * t];
    else if (f->value == mul)
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * s] * b[i * t];
    else if (f->value == quotient)
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * s] / b[i * t];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)f->value((double)a[i * s], (double)b[i * t]);
}

/* Rows along the last axis, so that the offsets are computed once a row. */
static void forward_f32(float *y, const tn__tensor *const *in, const tn__shape *extent,
                        const formula *f)
{
    const float *a = tn__tensor_f32_const(in[0]), *b = tn__tensor_f32_const(in[1]);
    pair p = pair_of(in, extent);
    int lead = TN__MAX(extent->rank - 1, 0);
    int64_t row = extent->rank ? extent->dims[lead] : 1;
    int64_t step_a = p.a.stride[lead], step_b = p.b.stride[lead];
    do {
        const float *u = a + tn__view_at(&p.a, p.at, lead);
        const float *v = b + tn__view_at(&p.b, p.at, lead);
        row_f32(y, u, step_a, v, step_b, row, f);
        y += row;
    } while (tn__index_next(p.at, extent, lead));
}

tn_status tn__binary_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    const formula *f = find(site->node);
    if (in[0]->dtype == TN_I64 && in[1]->dtype == TN_I64 && f->integer)
        return forward_i64(out[0], in, f, err);
    tn_status status = tn__expect_f32(in[0], err);
    tn__tensor exponent = {0};
    const tn__tensor *operands[2] = {in[0], in[1]};
    if (!status && in[1]->dtype != TN_F32) { /* Pow */
        status = tn__tensor_convert(&exponent, in[1], TN_F32, err);
        operands[1] = &exponent;
    }
    if (!status && tn__tensor_count(out[0]))
        forward_f32(tn__tensor_f32(out[0]), operands, &out[0]->shape, f);
    tn__tensor_release(&exponent);
    return status;
}

/* to = sum over stretched axes of dout * slope. */
static tn_status gradient(tn__tensor *to, const tn__tensor *dout,
                          const tn__tensor *const *in, bool is_a, const formula *f,
                          tn_error *err)
{
    size_t count = tn__tensor_count(to);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    const float *g = tn__tensor_f32_const(dout);
    double (*slope)(double, double) = is_a ? f->slope_a : f->slope_b;
    pair p = pair_of(in, &dout->shape);
    for (size_t i = 0, total = tn__tensor_count(dout); i < total; i++, next(&p)) {
        int64_t a = offset_a(&p), b = offset_b(&p);
        double u = (double)tn__tensor_f32_const(in[0])[a];
        double v = tn__tensor_get_f64(in[1], (size_t)b);
        sum[is_a ? a : b] += (double)g[i] * slope(u, v);
    }
    tn__store_f64(to, sum);
    tn__free(sum);
    return TN_OK;
}

tn_status tn__binary_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    (void)out;
    const formula *f = find(site->node);
    tn_status status = tn__expect_f32(in[0], err);
    for (int k = 0; k < 2 && !status; k++)
        if (din[k])
            status = gradient(din[k], dout[0], in, k == 0, f, err);
    return status;
}
