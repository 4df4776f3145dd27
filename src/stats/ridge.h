/* ridge.h - least squares with a ridge, from rows that are streamed.
 *
 * With rows x [d] and answers y [o], weights w [d, o] and a constant c [o]:
 *
 *     min  sum |x w + c - y|^2 / rows  +  lambda |w - w0|^2
 *     w = (G + lambda I)^-1 (D + lambda w0),   G = E[x x^T],  D = E[x y^T]
 *
 * centred where there is a constant. lambda is relative to the mean diagonal of G. Rows
 * are f32, sums double; blocks of columns are summed by different workers, so results
 * do not depend on their number.
 */
#ifndef TN_STATS_RIDGE_H
#define TN_STATS_RIDGE_H

#include "base/threads.h"

typedef struct tn__ridge {
    size_t d, o;
    size_t capacity; /* rows of the block */
    double rows;
    float *block; /* [capacity, d + o]: x, then y; the caller fills it */
    float *shift; /* [d + o] */
    double *first, *second;
    float *product;       /* [workers, d, 256] */
    tn__workers *workers; /* borrowed */
} tn__ridge;

tn_status tn__ridge_create(tn__ridge *out, size_t d, size_t o, size_t capacity,
                           tn__workers *workers, tn_error *err) TN_MUST_USE;
void tn__ridge_release(tn__ridge *ridge);

/* Adds the first `rows` rows of the block, which is overwritten. */
tn_status tn__ridge_add(tn__ridge *ridge, size_t rows, tn_error *err) TN_MUST_USE;
/* w [d, o] holds w0 and becomes the solution; constant [o], or NULL: none.
 * Cost d^3 / 3 + d^2 o. TN_ERROR_NUMERIC where G + lambda cannot be factored. */
tn_status tn__ridge_solve(double *w, double *constant, const tn__ridge *ridge,
                          double lambda, tn_error *err) TN_MUST_USE;
/* q [o, o] = w^T G w and r [o, o] = w^T D, centred, of the solution w for w0 = 0 and
 * lambda with a constant: what mixtures of its columns miss follows from these. */
tn_status tn__ridge_products(double *q, double *r, const tn__ridge *ridge,
                             const double *w, double lambda, tn_error *err) TN_MUST_USE;
/* The answers become y m + added, m [o, outputs], as if they had been so when they were
 * added. */
tn_status tn__ridge_mix(tn__ridge *ridge, const double *m, const double *added,
                        size_t outputs, tn_error *err) TN_MUST_USE;
/* The constant [o] that is best beside weights w [d, o]. */
void tn__ridge_constant(double *constant, const tn__ridge *ridge, const double *w);
/* covariance [d, d] of x. */
void tn__ridge_covariance(double *covariance, const tn__ridge *ridge);
/* Sum over the first `rows` rows of the block of |x w + constant - y|^2. The block is
 * overwritten. */
tn_status tn__ridge_residual(double *out, tn__ridge *ridge, const double *w,
                             const double *constant, size_t rows,
                             tn_error *err) TN_MUST_USE;

#endif
