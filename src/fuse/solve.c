/* solve.c - from evidence to the map of one group.
 *
 * Evidence gives costs, costs a plan P [n, m], and the plan the map: out[j, i] is P[i,
 * j] over the mass of target j, so that each target neuron is a convex combination (the
 * barycentric projection of Singh and Jaggi 2020). in[j, i] is P[i, j] over the mass of
 * source i, so that what neuron i sent downstream is handed on whole; the reference
 * implementation uses out on both sides, which loses m / n of it per layer where widths
 * differ.
 */
#include <math.h>
#include <string.h>

#include "fuse/fusion.h"

/* An exact plan may miss its marginals by this much of the whole mass. */
#define MARGINAL_MAX 1e-6

/* Of features with squared norms x and y; see tn_ot_metric. */
static double cost_of(double dot, double x, double y, tn_ot_metric metric)
{
    double square = x + y - 2 * dot, norms = x * y;
    double c = square > 0 ? square : 0;
    if (metric == TN_OT_EUCLIDEAN)
        c = sqrt(c);
    else if (metric == TN_OT_COSINE)
        c = norms > 0 ? 1 - dot / sqrt(norms) : 1;
    return c;
}

double tn__evidence_cost(const tn__evidence *e, size_t i, size_t j, tn_ot_metric metric)
{
    return cost_of(e->dot[i * e->m + j], e->x[i], e->y[j], metric);
}

/* cost [n, m] of the evidence. */
static void costs_of(double *cost, const tn__evidence *e, tn_ot_metric metric)
{
    for (size_t i = 0; i < e->n; i++)
        for (size_t j = 0; j < e->m; j++)
            cost[i * e->m + j] = tn__evidence_cost(e, i, j, metric);
}

/* distance [n, n] of features with inner products dot and squared norms x. */
static void distances_within(double *distance, const double *dot, const double *x,
                             size_t n, tn_ot_metric metric)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            double c = i == k ? 0 : cost_of(dot[i * n + k], x[i], x[k], metric);
            distance[i * n + k] = c < 0 ? 0 : c; /* a cosine above 1 is rounding */
        }
}

/* A square plan of uniform masses is a permutation and is kept as one. */
static tn_status solve_assignment(tn__map *out, tn_fuse_group *report,
                                  const double *cost, size_t n, tn_error *err)
{
    double total = 0, gap = 0;
    size_t away = 0;
    uint32_t *column = tn__alloc(n, 2 * sizeof *column);
    if (!column)
        return tn__fail_memory(err, n * 2 * sizeof *column);
    uint32_t *select = column + n;
    tn_status status = tn_ot_assign(column, &total, &gap, cost, n, err);
    if (status == TN_OK) {
        for (size_t i = 0; i < n; i++) {
            select[column[i]] = (uint32_t)i;
            away += column[i] != i;
        }
        status = tn__map_select(out, n, n, select, err);
    }
    tn__free(column);
    if (status == TN_OK) {
        report->cost = total / (double)n;
        report->gap = gap;
        report->marginal_error = 0;
        report->moved = (double)away / (double)n;
    }
    return status;
}

/* plan [n, m] by network simplex. */
static tn_status solve_exact(double *plan, tn_fuse_group *report, const double *mu,
                             const double *nu, const double *cost, size_t n, size_t m,
                             tn_error *err)
{
    tn_ot_plan sparse = {0};
    tn_status status = tn_ot_emd(&sparse, mu, nu, cost, n, m, err);
    if (status != TN_OK)
        return status;
    for (size_t e = 0; e < sparse.count; e++)
        plan[sparse.source[e] * m + sparse.target[e]] = sparse.mass[e];
    report->cost = sparse.cost;
    report->gap = sparse.gap;
    report->marginal_error = sparse.marginal_error;
    tn_ot_plan_release(&sparse);
    if (!(report->marginal_error <= MARGINAL_MAX))
        return tn__fail(err, TN_ERROR_NUMERIC,
                        "transport plan misses its masses by %g, wanted %g at most",
                        report->marginal_error, MARGINAL_MAX);
    return TN_OK;
}

static tn_status solve_sinkhorn(double *plan, tn_fuse_group *report, const double *mu,
                                const double *nu, const tn__evidence *e,
                                const double *cost, const tn_fuse_options *options,
                                tn_error *err)
{
    size_t iterations = 0;
    report->gap = (double)NAN;
    return tn_ot_sinkhorn(plan, &report->cost, &report->marginal_error, &iterations, mu,
                          nu, cost, e->n, e->m, &options->sinkhorn, err);
}

/* A target that an unbalanced plan left without mass takes its nearest source. */
static void fill_empty_targets(double *plan, const double *cost, size_t n, size_t m)
{
    for (size_t j = 0; j < m; j++) {
        double mass = 0;
        size_t nearest = 0;
        for (size_t i = 0; i < n; i++) {
            mass += plan[i * m + j];
            if (cost[i * m + j] < cost[nearest * m + j])
                nearest = i;
        }
        if (!(mass > 0))
            plan[nearest * m + j] = 1 / (double)m;
    }
}

/* out and in [m, n] from plan [n, m]; see the head of this file. */
static void normalise_plan(double *out, double *in, const double *plan, size_t n,
                           size_t m, tn_scaling scaling)
{
    for (size_t j = 0; j < m; j++) {
        double mass = 0;
        for (size_t i = 0; i < n; i++)
            mass += plan[i * m + j];
        for (size_t i = 0; i < n; i++)
            out[j * n + i] = plan[i * m + j] / mass;
    }
    if (scaling == TN_SCALING_PAPER) {
        memcpy(in, out, n * m * sizeof *in);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double mass = 0;
        for (size_t j = 0; j < m; j++)
            mass += plan[i * m + j];
        for (size_t j = 0; j < m; j++)
            in[j * n + i] = mass > 0 ? plan[i * m + j] / mass : 0;
    }
}

static double share_moved(const double *plan, size_t n, size_t m)
{
    double all = 0, stay = 0;
    for (size_t i = 0; i < n * m; i++)
        all += plan[i];
    for (size_t i = 0; i < TN__MIN(n, m); i++)
        stay += plan[i * m + i];
    return all > 0 ? 1 - stay / all : 0;
}

/* plan [n, m] from the distances within each side; `cost` has room for [n, m] and then
 * becomes what makes the plan cheap. */
static tn_status solve_gromov(double *plan, tn_fuse_group *report, double *cost,
                              const double *mu, const double *nu, const tn__evidence *e,
                              const tn_fuse_options *options, tn_error *err)
{
    size_t n = e->n, m = e->m;
    tn_ot_gromov_options how = {options->gromov_loss, NULL};
    double *x = tn__alloc(n * n + m * m, sizeof *x), *y = x + n * n;
    if (!x)
        return tn__fail_memory(err, (n * n + m * m) * sizeof *x);
    if (options->solver == TN_SOLVER_SINKHORN)
        how.sinkhorn = &options->sinkhorn;
    distances_within(x, e->xx, e->x, n, options->metric);
    distances_within(y, e->yy, e->y, m, options->metric);
    tn_status status =
        tn_ot_gromov(plan, &report->cost, NULL, mu, nu, x, y, n, m, &how, err);
    tn__free(x);
    report->gap = (double)NAN;
    for (size_t i = 0; i < n * m && status == TN_OK; i++)
        cost[i] = -plan[i];
    return status;
}

static tn_status map_of_plan(tn__map *out, double *plan, const double *cost,
                             const tn__evidence *e, tn_scaling scaling, tn_error *err)
{
    size_t n = e->n, m = e->m;
    double *dense = tn__alloc(n * m, 2 * sizeof *dense);
    if (!dense)
        return tn__fail_memory(err, n * m * 2 * sizeof *dense);
    fill_empty_targets(plan, cost, n, m);
    normalise_plan(dense, dense + n * m, plan, n, m, scaling);
    tn_status status = tn__map_dense(out, m, n, dense, dense + n * m, err);
    tn__free(dense);
    return status;
}

tn_status tn__solve(tn__map *out, tn_fuse_group *report, const tn__evidence *evidence,
                    const double *mu, const double *nu, const tn_fuse_options *options,
                    tn_error *err)
{
    size_t n = evidence->n, m = evidence->m;
    bool exact = options->solver == TN_SOLVER_EXACT;
    double *cost = tn__alloc(n, 2 * m * sizeof *cost);
    if (!cost)
        return tn__fail_memory(err, n * 2 * m * sizeof *cost);
    double *plan = cost + n * m;
    tn_status status = TN_OK;
    double value = 0;
    bool gromov = options->gromov && evidence->xx;
    if (gromov)
        status = solve_gromov(plan, report, cost, mu, nu, evidence, options, err);
    else
        costs_of(cost, evidence, options->metric);
    if (status != TN_OK)
        goto done;
    if (exact && n == m && !mu && !nu) {
        value = report->cost;
        status = solve_assignment(out, report, cost, n, err);
        if (gromov) { /* rounded to a permutation */
            report->cost = value;
            report->gap = (double)NAN;
        }
        goto done;
    }
    if (exact && !gromov)
        status = solve_exact(plan, report, mu, nu, cost, n, m, err);
    else if (!gromov)
        status = solve_sinkhorn(plan, report, mu, nu, evidence, cost, options, err);
    if (status == TN_OK) {
        report->moved = share_moved(plan, n, m);
        status = map_of_plan(out, plan, cost, evidence, options->scaling, err);
    }
done:
    tn__free(cost);
    return status;
}
