/* sinkhorn.c - entropic transport, balanced and unbalanced, in the log domain.
 *
 * The plan is P_ij = mu_i nu_j exp((f_i + g_j - C_ij) / eps) (Peyré and Cuturi,
 * "Computational optimal transport", 2019, 4.4). One half of an iteration computes
 *     s_i = sum_j nu_j exp((f_i + g_j - C_ij) / eps),   f_i <- f_i - eps log s_i,
 * where the old f_i keeps the exponents small, and mu_i s_i is the row sum of the plan
 * at hand: the marginal error comes for nothing. Unbalanced, with weight rho: f_i <-
 * rho / (rho + eps) (f_i - eps log s_i) (Chizat et al., "Scaling algorithms for
 * unbalanced transport problems", 2018, table 1). The other half is the same on the
 * transposed costs, so both read memory in order.
 *
 * eps falls by steps from the spread of the costs to its final value (eps scaling),
 * each step starting from the potentials of the one before.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "tenon/transport.h"
#include "transport/kernels.h"
#include "transport/masses.h"

/* eps falls by STEP from level to level; all but the last end at COARSE, or after
 * COARSE_ROUNDS iterations. */
#define STEP 4.0
#define COARSE 1e-2
enum { COARSE_ROUNDS = 50 };

/* A sum of exponentials outside of this has lost digits: it is made again around its
 * largest term. */
#define SUM_LOW 1e-200
#define SUM_HIGH 1e200

typedef struct {
    const double *cost;
    double *transposed;           /* [m, n] */
    double *memory;               /* owns the vectors below */
    double *f, *g, *mu, *nu, *ds; /* [n] [m] [n] [m], [max(n, m)] log s */
    size_t n, m;
    double eps, rho; /* rho 0: balanced */
    size_t iterations;
} state;

/* A side of the problem: what is updated, and from what. */
typedef struct {
    const double *cost; /* [count, others] */
    size_t count, others;
    double *potential, *mass;
    const double *other_potential, *other_mass;
} side;

static void state_release(state *s)
{
    tn__free(s->transposed);
    tn__free(s->memory);
}

static tn_status state_create(state *s, const double *cost, size_t n, size_t m,
                              tn_error *err)
{
    size_t entries;
    *s = (state){.cost = cost, .n = n, .m = m};
    if (!tn__mul(&entries, n, m))
        return tn__fail_memory(err, SIZE_MAX);
    s->transposed = tn__alloc(entries, sizeof *s->transposed);
    s->memory = tn__alloc(3 * (n + m), sizeof *s->memory);
    if (!s->transposed || !s->memory) {
        state_release(s);
        return tn__fail_memory(err, entries * sizeof *s->transposed);
    }
    s->f = s->memory;
    s->g = s->f + n;
    s->mu = s->g + m;
    s->nu = s->mu + n;
    s->ds = s->nu + m;
    tn__transpose(s->transposed, cost, n, m);
    return TN_OK;
}

static side rows_of(state *s)
{
    return (side){s->cost, s->n, s->m, s->f, s->mu, s->g, s->nu};
}

static side columns_of(state *s)
{
    return (side){s->transposed, s->m, s->n, s->g, s->nu, s->f, s->mu};
}

/* log s_i. */
static double log_sum(const side *a, size_t i, double eps)
{
    const double *c = a->cost + i * a->others;
    double p = a->potential[i];
    double sum =
        tn__row_exp_sum(a->other_mass, a->other_potential, c, p, 1 / eps, a->others);
    if (sum >= SUM_LOW && sum <= SUM_HIGH)
        return log(sum);
    double least = tn__row_min(c, a->other_potential, a->others);
    sum = tn__row_exp_sum(a->other_mass, a->other_potential, c, least, 1 / eps,
                          a->others);
    return log(sum) + (p - least) / eps;
}

/* log s of one side into s->ds. Returns how far the side is from its fixed point:
 * sum |P 1 - mass| where balanced, else the largest change of a potential over eps. */
static double measure_side(state *s, const side *a)
{
    double error = 0, damping = s->rho > 0 ? s->rho / (s->rho + s->eps) : 1;
    for (size_t i = 0; i < a->count; i++) {
        if (a->mass[i] == 0)
            continue;
        s->ds[i] = log_sum(a, i, s->eps);
        if (s->rho > 0) {
            double p = a->potential[i], next = damping * (p - s->eps * s->ds[i]);
            error = fmax(error, fabs(next - p) / s->eps);
        } else {
            error += a->mass[i] * fabs(expm1(s->ds[i]));
        }
    }
    return error;
}

static void update_side(state *s, const side *a)
{
    double damping = s->rho > 0 ? s->rho / (s->rho + s->eps) : 1;
    for (size_t i = 0; i < a->count; i++)
        if (a->mass[i] > 0)
            a->potential[i] = damping * (a->potential[i] - s->eps * s->ds[i]);
}

/* Iterates at one eps until the rows are within tolerance, the columns being exact. */
static double run_level(state *s, double tolerance, size_t limit)
{
    side rows = rows_of(s), columns = columns_of(s);
    for (size_t round = 0;; round++) {
        double error = measure_side(s, &rows);
        if ((round > 0 && error <= tolerance) || round == limit || !isfinite(error))
            return error;
        update_side(s, &rows);
        measure_side(s, &columns);
        update_side(s, &columns);
        s->iterations++;
    }
}

/* Lowers eps from the spread of the costs to its target. */
static double run_levels(state *s, double target, double spread,
                         const tn_ot_sinkhorn_options *options)
{
    for (s->eps = spread; s->eps > STEP * target; s->eps /= STEP) {
        size_t left = options->iterations - s->iterations;
        run_level(s, COARSE, TN__MIN(left, (size_t)COARSE_ROUNDS));
    }
    s->eps = target;
    return run_level(s, options->tolerance, options->iterations - s->iterations);
}

/* Copies masses (NULL: uniform), times scale; takes points without mass out by a
 * potential of -inf. */
static void copy_masses(double *out, double *potential, const double *mass,
                        double scale, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = mass ? mass[i] * scale : 1 / (double)count;
        potential[i] = out[i] > 0 ? 0 : -HUGE_VAL;
    }
}

/* Mean of |cost|, and the difference of the largest and the least. */
static tn_status measure_costs(double *mean, double *spread, const double *cost,
                               size_t n, size_t m, tn_error *err)
{
    double low = cost[0], high = cost[0];
    tn__sum sum = {0};
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) {
            double c = cost[i * m + j];
            if (!isfinite(c))
                return tn__cost_fail(cost, i, m, err);
            tn__sum_add(&sum, fabs(c));
            low = TN__MIN(low, c);
            high = TN__MAX(high, c);
        }
    }
    *mean = (sum.sum + sum.lost) / ((double)n * (double)m);
    *spread = high - low;
    if (*spread > DBL_MAX || *mean > DBL_MAX)
        return tn__fail(err, TN_ERROR_NUMERIC,
                        "the costs from %g to %g are too far apart", low, high);
    if (*mean == 0)
        *mean = 1; /* all costs are 0: any unit will do */
    return TN_OK;
}

static tn_status check_options(const tn_ot_sinkhorn_options *o, tn_error *err)
{
    if (!(o->regularization > 0) || o->regularization > DBL_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "regularization is %g, wanted more than 0", o->regularization);
    if (!(o->tolerance > 0))
        return tn__fail(err, TN_ERROR_ARGUMENT, "tolerance is %g, wanted more than 0",
                        o->tolerance);
    if (!(o->relaxation >= 0) || o->relaxation > DBL_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT, "relaxation is %g, wanted 0 or more",
                        o->relaxation);
    return TN_OK;
}

/* What is measured on a plan. */
typedef struct {
    double cost, marginal_error;
} outcome;

/* Writes the plan over the transposed costs, which nobody needs any more, times
 * `scale`; wanted marginals are the state's times scale. */
static outcome make_plan(state *s, double scale)
{
    outcome out = {0};
    tn__sum cost = {0};
    double *columns = s->ds;
    memset(columns, 0, s->m * sizeof *columns);
    for (size_t i = 0; i < s->n; i++) {
        const double *c = s->cost + i * s->m;
        double *p = s->transposed + i * s->m, row = 0;
        if (s->mu[i] > 0)
            tn__row_exp(p, s->nu, s->g, c, scale * s->mu[i], s->f[i], 1 / s->eps, s->m);
        else
            memset(p, 0, s->m * sizeof *p);
        for (size_t j = 0; j < s->m; j++) {
            row += p[j];
            columns[j] += p[j];
            tn__sum_add(&cost, p[j] * c[j]);
        }
        out.marginal_error += fabs(row - scale * s->mu[i]);
    }
    for (size_t j = 0; j < s->m; j++)
        out.marginal_error += fabs(columns[j] - scale * s->nu[j]);
    out.cost = cost.sum + cost.lost;
    return out;
}

/* Checks everything and fills the state; *scale is the mass of a plan of sum 1. */
static tn_status prepare(state *s, double *scale, const double *mu, const double *nu,
                         const tn_ot_sinkhorn_options *options, tn_error *err)
{
    double mu_sum, nu_sum;
    tn_status status = check_options(options, err);
    if (!status)
        status = tn__mass_check(&mu_sum, mu, s->n, "mu", err);
    if (!status)
        status = tn__mass_check(&nu_sum, nu, s->m, "nu", err);
    bool balanced = options->relaxation == 0;
    if (!status && balanced)
        status = tn__balance_check(mu_sum, nu_sum, err);
    if (status)
        return status;
    copy_masses(s->mu, s->f, mu, balanced ? 1 / mu_sum : 1, s->n);
    copy_masses(s->nu, s->g, nu, balanced ? 1 / nu_sum : 1, s->m);
    *scale = balanced ? mu_sum : 1;
    return TN_OK;
}

tn_status tn_ot_sinkhorn(double *plan, double *cost, double *marginal_error,
                         size_t *iterations, const double *mu, const double *nu,
                         const double *costs, size_t n, size_t m,
                         const tn_ot_sinkhorn_options *options, tn_error *err)
{
    tn_ot_sinkhorn_options defaults = TN_OT_SINKHORN_OPTIONS_INIT;
    options = options ? options : &defaults;
    double mean = 0, spread = 0, scale = 1;
    state s = {0};
    tn_status status = tn__size_check(n, m, err);
    if (!status)
        status = measure_costs(&mean, &spread, costs, n, m, err);
    if (!status)
        status = state_create(&s, costs, n, m, err);
    if (status)
        return status;
    if ((status = prepare(&s, &scale, mu, nu, options, err)))
        goto done;
    s.rho = options->relaxation * mean;
    double error = run_levels(&s, options->regularization * mean, spread, options);
    if (!(error <= options->tolerance)) {
        status =
            tn__fail(err, TN_ERROR_NUMERIC,
                     "no convergence: the error is %g after %zu iterations, wanted %g",
                     error, s.iterations, options->tolerance);
        goto done;
    }
    outcome out = make_plan(&s, scale);
    memcpy(plan, s.transposed, n * m * sizeof *plan);
    if (cost)
        *cost = out.cost;
    if (marginal_error)
        *marginal_error = out.marginal_error;
    if (iterations)
        *iterations = s.iterations;
done:
    state_release(&s);
    return status;
}
