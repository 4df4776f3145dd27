/* ot_reference.h - random problems and brute force, shared by the tests of transport.
 */
#ifndef TN_TESTS_OT_REFERENCE_H
#define TN_TESTS_OT_REFERENCE_H

#include "test.h"

#include "base/rng.h"
#include "tenon/transport.h"

/* Owned random costs [n, m]: integers below `values`, or normal numbers where it is 0.
 */
static inline double *random_costs(size_t n, size_t m, uint64_t values, uint64_t seed)
{
    double *cost = calloc(n * m, sizeof *cost);
    tn__rng rng;
    tn__rng_seed(&rng, seed, n * 1000 + m);
    for (size_t k = 0; k < n * m; k++)
        cost[k] = values ? (double)tn__rng_below(&rng, values) : tn__rng_normal(&rng);
    return cost;
}

/* Owned costs [n, m] between random points of `d` coordinates. */
static inline double *point_costs(size_t n, size_t m, size_t d, uint64_t seed)
{
    double *x = random_costs(n, d, 0, seed), *y = random_costs(m, d, 0, seed + 1);
    double *cost = calloc(n * m, sizeof *cost);
    assert_ok(tn_ot_cost(cost, x, y, n, m, d, TN_OT_EUCLIDEAN, err));
    free(x);
    free(y);
    return cost;
}

/* Least cost over all permutations of units: unit k of `count` is of row row[k], and
 * the columns column[0..count) are handed out in every order. */
static inline double least_cost(const double *cost, size_t m, const size_t *row,
                                size_t *column, size_t count)
{
    if (count == 0)
        return 0;
    double least = HUGE_VAL;
    for (size_t k = 0; k < count; k++) {
        size_t last = column[count - 1], taken = column[k];
        column[k] = last;
        double rest = least_cost(cost, m, row, column, count - 1);
        column[k] = taken;
        least = fmin(least, rest + cost[row[count - 1] * m + taken]);
    }
    return least;
}

/* Least cost of integer masses whose sum is at most 8. */
static inline double brute_force(const double *cost, const double *mu, const double *nu,
                                 size_t n, size_t m)
{
    size_t row[8], column[8], rows = 0, columns = 0;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < (int)mu[i]; k++)
            row[rows++] = i;
    for (size_t j = 0; j < m; j++)
        for (int k = 0; k < (int)nu[j]; k++)
            column[columns++] = j;
    assert_true(rows == columns);
    return least_cost(cost, m, row, column, rows);
}

/* A plan is sorted, positive, a forest by count, and has its marginals and no gap. */
static inline void check_plan(const tn_ot_plan *plan, const double *mu,
                              const double *nu, const double *cost)
{
    size_t n = plan->n, m = plan->m;
    double *rows = calloc(n + m, sizeof *rows), *columns = rows + n, total = 0, sum = 0;
    assert_true(plan->count >= 1 && plan->count <= n + m - 1);
    for (size_t e = 0; e < plan->count; e++) {
        assert_true(plan->source[e] < n && plan->target[e] < m && plan->mass[e] > 0);
        if (e > 0)
            assert_true(plan->source[e - 1] < plan->source[e] ||
                        (plan->source[e - 1] == plan->source[e] &&
                         plan->target[e - 1] < plan->target[e]));
        rows[plan->source[e]] += plan->mass[e];
        columns[plan->target[e]] += plan->mass[e];
        total += plan->mass[e] * cost[plan->source[e] * m + plan->target[e]];
        sum += plan->mass[e];
    }
    for (size_t i = 0; i < n; i++)
        assert_near(rows[i], mu ? mu[i] : 1 / (double)n, 1e-12 * sum);
    for (size_t j = 0; j < m; j++)
        assert_near(columns[j], nu ? nu[j] : 1 / (double)m, 1e-12 * sum);
    assert_near(plan->cost, total, 1e-9 * fmax(1, fabs(total)));
    assert_near(plan->gap, 0, 1e-9);
    assert_near(plan->marginal_error, 0, 1e-10 * sum);
    free(rows);
}

#endif
