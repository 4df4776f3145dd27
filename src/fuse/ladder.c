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
#include "fuse/many.h"
#include "fuse/selector.h"

#define HELD_OUT 1000 /* images the selector sees, a quarter of all at most */
#define TRIES_MAX 16
#define MAPS_REFITTED 2 /* with the largest effort */

typedef struct rung {
    const char *name;
    tn_support support;
    size_t descents;
    tn_many many; /* many to one: as the options say */
    double zip;
} rung;

static const rung rungs[] = {
    {"matched by weights", TN_SUPPORT_WEIGHTS, 0, TN_MANY_TO_ONE, 0},
    {"matched by weights, descended", TN_SUPPORT_WEIGHTS, 3, TN_MANY_TO_ONE, 0},
    {"matched by activations", TN_SUPPORT_ACTIVATIONS, 0, TN_MANY_TO_ONE, 0},
    {"matched by both", TN_SUPPORT_BOTH, 0, TN_MANY_TO_ONE, 0},
    {"matched by activations, descended", TN_SUPPORT_ACTIVATIONS, 1, TN_MANY_TO_ONE, 0},
};
/* With the largest effort: where there are three models and more, and where no map
 * agrees with the ensemble as often as the models themselves nearly do. */
static const rung together = {"matched all at once", TN_SUPPORT_BOTH, 0, TN_MANY_CYCLE,
                              0};
static const rung zipped = {"zipped by activations", TN_SUPPORT_ACTIVATIONS, 0,
                            TN_MANY_TO_ONE, 0.125};
#define ZIP_BELOW 0.9 /* of the agreement of the worst model */

typedef struct attempt {
    tn_fuse_options options;
    tn__verdict verdict;
    size_t map;     /* the attempt whose map it has */
    bool spent;     /* its map has been refitted */
    tn__map **maps; /* [parents][groups], of a map; those in use are in the fusion */
    tn__fuse_notes notes;
} attempt;

typedef struct climb {
    tn_fusion *fusion;
    const tn__fuse_request *request;
    tn_fuse_options base;
    double *weights; /* [models] */
    tn__selector selector;
    attempt tries[TRIES_MAX];
    tn_fuse_candidate *notes; /* [TRIES_MAX + models]: tries, then parents */
    size_t tried, best;
} climb;

/* --- maps aside and back --- */

static void swap_maps(climb *c, size_t map)
{
    for (size_t k = 0; k < c->fusion->inner.count; k++) {
        tn__map *maps = c->tries[map].maps[k];
        c->tries[map].maps[k] = c->fusion->inner.parents[k].maps;
        c->fusion->inner.parents[k].maps = maps;
    }
}

static tn_status create_maps(attempt *a, const tn__fusion *f, tn_error *err)
{
    size_t groups = f->parents[f->reference].groups->count;
    a->maps = tn__alloc(f->count, sizeof(tn__map *));
    for (size_t k = 0; a->maps && k < f->count; k++) {
        a->maps[k] = tn__alloc(groups, sizeof **a->maps);
        if (!a->maps[k])
            return tn__fail_memory(err, groups * sizeof **a->maps);
    }
    return a->maps ? TN_OK : tn__fail_memory(err, f->count * sizeof *a->maps);
}

static void release_attempt(attempt *a, const tn__fusion *f)
{
    for (size_t k = 0; a->maps && k < f->count; k++)
        tn__maps_free(a->maps[k], f->parents[f->reference].groups->count);
    tn__free(a->maps);
    tn__free(a->notes.groups);
    tn__verdict_release(&a->verdict);
}

/* --- attempts --- */

/* Makes a result of the maps in use, judges it, and keeps it where it is the best so
 * far. */
static tn_status judge(climb *c, attempt *a, tn_error *err)
{
    tn_model *model = NULL;
    tn__merged merged = {0};
    tn_fuse_candidate *note = &c->notes[c->tried];
    tn_status status =
        tn__fusion_build(&model, &merged, &c->fusion->inner, &a->options, err);
    if (status == TN_OK)
        status = tn__selector_judge(&a->verdict, &c->selector, model, err);
    if (status == TN_OK) {
        note->agreement = a->verdict.agreement;
        note->divergence = a->verdict.divergence;
        if (c->tried == 0 || tn__verdict_better(&a->verdict, &c->tries[c->best].verdict,
                                                c->selector.n)) {
            tn_model_free(c->fusion->made);
            c->fusion->made = model;
            c->fusion->merged = merged;
            c->best = c->tried;
            model = NULL;
        }
        c->tried++;
    }
    tn_model_free(model);
    return status;
}

/* Aligns by the options, in coordinates of the reference. */
static tn_status try_map(climb *c, const rung *r, tn_error *err)
{
    attempt *a = &c->tries[c->tried];
    tn__fusion *f = &c->fusion->inner;
    double start = tn__seconds();
    a->map = c->tried;
    a->options = c->base;
    a->options.support = r->support;
    a->options.descents = r->descents;
    a->options.zip = r->zip;
    if (r->many != TN_MANY_TO_ONE)
        a->options.many = r->many;
    (void)snprintf(c->notes[a->map].name, sizeof c->notes->name, "%s", r->name);
    tn_status status = create_maps(a, f, err);
    if (status != TN_OK)
        return status;
    c->fusion->options = a->options;
    swap_maps(c, a->map);
    if (a->options.align)
        status = tn__fuse_notes_create(&a->notes, f, err);
    if (status == TN_OK && a->options.align)
        status = tn__fusion_align_all(f, &a->notes, c->request->observer, err);
    if (status == TN_OK)
        status = judge(c, a, err);
    swap_maps(c, a->map);
    c->notes[a->map].seconds = tn__seconds() - start;
    return status;
}

/* A way that not all networks can go: where they cannot, it is left out. */
static bool is_impossible(climb *c, tn_status status)
{
    if (status != TN_ERROR_UNSUPPORTED)
        return false;
    release_attempt(&c->tries[c->tried], &c->fusion->inner);
    c->tries[c->tried] = (attempt){0};
    return true;
}

static tn_status try_dear_map(climb *c, const rung *r, tn_error *err)
{
    tn_status status = try_map(c, r, err);
    return is_impossible(c, status) ? TN_OK : status;
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

static tn_status refit_once(climb *c, const attempt *map, tn_refit refit,
                            tn_refit_goal goal, const char *suffix, tn_error *err)
{
    attempt *a = &c->tries[c->tried];
    tn_fuse_candidate *note = &c->notes[c->tried];
    double start = tn__seconds();
    a->map = map->map;
    a->options = map->options;
    a->options.refit = refit;
    a->options.refit_goal = goal;
    (void)snprintf(note->name, sizeof note->name, "%.60s, %s", c->notes[map->map].name,
                   suffix);
    c->fusion->options = a->options;
    swap_maps(c, a->map);
    tn_status status = judge(c, a, err);
    swap_maps(c, a->map);
    note->seconds = tn__seconds() - start;
    return status;
}

static tn_status refit_map(climb *c, const attempt *map, tn_error *err)
{
    static const char *const suffixes[] = {
        [TN_REFIT_MEAN] = "refitted", [TN_REFIT_SPREAD] = "refitted, spread kept"};
    size_t first = c->tried;
    tn_status status = TN_OK;
    for (int goal = TN_REFIT_MEAN; goal <= TN_REFIT_SPREAD && status == TN_OK; goal++)
        status = refit_once(c, map, TN_REFIT_LAYERS, (tn_refit_goal)goal,
                            suffixes[goal], err);
    if (status != TN_OK || c->base.effort != TN_EFFORT_MAX)
        return status;
    bool spread = tn__verdict_better(&c->tries[first + 1].verdict,
                                     &c->tries[first].verdict, c->selector.n);
    tn_refit_goal goal = spread ? TN_REFIT_SPREAD : TN_REFIT_MEAN;
    if (c->request->count == 2)
        status = refit_once(c, map, TN_REFIT_PAIRS, goal, "pairs refitted", err);
    if (is_impossible(c, status))
        status = TN_OK;
    if (status == TN_OK)
        status = refit_once(c, map, TN_REFIT_CLUSTERS, goal, "clusters refitted", err);
    return status;
}

/* *out: the worst agreement of a parent with the ensemble. */
static tn_status worst_parent(double *out, climb *c, tn_error *err)
{
    tn_status status = TN_OK;
    *out = 1;
    for (size_t k = 0; k < c->request->count && status == TN_OK; k++) {
        tn__verdict verdict = {0};
        status = tn__selector_judge(&verdict, &c->selector, c->request->models[k], err);
        if (status == TN_OK)
            *out = TN__MIN(*out, verdict.agreement);
        tn__verdict_release(&verdict);
    }
    return status;
}

/* The maps that the largest effort adds. */
static tn_status try_dear_maps(climb *c, tn_error *err)
{
    double worst = 0;
    tn_status status = TN_OK;
    if (c->request->count > 2)
        status = try_dear_map(c, &together, err);
    if (status == TN_OK)
        status = worst_parent(&worst, c, err);
    if (status == TN_OK && c->tries[c->best].verdict.agreement < ZIP_BELOW * worst)
        status = try_dear_map(c, &zipped, err);
    return status;
}

static tn_status judge_parents(climb *c, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < c->request->count && status == TN_OK; k++) {
        tn__verdict verdict = {0};
        tn_fuse_candidate *note = &c->notes[c->tried + k];
        status = tn__selector_judge(&verdict, &c->selector, c->request->models[k], err);
        (void)snprintf(note->name, sizeof note->name, "model %zu", k);
        note->agreement = verdict.agreement;
        note->divergence = verdict.divergence;
        tn__verdict_release(&verdict);
    }
    return status;
}

/* --- preparations --- */

/* Sets images aside for the selector, the last of the permutation from which a fusion
 * takes its own, and gives the rest to support and calibration. */
static tn_status set_aside(climb *c, tn_error *err)
{
    const tn__fuse_request *r = c->request;
    size_t n = tn_dataset_count(r->data), held = TN__MIN(HELD_OUT, (n + 3) / 4);
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
        tn__selector_create(&c->selector, r->models, c->weights, r->count, r->data,
                            order + left, held, o->threads, err);
    tn__free(order);
    return status;
}

static tn_status prepare(climb *c, tn_error *err)
{
    const double *given = c->base.weights;
    const tn__fuse_request *r = c->request;
    c->weights = tn__alloc(r->count, sizeof *c->weights);
    c->notes = tn__alloc(TRIES_MAX + r->count, sizeof *c->notes);
    if (!c->weights || !c->notes)
        return tn__fail_memory(err, (TRIES_MAX + r->count) * sizeof *c->notes);
    for (size_t k = 0; k < r->count; k++)
        c->weights[k] = given ? given[k] : 1.0 / (double)r->count;
    c->base.method = TN_FUSE_TRANSPORT;
    c->base.refit = TN_REFIT_NONE;
    c->base.zip = 0;
    c->base.gromov = false;
    tn_status status = set_aside(c, err);
    c->fusion->options = c->base;
    if (status == TN_OK)
        status = tn__fusion_create(&c->fusion->inner, r->models, r->count, r->data,
                                   &c->fusion->options, err);
    return status;
}

/* --- the whole --- */

static tn_status climb_up(climb *c, tn_error *err)
{
    size_t refits = 0;
    tn_status status = prepare(c, err);
    for (size_t i = 0; i < TN__COUNT(rungs) && status == TN_OK; i++)
        status = try_map(c, &rungs[i], err);
    if (status == TN_OK && c->base.effort == TN_EFFORT_MAX && c->base.align)
        status = try_dear_maps(c, err);
    size_t maps = c->tried;
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

tn_status tn__fusion_climb(tn_fusion *fusion, tn__fuse_notes *notes,
                           tn_fuse_report *report, const tn__fuse_request *request,
                           tn_error *err)
{
    if (!request->data)
        return tn__fail(err, TN_ERROR_ARGUMENT, "method auto wants data to choose by");
    climb c = {.fusion = fusion, .request = request, .base = fusion->options};
    tn_status status = climb_up(&c, err);
    if (status == TN_OK) {
        attempt *best = &c.tries[c.tries[c.best].map];
        swap_maps(&c, c.tries[c.best].map);
        *notes = best->notes;
        best->notes = (tn__fuse_notes){0};
        fusion->options = c.tries[c.best].options;
        report->candidates = c.notes;
        report->candidate_count = c.tried;
        report->chosen = c.best;
        report->held_out = c.selector.n;
        c.notes = NULL;
    }
    for (size_t i = 0; i < TRIES_MAX; i++)
        release_attempt(&c.tries[i], &fusion->inner);
    tn__selector_release(&c.selector);
    tn__free(c.weights);
    tn__free(c.notes);
    return status;
}
