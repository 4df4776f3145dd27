/* batch_norm_ref.c - y = scale (x - mean) / sqrt(variance + epsilon) + bias per
 * channel, with given statistics: the oracle of the fast kernel at inference. */
#include "ops/batch_norm/batch_norm.h"
#include "ops/operand.h"

#include <math.h>

typedef struct extents {
    size_t n, c, rest; /* images, channels, elements of a channel */
} extents;

static extents extents_of(const tn__shape *x)
{
    extents e = {.n = (size_t)x->dims[0], .c = (size_t)x->dims[1], .rest = 1};
    for (int k = 2; k < x->rank; k++)
        e.rest *= (size_t)x->dims[k];
    return e;
}

/* Channel c of input k, as a double. */
static double vector_at(const tn__tensor *const *in, size_t k, size_t c)
{
    return (double)tn__tensor_f32_const(in[k])[c];
}

static double deviation(const tn__tensor *const *in, const tn__site *site, size_t c)
{
    float epsilon = tn__node_float(site->node, "epsilon", TN__BN_EPSILON);
    return sqrt(vector_at(in, TN__BN_VARIANCE, c) + (double)epsilon);
}

tn_status tn__batch_norm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err)
{
    tn_status status = tn__expect_f32(in[0], err);
    if (status)
        return status;
    extents e = extents_of(&in[0]->shape);
    const float *x = tn__tensor_f32_const(in[0]);
    float *y = tn__tensor_f32(out[0]);
    for (size_t i = 0; i < e.n * e.c; i++) {
        size_t c = i % e.c;
        double scale = vector_at(in, TN__BN_SCALE, c) / deviation(in, site, c);
        double mean = vector_at(in, TN__BN_MEAN, c);
        double bias = vector_at(in, TN__BN_BIAS, c);
        for (size_t p = 0; p < e.rest; p++)
            *y++ = (float)(scale * ((double)*x++ - mean) + bias);
    }
    return TN_OK;
}

/* Sums over all elements of channel c: of dy, and of dy (x - mean). */
static void channel_sums(double sums[2], size_t c, const extents *e,
                         const tn__tensor *dy, const tn__tensor *const *in)
{
    const float *g = tn__tensor_f32_const(dy), *x = tn__tensor_f32_const(in[0]);
    double mean = vector_at(in, TN__BN_MEAN, c);
    sums[0] = sums[1] = 0;
    for (size_t n = 0; n < e->n; n++)
        for (size_t p = 0; p < e->rest; p++) {
            size_t i = (n * e->c + c) * e->rest + p;
            sums[0] += (double)g[i];
            sums[1] += (double)g[i] * ((double)x[i] - mean);
        }
}

static void put(tn__tensor *to, size_t c, double value)
{
    if (to)
        tn__tensor_f32(to)[c] = (float)value;
}

/* With s = sqrt(variance + epsilon), u = sum dy and v = sum dy (x - mean):
 * dx = dy scale / s; dscale = v / s; dbias = u; dmean = -u scale / s;
 * dvariance = -v scale / (2 s^3). */
tn_status tn__batch_norm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                  const tn__tensor *const *in,
                                  const tn__tensor *const *out, const tn__site *site,
                                  tn_error *err)
{
    (void)out;
    (void)err;
    extents e = extents_of(&in[0]->shape);
    const float *dy = tn__tensor_f32_const(dout[0]);
    float *dx = din[0] ? tn__tensor_f32(din[0]) : NULL;
    for (size_t i = 0; dx && i < e.n * e.c; i++) {
        size_t c = i % e.c;
        double slope = vector_at(in, TN__BN_SCALE, c) / deviation(in, site, c);
        for (size_t p = 0; p < e.rest; p++)
            *dx++ = (float)((double)*dy++ * slope);
    }
    for (size_t c = 0; c < e.c; c++) {
        double sums[2], s = deviation(in, site, c);
        double scale = vector_at(in, TN__BN_SCALE, c);
        channel_sums(sums, c, &e, dout[0], in);
        put(din[TN__BN_SCALE], c, sums[1] / s);
        put(din[TN__BN_BIAS], c, sums[0]);
        put(din[TN__BN_MEAN], c, -sums[0] * scale / s);
        put(din[TN__BN_VARIANCE], c, -sums[1] * scale / (2 * s * s * s));
    }
    return TN_OK;
}
