/* layer_norm_ref.c - y = scale (x - mean) r + bias with r = 1 / sqrt(variance +
 * epsilon) per row, variance biased; statistics in double.
 *
 * With u = (x - mean) r and g = dy scale: dx = r (g - mean g - u mean(g u)),
 * dscale = sum over rows of dy u, dbias = sum over rows of dy. No gradient passes
 * through outputs 1 and 2.
 */
#include "ops/layer_norm/layer_norm.h"
#include "ops/operand.h"

tn_status tn__layer_norm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err)
{
    tn__layer_norm norm;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = tn__layer_norm_read(&norm, site, err)) != TN_OK)
        return status;
    const float *scale = tn__tensor_f32_const(in[1]);
    bool shifted = tn__site_in(site, 2);
    const float *bias = shifted ? tn__tensor_f32_const(in[2]) : NULL;
    for (size_t r = 0; r < norm.rows; r++) {
        const float *x = tn__tensor_f32_const(in[0]) + r * norm.n;
        float *y = tn__tensor_f32(out[0]) + r * norm.n;
        tn__standard s = tn__standard_of(x, norm.n, norm.epsilon);
        for (size_t i = 0; i < norm.n; i++) {
            double u = ((double)x[i] - s.mean) * s.inverse * (double)scale[i];
            y[i] = (float)(bias ? u + (double)bias[i] : u);
        }
        if (site->output_count > 1 && out[1])
            tn__tensor_f32(out[1])[r] = (float)s.mean;
        if (site->output_count > 2 && out[2])
            tn__tensor_f32(out[2])[r] = (float)s.inverse;
    }
    return TN_OK;
}

static void gradient_row(float *dx, const float *x, const float *dy, const float *scale,
                         size_t n, tn__standard s)
{
    double mean = 0, along = 0;
    for (size_t i = 0; i < n; i++) {
        double g = (double)dy[i] * (double)scale[i];
        mean += g;
        along += g * ((double)x[i] - s.mean) * s.inverse;
    }
    mean /= (double)n;
    along /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double u = ((double)x[i] - s.mean) * s.inverse;
        double g = (double)dy[i] * (double)scale[i];
        dx[i] = (float)(s.inverse * (g - mean - u * along));
    }
}

tn_status tn__layer_norm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                  const tn__tensor *const *in,
                                  const tn__tensor *const *out, const tn__site *site,
                                  tn_error *err)
{
    (void)out;
    tn__layer_norm norm;
    tn_status status = tn__layer_norm_read(&norm, site, err);
    if (status)
        return status;
    double *dscale = tn__alloc(norm.n, sizeof *dscale);
    double *dbias = tn__alloc(norm.n, sizeof *dbias);
    if (!dscale || !dbias) {
        status = tn__fail_memory(err, 2 * norm.n * sizeof *dscale);
        goto done;
    }
    const float *scale = tn__tensor_f32_const(in[1]);
    for (size_t r = 0; r < norm.rows; r++) {
        const float *x = tn__tensor_f32_const(in[0]) + r * norm.n;
        const float *dy = tn__tensor_f32_const(dout[0]) + r * norm.n;
        tn__standard s = tn__standard_of(x, norm.n, norm.epsilon);
        if (din[0])
            gradient_row(tn__tensor_f32(din[0]) + r * norm.n, x, dy, scale, norm.n, s);
        for (size_t i = 0; i < norm.n; i++) {
            dscale[i] += (double)dy[i] * ((double)x[i] - s.mean) * s.inverse;
            dbias[i] += (double)dy[i];
        }
    }
    tn__store_f64(din[1], dscale);
    if (tn__site_in(site, 2))
        tn__store_f64(din[2], dbias);
done:
    tn__free(dscale);
    tn__free(dbias);
    return status;
}
