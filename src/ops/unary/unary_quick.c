/* unary_quick.c - elementwise functions as loops of vectors, in whatever layout the
 * input has: elements of a layout without padding are only so many numbers.
 *
 * Where a function has no such loop the formula is called for each element. Backward
 * reads the input. Functions differ from the formulas by a few units in the last place
 * (quick.h); slopes at kinks are the same. There are so few bf16 numbers that the
 * function and its slope are tables of them, computed in f32.
 */
#include <math.h>

#include "ops/onednn.h"
#include "ops/quick.h"
#include "ops/unary/unary.h"

#define SQRT_HALF 0.70710678118654752440f
#define DENSITY 0.39894228040143267794f    /* 1 / sqrt(2 pi) */
#define TANH_SCALE 0.79788456080286535588f /* sqrt(2 / pi) */

/* y = f(x); dx = dy f'(x), where dx may be dy; p as in the formula. */
typedef void forward_loop(float *y, const float *x, size_t n, const float p[2]);
typedef void backward_loop(float *dx, const float *dy, const float *x, size_t n,
                           const float p[2]);

#define LOOPS(name, value, slope)                                                      \
    TN__VECTORS static void name##_forward(float *y, const float *x, size_t n,         \
                                           const float p[2])                           \
    {                                                                                  \
        (void)p;                                                                       \
        for (size_t i = 0; i < n; i++) {                                               \
            float u = x[i];                                                            \
            y[i] = (value);                                                            \
        }                                                                              \
    }                                                                                  \
    TN__VECTORS static void name##_backward(                                           \
        float *dx, const float *dy, const float *x, size_t n, const float p[2])        \
    {                                                                                  \
        (void)p;                                                                       \
        for (size_t i = 0; i < n; i++) {                                               \
            float u = x[i];                                                            \
            dx[i] = dy[i] * (slope);                                                   \
        }                                                                              \
    }

static inline float erf_slope(float u)
{
    return 2 * 0.56418958354775628695f * tn__quick_exp(-u * u);
}

static inline float gelu(float u)
{
    return 0.5f * u * (1 + tn__quick_erf(u * SQRT_HALF));
}

static inline float gelu_slope(float u)
{
    return 0.5f * (1 + tn__quick_erf(u * SQRT_HALF)) +
           u * DENSITY * tn__quick_exp(-0.5f * u * u);
}

static inline float gelu_tanh(float u)
{
    return 0.5f * u * (1 + tn__quick_tanh(TANH_SCALE * (u + 0.044715f * u * u * u)));
}

static inline float gelu_tanh_slope(float u)
{
    float t = tn__quick_tanh(TANH_SCALE * (u + 0.044715f * u * u * u));
    float inner = TANH_SCALE * (1 + 3 * 0.044715f * u * u);
    return 0.5f * (1 + t) + 0.5f * u * (1 - t * t) * inner;
}

static inline float sigmoid_slope(float u)
{
    float y = tn__quick_sigmoid(u);
    return y * (1 - y);
}

static inline float tanh_slope(float u)
{
    float y = tn__quick_tanh(u);
    return 1 - y * y;
}

static inline float bounded(float u, float low, float high)
{
    u = u < low ? low : u;
    return u > high ? high : u;
}

static inline float hard_sigmoid_slope(float u, const float p[2])
{
    float line = p[0] * u + p[1];
    return line > 0 && line < 1 ? p[0] : 0;
}

static inline float hard_swish_slope(float u)
{
    float line = u * (1.0f / 6) + 0.5f;
    return bounded(line, 0, 1) + (line > 0 && line < 1 ? u * (1.0f / 6) : 0);
}

LOOPS(erf, tn__quick_erf(u), erf_slope(u))
LOOPS(gelu, gelu(u), gelu_slope(u))
LOOPS(gelu_tanh, gelu_tanh(u), gelu_tanh_slope(u))
LOOPS(sigmoid, tn__quick_sigmoid(u), sigmoid_slope(u))
LOOPS(tanh, tn__quick_tanh(u), tanh_slope(u))
LOOPS(exp, tn__quick_exp(u), tn__quick_exp(u))
LOOPS(sqrt, sqrtf(u), 0.5f / sqrtf(u))
LOOPS(clip, bounded(u, p[0], p[1]), u >= p[0] && u <= p[1] ? 1.0f : 0.0f)
LOOPS(leaky, u > 0 ? u : p[0] * u, u > 0 ? 1.0f : p[0])
LOOPS(hard_sigmoid, bounded(p[0] * u + p[1], 0, 1), hard_sigmoid_slope(u, p))
LOOPS(hard_swish, u *bounded(u *(1.0f / 6) + 0.5f, 0, 1), hard_swish_slope(u))

typedef struct loops {
    const char *type;
    forward_loop *forward;
    backward_loop *backward;
} loops;

static const loops known[] = {
    {"Erf", erf_forward, erf_backward},
    {"Gelu", gelu_forward, gelu_backward},
    {"Sigmoid", sigmoid_forward, sigmoid_backward},
    {"Tanh", tanh_forward, tanh_backward},
    {"Exp", exp_forward, exp_backward},
    {"Sqrt", sqrt_forward, sqrt_backward},
    {"Clip", clip_forward, clip_backward},
    {"LeakyRelu", leaky_forward, leaky_backward},
    {"HardSigmoid", hard_sigmoid_forward, hard_sigmoid_backward},
    {"HardSwish", hard_swish_forward, hard_swish_backward},
};

typedef struct unary_kernel {
    tn__kernel base;
    const tn__layout *y;
    const tn__formula *formula;
    forward_loop *forward; /* NULL: the formula */
    backward_loop *backward;
    float p[2];
    double exact[2]; /* the same */
    size_t count;
    const void *x, *dy; /* of y's type */
    void *out, *dx;
    uint16_t *values; /* [BF16S] in bf16: of each number */
    float *slopes;    /* [BF16S] where a gradient is wanted */
} unary_kernel;

static tn_status unary_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                            tn_error *err)
{
    (void)err;
    unary_kernel *u = (unary_kernel *)kernel;
    u->x = m->in[0];
    u->out = m->out[0];
    u->dx = m->din ? m->din[0] : NULL;
    u->dy = m->dout ? m->dout[0] : NULL;
    return TN_OK;
}

static void apply(const unary_kernel *u, float *y, const float *x, size_t n)
{
    if (u->forward)
        u->forward(y, x, n, u->p);
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (float)u->formula->value((double)x[i], u->exact);
}

static void apply_slope(const unary_kernel *u, float *dx, const float *dy,
                        const float *x, size_t n)
{
    if (u->backward) {
        u->backward(dx, dy, x, n, u->p);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double at = (double)x[i], y = u->formula->value(at, u->exact);
        dx[i] = (float)((double)dy[i] * u->formula->slope(at, y, u->exact));
    }
}

/* --- bf16: tables --- */

enum { PART = 1024, BF16S = 1 << 16 };

static tn_status make_tables(unary_kernel *u, tn__dnnl *d, bool slopes, tn_error *err)
{
    uint16_t number[PART];
    float x[PART], part[PART];
    u->values = tn__dnnl_alloc(d, BF16S, sizeof *u->values);
    u->slopes = slopes ? tn__dnnl_alloc(d, BF16S, sizeof *u->slopes) : NULL;
    if (!u->values || (slopes && !u->slopes))
        return tn__dnnl_check(d, err);
    for (size_t at = 0; at < BF16S; at += PART) {
        for (size_t i = 0; i < PART; i++)
            number[i] = (uint16_t)(at + i);
        tn__quick_widen(x, number, PART);
        apply(u, part, x, PART);
        tn__quick_narrow(u->values + at, part, PART);
        for (size_t i = 0; i < PART; i++)
            part[i] = 1;
        if (slopes)
            apply_slope(u, u->slopes + at, part, x, PART);
    }
    return TN_OK;
}

static void apply_bf16(const unary_kernel *u, uint16_t *y, const uint16_t *x)
{
    const uint16_t *values = u->values;
    for (size_t i = 0; i < u->count; i++)
        y[i] = values[x[i]];
}

TN__VECTORS static void scale_by(float *restrict g, const float *restrict slopes,
                                 const uint16_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        g[i] *= slopes[x[i]];
}

static void apply_slope_bf16(const unary_kernel *u, uint16_t *dx, const uint16_t *dy,
                             const uint16_t *x)
{
    float part[PART];
    for (size_t at = 0; at < u->count; at += PART) {
        size_t n = TN__MIN(u->count - at, (size_t)PART);
        tn__quick_widen(part, dy + at, n);
        scale_by(part, u->slopes, x + at, n);
        tn__quick_narrow(dx + at, part, n);
    }
}

static tn_status unary_forward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    unary_kernel *u = (unary_kernel *)kernel;
    if (u->y->dtype == TN_BF16)
        apply_bf16(u, u->out, u->x);
    else
        apply(u, u->out, u->x, u->count);
    return TN_OK;
}

static tn_status unary_backward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    unary_kernel *u = (unary_kernel *)kernel;
    if (u->y->dtype == TN_BF16)
        apply_slope_bf16(u, u->dx, u->dy, u->x);
    else
        apply_slope(u, u->dx, u->dy, u->x, u->count);
    return TN_OK;
}

static void choose_loops(unary_kernel *u, const char *type)
{
    for (size_t k = 0; k < TN__COUNT(known); k++)
        if (strcmp(known[k].type, type) == 0) {
            u->forward = known[k].forward;
            u->backward = known[k].backward;
        }
    if (strcmp(type, "Gelu") == 0 && u->exact[0] != 0) {
        u->forward = gelu_tanh_forward;
        u->backward = gelu_tanh_backward;
    }
    u->p[0] = (float)u->exact[0];
    u->p[1] = (float)u->exact[1];
}

/* Bounds must be known; a layout with padding has zeros there that must stay. */
static bool suits(const tn__kernel_request *request, size_t count)
{
    const tn__layout *x = request->in[0];
    const tn__site *site = request->site;
    if (!x || !tn__layout_differs(x) || !count ||
        x->bytes != count * tn__dtype_size(x->dtype))
        return false;
    for (size_t k = 1; k < site->input_count; k++)
        if (site->in[k] && (!site->constant[k] || request->wanted[k]))
            return false;
    return true;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    size_t count = 0;
    if (!tn__shape_count(&count, site->in[0]) || !suits(request, count))
        return TN_OK;
    unary_kernel *u = tn__dnnl_alloc(request->dnnl, 1, sizeof *u);
    if (!u)
        return tn__dnnl_check(request->dnnl, err);
    u->formula = tn__formula_find(site->node->type);
    tn_status status = TN_OK;
    if (u->formula->read)
        status = u->formula->read(u->exact, site->constant, site, err);
    if (status)
        return status;
    choose_loops(u, site->node->type);
    u->y = request->in[0];
    u->count = count;
    if (u->y->dtype == TN_BF16 &&
        (status = make_tables(u, request->dnnl, request->wanted[0], err)) != TN_OK)
        return status;
    u->base.out = &u->y;
    u->base.keeps_in = request->wanted[0];
    u->base.in_place = 1u;
    u->base.bind = unary_bind;
    u->base.forward = unary_forward;
    u->base.backward = unary_backward;
    *out = &u->base;
    return TN_OK;
}

const tn__kernel_class tn__unary_quick = {
    .name = "unary:quick", .bf16 = TN__BF16_FOLLOWS, .create = create};
