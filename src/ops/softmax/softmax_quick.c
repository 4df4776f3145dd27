/* softmax_quick.c - Softmax over the last axes of plain arrays, a row as loops of
 * vectors; sums in double. LogSoftmax, and softmax over other axes, are left to plain
 * C.
 */
#include <string.h>

#include "ops/onednn.h"
#include "ops/quick.h"
#include "ops/softmax/softmax.h"

typedef struct softmax_kernel {
    tn__kernel base;
    const tn__layout *y;
    size_t rows, n;
    const float *x, *dy;
    float *out, *dx;
} softmax_kernel;

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

static inline float largest(const float *x, size_t n)
{
    float lane[TN__LANES], most = x[0];
    size_t i = 0;
    for (size_t k = 0; k < TN__LANES; k++)
        lane[k] = x[0];
    for (; i + TN__LANES <= n; i += TN__LANES)
        for (size_t k = 0; k < TN__LANES; k++)
            lane[k] = larger(x[i + k], lane[k]);
    for (; i < n; i++)
        most = larger(x[i], most);
    for (size_t k = 0; k < TN__LANES; k++)
        most = larger(lane[k], most);
    return most;
}

TN__VECTORS static void forward_row(float *y, const float *x, size_t n)
{
    float most = largest(x, n);
    for (size_t i = 0; i < n; i++)
        y[i] = tn__quick_exp(x[i] - most);
    float scale = (float)(1 / tn__quick_sum(y, n));
    for (size_t i = 0; i < n; i++)
        y[i] *= scale;
}

/* dx = y (dy - sum dy y) */
TN__VECTORS static void backward_row(float *dx, const float *dy, const float *y,
                                     size_t n)
{
    float along = (float)tn__quick_dot(dy, y, n);
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] * (dy[i] - along);
}

static tn_status softmax_bind(tn__kernel *kernel, const tn__kernel_memory *m,
                              tn_error *err)
{
    (void)err;
    softmax_kernel *s = (softmax_kernel *)kernel;
    s->x = m->in[0];
    s->out = m->out[0];
    s->dx = m->din[0];
    s->dy = m->dout[0];
    return TN_OK;
}

static tn_status softmax_forward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    softmax_kernel *s = (softmax_kernel *)kernel;
    for (size_t r = 0; r < s->rows; r++)
        forward_row(s->out + r * s->n, s->x + r * s->n, s->n);
    return TN_OK;
}

static tn_status softmax_backward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    softmax_kernel *s = (softmax_kernel *)kernel;
    for (size_t r = 0; r < s->rows; r++)
        backward_row(s->dx + r * s->n, s->dy + r * s->n, s->out + r * s->n, s->n);
    return TN_OK;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    tn__softmax of;
    if (!x || !x->plain || x->dtype != TN_F32 || strcmp(site->node->type, "Softmax"))
        return TN_OK;
    tn_status status = tn__softmax_read(&of, site, err);
    if (status || of.inner != 1 || !of.n)
        return status;
    softmax_kernel *s = tn__dnnl_alloc(request->dnnl, 1, sizeof *s);
    if (!s)
        return tn__dnnl_check(request->dnnl, err);
    s->y = x;
    s->rows = of.outer;
    s->n = of.n;
    s->base.out = &s->y;
    s->base.keeps_out = request->wanted[0];
    s->base.in_place = 1u;
    s->base.bind = softmax_bind;
    s->base.forward = softmax_forward;
    s->base.backward = softmax_backward;
    *out = &s->base;
    return TN_OK;
}

const tn__kernel_class tn__softmax_quick = {.name = "softmax:quick", .create = create};
