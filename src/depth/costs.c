/* costs.c - the cost of every pair of units; see costs.h and tn_layer_cost.
 *
 * Regression: unit a's neurons Y [c, n] from b's X [d, n] by ridge regression on the
 * images of even number, residual on those of odd number, relative to their variance.
 * Without the split, a unit with more neurons than there are images would fit anything.
 */
#include <math.h>

#include "depth/costs.h"
#include "similarity/cka.h"
#include "tenon/transport.h"
#include "tensor/linalg.h"

#define RIDGE 1e-2 /* of the mean variance of a regressor */

static double cka_cost(const tn__unit_answers *a, size_t i, const tn__unit_answers *b,
                       size_t j, tn_layer_cost kind)
{
    tn__hsic *hsic = kind == TN_LAYER_COST_CKA ? tn__hsic_unbiased : tn__hsic_biased;
    double product = a->self[i] * b->self[j];
    double cka = a->self[i] > 0 && b->self[j] > 0
                     ? hsic(a->gram[i], b->gram[j], a->images) / sqrt(product)
                     : 0;
    return TN__MAX(0, 1 - cka);
}

/* --- transport between neurons --- */

static tn_status wasserstein(double *out, const double *x, size_t n, const double *y,
                             size_t m, size_t images, tn_error *err)
{
    tn_ot_plan plan = {0};
    double *cost = tn__alloc(n, m * sizeof *cost);
    if (!cost)
        return tn__fail_memory(err, n * m * sizeof *cost);
    tn_status status = tn_ot_cost(cost, x, y, n, m, images, TN_OT_EUCLIDEAN, err);
    if (status == TN_OK)
        status = tn_ot_emd(&plan, NULL, NULL, cost, n, m, err);
    if (status == TN_OK)
        *out = plan.cost / sqrt((double)images);
    tn_ot_plan_release(&plan);
    tn__free(cost);
    return status;
}

/* --- regression --- */

/* x [c, n] becomes its columns of one parity: returns how many. */
static size_t take_half(double *half, const double *x, size_t c, size_t n, size_t odd)
{
    size_t count = (n + 1 - odd) / 2;
    for (size_t i = 0; i < c; i++) {
        for (size_t k = 0; k < count; k++)
            half[i * count + k] = x[i * n + 2 * k + odd];
    }
    return count;
}

/* The share of y's [m, n] variance that a fit on x [d, n] leaves on the odd images. */
static tn_status residual(double *out, const double *x, size_t d, const double *y,
                          size_t m, size_t n, tn_error *err)
{
    double *memory = tn__alloc(d * n + m * n + d * d + d * m, sizeof *memory);
    if (!memory)
        return tn__fail_memory(err, (d + m) * n * sizeof *memory);
    double *a = memory, *b = a + d * n, *normal = b + m * n, *beta = normal + d * d;
    size_t half = take_half(a, x, d, n, 0), trace = d;
    (void)take_half(b, y, m, n, 0);
    tn__gemm_f64(false, true, d, d, half, 1, a, half, a, half, 0, normal, d);
    tn__gemm_f64(false, true, d, m, half, 1, a, half, b, half, 0, beta, m);
    double mean = 0;
    for (size_t i = 0; i < d; i++)
        mean += normal[i * d + i] / (double)trace;
    for (size_t i = 0; i < d; i++)
        normal[i * d + i] += RIDGE * mean;
    tn_status status = mean > 0 ? tn__solve_spd(normal, beta, d, m, err) : TN_OK;
    half = take_half(a, x, d, n, 1);
    (void)take_half(b, y, m, n, 1);
    double all = 0, left = 0;
    for (size_t i = 0; i < m * half; i++)
        all += b[i] * b[i];
    tn__gemm_f64(true, false, m, half, d, -1, beta, m, a, half, 1, b, half);
    for (size_t i = 0; i < m * half; i++)
        left += b[i] * b[i];
    tn__free(memory);
    if (status == TN_OK)
        *out = all > 0 ? left / all : 1;
    return status;
}

static tn_status regression(double *out, const tn__unit_answers *a, size_t i,
                            const tn__unit_answers *b, size_t j, tn_error *err)
{
    double there = 0, back = 0;
    tn_status status = residual(&there, a->neurons[i], a->channels[i], b->neurons[j],
                                b->channels[j], a->images, err);
    if (status == TN_OK)
        status = residual(&back, b->neurons[j], b->channels[j], a->neurons[i],
                          a->channels[i], a->images, err);
    if (status == TN_OK)
        *out = (there + back) / 2;
    return status;
}

/* --- without images --- */

/* 0 for the first unit of a stage, 1 for the last, 1/2 for the only one. */
static double place_in_stage(const tn__units *units, size_t u)
{
    size_t first = u, last = u;
    while (first > 0 && units->list[first - 1].stage == units->list[u].stage)
        first--;
    while (last + 1 < units->count &&
           units->list[last + 1].stage == units->list[u].stage)
        last++;
    return last > first ? (double)(u - first) / (double)(last - first) : 0.5;
}

static tn_status pair_cost(double *out, const tn__cost_side *deep, size_t l,
                           const tn__cost_side *shallow, size_t k, tn_layer_cost kind,
                           tn_error *err)
{
    const tn__unit_answers *a = deep->answers, *b = shallow->answers;
    switch (kind) {
    case TN_LAYER_COST_WASSERSTEIN:
        return wasserstein(out, a->neurons[l], a->channels[l], b->neurons[k],
                           b->channels[k], a->images, err);
    case TN_LAYER_COST_REGRESSION:
        return regression(out, a, l, b, k, err);
    case TN_LAYER_COST_NEURONS:
        *out = fabs(log((double)a->channels[l] / (double)b->channels[k]));
        return TN_OK;
    case TN_LAYER_COST_INDEX:
        *out = fabs(place_in_stage(deep->units, l) - place_in_stage(shallow->units, k));
        return TN_OK;
    default:
        *out = cka_cost(a, l, b, k, kind);
        return TN_OK;
    }
}

tn_status tn__unit_costs(double *cost, const tn__cost_side *deep,
                         const tn__cost_side *shallow, tn_layer_cost kind,
                         tn_error *err)
{
    size_t m = deep->units->count, n = shallow->units->count;
    for (size_t l = 0; l < m; l++) {
        for (size_t k = 0; k < n; k++) {
            tn_status status =
                pair_cost(&cost[l * n + k], deep, l, shallow, k, kind, err);
            if (status != TN_OK)
                return status;
        }
    }
    return TN_OK;
}
