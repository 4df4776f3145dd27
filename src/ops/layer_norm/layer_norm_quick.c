/* layer_norm_quick.c - LayerNormalization of plain arrays, a row as loops of vectors;
 * statistics and sums in double. See layer_norm_ref.c for the formulas.
 */
#include <math.h>
#include <string.h>

#include "ops/layer_norm/layer_norm.h"
#include "ops/onednn.h"
#include "ops/quick.h"

typedef struct norm_kernel {
    tn__kernel base;
    const tn__layout *y;
    tn__layer_norm of;
    bool shifted;
    bool wanted[3];
    const float *x, *scale, *shift, *dy;
    float *out, *dx, *dscale, *dshift;
    float *g, *u;            /* [n] of a row */
    double *scales, *shifts; /* [n] gradients so far */
} norm_kernel;

typedef struct statistics {
    float mean, inverse;
} statistics;

/* sum (x[i] - mean)^2 */
static inline double spread(const float *x, size_t n, double mean)
{
    double lane[TN__LANES] = {0};
    size_t i = 0;
    for (; i + TN__LANES <= n; i += TN__LANES)
        for (size_t k = 0; k < TN__LANES; k++) {
            double u = (double)x[i + k] - mean;
            lane[k] += u * u;
        }
    for (size_t k = 0; i < n; i++, k++)
        lane[k] += ((double)x[i] - mean) * ((double)x[i] - mean);
    return tn__quick_lanes(lane);
}

static inline statistics statistics_of(const float *x, size_t n, double epsilon)
{
    double mean = tn__quick_sum(x, n) / (double)n;
    double variance = spread(x, n, mean) / (double)n;
    return (statistics){(float)mean, (float)(1 / sqrt(variance + epsilon))};
}

TN__VECTORS static void forward_row(float *y, const float *x, const norm_kernel *k)
{
    size_t n = k->of.n;
    const float *scale = k->scale, *shift = k->shift;
    statistics s = statistics_of(x, n, k->of.epsilon);
    if (k->shifted)
        for (size_t i = 0; i < n; i++)
            y[i] = (x[i] - s.mean) * s.inverse * scale[i] + shift[i];
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (x[i] - s.mean) * s.inverse * scale[i];
}

TN__VECTORS static void backward_row(float *dx, const float *dy, const float *x,
                                     const norm_kernel *k)
{
    size_t n = k->of.n;
    float *restrict g = k->g, *restrict u = k->u;
    double *restrict scales = k->scales, *restrict shifts = k->shifts;
    const float *restrict scale = k->scale;
    statistics s = statistics_of(x, n, k->of.epsilon);
    for (size_t i = 0; i < n; i++) {
        u[i] = (x[i] - s.mean) * s.inverse;
        g[i] = dy[i] * scale[i];
    }
    for (size_t i = 0; i < n; i++) {
        scales[i] += (double)dy[i] * (double)u[i];
        shifts[i] += (double)dy[i];
    }
    if (!dx)
        return;
    float mean = (float)(tn__quick_sum(g, n) / (double)n);
    float along = (float)(tn__quick_dot(g, u, n) / (double)n);
    for (size_t i = 0; i < n; i++)
        dx[i] = s.inverse * (g[i] - mean - u[i] * along);
}

static tn_status norm_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                           tn_error *err)
{
    (void)err;
    norm_kernel *k = (norm_kernel *)kernel;
    k->x = m->in[0];
    k->scale = m->in[1];
    k->shift = k->shifted ? m->in[2] : NULL;
    k->out = m->out[0];
    k->dy = m->dout[0];
    k->dx = k->wanted[0] ? m->din[0] : NULL;
    k->dscale = k->wanted[1] ? m->din[1] : NULL;
    k->dshift = k->wanted[2] ? m->din[2] : NULL;
    return TN_OK;
}

static tn_status norm_forward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    norm_kernel *k = (norm_kernel *)kernel;
    for (size_t r = 0; r < k->of.rows; r++)
        forward_row(k->out + r * k->of.n, k->x + r * k->of.n, k);
    return TN_OK;
}

static void store(float *to, const double *from, size_t n)
{
    for (size_t i = 0; i < n && to; i++)
        to[i] = (float)from[i];
}

static tn_status norm_backward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    norm_kernel *k = (norm_kernel *)kernel;
    size_t n = k->of.n;
    memset(k->scales, 0, n * sizeof *k->scales);
    memset(k->shifts, 0, n * sizeof *k->shifts);
    for (size_t r = 0; r < k->of.rows; r++)
        backward_row(k->dx ? k->dx + r * n : NULL, k->dy + r * n, k->x + r * n, k);
    store(k->dscale, k->scales, n);
    store(k->dshift, k->shifts, n);
    return TN_OK;
}

/* Plain f32 with scale and shift for each element of a row; mean and inverse deviation
 * are not asked for. */
static bool suits(const tn__kernel_request *request, const tn__layer_norm *of)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    size_t count;
    for (size_t k = 1; k < site->output_count; k++)
        if (site->node->outputs[k] != TN__NONE)
            return false;
    for (size_t k = 1; k < TN__MIN(site->input_count, 3); k++)
        if (site->in[k] && (request->in[k] || site->in_dtype[k] != TN_F32 ||
                            !tn__shape_count(&count, site->in[k]) || count != of->n))
            return false;
    return x && x->plain && x->dtype == TN_F32 && of->n && of->rows;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    tn__dnnl *d = request->dnnl;
    tn__layer_norm of;
    tn_status status = tn__layer_norm_read(&of, site, err);
    if (status || !suits(request, &of))
        return status;
    norm_kernel *k = tn__dnnl_alloc(d, 1, sizeof *k);
    if (!k)
        return tn__dnnl_check(d, err);
    k->of = of;
    k->y = request->in[0];
    k->shifted = site->input_count > 2 && site->in[2];
    for (size_t i = 0; i < TN__MIN(site->input_count, 3); i++) {
        k->wanted[i] = request->wanted[i];
        k->base.keeps_in |= request->wanted[i];
    }
    k->g = tn__dnnl_alloc(d, of.n, sizeof *k->g);
    k->u = tn__dnnl_alloc(d, of.n, sizeof *k->u);
    k->scales = tn__dnnl_alloc(d, of.n, sizeof *k->scales);
    k->shifts = tn__dnnl_alloc(d, of.n, sizeof *k->shifts);
    k->base.out = &k->y;
    k->base.in_place = 1u;
    k->base.bind = norm_bind;
    k->base.forward = norm_forward;
    k->base.backward = norm_backward;
    *out = &k->base;
    return tn__dnnl_check(d, err);
}

const tn__kernel_class tn__layernorm_quick = {.name = "layernorm:quick",
                                              .create = create};
