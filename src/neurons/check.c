/* check.c - permutes groups of neurons at random and runs the network before and after.
 *
 * A group is right when no permutation of it changes the function. Each is drawn from
 * its own stream of the seed, so that the verdict on one group does not depend on the
 * others.
 */
#include "neurons/check.h"

#include <math.h>

#include "base/rng.h"
#include "engine/engine.h"

/* Images computed at once; fixed, so that results do not depend on the threads. */
#define SHARD 4

typedef struct trial {
    const tn_model *model;
    const tn__groups *groups;
    tn_check_options options;
    tn__engine_options engine;
    const tn_observer *observer;
    float *images;   /* [options.images, input] */
    float *expected; /* [options.images, output] */
    float *moved;    /* same */
    size_t outputs;  /* floats of all images */
    double scale;    /* largest |expected| */
    tn__map *maps;   /* [groups] */
    double started;
    size_t done, trials;
} trial;

static tn_status infer(float *out, const trial *t, const tn_model *model, tn_error *err)
{
    tn__engine *engine = NULL;
    tn_status status = tn__engine_create(&engine, model, &t->engine, err);
    if (!status)
        status = tn__engine_infer(engine, out, t->images, t->options.images, err);
    tn__engine_free(engine);
    return status;
}

/* Draws the images and runs the model as it is. */
static tn_status prepare(trial *t, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__rng rng;
    size_t inputs, n = t->options.images;
    tn_status status = tn__engine_create(&engine, t->model, &t->engine, err);
    if (status)
        return status;
    if (!tn__mul(&inputs, tn__engine_input_count(engine), n) ||
        !tn__mul(&t->outputs, tn__engine_output_count(engine), n)) {
        status = tn__fail_memory(err, SIZE_MAX);
        goto done;
    }
    t->images = tn__alloc(inputs, sizeof *t->images);
    t->expected = tn__alloc(t->outputs, sizeof *t->expected);
    t->moved = tn__alloc(t->outputs, sizeof *t->moved);
    t->maps = tn__alloc(t->groups->count, sizeof *t->maps);
    if (!t->images || !t->expected || !t->moved || !t->maps) {
        status = tn__fail_memory(err, inputs * sizeof *t->images);
        goto done;
    }
    tn__rng_seed(&rng, t->options.seed, 0);
    for (size_t i = 0; i < inputs; i++)
        t->images[i] = (float)tn__rng_normal(&rng);
    status = tn__engine_infer(engine, t->expected, t->images, n, err);
    for (size_t i = 0; i < t->outputs && !status; i++) {
        if (!isfinite(t->expected[i]))
            status = tn__fail(err, TN_ERROR_NUMERIC,
                              "cannot check '%s': output %zu is not finite",
                              t->model->name, i);
        t->scale = fmax(t->scale, fabs((double)t->expected[i]));
    }
done:
    tn__engine_free(engine);
    return status;
}

/* A random permutation other than the identity, as the map of group g. */
static tn_status draw_map(tn__map *map, const tn__groups *groups, size_t g,
                          uint64_t seed, size_t round, tn_error *err)
{
    size_t n = groups->list[g].neurons;
    tn__rng rng;
    tn_status status = tn__map_identity(map, n, err);
    if (status)
        return status;
    tn__rng_seed(&rng, seed, 1 + round * groups->count + g);
    bool same = true;
    while (same) {
        tn__rng_permutation(&rng, map->select, n);
        for (size_t i = 0; i < n && same; i++)
            same = map->select[i] == i;
    }
    return TN_OK;
}

/* largest |difference| / largest |output| under the maps; infinite where not finite. */
static tn_status measure(double *difference, trial *t, tn_error *err)
{
    tn_model *permuted = NULL;
    tn_status status = tn__map_apply(&permuted, t->model, t->groups, t->model,
                                     t->groups, NULL, t->maps, err);
    if (!status)
        status = infer(t->moved, t, permuted, err);
    tn_model_free(permuted);
    if (status)
        return status;
    double largest = 0;
    for (size_t i = 0; i < t->outputs; i++) {
        double d = fabs((double)t->moved[i] - (double)t->expected[i]);
        largest = isfinite(d) ? fmax(largest, d) : HUGE_VAL;
    }
    *difference = largest > 0 ? largest / t->scale : 0;
    return TN_OK;
}

static tn_status tell(trial *t, const char *stage, tn_error *err)
{
    tn_progress progress = {.stage = stage, .unit = "permutations"};
    progress.done = (double)++t->done;
    progress.total = (double)((t->trials + 1) * t->options.rounds);
    progress.loss = progress.accuracy = (double)NAN;
    progress.seconds = tn__seconds() - t->started;
    return tn__report(t->observer, &progress, err);
}

/* Whether group g is tried with `only`: the groups inside blocks are tried with those
 * of the other blocks that correspond to them. TN__NONE: all are tried. */
static bool is_tried(const trial *t, size_t only, size_t g)
{
    const tn__group *a = &t->groups->list[g];
    if (only == TN__NONE || only == g)
        return true;
    const tn__group *b = &t->groups->list[only];
    return a->blocks != TN__NONE && a->blocks == b->blocks && a->kind == b->kind;
}

/* Permutes the groups that are tried with `only` together, `rounds` times; *largest is
 * the worst. */
static tn_status try_groups(double *largest, trial *t, size_t only, const char *stage,
                            tn_error *err)
{
    tn_status status = TN_OK;
    size_t count = t->groups->count;
    *largest = 0;
    for (size_t r = 0; r < t->options.rounds && !status; r++) {
        double difference = 0;
        for (size_t g = 0; g < count && !status; g++)
            if (is_tried(t, only, g))
                status = draw_map(&t->maps[g], t->groups, g, t->options.seed, r, err);
        if (!status)
            status = measure(&difference, t, err);
        for (size_t g = 0; g < count; g++)
            tn__map_release(&t->maps[g]);
        *largest = fmax(*largest, difference);
        if (!status)
            status = tell(t, stage, err);
    }
    return status;
}

static tn_status try_all(tn_check_report *report, trial *t, tn_error *err)
{
    size_t count = t->groups->count;
    double tolerance = t->options.tolerance, largest;
    tn_status status;
    report->groups = count;
    for (size_t g = 0; g < count; g++)
        t->trials +=
            t->groups->list[g].blocks == TN__NONE || t->groups->list[g].within == 0;
    for (size_t g = 0; g < count; g++) {
        const char *name = t->groups->list[g].name;
        if (t->groups->list[g].blocks != TN__NONE && t->groups->list[g].within > 0)
            continue; /* was tried with that of the first block */
        if ((status = try_groups(&largest, t, g, name, err)) != TN_OK)
            return status;
        report->largest = fmax(report->largest, largest);
        if (largest <= tolerance)
            continue;
        report->failed++;
        tn__log(t->observer, 0, "group '%s': the outputs move by %.3g, tolerance %.3g",
                name, largest, tolerance);
    }
    if ((status = try_groups(&largest, t, TN__NONE, "all groups", err)) != TN_OK)
        return status;
    report->largest = fmax(report->largest, largest);
    if (largest > tolerance && !report->failed)
        tn__log(t->observer, 0,
                "all groups at once: the outputs move by %.3g, tolerance %.3g", largest,
                tolerance);
    return TN_OK;
}

static tn_status check_options(const tn_check_options *options, tn_error *err)
{
    if (options->images < 1)
        return tn__fail(err, TN_ERROR_ARGUMENT, "images is 0, expected at least 1");
    if (options->rounds < 1)
        return tn__fail(err, TN_ERROR_ARGUMENT, "rounds is 0, expected at least 1");
    if (!(options->tolerance >= 0))
        return tn__fail(err, TN_ERROR_ARGUMENT, "tolerance is %g, expected at least 0",
                        options->tolerance);
    return TN_OK;
}

tn_status tn__groups_check(tn_check_report *out, const tn_model *model,
                           const tn__groups *groups, const tn_check_options *options,
                           bool reference, const tn_observer *observer, tn_error *err)
{
    trial t = {.model = model,
               .groups = groups,
               .options = options ? *options : (tn_check_options)TN_CHECK_OPTIONS_INIT,
               .observer = observer,
               .started = tn__seconds()};
    tn_check_report report = {0};
    tn__workers *workers = NULL;
    tn_status status = check_options(&t.options, err);
    if (status ||
        (status = tn__workers_create(&workers, t.options.threads, err)) != TN_OK)
        return status;
    t.engine.workers = workers;
    t.engine.reference = reference;
    t.engine.shard = SHARD;
    if ((status = prepare(&t, err)) != TN_OK ||
        (status = try_all(&report, &t, err)) != TN_OK)
        goto done;
    *out = report;
done:
    tn__free(t.images);
    tn__free(t.expected);
    tn__free(t.moved);
    tn__free(t.maps);
    tn__workers_free(workers);
    return status;
}

tn_status tn_model_check(tn_check_report *out, const tn_model *model,
                         const tn_check_options *options, const tn_observer *observer,
                         tn_error *err)
{
    tn__groups *groups = NULL;
    tn_status status = tn__groups_find(&groups, model, err);
    if (!status)
        status = tn__groups_check(out, model, groups, options, false, observer, err);
    tn__groups_free(groups);
    return status;
}

tn_status tn_model_permute(tn_model **out, const tn_model *model, uint64_t seed,
                           tn_error *err)
{
    tn__groups *groups = NULL;
    tn__map *maps = NULL;
    size_t count = 0;
    tn_status status = tn__groups_find(&groups, model, err);
    if (status)
        return status;
    maps = tn__alloc(groups->count, sizeof *maps);
    if (!maps)
        status = tn__fail_memory(err, groups->count * sizeof *maps);
    for (; count < groups->count && !status; count++)
        status = draw_map(&maps[count], groups, count, seed, 0, err);
    if (!status)
        status = tn__map_apply(out, model, groups, model, groups, NULL, maps, err);
    for (size_t g = 0; g < count; g++)
        tn__map_release(&maps[g]);
    tn__free(maps);
    tn__groups_free(groups);
    return status;
}
