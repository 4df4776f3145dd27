/* gromov.c - Gromov-Wasserstein: two sets compared by the distances within each.
 *
 * Peyré, Cuturi and Solomon, "Gromov-Wasserstein averaging of kernel and distance
 * matrices", ICML 2016: with a loss L(a, b) = f1(a) + f2(b) - h1(a) h2(b) the objective
 * sum L(X_ik, Y_jl) P_ij P_kl has the gradient 2 (f1(X) mu 1' + 1 nu' f2(Y)' - h1(X) P
 * h2(Y)'). Conditional gradient (Vayer et al., ICML 2019, algorithm 2): the plan that
 * is best for the gradient, then an exact step towards it, the objective being
 * quadratic in the step; or, entropic, Sinkhorn for the gradient again and again.
 *
 * The objective is not convex, so the start matters: that of independent masses, and
 * the plan between the distributions of distances from each point (Mémoli,
 * "Gromov-Wasserstein distances and the metric approach to object matching", 2011, the
 * third lower bound), which finds a permuted copy at once. The better end is taken.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "tenon/transport.h"
#include "tensor/linalg.h"
#include "transport/mass_check.h"

#define ITERATIONS_MAX 1000
#define GAIN_MIN 1e-9   /* of the objective: less is no progress */
#define CHANGE_MIN 1e-7 /* entropic: sum of absolute changes of the plan */
#define LOG_FLOOR 1e-15 /* below which a distance has no logarithm */

typedef struct problem {
    size_t n, m;
    const double *mu, *nu;
    double *constant; /* [n, m]: f1(X) mu 1' + 1 nu' f2(Y)' */
    double *hx, *hy;  /* [n, n], [m, m] */
    double *half;     /* [n, m]: hx P */
    double *slope;    /* [n, m]: gradient */
    double *step;     /* [n, m]: of the inner problem, minus the plan */
    const tn_ot_gromov_options *options;
} problem;

static double f_of(tn_ot_gromov_loss loss, bool second, double a)
{
    if (loss == TN_OT_GROMOV_SQUARE)
        return a * a;
    return second ? a : a * log(a + LOG_FLOOR) - a;
}

static double h_of(tn_ot_gromov_loss loss, bool second, double a)
{
    if (loss == TN_OT_GROMOV_SQUARE)
        return second ? 2 * a : a;
    return second ? log(a + LOG_FLOOR) : a;
}

static tn_status problem_create(problem *p, const double *x, const double *y,
                                tn_error *err)
{
    size_t n = p->n, m = p->m;
    tn_ot_gromov_loss loss = p->options->loss;
    p->constant = tn__alloc(n * m, 4 * sizeof *p->constant);
    p->hx = tn__alloc(n * n + m * m, sizeof *p->hx);
    if (!p->constant || !p->hx)
        return tn__fail_memory(err, n * m * 4 * sizeof *p->constant);
    p->half = p->constant + n * m;
    p->slope = p->half + n * m;
    p->step = p->slope + n * m;
    p->hy = p->hx + n * n;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++) {
            p->hx[i * n + k] = h_of(loss, false, x[i * n + k]);
            sum += f_of(loss, false, x[i * n + k]) * p->mu[k];
        }
        for (size_t j = 0; j < m; j++)
            p->constant[i * m + j] = sum;
    }
    for (size_t j = 0; j < m; j++) {
        double sum = 0;
        for (size_t l = 0; l < m; l++) {
            p->hy[j * m + l] = h_of(loss, true, y[j * m + l]);
            sum += f_of(loss, true, y[j * m + l]) * p->nu[l];
        }
        for (size_t i = 0; i < n; i++)
            p->constant[i * m + j] += sum;
    }
    return TN_OK;
}

static void problem_release(problem *p)
{
    tn__free(p->constant);
    tn__free(p->hx);
}

/* out [n, m] = hx P hy'. */
static void cross(double *out, const problem *p, const double *plan)
{
    size_t n = p->n, m = p->m;
    tn__gemm_f64(false, false, n, m, n, 1, p->hx, n, plan, m, 0, p->half, m);
    tn__gemm_f64(false, true, n, m, m, 1, p->half, m, p->hy, m, 0, out, m);
}

/* The objective; p->slope becomes its gradient. */
static double objective(problem *p, const double *plan)
{
    double sum = 0;
    cross(p->slope, p, plan);
    for (size_t i = 0; i < p->n * p->m; i++) {
        sum += (p->constant[i] - p->slope[i]) * plan[i];
        p->slope[i] = 2 * (p->constant[i] - p->slope[i]);
    }
    return sum;
}

/* p->step: the exact plan for the gradient. */
static tn_status solve_slope(problem *p, const double *mu, const double *nu,
                             tn_error *err)
{
    tn_ot_plan sparse = {0};
    tn_status status = tn_ot_emd(&sparse, mu, nu, p->slope, p->n, p->m, err);
    if (status != TN_OK)
        return status;
    memset(p->step, 0, p->n * p->m * sizeof *p->step);
    for (size_t e = 0; e < sparse.count; e++)
        p->step[sparse.source[e] * p->m + sparse.target[e]] += sparse.mass[e];
    tn_ot_plan_release(&sparse);
    return TN_OK;
}

/* p->step becomes the difference from the plan; how far to go along it, 0 to 1. */
static double best_step(problem *p, const double *plan)
{
    double first = 0, second = 0;
    for (size_t i = 0; i < p->n * p->m; i++) {
        p->step[i] -= plan[i];
        first += p->slope[i] * p->step[i];
    }
    cross(p->slope, p, p->step); /* the constant part of a difference is 0 */
    for (size_t i = 0; i < p->n * p->m; i++)
        second -= p->slope[i] * p->step[i];
    if (first >= 0)
        return 0;
    return second > 0 ? TN__MIN(-first / (2 * second), 1) : 1;
}

static tn_status descend(double *plan, double *value, size_t *iterations, problem *p,
                         const double *mu, const double *nu, tn_error *err)
{
    tn_status status = TN_OK;
    *value = objective(p, plan);
    while (*iterations < ITERATIONS_MAX) {
        ++*iterations;
        status = solve_slope(p, mu, nu, err);
        if (status != TN_OK)
            break;
        double t = best_step(p, plan), before = *value;
        for (size_t i = 0; i < p->n * p->m; i++)
            plan[i] += t * p->step[i];
        *value = objective(p, plan);
        if (!(before - *value > GAIN_MIN * fabs(before)))
            break;
    }
    return status;
}

static tn_status descend_entropic(double *plan, double *value, size_t *iterations,
                                  problem *p, const double *mu, const double *nu,
                                  tn_error *err)
{
    tn_status status = TN_OK;
    double change = HUGE_VAL;
    for (; *iterations < ITERATIONS_MAX && change > CHANGE_MIN && status == TN_OK;
         ++*iterations) {
        (void)objective(p, plan);
        double least = HUGE_VAL;
        for (size_t i = 0; i < p->n * p->m; i++)
            least = TN__MIN(least, p->slope[i]);
        for (size_t i = 0; i < p->n * p->m; i++) /* costs are to be from 0 on */
            p->slope[i] -= least;
        status = tn_ot_sinkhorn(p->step, NULL, NULL, NULL, mu, nu, p->slope, p->n, p->m,
                                p->options->sinkhorn, err);
        change = 0;
        for (size_t i = 0; i < p->n * p->m && status == TN_OK; i++) {
            change += fabs(p->step[i] - plan[i]);
            plan[i] = p->step[i];
        }
    }
    if (status == TN_OK)
        *value = objective(p, plan);
    return status;
}

/* --- starts --- */

/* A distance from one point and the mass that lies there. */
typedef struct far {
    double distance, mass;
} far;

static int by_distance(const void *a, const void *b)
{
    const far *x = a, *y = b;
    return (x->distance > y->distance) - (x->distance < y->distance);
}

/* list [n, n]: the distances from each point in ascending order. */
static void sort_distances(far *list, const double *x, const double *mass, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            list[i * n + k] = (far){x[i * n + k], mass[k]};
        qsort(list + i * n, n, sizeof *list, by_distance);
    }
}

/* Squared Wasserstein distance of two distributions on the line. */
static double line_distance(const far *a, size_t n, const far *b, size_t m)
{
    double sum = 0, left_a = a[0].mass, left_b = b[0].mass;
    for (size_t i = 0, j = 0; i < n && j < m;) {
        double moved = TN__MIN(left_a, left_b), d = a[i].distance - b[j].distance;
        sum += moved * d * d;
        left_a -= moved;
        left_b -= moved;
        if (left_a <= left_b) {
            if (++i < n)
                left_a += a[i].mass;
        } else if (++j < m) {
            left_b += b[j].mass;
        }
    }
    return sum;
}

/* plan: the best for the distances between the points' distributions of distances. */
static tn_status start_by_distances(double *plan, problem *p, const double *x,
                                    const double *y, const double *mu, const double *nu,
                                    tn_error *err)
{
    size_t n = p->n, m = p->m;
    far *of_x = tn__alloc(n * n + m * m, sizeof *of_x), *of_y = of_x + n * n;
    if (!of_x)
        return tn__fail_memory(err, (n * n + m * m) * sizeof *of_x);
    sort_distances(of_x, x, p->mu, n);
    sort_distances(of_y, y, p->nu, m);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            p->slope[i * m + j] = line_distance(of_x + i * n, n, of_y + j * m, m);
    tn__free(of_x);
    tn_status status = solve_slope(p, mu, nu, err);
    if (status == TN_OK)
        memcpy(plan, p->step, n * m * sizeof *plan);
    return status;
}

static void start_independent(double *plan, const problem *p)
{
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->m; j++)
            plan[i * p->m + j] = p->mu[i] * p->nu[j];
}

/* --- the whole --- */

/* The masses [n] as they are, or uniform ones. */
static double *masses_of(const double *given, size_t n)
{
    double *made = tn__alloc(n, sizeof *made);
    for (size_t i = 0; made && i < n; i++)
        made[i] = given ? given[i] : 1 / (double)n;
    return made;
}

static tn_status solve(double *plan, double *value, size_t *iterations, problem *p,
                       const double *x, const double *y, const double *mu,
                       const double *nu, tn_error *err)
{
    size_t count = p->n * p->m, unused = 0;
    double other_value = 0;
    double *other = tn__alloc(count, sizeof *other);
    if (!other)
        return tn__fail_memory(err, count * sizeof *other);
    bool entropic = p->options->sinkhorn != NULL;
    tn_status status = start_by_distances(plan, p, x, y, mu, nu, err);
    if (status == TN_OK)
        status = (entropic ? descend_entropic : descend)(plan, value, iterations, p, mu,
                                                         nu, err);
    start_independent(other, p);
    if (status == TN_OK)
        status = (entropic ? descend_entropic : descend)(other, &other_value, &unused,
                                                         p, mu, nu, err);
    if (status == TN_OK && other_value < *value) {
        *value = other_value;
        *iterations = unused;
        memcpy(plan, other, count * sizeof *plan);
    }
    tn__free(other);
    return status;
}

tn_status tn_ot_gromov(double *plan, double *value, size_t *iterations,
                       const double *mu, const double *nu, const double *x,
                       const double *y, size_t n, size_t m,
                       const tn_ot_gromov_options *options, tn_error *err)
{
    static const tn_ot_gromov_options defaults = TN_OT_GROMOV_OPTIONS_INIT;
    problem p = {.n = n, .m = m, .options = options ? options : &defaults};
    double *found = NULL, best = 0;
    size_t taken = 0, count;
    tn_status status = tn__size_check(n, m, err);
    if (status != TN_OK)
        return status;
    for (size_t i = 0; i < n * n + m * m; i++) {
        double d = i < n * n ? x[i] : y[i - n * n];
        if (!isfinite(d) || d < 0)
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "distance %g, wanted finite ones of 0 or more", d);
    }
    double *own_mu = masses_of(mu, n), *own_nu = masses_of(nu, m);
    found = tn__mul(&count, n, m) ? tn__alloc(count, sizeof *found) : NULL;
    p.mu = own_mu;
    p.nu = own_nu;
    status = own_mu && own_nu && found ? problem_create(&p, x, y, err)
                                       : tn__fail_memory(err, n * m * sizeof *found);
    if (status == TN_OK)
        status = solve(found, &best, &taken, &p, x, y, mu, nu, err);
    if (status == TN_OK) {
        memcpy(plan, found, count * sizeof *plan);
        if (value)
            *value = best;
        if (iterations)
            *iterations = taken;
    }
    problem_release(&p);
    tn__free(own_mu);
    tn__free(own_nu);
    tn__free(found);
    return status;
}
