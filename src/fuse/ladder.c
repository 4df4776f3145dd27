/* ladder.c - tn_fuse() with method auto: ways of fusing, from cheap to dear, of which
 * the best by the selector is taken.
 *
 * First several maps, each averaged and recalibrated; then, with the best of them,
 * layers refitted. A dearer way is taken only where it is better, so the result is
 * never worse than the simplest by the selector's own measure. Nothing is chosen by
 * labels, and not on the images that anything was fitted to.
 */
#include <stdio.h>

#include "base/rng.h"
#include "fuse/fusion.h"
#include "fuse/selector.h"

#define HELD_OUT 1000 /* images the selector sees, a quarter of all at most */
#define TRIES_MAX 16
#define MAPS_REFITTED 2 /* with the largest effort */

typedef struct rung {
    const char *name;
    tn_support support;
    size_t descents;
} rung;

static const rung rungs[] = {
    {"matched by weights", TN_SUPPORT_WEIGHTS, 0},
    {"matched by weights, descended", TN_SUPPORT_WEIGHTS, 3},
    {"matched by activations", TN_SUPPORT_ACTIVATIONS, 0},
    {"matched by both", TN_SUPPORT_BOTH, 0},
    {"matched by activations, descended", TN_SUPPORT_ACTIVATIONS, 1},
};

typedef struct attempt {
    tn_fuse_options options;
    tn__verdict verdict;
    bool spent; /* its map has been refitted */
} attempt;

typedef struct climb {
    const tn_model *const *models;
    size_t count;
    const tn_dataset *data;
    const tn_observer *observer;
    tn_fuse_options base;
    double *weights; /* [count] */
    tn__selector selector;
    attempt tries[TRIES_MAX];
    tn_fuse_candidate *notes; /* [TRIES_MAX + count]: tries, then parents */
    size_t tried, best;
    tn_model *model; /* of the best */
    tn_fuse_report report;
} climb;

/* Fuses by the options, judges, and keeps the result where it is the best so far. */
static tn_status try(climb *c, const char *name, const tn_fuse_options *options,
                     tn_error *err)
{
    attempt *a = &c->tries[c->tried];
    tn_fuse_candidate *note = &c->notes[c->tried];
    tn_fuse_report report = {0};
    tn_model *model = NULL;
    double start = tn__seconds();
    (void)snprintf(note->name, sizeof note->name, "%s", name);
    a->options = *options;
    tn_status status = tn__fuse_once(&model, &report, c->models, c->count, c->data,
                                     options, c->observer, err);
    if (status == TN_OK)
        status = tn__selector_judge(&a->verdict, &c->selector, model, err);
    if (status != TN_OK) {
        tn_fuse_report_release(&report);
        tn_model_free(model);
        return status;
    }
    note->seconds = tn__seconds() - start;
    note->agreement = a->verdict.agreement;
    note->divergence = a->verdict.divergence;
    bool first = c->tried == 0;
    if (first ||
        tn__verdict_better(&a->verdict, &c->tries[c->best].verdict, c->selector.n)) {
        tn_model_free(c->model);
        tn_fuse_report_release(&c->report);
        c->model = model;
        c->report = report;
        c->best = c->tried;
    } else {
        tn_model_free(model);
        tn_fuse_report_release(&report);
    }
    c->tried++;
    return TN_OK;
}

/* The best attempt whose map is not refitted yet. */
static attempt *next_map(climb *c, size_t maps)
{
    attempt *best = NULL;
    for (size_t i = 0; i < maps; i++) {
        attempt *a = &c->tries[i];
        if (!a->spent &&
            (!best || tn__verdict_better(&a->verdict, &best->verdict, c->selector.n)))
            best = a;
    }
    if (best)
        best->spent = true;
    return best;
}

static tn_status refit_map(climb *c, attempt *map, tn_error *err)
{
    static const char *const suffixes[] = {
        [TN_REFIT_MEAN] = "refitted", [TN_REFIT_SPREAD] = "refitted, spread kept"};
    const char *name = c->notes[map - c->tries].name;
    tn_status status = TN_OK;
    for (int goal = TN_REFIT_MEAN; goal <= TN_REFIT_SPREAD && status == TN_OK; goal++) {
        tn_fuse_options options = map->options;
        char text[sizeof c->notes->name];
        options.refit = TN_REFIT_LAYERS;
        options.refit_goal = (tn_refit_goal)goal;
        (void)snprintf(text, sizeof text, "%.60s, %s", name, suffixes[goal]);
        status = try(c, text, &options, err);
    }
    return status;
}

static tn_status judge_parents(climb *c, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < c->count && status == TN_OK; k++) {
        tn__verdict verdict = {0};
        tn_fuse_candidate *note = &c->notes[c->tried + k];
        status = tn__selector_judge(&verdict, &c->selector, c->models[k], err);
        (void)snprintf(note->name, sizeof note->name, "model %zu", k);
        note->agreement = verdict.agreement;
        note->divergence = verdict.divergence;
        tn__verdict_release(&verdict);
    }
    return status;
}

/* Sets images aside for the selector, the last of the permutation from which a fusion
 * takes its own, and gives the rest to support and calibration. */
static tn_status set_aside(climb *c, tn_error *err)
{
    size_t n = tn_dataset_count(c->data), held = TN__MIN(HELD_OUT, (n + 3) / 4);
    size_t left = n - held;
    tn_fuse_options *o = &c->base;
    uint32_t *order = tn__alloc(n, sizeof *order);
    tn__rng rng;
    if (!order)
        return tn__fail_memory(err, n * sizeof *order);
    if (o->samples + o->calibration > left) {
        o->samples = TN__MIN(o->samples, left / 2);
        o->calibration = TN__MIN(o->calibration, left - o->samples);
    }
    tn__rng_seed(&rng, o->seed, 0);
    tn__rng_permutation(&rng, order, n);
    tn_status status =
        tn__selector_create(&c->selector, c->models, c->weights, c->count, c->data,
                            order + left, held, o->threads, err);
    tn__free(order);
    return status;
}

static tn_status prepare(climb *c, tn_error *err)
{
    const double *given = c->base.weights;
    c->weights = tn__alloc(c->count, sizeof *c->weights);
    c->notes = tn__alloc(TRIES_MAX + c->count, sizeof *c->notes);
    if (!c->weights || !c->notes)
        return tn__fail_memory(err, (TRIES_MAX + c->count) * sizeof *c->notes);
    for (size_t k = 0; k < c->count; k++)
        c->weights[k] = given ? given[k] : 1.0 / (double)c->count;
    c->base.method = TN_FUSE_TRANSPORT;
    c->base.refit = TN_REFIT_NONE;
    return set_aside(c, err);
}

static tn_status climb_up(climb *c, tn_error *err)
{
    size_t maps = TN__COUNT(rungs), refits = 0;
    tn_status status = prepare(c, err);
    for (size_t i = 0; i < maps && status == TN_OK; i++) {
        tn_fuse_options options = c->base;
        options.support = rungs[i].support;
        options.descents = rungs[i].descents;
        status = try(c, rungs[i].name, &options, err);
    }
    if (c->base.effort != TN_EFFORT_FAST)
        refits = c->base.effort == TN_EFFORT_MAX ? MAPS_REFITTED : 1;
    for (size_t i = 0; i < refits && status == TN_OK; i++) {
        attempt *map = next_map(c, maps);
        if (map)
            status = refit_map(c, map, err);
    }
    if (status == TN_OK)
        status = judge_parents(c, err);
    return status;
}

tn_status tn__fuse_climb(tn_model **out, tn_fuse_report *report,
                         const tn_model *const *models, size_t count,
                         const tn_dataset *data, const tn_fuse_options *options,
                         const tn_observer *observer, tn_error *err)
{
    if (!data)
        return tn__fail(err, TN_ERROR_ARGUMENT, "method auto wants data to choose by");
    climb c = {.models = models,
               .count = count,
               .data = data,
               .observer = observer,
               .base = *options};
    tn_status status = climb_up(&c, err);
    if (status == TN_OK) {
        *out = c.model;
        c.model = NULL;
        c.report.candidates = c.notes;
        c.report.candidate_count = c.tried;
        c.report.chosen = c.best;
        c.report.held_out = c.selector.n;
        c.report.options = c.tries[c.best].options;
        c.notes = NULL;
        if (report) {
            *report = c.report;
            c.report = (tn_fuse_report){0};
        }
    }
    for (size_t i = 0; i < c.tried; i++)
        tn__verdict_release(&c.tries[i].verdict);
    tn_fuse_report_release(&c.report);
    tn_model_free(c.model);
    tn__selector_release(&c.selector);
    tn__free(c.weights);
    tn__free(c.notes);
    return status;
}
