/* norm_plain.c - batch normalisation with the statistics of the batch, in plain C.
 *
 * The oracle of the fast kernel in training (Ioffe and Szegedy 2015). Sums in double.
 */
#include "engine/plan.h"

#include <math.h>

typedef struct extents {
    size_t n, c, rest; /* images, channels, positions */
} extents;

static extents extents_of(const tn__shape *x)
{
    extents e = {(size_t)x->dims[0], (size_t)x->dims[1], 1};
    for (int i = 2; i < x->rank; i++)
        e.rest *= (size_t)x->dims[i];
    return e;
}

void tn__norm_statistics(float *mean, float *variance, const tn__tensor *x)
{
    extents e = extents_of(&x->shape);
    const float *data = tn__tensor_f32_const(x);
    double count = (double)(e.n * e.rest);
    for (size_t c = 0; c < e.c; c++) {
        double sum = 0, squares = 0;
        for (size_t n = 0; n < e.n; n++)
            for (size_t p = 0; p < e.rest; p++)
                sum += (double)data[(n * e.c + c) * e.rest + p];
        double m = sum / count;
        for (size_t n = 0; n < e.n; n++)
            for (size_t p = 0; p < e.rest; p++) {
                double d = (double)data[(n * e.c + c) * e.rest + p] - m;
                squares += d * d;
            }
        mean[c] = (float)m;
        variance[c] = (float)(squares / count);
    }
}

/* One channel: h = (x - mean) / s, dscale = sum dy h, dshift = sum dy,
 * dx = scale / s (dy - (dshift + h dscale) / count). */
static void channel_backward(float *dx, double sums[2], const float *dy, const float *x,
                             const double norm[3], const extents *e)
{
    double scale = norm[0], mean = norm[1], s = norm[2],
           count = (double)(e->n * e->rest);
    size_t image = e->c * e->rest;
    sums[0] = sums[1] = 0;
    for (size_t n = 0; n < e->n; n++)
        for (size_t i = n * image; i < n * image + e->rest; i++) {
            sums[0] += (double)dy[i] * ((double)x[i] - mean) / s;
            sums[1] += (double)dy[i];
        }
    for (size_t n = 0; dx && n < e->n; n++)
        for (size_t i = n * image; i < n * image + e->rest; i++) {
            double h = ((double)x[i] - mean) / s;
            dx[i] =
                (float)(scale / s * ((double)dy[i] - (sums[1] + h * sums[0]) / count));
        }
}

void tn__norm_backward(tn__tensor *const *din, const tn__tensor *dout,
                       const tn__tensor *const *in, double epsilon)
{
    extents e = extents_of(&in[0]->shape);
    for (size_t c = 0; c < e.c; c++) {
        double sums[2];
        double norm[3] = {(double)tn__tensor_f32_const(in[1])[c],
                          (double)tn__tensor_f32_const(in[3])[c],
                          sqrt((double)tn__tensor_f32_const(in[4])[c] + epsilon)};
        channel_backward(din[0] ? tn__tensor_f32(din[0]) + c * e.rest : NULL, sums,
                         tn__tensor_f32_const(dout) + c * e.rest,
                         tn__tensor_f32_const(in[0]) + c * e.rest, norm, &e);
        if (din[1])
            tn__tensor_f32(din[1])[c] = (float)sums[0];
        if (din[2])
            tn__tensor_f32(din[2])[c] = (float)sums[1];
    }
}
