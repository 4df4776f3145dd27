/* transport.h - optimal transport between two sets of points; knows nothing of
 * networks.
 *
 * Matrices are row-major doubles. A plan P [n, m] moves mass mu [n] (sources) onto
 * nu [m] (targets) at cost sum_ij P_ij M_ij. Every solver says how good its answer is:
 * a duality gap (exact) or a marginal error (entropic); none returns a wrong plan
 * silently.
 *
 *     tn_ot_plan plan;
 *     if (tn_ot_emd(&plan, NULL, NULL, cost, n, m, &err)) ...   // uniform masses
 *     printf("%g, gap %g\n", plan.cost, plan.gap);
 *     tn_ot_plan_release(&plan);
 */
#ifndef TENON_TRANSPORT_H
#define TENON_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "tenon/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A sparse plan: entry e moves `mass[e]` from source[e] to target[e]; sorted by source,
 * then target. */
typedef struct tn_ot_plan {
    size_t n, m, count;        /* sources, targets, entries */
    uint32_t *source, *target; /* [count] */
    double *mass;              /* [count], > 0 */
    double cost;               /* sum of mass times cost */
    double gap;                /* exact solvers: primal minus dual value, relative to
                                  max(1, |cost|); NaN for entropic ones */
    double marginal_error;     /* sum |P 1 - mu| + sum |P^T 1 - nu| */
    size_t iterations;         /* that were made */
} tn_ot_plan;
TN_API void tn_ot_plan_release(tn_ot_plan *plan); /* zeroes it; takes NULL */

/* Between two points x and y. */
typedef enum tn_ot_metric {
    TN_OT_EUCLIDEAN,         /* |x - y| */
    TN_OT_SQUARED_EUCLIDEAN, /* |x - y|^2 */
    TN_OT_COSINE             /* 1 - cos(x, y), in [0, 2]; 1 where either is zero */
} tn_ot_metric;

/* cost [n, m] between the rows of x [n, d] and y [m, d], by one matrix product
 * (|x|^2 + |y|^2 - 2 x.y, clamped at 0). TN_ERROR_NUMERIC where an entry is not finite,
 * TN_ERROR_MEMORY. O(n m d). */
TN_API TN_MUST_USE tn_status tn_ot_cost(double *cost, const double *x, const double *y,
                                        size_t n, size_t m, size_t d,
                                        tn_ot_metric metric, tn_error *err);

/* Square assignment: column[i] is the column of row i, minimising the sum of
 * cost[i, column[i]]. Shortest augmenting paths (Jonker and Volgenant 1987) over short
 * lists (Volgenant 1996). *total and *gap (relative, see tn_ot_plan) may be NULL. Ties
 * are broken by a fixed rule, so the answer is the same on every run. TN_ERROR_ARGUMENT
 * where n is 0, TN_ERROR_NUMERIC where a cost is not finite, TN_ERROR_MEMORY. O(n^3) at
 * worst. */
TN_API TN_MUST_USE tn_status tn_ot_assign(uint32_t *column, double *total, double *gap,
                                          const double *cost, size_t n, tn_error *err);

/* Exact transport for any masses and shapes: network simplex (Cunningham 1976), or
 * shortest augmenting paths where both masses are uniform and one of n and m divides
 * the other. mu [n] and nu [m] must be >= 0 with equal sums to 1e-9 relative (nu is
 * rescaled to the sum of mu); NULL is uniform with sum 1. The plan has at most n + m -
 * 1 entries. TN_ERROR_ARGUMENT (sizes, masses), TN_ERROR_NUMERIC (costs not finite, or
 * a gap above 1e-9), TN_ERROR_MEMORY. */
TN_API TN_MUST_USE tn_status tn_ot_emd(tn_ot_plan *out, const double *mu,
                                       const double *nu, const double *cost, size_t n,
                                       size_t m, tn_error *err);

/* How entropic transport is solved. */
typedef struct tn_ot_sinkhorn_options {
    double regularization; /* entropic weight, relative to the mean of the costs */
    double tolerance; /* stop where the marginal error (for masses of sum 1) is below */
    size_t iterations; /* at most */
    double relaxation; /* unbalanced: Kullback-Leibler weight of the marginals, relative
                          to the mean of the costs; 0: balanced */
} tn_ot_sinkhorn_options;
/* The defaults of tn_ot_sinkhorn_options. */
#define TN_OT_SINKHORN_OPTIONS_INIT                                                    \
    {                                                                                  \
        0.01, 1e-6, 10000, 0                                                           \
    }

/* Entropic transport in the log domain (Cuturi 2013; Peyré and Cuturi 2019, 4.4), with
 * absorbed scalings (Schmitzer 2019) and the regularisation lowered in steps;
 * unbalanced by Chizat et al. 2018, where masses may differ in sum and the tolerance is
 * for the largest change of a log scaling in one iteration. plan [n, m] dense. options
 * may be NULL. *cost, *marginal_error (measured on the plan) and *iterations may be
 * NULL. TN_ERROR_ARGUMENT (sizes, masses, options), TN_ERROR_NUMERIC where a cost is
 * not finite or the tolerance is not met, TN_ERROR_MEMORY: plan is untouched. O(n m) an
 * iteration. */
TN_API TN_MUST_USE tn_status tn_ot_sinkhorn(double *plan, double *cost,
                                            double *marginal_error, size_t *iterations,
                                            const double *mu, const double *nu,
                                            const double *costs, size_t n, size_t m,
                                            const tn_ot_sinkhorn_options *options,
                                            tn_error *err);

/* Of two distances. */
typedef enum tn_ot_gromov_loss {
    TN_OT_GROMOV_SQUARE, /* (a - b)^2 */
    TN_OT_GROMOV_KL      /* a log(a / b) - a + b */
} tn_ot_gromov_loss;

/* How two sets of distances are matched. */
typedef struct tn_ot_gromov_options {
    tn_ot_gromov_loss loss;                 /* of two distances */
    const tn_ot_sinkhorn_options *sinkhorn; /* entropic, by these; NULL: exact plans */
} tn_ot_gromov_options;
/* The defaults of tn_ot_gromov_options. */
#define TN_OT_GROMOV_OPTIONS_INIT                                                      \
    {                                                                                  \
        0                                                                              \
    }

/* Gromov-Wasserstein: a plan [n, m] between points of two sets, of which only the
 * distances within each are known, x [n, n] and y [m, m], symmetric: a local minimum of
 * sum L(x_ik, y_jl) P_ij P_kl by conditional gradient (Peyré, Cuturi and Solomon 2016;
 * Vayer et al. 2019), the better of two starts; a permuted copy with distances all of
 * its own is found. Masses as in tn_ot_emd(). options, *value (the sum) and
 * *iterations may be NULL. TN_ERROR_ARGUMENT (sizes, masses), TN_ERROR_NUMERIC where a
 * distance is negative or not finite, TN_ERROR_MEMORY: plan is untouched. O(n^2 m + n
 * m^2) and a plan an iteration. */
TN_API TN_MUST_USE tn_status tn_ot_gromov(double *plan, double *value,
                                          size_t *iterations, const double *mu,
                                          const double *nu, const double *x,
                                          const double *y, size_t n, size_t m,
                                          const tn_ot_gromov_options *options,
                                          tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
