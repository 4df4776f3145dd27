/* softmax_ref.c - y = exp(x - m) / sum exp(x - m), m the largest x, and its logarithm.
 *
 * dx = y (dy - sum dy y) for Softmax; dx = dy - exp(y) sum dy for LogSoftmax.
 */
#include "ops/operand.h"
#include "ops/softmax/softmax.h"

#include <math.h>
#include <string.h>

static bool is_log(const tn__site *site)
{
    return strcmp(site->node->type, "LogSoftmax") == 0;
}

/* n elements, `step` apart. */
static void softmax_row(float *y, const float *x, size_t n, size_t step, bool log_of)
{
    double most = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i * step]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - most);
    for (size_t i = 0; i < n; i++) {
        double u = (double)x[i * step] - most;
        y[i * step] = (float)(log_of ? u - log(sum) : exp(u) / sum);
    }
}

static void gradient_row(float *dx, const float *dy, const float *y, size_t n,
                         size_t step, bool log_of)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)dy[i * step] * (log_of ? 1.0 : (double)y[i * step]);
    for (size_t i = 0; i < n; i++) {
        double g = (double)dy[i * step], v = (double)y[i * step];
        dx[i * step] = (float)(log_of ? g - exp(v) * sum : v * (g - sum));
    }
}

tn_status tn__softmax_forward(tn__tensor *const *out, const tn__tensor *const *in,
                              const tn__site *site, tn_error *err)
{
    tn__softmax s;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = tn__softmax_read(&s, site, err)) != TN_OK)
        return status;
    const float *x = tn__tensor_f32_const(in[0]);
    float *y = tn__tensor_f32(out[0]);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            size_t first = o * s.n * s.inner + i;
            softmax_row(y + first, x + first, s.n, s.inner, is_log(site));
        }
    return TN_OK;
}

tn_status tn__softmax_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                               const tn__tensor *const *in,
                               const tn__tensor *const *out, const tn__site *site,
                               tn_error *err)
{
    (void)in;
    tn__softmax s;
    tn_status status = tn__softmax_read(&s, site, err);
    if (status || !din[0])
        return status;
    const float *y = tn__tensor_f32_const(out[0]), *dy = tn__tensor_f32_const(dout[0]);
    float *dx = tn__tensor_f32(din[0]);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            size_t first = o * s.n * s.inner + i;
            gradient_row(dx + first, dy + first, y + first, s.n, s.inner, is_log(site));
        }
    return TN_OK;
}
