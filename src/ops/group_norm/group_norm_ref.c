/* group_norm_ref.c - y = scale u + bias with u = (x - mean) / sqrt(variance + epsilon),
 * statistics of a group of channels of one image, variance biased, in double.
 *
 * With g = dy scale: dx = r (g - mean g - u mean(g u)); dscale and dbias are sums of
 * dy u and dy.
 */
#include "ops/group_norm/group_norm.h"
#include "ops/operand.h"

/* Where scale and bias of element i of group g are. */
static size_t vector_at(const tn__group_norm *norm, size_t g, size_t i)
{
    return norm->per_group ? g : g * norm->width + i / norm->inner;
}

tn_status tn__group_norm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err)
{
    tn__group_norm norm;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = tn__group_norm_read(&norm, site, err)) != TN_OK)
        return status;
    const float *scale = tn__tensor_f32_const(in[1]);
    const float *bias = tn__tensor_f32_const(in[2]);
    size_t n = norm.width * norm.inner;
    for (size_t r = 0; r < norm.images * norm.groups; r++) {
        const float *x = tn__tensor_f32_const(in[0]) + r * n;
        float *y = tn__tensor_f32(out[0]) + r * n;
        tn__standard s = tn__standard_of(x, n, norm.epsilon);
        for (size_t i = 0; i < n; i++) {
            size_t v = vector_at(&norm, r % norm.groups, i);
            double u = ((double)x[i] - s.mean) * s.inverse;
            y[i] = (float)(u * (double)scale[v] + (double)bias[v]);
        }
    }
    return TN_OK;
}

typedef struct gradients {
    float *dx;              /* of one group; NULL: not wanted */
    double *dscale, *dbias; /* of all */
} gradients;

static void gradient_group(const gradients *to, const tn__group_norm *norm, size_t g,
                           const float *x, const float *dy, const float *scale)
{
    size_t n = norm->width * norm->inner;
    tn__standard s = tn__standard_of(x, n, norm->epsilon);
    double mean = 0, along = 0;
    for (size_t i = 0; i < n; i++) {
        size_t v = vector_at(norm, g, i);
        double u = ((double)x[i] - s.mean) * s.inverse, d = (double)dy[i];
        to->dscale[v] += d * u;
        to->dbias[v] += d;
        mean += d * (double)scale[v];
        along += d * (double)scale[v] * u;
    }
    for (size_t i = 0; i < n && to->dx; i++) {
        double u = ((double)x[i] - s.mean) * s.inverse;
        double d = (double)dy[i] * (double)scale[vector_at(norm, g, i)];
        to->dx[i] = (float)(s.inverse * (d - (mean + u * along) / (double)n));
    }
}

tn_status tn__group_norm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                  const tn__tensor *const *in,
                                  const tn__tensor *const *out, const tn__site *site,
                                  tn_error *err)
{
    (void)out;
    tn__group_norm norm;
    tn_status status = tn__group_norm_read(&norm, site, err);
    if (status)
        return status;
    size_t count = tn__tensor_count(in[1]), n = norm.width * norm.inner;
    gradients to = {.dscale = tn__alloc(count, sizeof(double)),
                    .dbias = tn__alloc(count, sizeof(double))};
    if (!to.dscale || !to.dbias) {
        status = tn__fail_memory(err, 2 * count * sizeof(double));
        goto done;
    }
    for (size_t r = 0; r < norm.images * norm.groups; r++) {
        to.dx = din[0] ? tn__tensor_f32(din[0]) + r * n : NULL;
        gradient_group(&to, &norm, r % norm.groups, tn__tensor_f32_const(in[0]) + r * n,
                       tn__tensor_f32_const(dout[0]) + r * n,
                       tn__tensor_f32_const(in[1]));
    }
    tn__store_f64(din[1], to.dscale);
    tn__store_f64(din[2], to.dbias);
done:
    tn__free(to.dscale);
    tn__free(to.dbias);
    return status;
}
