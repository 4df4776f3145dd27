/* answers.c - what is kept of each unit's output over the probe images; see costs.h. */
#include <math.h>
#include <string.h>

#include "depth/costs.h"
#include "similarity/cka.h"

/* Of the median distance between images (Kornblith et al. 2019, section 4). */
#define RBF_BANDWIDTH 0.5
#define IMAGES_MIN 8 /* unbiased HSIC wants 4, a fit on one half of them more */

size_t tn__unit_neurons(const tn__units *units, size_t unit)
{
    const tn__shape *shape = &units->shapes.shape[units->list[unit].output];
    return shape->rank > 1 ? (size_t)shape->dims[1] : 1;
}

static bool is_cka(tn_layer_cost cost)
{
    return cost == TN_LAYER_COST_CKA || cost == TN_LAYER_COST_CKA_BIASED ||
           cost == TN_LAYER_COST_CKA_RBF;
}

static bool wants_images(tn_layer_cost cost)
{
    return is_cka(cost) || cost == TN_LAYER_COST_WASSERSTEIN ||
           cost == TN_LAYER_COST_REGRESSION;
}

/* --- one unit --- */

/* Features [images, d] of one value, shard after shard. */
static void gather(float *x, size_t d, const tn__sweep_node *at)
{
    for (size_t s = 0; s < at->shards; s++) {
        size_t images = 0;
        const float *from = tn__sweep_data(at, TN__OUT(0), s, &images);
        memcpy(x, from, images * d * sizeof *x);
        x += images * d;
    }
}

/* Overwrites x [n, d]. */
static tn_status make_gram(double **out, double *self, float *x, size_t n, size_t d,
                           tn_layer_cost cost, tn_error *err)
{
    double *gram = tn__alloc(n, n * sizeof *gram);
    if (!gram)
        return tn__fail_memory(err, n * n * sizeof *gram);
    tn_status status = tn__gram_linear_over(gram, x, n, d, err);
    if (status == TN_OK && cost == TN_LAYER_COST_CKA_RBF)
        status = tn__gram_rbf(gram, n, RBF_BANDWIDTH, err);
    if (status != TN_OK) {
        tn__free(gram);
        return status;
    }
    *self = cost == TN_LAYER_COST_CKA ? tn__hsic_unbiased(gram, gram, n)
                                      : tn__hsic_biased(gram, gram, n);
    *out = gram;
    return TN_OK;
}

/* [channels, n]: means over positions, centred over images, of mean square 1. */
static tn_status make_neurons(double **out, const float *x, size_t n, size_t channels,
                              size_t positions, tn_error *err)
{
    double *y = tn__alloc(channels, n * sizeof *y), square = 0;
    if (!y)
        return tn__fail_memory(err, channels * n * sizeof *y);
    for (size_t c = 0; c < channels; c++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++) {
            const float *from = x + (i * channels + c) * positions;
            for (size_t p = 0; p < positions; p++)
                y[c * n + i] += (double)from[p] / (double)positions;
            mean += y[c * n + i] / (double)n;
        }
        for (size_t i = 0; i < n; i++) {
            y[c * n + i] -= mean;
            square += y[c * n + i] * y[c * n + i];
        }
    }
    double scale = square > 0 ? 1 / sqrt(square / (double)(channels * n)) : 1;
    for (size_t i = 0; i < channels * n; i++)
        y[i] *= scale;
    *out = y;
    return TN_OK;
}

/* --- one network --- */

typedef struct gathering {
    tn__unit_answers *out;
    const tn__units *units;
    tn_layer_cost cost;
    float *features; /* [images, the most of any unit]: of the unit at hand */
    bool *stops;     /* [nodes]: those that make the output of a unit */
} gathering;

static tn_status after(void *user, const tn__sweep_node *at, tn_error *err)
{
    gathering *g = user;
    size_t u = 0, d;
    while (at->node + 1 != g->units->list[u].last)
        u++;
    if (!tn__shape_count(&d, &g->units->shapes.shape[g->units->list[u].output]))
        return tn__fail_memory(err, SIZE_MAX);
    gather(g->features, d, at);
    size_t n = at->images, channels = g->out->channels[u];
    return is_cka(g->cost) ? make_gram(&g->out->gram[u], &g->out->self[u], g->features,
                                       n, d, g->cost, err)
                           : make_neurons(&g->out->neurons[u], g->features, n, channels,
                                          d / channels, err);
}

/* One buffer for all units: fresh pages for each would cost as much as the products. */
static tn_status make_room(gathering *g, size_t images, tn_error *err)
{
    size_t most = 1, d, count, nodes = g->units->model->node_count;
    g->stops = tn__alloc(nodes, sizeof *g->stops);
    if (!g->stops)
        return tn__fail_memory(err, nodes * sizeof *g->stops);
    for (size_t u = 0; u < g->units->count; u++) {
        if (!tn__shape_count(&d, &g->units->shapes.shape[g->units->list[u].output]))
            return tn__fail_memory(err, SIZE_MAX);
        most = TN__MAX(most, d);
        g->stops[g->units->list[u].last - 1] = true;
    }
    if (!tn__mul(&count, most, images))
        return tn__fail_memory(err, SIZE_MAX);
    g->features = tn__alloc(count, sizeof *g->features);
    return g->features ? TN_OK : tn__fail_memory(err, count * sizeof *g->features);
}

static tn_status sweep_units(gathering *g, const tn__probe *probe, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = probe->workers;
    tn__sweep callbacks = {.after = after, .user = g};
    tn_status status = make_room(g, probe->n, err);
    if (status == TN_OK)
        status = tn__engine_create(&engine, g->units->model, &options, err);
    callbacks.stops = g->stops;
    if (status == TN_OK)
        status = tn__engine_sweep(engine, probe->images, probe->n, &callbacks, err);
    tn__free(g->features);
    tn__free(g->stops);
    tn__engine_free(engine);
    return status;
}

tn_status tn__unit_answers_measure(tn__unit_answers *out, const tn__units *units,
                                   tn_layer_cost cost, const tn__probe *probe,
                                   tn_error *err)
{
    size_t count = units->count;
    tn__unit_answers made = {.count = count, .images = probe->n};
    if (wants_images(cost) && probe->n < IMAGES_MIN)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "this cost of units wants %d images or more, there are %zu",
                        IMAGES_MIN, probe->n);
    made.channels = tn__alloc(count, sizeof *made.channels);
    made.self = tn__alloc(count, sizeof *made.self);
    made.gram = tn__alloc(count, sizeof(double *));
    made.neurons = tn__alloc(count, sizeof(double *));
    tn_status status = TN_OK;
    if (!made.channels || !made.self || !made.gram || !made.neurons)
        status = tn__fail_memory(err, count * sizeof *made.self);
    for (size_t u = 0; u < count && status == TN_OK; u++)
        made.channels[u] = tn__unit_neurons(units, u);
    gathering g = {.out = &made, .units = units, .cost = cost};
    if (status == TN_OK && wants_images(cost))
        status = sweep_units(&g, probe, err);
    if (status == TN_OK)
        *out = made;
    else
        tn__unit_answers_release(&made);
    return status;
}

void tn__unit_answers_release(tn__unit_answers *answers)
{
    if (!answers)
        return;
    for (size_t u = 0; u < answers->count; u++) {
        if (answers->gram)
            tn__free(answers->gram[u]);
        if (answers->neurons)
            tn__free(answers->neurons[u]);
    }
    tn__free(answers->gram);
    tn__free(answers->neurons);
    tn__free(answers->self);
    tn__free(answers->channels);
    *answers = (tn__unit_answers){0};
}
