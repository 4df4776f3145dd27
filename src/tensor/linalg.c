/* linalg.c - OpenBLAS and LAPACKE under our names. */
#include "tensor/linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

/* OpenBLAS keeps to the calling thread, so that no result depends on the number of
 * threads; a setting of the whole process. */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void use_one_thread(void)
{
    openblas_set_num_threads(1);
}

void tn__linalg_begin(void)
{
    (void)pthread_once(&once, use_one_thread);
}

void tn__gemm_f32(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha,
                  const float *a, size_t lda, const float *b, size_t ldb, float beta,
                  float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    tn__linalg_begin();
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a,
                (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void tn__gemm_f64(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha,
                  const double *a, size_t lda, const double *b, size_t ldb, double beta,
                  double *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    tn__linalg_begin();
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a,
                (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

enum { JITTERS = 4 };

/* The lower Cholesky factor of a [n, n] with what jitter it takes, owned. */
static tn_status factor_spd(double **out, const double *a, size_t n, tn_error *err)
{
    double trace = 0;
    for (size_t i = 0; i < n; i++)
        trace += a[i * n + i];
    double *factor = tn__alloc(n * n, sizeof *factor);
    if (!factor)
        return tn__fail_memory(err, n * n * sizeof *factor);
    double jitter = 0;
    tn_status status = TN_ERROR_NUMERIC;
    for (int attempt = 0; attempt < JITTERS && status; attempt++) {
        memcpy(factor, a, n * n * sizeof *factor);
        for (size_t i = 0; i < n; i++)
            factor[i * n + i] += jitter;
        status = tn__cholesky(factor, n, NULL, err);
        jitter = attempt ? jitter * 10 : 1e-12 * trace / (double)n;
    }
    if (status) {
        tn__free(factor);
        return status;
    }
    *out = factor;
    return TN_OK;
}

tn_status tn__solve_spd(const double *a, double *b, size_t n, size_t k, tn_error *err)
{
    double *factor = NULL;
    if (n == 0 || k == 0)
        return TN_OK;
    tn_status status = factor_spd(&factor, a, n, err);
    if (status == TN_OK)
        status = tn__cholesky_solve(b, factor, n, k, NULL, err);
    tn__free(factor);
    return status;
}

tn_status tn__log_det_spd(double *out, const double *a, size_t n, tn_error *err)
{
    double *factor = NULL, sum = 0;
    tn_status status = factor_spd(&factor, a, n, err);
    if (status != TN_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        sum += 2 * log(factor[i * n + i]);
    tn__free(factor);
    *out = sum;
    return TN_OK;
}

tn_status tn__eigenvalues(double *values, double *a, size_t n, tn_error *err)
{
    if (n == 0)
        return TN_OK;
    tn__linalg_begin();
    lapack_int info = LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'N', 'L', (lapack_int)n, a,
                                     (lapack_int)n, values);
    if (info)
        return tn__fail(err, TN_ERROR_NUMERIC,
                        "eigenvalues of a matrix of %zu rows do not converge (%d)", n,
                        (int)info);
    return TN_OK;
}
