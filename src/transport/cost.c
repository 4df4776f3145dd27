/* cost.c - the matrix of distances between two sets of points, by one matrix product.
 *
 * |x - y|^2 = |x|^2 + |y|^2 - 2 x.y never builds the [n, m, d] differences. It cancels
 * where points nearly coincide, by about 1e-16 |x|^2 in the square and 1e-8 |x| in the
 * distance, so rounding below 0 is clamped.
 */
#include <float.h>
#include <math.h>

#include "tenon/transport.h"
#include "tensor/linalg.h"
#include "transport/mass_check.h"

/* Where squared norms are at most this, no product, sum or entry overflows. */
#define NORM_LIMIT (DBL_MAX / 8)

static tn_status squared_norms(double *norms, const double *x, size_t n, size_t d,
                               const char *name, tn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < d; k++)
            sum += x[i * d + k] * x[i * d + k];
        if (!(sum <= NORM_LIMIT))
            return tn__fail(
                err, TN_ERROR_NUMERIC,
                "point %zu of %s has the squared norm %g, wanted a finite one", i, name,
                sum);
        norms[i] = sum;
    }
    return TN_OK;
}

/* The entry of two points with squared norms a and b and inner product p. */
static double entry_cost(double a, double b, double p, tn_ot_metric metric)
{
    if (metric == TN_OT_COSINE) {
        if (a == 0 || b == 0)
            return 1;
        double cosine = p / (sqrt(a) * sqrt(b));
        return 1 - (cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
    }
    double square = a + b - 2 * p;
    square = square < 0 ? 0 : square;
    return metric == TN_OT_EUCLIDEAN ? sqrt(square) : square;
}

tn_status tn_ot_cost(double *cost, const double *x, const double *y, size_t n, size_t m,
                     size_t d, tn_ot_metric metric, tn_error *err)
{
    tn_status status = tn__size_check(n, m, err);
    if (status)
        return status;
    if (metric != TN_OT_EUCLIDEAN && metric != TN_OT_SQUARED_EUCLIDEAN &&
        metric != TN_OT_COSINE)
        return tn__fail(err, TN_ERROR_ARGUMENT, "metric %d is unknown", (int)metric);
    double *norms = tn__alloc(n + m, sizeof *norms);
    if (!norms)
        return tn__fail_memory(err, (n + m) * sizeof *norms);
    status = squared_norms(norms, x, n, d, "x", err);
    if (!status)
        status = squared_norms(norms + n, y, m, d, "y", err);
    if (status)
        goto done;
    if (d > 0)
        tn__gemm_f64(false, true, n, m, d, 1, x, d, y, d, 0, cost, m);
    for (size_t i = 0; i < n; i++) {
        double *row = cost + i * m;
        for (size_t j = 0; j < m; j++)
            row[j] = entry_cost(norms[i], norms[n + j], d > 0 ? row[j] : 0, metric);
    }
done:
    tn__free(norms);
    return status;
}
