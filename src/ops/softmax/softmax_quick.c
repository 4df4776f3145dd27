/* softmax_quick.c - Softmax over the last axes of values that lie row by row, a row as
 * loops of vectors; sums in double, bf16 computed in f32. LogSoftmax, and softmax over
 * other axes, are left to plain C.
 */
#include <string.h>

#include "ops/onednn.h"
#include "ops/quick.h"
#include "ops/softmax/softmax.h"

typedef struct softmax_kernel {
    tn__kernel base;
    const tn__layout *y;
    size_t rows, n;
    const void *x, *dy; /* of y's type */
    void *out, *dx;
    float *row[2]; /* [n] of bf16 values in f32, or NULL */
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

static void forward_bf16(const softmax_kernel *s)
{
    const uint16_t *x = s->x;
    uint16_t *y = s->out;
    for (size_t r = 0; r < s->rows; r++, x += s->n, y += s->n) {
        tn__quick_widen(s->row[0], x, s->n);
        forward_row(s->row[0], s->row[0], s->n);
        tn__quick_narrow(y, s->row[0], s->n);
    }
}

static void backward_bf16(const softmax_kernel *s)
{
    const uint16_t *y = s->out, *dy = s->dy;
    uint16_t *dx = s->dx;
    for (size_t r = 0; r < s->rows; r++, y += s->n, dy += s->n, dx += s->n) {
        tn__quick_widen(s->row[0], y, s->n);
        tn__quick_widen(s->row[1], dy, s->n);
        backward_row(s->row[1], s->row[1], s->row[0], s->n);
        tn__quick_narrow(dx, s->row[1], s->n);
    }
}

static tn_status softmax_forward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    softmax_kernel *s = (softmax_kernel *)kernel;
    const float *x = s->x;
    float *y = s->out;
    if (s->row[0])
        forward_bf16(s);
    else
        for (size_t at = 0; at < s->rows * s->n; at += s->n)
            forward_row(y + at, x + at, s->n);
    return TN_OK;
}

static tn_status softmax_backward(tn__kernel *kernel, tn_error *err)
{
    (void)err;
    softmax_kernel *s = (softmax_kernel *)kernel;
    const float *y = s->out, *dy = s->dy;
    float *dx = s->dx;
    if (s->row[0])
        backward_bf16(s);
    else
        for (size_t at = 0; at < s->rows * s->n; at += s->n)
            backward_row(dx + at, dy + at, y + at, s->n);
    return TN_OK;
}

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    const tn__layout *x = request->in[0];
    tn__softmax of;
    if (!x || !tn__layout_differs(x) || strcmp(site->node->type, "Softmax"))
        return TN_OK;
    const tn__layout *rows = tn__layout_rows(request->dnnl, x->dtype, &x->shape);
    if (!rows || !tn__layout_equal(x, rows))
        return tn__dnnl_check(request->dnnl, err);
    tn_status status = tn__softmax_read(&of, site, err);
    if (status || of.inner != 1 || !of.n)
        return status;
    softmax_kernel *s = tn__dnnl_alloc(request->dnnl, 1, sizeof *s);
    if (!s)
        return tn__dnnl_check(request->dnnl, err);
    s->y = x;
    s->rows = of.outer;
    s->n = of.n;
    for (int k = 0; k < 2 && x->dtype == TN_BF16; k++)
        s->row[k] = tn__dnnl_alloc(request->dnnl, of.n, sizeof *s->row[k]);
    s->base.out = &s->y;
    s->base.keeps_out = request->wanted[0];
    s->base.in_place = 1u;
    s->base.bind = softmax_bind;
    s->base.forward = softmax_forward;
    s->base.backward = softmax_backward;
    *out = &s->base;
    return tn__dnnl_check(request->dnnl, err);
}

const tn__kernel_class tn__softmax_quick = {
    .name = "softmax:quick", .bf16 = TN__BF16_FOLLOWS, .create = create};
