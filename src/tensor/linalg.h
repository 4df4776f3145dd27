/* linalg.h - BLAS and LAPACK behind names of ours.
 *
 * Matrices are row-major without padding unless a leading dimension is given. Sizes
 * must fit in the library's int; all callers' do, since memory would not hold more.
 * The first call makes OpenBLAS keep to the calling thread for the whole process:
 * results must not depend on the number of threads.
 */
#ifndef TN_TENSOR_LINALG_H
#define TN_TENSOR_LINALG_H

#include "base/threads.h"

/* C [m, n] = alpha op(A) op(B) + beta C; op is the transpose where ta or tb is set.
 * A is [m, k] ([k, m] when ta), B is [k, n] ([n, k] when tb); lda, ldb, ldc are row
 * strides in elements. */
void tn__gemm_f32(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha,
                  const float *a, size_t lda, const float *b, size_t ldb, float beta,
                  float *c, size_t ldc);
void tn__gemm_f64(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha,
                  const double *a, size_t lda, const double *b, size_t ldb, double beta,
                  double *c, size_t ldc);

/* What every function here does first: BLAS keeps to the calling thread. */
void tn__linalg_begin(void);

/* The lower triangle of a symmetric positive definite a [n, n] becomes its Cholesky
 * factor L; the upper triangle is overwritten too. Tiles go to `workers` (NULL: none);
 * results do not depend on their number. TN_ERROR_NUMERIC where a pivot is not above
 * 0. Cost n^3 / 3. */
tn_status tn__cholesky(double *a, size_t n, tn__workers *workers,
                       tn_error *err) TN_MUST_USE;
/* Solves L L^T X = B; X overwrites b [n, k]. */
tn_status tn__cholesky_solve(double *b, const double *factor, size_t n, size_t k,
                             tn__workers *workers, tn_error *err) TN_MUST_USE;

/* Solves (A + jitter I) X = B for a symmetric positive definite A [n, n], B [n, k]; X
 * overwrites B. Adds jitter (1e-12 times the mean diagonal, then ten times more, three
 * times) where Cholesky fails; TN_ERROR_NUMERIC where that does not help. A is only
 * read. */
tn_status tn__solve_spd(const double *a, double *b, size_t n, size_t k,
                        tn_error *err) TN_MUST_USE;
/* log det of a symmetric positive definite a [n, n], with the same jitter. */
tn_status tn__log_det_spd(double *out, const double *a, size_t n,
                          tn_error *err) TN_MUST_USE;

/* values [n], ascending, of a symmetric A [n, n], which is overwritten.
 * TN_ERROR_NUMERIC where the iteration does not converge. */
tn_status tn__eigenvalues(double *values, double *a, size_t n,
                          tn_error *err) TN_MUST_USE;

#endif
