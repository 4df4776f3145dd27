/* kernels.h - the inner loops of transport, over contiguous rows of doubles.
 *
 * Legend: c a row of the costs [m], v the potentials of the columns [m]; c - v is the
 * reduced cost up to the potential of the row. Minima are exact and sums are made in
 * eight fixed lanes, so the result does not depend on the instruction set.
 */
#ifndef TN_TRANSPORT_KERNELS_H
#define TN_TRANSPORT_KERNELS_H

#include "base/base.h"

/* Columns whose minimum tn__row_reduce() reports together. */
#define TN__ROW_BLOCK 16

/* A sum that keeps what rounding would lose (Neumaier 1974); read it as sum + lost. */
typedef struct tn__sum {
    double sum, lost;
} tn__sum;

static inline void tn__sum_add(tn__sum *s, double x)
{
    double next = s->sum + x, big = s->sum, small = x;
    if ((x < 0 ? -x : x) > (big < 0 ? -big : big)) {
        big = x;
        small = s->sum;
    }
    s->lost += (big - next) + small;
    s->sum = next;
}

/* min over j of c[j] - v[j]; +inf where m is 0. */
double tn__row_min(const double *c, const double *v, size_t m);

/* reduced[j] = c[j] - v[j], and block[b] its minimum over columns 16 b .. 16 b + 15. */
void tn__row_reduce(double *reduced, double *block, const double *c, const double *v,
                    size_t m);

/* distance[j] = min(distance[j], c[j] - v[j] - offset), from[j] = i where that lowered
 * it; block[] as in tn__row_reduce(), of the distances. Returns the least distance. */
double tn__row_relax(double *distance, uint32_t *from, double *block, const double *c,
                     const double *v, double offset, uint32_t i, size_t m);

/* v[j] = min(v[j], c[j]); row[j] = i where that lowered it. False where an entry of c
 * is not finite. */
bool tn__column_reduce(double *v, uint32_t *row, const double *c, uint32_t i, size_t m);

/* max over j of |c[j]|. */
double tn__row_largest(const double *c, size_t m);

/* Fails with TN_ERROR_NUMERIC, naming the first cost of row i that is not finite. */
tn_status tn__cost_fail(const double *cost, size_t i, size_t m, tn_error *err);

/* out [m, n] = the transpose of in [n, m]. */
void tn__transpose(double *out, const double *in, size_t n, size_t m);

/* The sum over j of w[j] exp((g[j] - c[j] + shift) * scale). Exponents are clamped to
 * [-600, 709]; exp is good to 2 units in the last place. */
double tn__row_exp_sum(const double *w, const double *g, const double *c, double shift,
                       double scale, size_t m);

/* p[j] = weight w[j] exp((g[j] - c[j] + shift) * scale), with the exp of the sum above.
 */
void tn__row_exp(double *p, const double *w, const double *g, const double *c,
                 double weight, double shift, double scale, size_t m);

/* The sum over j of x[j] y[j]. */
double tn__row_dot(const double *x, const double *y, size_t m);

/* The sum over j of |x[j] - y[j]|, and of its squares. */
double tn__row_distance(const double *x, const double *y, size_t m);
double tn__row_distance_squared(const double *x, const double *y, size_t m);

/* out[j] += weight x[j]. */
void tn__row_add(double *out, const double *x, double weight, size_t m);

#endif
