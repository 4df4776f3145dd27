/* emd.c - exact optimal transport between any two sets of masses.
 *
 * Uniform masses where one size divides the other are a (semi-)assignment (paths.h);
 * any others become integers and go to the network simplex (simplex.h). The flow is
 * turned into a sorted plan, whose gap and marginals are measured on the plan itself
 * and not on what the solver believes.
 *
 * Uniform masses are scaled exactly: with g = gcd(n, m) a row supplies m / g units and
 * a column wants n / g. Other masses are scaled to a sum of 2^60, far below the
 * rounding of the doubles they came in. Both solvers see at least as many columns as
 * rows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/transport.h"
#include "transport/kernels.h"
#include "transport/mass_check.h"
#include "transport/paths.h"
#include "transport/simplex.h"

#define MASS_SCALE 1152921504606846976.0 /* 2^60 */
#define GAP_LIMIT 1e-9

/* The problem as the solvers see it: n <= m, integer masses. */
typedef struct {
    const double *cost; /* [n, m], the caller's or `owned` */
    double *owned;
    size_t n, m;
    int64_t
        *mass;   /* [n + m], what rows supply, then what columns want; of equal sums */
    double unit; /* mass of one unit of flow */
    bool transposed;
    bool single; /* every column wants 1 */
} problem;

/* What a solver found. */
typedef struct {
    tn__flow *flow; /* [count], at most n + m */
    size_t count, iterations;
    double *v; /* [m] potentials of the columns */
} solution;

static void problem_release(problem *p)
{
    tn__free(p->owned);
    tn__free(p->mass);
}

static void solution_release(solution *s)
{
    tn__free(s->flow);
    tn__free(s->v);
}

static size_t greatest_common_divisor(size_t a, size_t b)
{
    while (b != 0) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool is_uniform(const double *mass, size_t count)
{
    for (size_t i = 1; mass && i < count; i++)
        if (mass[i] != mass[0])
            return false;
    return true;
}

/* Integers in proportion to mass (NULL: uniform) with the sum 2^60: rounded, and what
 * rounding left over goes to the largest. */
static void scale_masses(int64_t *out, const double *mass, double sum, size_t count)
{
    int64_t left = (int64_t)MASS_SCALE;
    size_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        double share = mass ? mass[i] / sum : 1.0 / (double)count;
        out[i] = (int64_t)llrint(share * MASS_SCALE);
        left -= out[i];
        if (out[i] > out[largest])
            largest = i;
    }
    out[largest] += left;
}

static tn_status check_masses(double *sum, const double *mu, const double *nu, size_t n,
                              size_t m, tn_error *err)
{
    double nu_sum;
    tn_status status = tn__size_check(n, m, err);
    if (!status)
        status = tn__mass_check(sum, mu, n, "mu", err);
    if (!status)
        status = tn__mass_check(&nu_sum, nu, m, "nu", err);
    if (!status)
        status = tn__balance_check(*sum, nu_sum, err);
    return status;
}

static double sum_of(const double *mass, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += mass[i];
    return sum;
}

static void fill_masses(problem *p, const double *mu, const double *nu, double sum)
{
    size_t n = p->n, m = p->m;
    if (!is_uniform(mu, n) || !is_uniform(nu, m)) {
        scale_masses(p->mass, mu, mu ? sum_of(mu, n) : 1, n);
        scale_masses(p->mass + n, nu, nu ? sum_of(nu, m) : 1, m);
        p->unit = sum / MASS_SCALE;
        return;
    }
    size_t divisor = greatest_common_divisor(n, m);
    for (size_t i = 0; i < n; i++)
        p->mass[i] = (int64_t)(m / divisor);
    for (size_t j = 0; j < m; j++)
        p->mass[n + j] = (int64_t)(n / divisor);
    p->single = divisor == n;
    p->unit = sum / ((double)n * (double)(m / divisor));
}

static tn_status problem_create(problem *p, const double *mu, const double *nu,
                                const double *cost, size_t n, size_t m, double sum,
                                tn_error *err)
{
    size_t entries;
    if (!tn__mul(&entries, n, m))
        return tn__fail_memory(err, SIZE_MAX);
    *p = (problem){.cost = cost, .n = n, .m = m, .transposed = n > m};
    if (p->transposed) {
        p->owned = tn__alloc(entries, sizeof *p->owned);
        p->n = m;
        p->m = n;
    }
    p->mass = tn__alloc(n + m, sizeof *p->mass);
    if (!p->mass || (p->transposed && !p->owned)) {
        problem_release(p);
        return tn__fail_memory(err, entries * sizeof *cost);
    }
    if (p->transposed) {
        tn__transpose(p->owned, cost, n, m);
        p->cost = p->owned;
    }
    fill_masses(p, p->transposed ? nu : mu, p->transposed ? mu : nu, sum);
    return TN_OK;
}

static tn_status solve_paths(solution *out, const problem *p, tn_error *err)
{
    tn__paths paths;
    tn_status status = tn__paths_create(&paths, p->cost, p->n, p->m, err);
    if (status)
        return status;
    status = tn__paths_solve(&paths, err);
    for (uint32_t j = 0; !status && j < p->m; j++)
        out->flow[out->count++] = (tn__flow){paths.row[j], j, 1};
    memcpy(out->v, paths.v, p->m * sizeof *out->v);
    out->iterations = paths.searches;
    tn__paths_release(&paths);
    return status;
}

static tn_status solve_simplex(solution *out, const problem *p, tn_error *err)
{
    tn__simplex simplex;
    tn_status status = tn__simplex_create(&simplex, p->cost, p->n, p->m, err);
    if (status)
        return status;
    memcpy(simplex.mass, p->mass, (p->n + p->m) * sizeof *p->mass);
    status = tn__simplex_solve(&simplex, err);
    if (!status)
        out->count = tn__simplex_flow(&simplex, out->flow);
    memcpy(out->v, simplex.potential + p->n, p->m * sizeof *out->v);
    out->iterations = simplex.pivots;
    tn__simplex_release(&simplex);
    return status;
}

static tn_status solve(solution *out, const problem *p, tn_error *err)
{
    out->flow = tn__alloc(p->n + p->m, sizeof *out->flow);
    out->v = tn__alloc(p->m, sizeof *out->v);
    if (!out->flow || !out->v)
        return tn__fail_memory(err, (p->n + p->m) * sizeof *out->flow);
    return p->single ? solve_paths(out, p, err) : solve_simplex(out, p, err);
}

typedef struct {
    uint32_t source, target;
    double mass;
} entry;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (x->target > y->target) - (x->target < y->target);
}

static tn_status fill_entries(tn_ot_plan *plan, const solution *found, const problem *p,
                              tn_error *err)
{
    size_t count = found->count;
    entry *entries = tn__alloc(count, sizeof *entries);
    plan->source = tn__alloc(count, sizeof *plan->source);
    plan->target = tn__alloc(count, sizeof *plan->target);
    plan->mass = tn__alloc(count, sizeof *plan->mass);
    if (!entries || !plan->source || !plan->target || !plan->mass) {
        tn__free(entries);
        return tn__fail_memory(err, count * sizeof *entries);
    }
    for (size_t e = 0; e < count; e++) {
        const tn__flow *flow = &found->flow[e];
        entries[e].source = p->transposed ? flow->column : flow->row;
        entries[e].target = p->transposed ? flow->row : flow->column;
        entries[e].mass = (double)flow->mass * p->unit;
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t e = 0; e < count; e++) {
        plan->source[e] = entries[e].source;
        plan->target[e] = entries[e].target;
        plan->mass[e] = entries[e].mass;
    }
    plan->count = count;
    tn__free(entries);
    return TN_OK;
}

/* Primal value of the plan less the value of the dual solution (u, v) with
 * u_i = min_j c_ij - v_j, which is feasible whatever v is. */
static void measure_cost(tn_ot_plan *plan, double *v, const problem *p,
                         const double *cost)
{
    /* Potentials may have any constant added; a large one would cost digits here. */
    for (size_t j = p->m; j-- > 0;)
        v[j] -= v[0];
    tn__sum primal = {0}, dual = {0};
    for (size_t e = 0; e < plan->count; e++)
        tn__sum_add(&primal,
                    plan->mass[e] * cost[plan->source[e] * plan->m + plan->target[e]]);
    for (size_t i = 0; i < p->n; i++) {
        double u = tn__row_min(p->cost + i * p->m, v, p->m);
        tn__sum_add(&dual, (double)p->mass[i] * p->unit * u);
    }
    for (size_t j = 0; j < p->m; j++)
        tn__sum_add(&dual, (double)p->mass[p->n + j] * p->unit * v[j]);
    plan->cost = primal.sum + primal.lost;
    plan->gap = (plan->cost - (dual.sum + dual.lost)) / TN__MAX(1.0, fabs(plan->cost));
}

/* sum |left + moved - wanted|, with wanted[i] or 1 / count where it is NULL, rescaled.
 */
static double side_error(const double *moved, const double *wanted, double scale,
                         size_t count)
{
    double error = 0;
    for (size_t i = 0; i < count; i++)
        error += fabs(moved[i] - (wanted ? wanted[i] * scale : scale / (double)count));
    return error;
}

static tn_status measure_marginals(tn_ot_plan *plan, const double *mu, const double *nu,
                                   double sum, tn_error *err)
{
    double *rows = tn__alloc(plan->n + plan->m, sizeof *rows);
    if (!rows)
        return tn__fail_memory(err, (plan->n + plan->m) * sizeof *rows);
    double *columns = rows + plan->n;
    for (size_t e = 0; e < plan->count; e++) {
        rows[plan->source[e]] += plan->mass[e];
        columns[plan->target[e]] += plan->mass[e];
    }
    plan->marginal_error =
        side_error(rows, mu, mu ? 1 : sum, plan->n) +
        side_error(columns, nu, nu ? sum / sum_of(nu, plan->m) : sum, plan->m);
    tn__free(rows);
    return TN_OK;
}

tn_status tn_ot_emd(tn_ot_plan *out, const double *mu, const double *nu,
                    const double *cost, size_t n, size_t m, tn_error *err)
{
    double sum = 0;
    tn_status status = check_masses(&sum, mu, nu, n, m, err);
    if (status)
        return status;
    problem p = {0};
    if ((status = problem_create(&p, mu, nu, cost, n, m, sum, err)))
        return status;
    tn_ot_plan plan = {.n = n, .m = m};
    solution found = {0};
    if ((status = solve(&found, &p, err)) ||
        (status = fill_entries(&plan, &found, &p, err)) ||
        (status = measure_marginals(&plan, mu, nu, sum, err)))
        goto done;
    measure_cost(&plan, found.v, &p, cost);
    plan.iterations = found.iterations;
    if (!(fabs(plan.gap) <= GAP_LIMIT)) {
        status = tn__fail(err, TN_ERROR_NUMERIC,
                          "the plan is not exact: the gap is %g, wanted at most %g",
                          plan.gap, GAP_LIMIT);
        goto done;
    }
    *out = plan;
    plan = (tn_ot_plan){0};
done:
    tn_ot_plan_release(&plan);
    solution_release(&found);
    problem_release(&p);
    return status;
}

void tn_ot_plan_release(tn_ot_plan *plan)
{
    if (!plan)
        return;
    tn__free(plan->source);
    tn__free(plan->target);
    tn__free(plan->mass);
    *plan = (tn_ot_plan){0};
}
