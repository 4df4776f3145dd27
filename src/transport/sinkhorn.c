/* sinkhorn.c - entropic transport, balanced and unbalanced, in the log domain.
 *
 * The plan is P_ij = mu_i nu_j exp((f_i + g_j - C_ij) / eps) (Peyré and Cuturi,
 * "Computational optimal transport", 2019, 4.4). Between two visits to the log domain
 * the potentials are moved by scalings: diag(a) P diag(b) with a_i = mu_i / (P b)_i and
 * then b_j = nu_j / (P^T a)_j, one pass over P. Before a scaling grows large it is
 * absorbed, f += eps log a, and P is made anew from the potentials (Schmitzer,
 * "Stabilized sparse scaling algorithms for entropy regularized transport problems",
 * 2019), so nothing underflows that matters.
 *
 * Unbalanced, with the weight rho for the marginals, a step is damped by q = rho / (rho
 * + eps): f <- q (f - eps log(row sum / mu)) (Chizat et al., "Scaling algorithms for
 * unbalanced transport problems", 2018). eps falls by steps from the spread of the
 * costs to its final value, each step starting from the potentials of the one before.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "tenon/transport.h"
#include "transport/kernels.h"
#include "transport/mass_check.h"

/* eps falls by STEP from level to level; all but the last end at COARSE, or after
 * COARSE_ROUNDS iterations. */
#define STEP 4.0
#define COARSE 1e-2
enum { COARSE_ROUNDS = 50 };

/* A sum of exponentials outside of this has lost digits: it is made again around its
 * largest term. */
#define SUM_LOW 1e-200
#define SUM_HIGH 1e200

/* Scalings beyond exp(this) either way are absorbed. */
#define LOG_SCALING_LIMIT 100.0

typedef struct {
    const double *cost;
    double *plan;           /* [n, m] owned, without the scalings */
    double *memory;         /* owns the vectors below */
    double *f, *log_a, *mu; /* [n] potentials, log scalings, masses */
    double *g, *log_b, *nu; /* [m] */
    double *b, *sums;       /* [m] exp(log_b), column sums */
    size_t n, m;
    double eps, rho; /* rho 0: balanced */
    size_t iterations;
} state;

static void state_release(state *s)
{
    tn__free(s->plan);
    tn__free(s->memory);
}

static tn_status state_create(state *s, const double *cost, size_t n, size_t m,
                              tn_error *err)
{
    size_t entries;
    *s = (state){.cost = cost, .n = n, .m = m};
    if (!tn__mul(&entries, n, m))
        return tn__fail_memory(err, SIZE_MAX);
    s->plan = tn__alloc(entries, sizeof *s->plan);
    s->memory = tn__alloc(3 * n + 5 * m, sizeof *s->memory);
    if (!s->plan || !s->memory) {
        state_release(s);
        return tn__fail_memory(err, entries * sizeof *s->plan);
    }
    s->f = s->memory;
    s->log_a = s->f + n;
    s->mu = s->log_a + n;
    s->g = s->mu + n;
    s->log_b = s->g + m;
    s->nu = s->log_b + m;
    s->b = s->nu + m;
    s->sums = s->b + m;
    return TN_OK;
}

static double damping(const state *s)
{
    return s->rho > 0 ? s->rho / (s->rho + s->eps) : 1;
}

/* The log scaling after a step from potential p, where the sum is `ratio` times the
 * mass before scaling. */
static double scaling_step(const state *s, double p, double ratio)
{
    double q = damping(s);
    return -q * log(ratio) - (1 - q) * p / s->eps;
}

/* log sum_j nu_j exp((g_j + f_i - C_ij) / eps). */
static double log_sum(const state *s, size_t i)
{
    const double *c = s->cost + i * s->m;
    double p = s->f[i], scale = 1 / s->eps;
    double sum = tn__row_exp_sum(s->nu, s->g, c, p, scale, s->m);
    if (sum >= SUM_LOW && sum <= SUM_HIGH)
        return log(sum);
    double least = tn__row_min(c, s->g, s->m);
    sum = tn__row_exp_sum(s->nu, s->g, c, least, scale, s->m);
    return log(sum) + (p - least) / s->eps;
}

/* Row i of the plan that the potentials stand for, times `weight`, into p [m]. */
static void plan_row(const state *s, size_t i, double weight, double *p)
{
    const double *c = s->cost + i * s->m;
    if (s->mu[i] > 0)
        tn__row_exp(p, s->nu, s->g, c, weight * s->mu[i], s->f[i], 1 / s->eps, s->m);
    else
        memset(p, 0, s->m * sizeof *p);
}

/* Moves the scalings into the potentials. */
static void absorb(state *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->mu[i] > 0)
            s->f[i] += s->eps * s->log_a[i];
    for (size_t j = 0; j < s->m; j++)
        if (s->nu[j] > 0)
            s->g[j] += s->eps * s->log_b[j];
    memset(s->log_a, 0, s->n * sizeof *s->log_a);
    memset(s->log_b, 0, s->m * sizeof *s->log_b);
}

/* One step of f in the log domain, then the plan from the potentials. */
static void rebuild(state *s)
{
    double q = damping(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->mu[i] > 0)
            s->f[i] = q * (s->f[i] - s->eps * log_sum(s, i));
        plan_row(s, i, 1, s->plan + i * s->m);
    }
    for (size_t j = 0; j < s->m; j++)
        s->b[j] = 1;
}

/* One iteration. Returns how far the rows were from their fixed point before it: the
 * error of the row sums where balanced, else the largest change of f / eps. */
static double sweep(state *s, double *largest)
{
    double error = 0;
    *largest = 0;
    memset(s->sums, 0, s->m * sizeof *s->sums);
    for (size_t i = 0; i < s->n; i++) {
        const double *p = s->plan + i * s->m;
        if (s->mu[i] == 0)
            continue;
        double ratio = tn__row_dot(p, s->b, s->m) / s->mu[i], old = s->log_a[i];
        s->log_a[i] = scaling_step(s, s->f[i], ratio);
        if (s->rho > 0)
            error = fmax(error, fabs(s->log_a[i] - old));
        else
            error += s->mu[i] * fabs(ratio * exp(old) - 1);
        *largest = fmax(*largest, fabs(s->log_a[i]));
        tn__row_add(s->sums, p, exp(s->log_a[i]), s->m);
    }
    for (size_t j = 0; j < s->m; j++) {
        if (s->nu[j] == 0)
            continue;
        s->log_b[j] = scaling_step(s, s->g[j], s->sums[j] / s->nu[j]);
        s->b[j] = exp(s->log_b[j]);
        *largest = fmax(*largest, fabs(s->log_b[j]));
    }
    s->iterations++;
    return error;
}

/* Iterates at one eps until the rows are within tolerance, the columns being exact. The
 * first sweep after a rebuild finds the rows exact instead, so it says nothing. */
static double run_level(state *s, double tolerance, size_t limit)
{
    double error = HUGE_VAL, largest = HUGE_VAL;
    bool fresh = false;
    for (size_t round = 0; round < limit; round++) {
        if (largest > LOG_SCALING_LIMIT) {
            absorb(s);
            rebuild(s);
            fresh = true;
        }
        error = sweep(s, &largest);
        if (fresh)
            error = HUGE_VAL;
        else if (error <= tolerance)
            break;
        fresh = false;
    }
    absorb(s);
    return error;
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

/* The plan of the potentials times `scale`; wanted marginals are the state's times
 * scale. */
static outcome make_plan(state *s, double scale)
{
    outcome out = {0};
    tn__sum cost = {0};
    memset(s->sums, 0, s->m * sizeof *s->sums);
    for (size_t i = 0; i < s->n; i++) {
        const double *c = s->cost + i * s->m;
        double *p = s->plan + i * s->m, row = 0;
        plan_row(s, i, scale, p);
        for (size_t j = 0; j < s->m; j++)
            row += p[j];
        tn__row_add(s->sums, p, 1, s->m);
        tn__sum_add(&cost, tn__row_dot(p, c, s->m));
        out.marginal_error += fabs(row - scale * s->mu[i]);
    }
    for (size_t j = 0; j < s->m; j++)
        out.marginal_error += fabs(s->sums[j] - scale * s->nu[j]);
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
    memcpy(plan, s.plan, n * m * sizeof *plan);
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
