/* cka.c - Gram matrices, HSIC and CKA; see cka.h. Streaming over batches is in
 * layers.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "similarity/cka.h"
#include "tensor/linalg.h"

#define GRAM_ROWS ((size_t)64)

/* Takes the mean row off x [n, d]. */
static tn_status centre(float *x, size_t n, size_t d, tn_error *err)
{
    double *mean = tn__alloc(d, sizeof *mean);
    if (!mean)
        return tn__fail_memory(err, d * sizeof *mean);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < d; k++)
            mean[k] += (double)x[i * d + k];
    }
    for (size_t k = 0; k < d; k++)
        mean[k] /= (double)n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < d; k++)
            x[i * d + k] -= (float)mean[k];
    }
    tn__free(mean);
    return TN_OK;
}

tn_status tn__gram_linear_over(double *gram, float *x, size_t n, size_t d,
                               tn_error *err)
{
    float *product = tn__alloc(n * n, sizeof *product);
    if (!product)
        return tn__fail_memory(err, n * n * sizeof *product);
    tn_status status = centre(x, n, d, err);
    for (size_t i = 0; i < n && status == TN_OK; i += GRAM_ROWS) /* the lower half */
        tn__gemm_f32(false, true, TN__MIN(GRAM_ROWS, n - i), TN__MIN(i + GRAM_ROWS, n),
                     d, 1, x + i * d, d, x, d, 0, product + i * n, n);
    for (size_t i = 0; i < n && status == TN_OK; i++) {
        for (size_t j = 0; j <= i; j++)
            gram[i * n + j] = gram[j * n + i] = (double)product[i * n + j];
    }
    tn__free(product);
    return status;
}

tn_status tn__gram_linear(double *gram, const float *x, size_t n, size_t d,
                          tn_error *err)
{
    size_t count;
    if (!tn__mul(&count, n, d))
        return tn__fail_memory(err, SIZE_MAX);
    float *copy = tn__alloc(count, sizeof *copy);
    if (!copy)
        return tn__fail_memory(err, count * sizeof *copy);
    memcpy(copy, x, count * sizeof *copy);
    tn_status status = tn__gram_linear_over(gram, copy, n, d, err);
    tn__free(copy);
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

tn_status tn__gram_rbf(double *gram, size_t n, double bandwidth, tn_error *err)
{
    size_t pairs = n * (n - 1) / 2, at = 0;
    double *distance = tn__alloc(pairs, sizeof *distance);
    if (!distance)
        return tn__fail_memory(err, pairs * sizeof *distance);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            double d = gram[i * n + i] + gram[j * n + j] - 2 * gram[i * n + j];
            distance[at++] = d > 0 ? d : 0;
        }
    }
    at = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            gram[i * n + j] = gram[j * n + i] = distance[at++];
    }
    qsort(distance, pairs, sizeof *distance, compare_doubles);
    double median =
        pairs > 0 ? distance[pairs / 2] : 0; /* of squares: the same place */
    double scale = median > 0 ? 1 / (2 * bandwidth * bandwidth * median) : 0;
    for (size_t i = 0; i < n; i++) {
        gram[i * n + i] = 1;
        for (size_t j = 0; j < i; j++)
            gram[i * n + j] = gram[j * n + i] = exp(-scale * gram[i * n + j]);
    }
    tn__free(distance);
    return TN_OK;
}

/* Sum of row i, without the diagonal where `hollow`. */
static double row_sum(const double *k, size_t n, size_t i, bool hollow)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += k[i * n + j];
    return hollow ? sum - k[i * n + i] : sum;
}

double tn__hsic_biased(const double *k, const double *l, size_t n)
{
    /* tr(KHLH) = sum K L - 2/n 1'KL1 + 1'K1 1'L1 / n^2 for symmetric K and L */
    double trace = 0, chain = 0, sum_k = 0, sum_l = 0, count = (double)n;
    for (size_t i = 0; i < n; i++) {
        double ki = row_sum(k, n, i, false), li = row_sum(l, n, i, false);
        for (size_t j = 0; j < n; j++)
            trace += k[i * n + j] * l[i * n + j];
        chain += ki * li;
        sum_k += ki;
        sum_l += li;
    }
    return (trace - 2 * chain / count + sum_k * sum_l / (count * count)) /
           ((count - 1) * (count - 1));
}

double tn__hsic_unbiased(const double *k, const double *l, size_t n)
{
    double trace = 0, chain = 0, sum_k = 0, sum_l = 0, count = (double)n;
    for (size_t i = 0; i < n; i++) {
        double ki = row_sum(k, n, i, true), li = row_sum(l, n, i, true);
        for (size_t j = 0; j < n; j++)
            trace += j == i ? 0 : k[i * n + j] * l[i * n + j];
        chain += ki * li;
        sum_k += ki;
        sum_l += li;
    }
    return (trace + sum_k * sum_l / ((count - 1) * (count - 2)) -
            2 * chain / (count - 2)) /
           (count * (count - 3));
}

double tn__cka(tn__hsic *hsic, const double *k, const double *l, size_t n)
{
    double kk = hsic(k, k, n), ll = hsic(l, l, n);
    return kk > 0 && ll > 0 ? hsic(k, l, n) / sqrt(kk * ll) : 0;
}
