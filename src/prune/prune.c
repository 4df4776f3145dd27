/* prune.c - the order in which a network is pruned.
 *
 * Widths, then which neurons stay, then the maps, then what the maps make of the
 * parameters, then statistics and layers put right. Statistics come from `probe`: the
 * network with batch norms re-estimated on the very images they are taken from, so that
 * every layer answers to drawn images with the mean and variance it has on real ones.
 * All groups are chosen from the network as it was.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "fuse/recalibrate.h"
#include "neurons/resize_groups.h"
#include "prune/plan.h"
#include "prune/prune.h"

#define EXACT 1e-3 /* folding against deletion, where nothing else is known */

typedef struct pruning {
    const tn_prune_options *options;
    const tn_model *model;
    tn__groups *groups;
    tn__limits limits;
    size_t *left; /* [groups] */
    double sparsity;
    tn_model *folded;
    tn__groups *folded_groups;
    tn__workers *workers;
    float *images;   /* [image_count, input], or NULL */
    int32_t *labels; /* [image_count], or NULL */
    size_t image_count;
    bool synthetic;
} pruning;

/* One way of doing it, and what came out. */
typedef struct attempt {
    tn_prune_method method;
    tn_prune_importance importance;
    bool repair, hold; /* batch norms; but not the variance behind refitted layers */
    tn_model *model;
    bool **kept;   /* [groups]: [neurons], NULL where the group keeps all */
    tn__map *maps; /* [groups], or NULL: the others are deleted */
    double error;
    size_t layers, norms;
} attempt;

void tn_prune_report_release(tn_prune_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->group_count; i++) {
        tn__free(report->groups[i].name);
        tn__free(report->groups[i].kept);
    }
    tn__free(report->groups);
    tn_prune_plan_free(report->plan);
    *report = (tn_prune_report){0};
}

static void attempt_release(attempt *a, size_t groups)
{
    for (size_t g = 0; a->kept && g < groups; g++)
        tn__free(a->kept[g]);
    for (size_t g = 0; a->maps && g < groups; g++)
        tn__map_release(&a->maps[g]);
    tn__free(a->kept);
    tn__free(a->maps);
    tn_model_free(a->model);
    *a = (attempt){0};
}

/* --- preparation -------------------------------------------------------------------
 */

static tn_status check_options(const tn_prune_options *options, tn_error *err)
{
    if (!(options->sparsity >= 0 && options->sparsity < 1))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "sparsity is %g, expected 0 or more and less than 1",
                        options->sparsity);
    if (options->samples == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "samples is 0, expected at least 1");
    if (!(options->min_share >= 0 && options->min_share <= 1) ||
        !(options->max_latency >= 0))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "min_share is %g and max_latency %g, expected a share and "
                        "milliseconds",
                        options->min_share, options->max_latency);
    if (options->compat && options->method != TN_PRUNE_INTRA_FUSION)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "compat wants the method to be intra-fusion");
    return TN_OK;
}

static bool nothing_to_do(const pruning *p)
{
    for (size_t g = 0; g < p->groups->count; g++)
        if (p->left[g] < p->groups->list[g].neurons)
            return false;
    return true;
}

static bool wants_images(const tn_prune_options *options)
{
    return !options->compat &&
           (options->method == TN_PRUNE_AUTO || options->method == TN_PRUNE_REFIT ||
            tn__importance_wants_images(options->importance) ||
            options->allocate == TN_PRUNE_ALLOCATE_ERROR ||
            options->repair != TN_PRUNE_REPAIR_NONE);
}

static tn_status draw_images(pruning *p, const tn_dataset *data, tn_error *err)
{
    int64_t shape[3];
    size_t wanted = 0, input = p->model->inputs[0];
    tn_dataset_shape(shape, data);
    size_t pixels = (size_t)(shape[0] * shape[1] * shape[2]);
    size_t n = tn_dataset_count(data);
    if (!tn__shape_count(&wanted, &p->groups->shapes.shape[input]) || wanted != pixels)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "images of %zu numbers do not fit input '%s' of %zu", pixels,
                        p->model->values[input].name, wanted);
    p->image_count = TN__MIN(p->options->samples, n);
    uint32_t *order = tn__alloc(n, sizeof *order);
    p->images = tn__alloc(p->image_count, pixels * sizeof *p->images);
    p->labels = tn__alloc(p->image_count, sizeof *p->labels);
    tn_status status = order && p->images && p->labels
                           ? TN_OK
                           : tn__fail_memory(err, n * sizeof *order);
    if (status == TN_OK) {
        tn__rng rng;
        tn__rng_seed(&rng, p->options->seed, 0);
        tn__rng_permutation(&rng, order, n);
        status =
            tn_dataset_read(p->images, p->labels, data, order, 0, p->image_count, err);
    }
    tn__free(order);
    return status;
}

static tn_status prepare(pruning *p, const tn_dataset *data, tn_error *err)
{
    const tn_prune_options *options = p->options;
    tn__fold_kind kind = options->compat ? TN__FOLD_COMPAT : TN__FOLD_ALL;
    tn_status status = tn__norms_fold(&p->folded, p->model, kind, err);
    if (status == TN_OK)
        status = tn__groups_find(&p->folded_groups, p->folded, err);
    if (status == TN_OK && p->folded_groups->count != p->groups->count)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "the groups are others once batch norms are folded");
    if (status == TN_OK)
        status = tn__workers_create(&p->workers, options->threads, err);
    if (status != TN_OK || !wants_images(options))
        return status;
    if (data)
        return draw_images(p, data, err);
    p->synthetic = true;
    p->image_count = options->samples;
    return tn__leaves_create(&p->images, p->image_count,
                             &p->groups->shapes.shape[p->model->inputs[0]],
                             options->seed, err);
}

static void pruning_release(pruning *p)
{
    tn__groups_free(p->groups);
    tn__groups_free(p->folded_groups);
    tn_model_free(p->folded);
    tn__workers_free(p->workers);
    tn__limits_release(&p->limits);
    tn__free(p->left);
    tn__free(p->images);
    tn__free(p->labels);
}

/* --- which neurons stay ------------------------------------------------------------
 */

/* Scores of the groups where wanted[g]; *scores [groups] is owned by the caller. */
static tn_status score(double ***scores, bool *recovered, const pruning *p,
                       const bool *wanted, tn_prune_importance by,
                       const tn_model *probe, tn_error *err)
{
    const tn__scoring how = {.by = by,
                             .model = p->model,
                             .folded = p->folded,
                             .probe = probe,
                             .groups = p->folded_groups,
                             .images = p->images,
                             .labels = p->labels,
                             .n = p->image_count,
                             .seed = p->options->seed,
                             .workers = p->workers};
    size_t count = p->groups->count;
    *scores = tn__alloc(count, sizeof **scores);
    if (!*scores)
        return tn__fail_memory(err, count * sizeof **scores);
    for (size_t g = 0; g < count; g++) {
        size_t neurons = p->groups->list[g].neurons;
        if (!wanted[g])
            continue;
        (*scores)[g] = tn__alloc(neurons, sizeof ***scores);
        if (!(*scores)[g])
            return tn__fail_memory(err, neurons * sizeof ***scores);
    }
    return tn__prune_scores(*scores, recovered, &how, err);
}

static void scores_free(double **scores, size_t groups)
{
    for (size_t g = 0; scores && g < groups; g++)
        tn__free(scores[g]);
    tn__free(scores);
}

static tn_status choose(attempt *a, const pruning *p, const tn_model *probe,
                        tn_error *err)
{
    size_t count = p->groups->count;
    double **scores = NULL;
    bool *wanted = tn__alloc(count, sizeof *wanted);
    a->kept = tn__alloc(count, sizeof *a->kept);
    for (size_t g = 0; wanted && g < count; g++)
        wanted[g] = p->left[g] < p->groups->list[g].neurons;
    tn_status status = wanted && a->kept
                           ? score(&scores, NULL, p, wanted, a->importance, probe, err)
                           : tn__fail_memory(err, count);
    for (size_t g = 0; g < count && status == TN_OK; g++) {
        size_t neurons = p->groups->list[g].neurons;
        if (!wanted[g])
            continue;
        a->kept[g] = tn__alloc(neurons, sizeof **a->kept);
        status = a->kept[g]
                     ? tn__prune_keep(a->kept[g], scores[g], neurons, p->left[g], err)
                     : tn__fail_memory(err, neurons);
    }
    scores_free(scores, count);
    tn__free(wanted);
    return status;
}

/* --- the maps and what they make ----------------------------------------------------
 */

static bool mixes(tn_prune_method method)
{
    return method == TN_PRUNE_INTRA_FUSION || method == TN_PRUNE_NEAREST ||
           method == TN_PRUNE_FOLD;
}

static tn_status make_maps(attempt *a, const pruning *p, tn_error *err)
{
    a->maps = tn__alloc(p->groups->count, sizeof *a->maps);
    tn_status status =
        a->maps ? TN_OK : tn__fail_memory(err, p->groups->count * sizeof *a->maps);
    for (size_t g = 0; g < p->groups->count && status == TN_OK; g++) {
        tn__features features = {0};
        if (!a->kept[g])
            continue;
        status = tn__features_create(&features, p->folded, p->folded_groups, g,
                                     !p->options->compat, err);
        if (status == TN_OK)
            status =
                tn__prune_absorb(&a->maps[g], &features, a->kept[g], p->left[g],
                                 a->method, p->options->compat, p->options->seed, err);
        tn__features_release(&features);
    }
    return status;
}

/* The authors' program never mixes the vectors of batch norms: `to` gets those that
 * selection left in `from`. A map whose rows do not sum to one would scale them. */
static void select_norms(tn_model *to, const tn_model *from)
{
    for (size_t n = 0; n < to->node_count; n++)
        for (size_t k = 1; tn__node_is_norm(&to->nodes[n]) && k < 5; k++) {
            size_t v = to->nodes[n].inputs[k];
            if (!tn__value_is_parameter(&to->values[v]))
                continue;
            tn__tensor_release(&to->values[v].parameter);
            to->values[v].parameter = tn__tensor_ref(&from->values[v].parameter);
        }
}

/* *out: `from` with the neurons of attempt `a`. */
static tn_status carry(tn_model **out, const pruning *p, const tn_model *from,
                       const attempt *a, tn_error *err)
{
    const tn__groups *groups = a->maps ? p->folded_groups : p->groups;
    tn_model *graph = NULL;
    tn__groups *onto = NULL;
    tn_status status =
        tn__resize(&graph, from, groups, (const uint8_t *const *)a->kept, err);
    if (status == TN_OK && !a->maps) {
        *out = graph;
        return TN_OK;
    }
    if (status == TN_OK)
        status = tn__groups_find(&onto, graph, err);
    if (status == TN_OK)
        status = tn__map_apply(out, from, groups, graph, onto, NULL, a->maps, err);
    if (status == TN_OK && p->options->compat)
        select_norms(*out, graph);
    tn__groups_free(onto);
    tn_model_free(graph);
    return status;
}

/* A clone whose batch norms are re-estimated on the images. */
static tn_status make_probe(tn_model **out, const tn_model *model, const pruning *p,
                            tn_error *err)
{
    tn_model *made = NULL;
    size_t layers = 0;
    tn_status status = tn__model_clone(&made, model, err);
    tn__recalibration how = {
        .norms = true, .workers = p->workers, .images = p->images, .n = p->image_count};
    if (status == TN_OK && p->images)
        status = tn__recalibrate(made, &layers, &how, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}

static tn_status infer(float **out, size_t *count, const tn_model *model,
                       const pruning *p, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = p->workers};
    tn_status status = tn__engine_create(&engine, model, &options, err);
    if (status != TN_OK)
        return status;
    *count = p->image_count * tn__engine_output_count(engine);
    *out = tn__alloc(*count, sizeof **out);
    status = *out ? tn__engine_infer(engine, *out, p->images, p->image_count, err)
                  : tn__fail_memory(err, *count * sizeof **out);
    tn__engine_free(engine);
    return status;
}

/* Mean squared change of the outputs relative to their variance. */
static tn_status measure_error(double *out, const tn_model *before,
                               const tn_model *after, const pruning *p, tn_error *err)
{
    float *x = NULL, *y = NULL;
    size_t count = 0;
    double mean = 0, variance = 0, change = 0;
    tn_status status = infer(&x, &count, before, p, err);
    if (status == TN_OK)
        status = infer(&y, &count, after, p, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        mean += (double)x[i] / (double)count;
    for (size_t i = 0; i < count && status == TN_OK; i++) {
        double d = (double)y[i] - (double)x[i], v = (double)x[i] - mean;
        change += d * d;
        variance += v * v;
    }
    if (status == TN_OK)
        *out = isfinite(change) ? change / TN__MAX(variance, 1e-30) : HUGE_VAL;
    tn__free(x);
    tn__free(y);
    return status;
}

/* One attempt from beginning to end: a->model and what is known of it. Neurons and maps
 * that a plan gave stand. */
static tn_status try_method(attempt *a, const pruning *p, tn_error *err)
{
    bool mixing = mixes(a->method), refits = a->method == TN_PRUNE_REFIT;
    const tn_model *base = mixing ? p->folded : p->model;
    const tn__groups *groups = mixing ? p->folded_groups : p->groups;
    tn_model *probe = NULL, *small_probe = NULL;
    tn_status status = make_probe(&probe, base, p, err);
    if (status == TN_OK && !a->kept)
        status = choose(a, p, probe, err);
    if (status == TN_OK && mixing && !a->maps)
        status = make_maps(a, p, err);
    if (status == TN_OK)
        status = carry(&a->model, p, base, a, err);
    if (status == TN_OK && (a->repair || p->images))
        status = carry(&small_probe, p, probe, a, err);
    tn__refitting how = {.probe = probe,
                         .groups = groups,
                         .kept = refits ? (const bool *const *)a->kept : NULL,
                         .norms = a->repair,
                         .hold = a->hold,
                         .small = a->model,
                         .small_probe = small_probe,
                         .images = p->images,
                         .n = p->image_count,
                         .seed = p->options->seed,
                         .workers = p->workers};
    if (status == TN_OK && (a->repair || refits))
        status = tn__prune_refit(&a->layers, &a->norms, &how, err);
    a->error = (double)NAN;
    if (status == TN_OK && p->images)
        status = measure_error(&a->error, p->model, a->model, p, err);
    tn_model_free(probe);
    tn_model_free(small_probe);
    return status;
}

/* --- the whole -----------------------------------------------------------------------
 */

static void hash_images(char out[TN__SHA256_HEX], const pruning *p)
{
    int64_t pixels = 1;
    const tn__shape *shape = &p->groups->shapes.shape[p->model->inputs[0]];
    for (int a = 1; a < shape->rank; a++)
        pixels *= shape->dims[a];
    tn__sha256_hex(out, p->images, p->image_count * (size_t)pixels * sizeof *p->images);
}

static tn_status make_plan(tn_prune_plan **out, const pruning *p, const attempt *a,
                           const tn_dataset *data, tn_error *err)
{
    bool images = p->images && (a->repair || a->method == TN_PRUNE_REFIT);
    const char *hash = tn_model_source_sha256(p->model);
    tn_prune_plan *made = tn__alloc(1, sizeof *made);
    if (!made)
        return tn__fail_memory(err, sizeof *made);
    made->method = a->kept ? a->method : TN_PRUNE_DELETE;
    made->repair = a->repair;
    made->hold = a->hold;
    made->compat = p->options->compat;
    made->seed = p->options->seed;
    made->sparsity = p->sparsity;
    made->images = images ? p->image_count : 0;
    made->synthetic = images && p->synthetic;
    snprintf(made->model, sizeof made->model, "%s", hash ? hash : "");
    if (images)
        hash_images(made->images_hash, p);
    tn_status status = tn__plan_fill(made, p->groups, p->left, a->kept, a->maps, err);
    if (status == TN_OK && images && data) {
        made->data = tn__strdup(tn_dataset_spec(data));
        if (!made->data)
            status = tn__fail_memory(err, strlen(tn_dataset_spec(data)));
    }
    if (status == TN_OK)
        *out = made;
    else
        tn_prune_plan_free(made);
    return status;
}

static tn_status fill_groups(tn_prune_report *to, const pruning *p, const attempt *a,
                             tn_error *err)
{
    to->groups = tn__alloc(p->groups->count, sizeof *to->groups);
    bool enough = to->groups != NULL;
    for (size_t g = 0; g < p->groups->count && enough; g++) {
        const tn__group *group = &p->groups->list[g];
        if (!a->kept || !a->kept[g])
            continue;
        tn_prune_group *item = &to->groups[to->group_count++];
        item->name = tn__strdup(group->name);
        item->neurons = group->neurons;
        item->left = p->left[g];
        enough = item->name != NULL;
        if (a->method == TN_PRUNE_FOLD || !enough)
            continue;
        item->kept = tn__alloc(item->left, sizeof *item->kept);
        enough = item->kept != NULL;
        for (size_t i = 0, j = 0; i < group->neurons && enough; i++)
            if (a->kept[g][i])
                item->kept[j++] = (uint32_t)i;
    }
    return enough ? TN_OK : tn__fail_memory(err, p->groups->count * sizeof *to->groups);
}

static tn_status fill_report(tn_prune_report *out, const pruning *p, const attempt *a,
                             const tn_dataset *data, tn_error *err)
{
    tn_prune_report made = {.sparsity = p->sparsity,
                            .method = a->method,
                            .error = a->error,
                            .images = p->image_count,
                            .synthetic = p->synthetic,
                            .layers_refitted = a->layers,
                            .norms = a->norms};
    tn_status status = fill_groups(&made, p, a, err);
    if (status == TN_OK)
        status = make_plan(&made.plan, p, a, data, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_prune_report_release(&made);
    return status;
}

/* Whether statistics of the images say something of the network: drawn ones do only
 * through batch norms, which hold what real ones are like. */
static bool images_tell(const pruning *p)
{
    bool norms = false;
    for (size_t n = 0; n < p->model->node_count; n++)
        norms = norms || tn__node_is_norm(&p->model->nodes[n]);
    return norms || !p->synthetic;
}

const char *const tn__prune_method_names[] = {
    "auto", "delete", "intra-fusion", "nearest", "fold", "refit", NULL};

/* One attempt by the options, where they do not leave the choice open. */
static tn_status try_one(attempt *a, const pruning *p, const tn_observer *observer,
                         tn_error *err)
{
    tn_progress progress = {.stage = tn__prune_method_names[a->method],
                            .unit = "methods",
                            .loss = (double)NAN,
                            .accuracy = (double)NAN};
    a->importance = p->options->importance;
    if (a->importance == TN_PRUNE_IMPORTANCE_AUTO)
        a->importance = a->method == TN_PRUNE_REFIT ? TN_PRUNE_IMPORTANCE_ERROR
                                                    : TN_PRUNE_IMPORTANCE_L1;
    tn_status status = tn__report(observer, &progress, err);
    if (status == TN_OK)
        status = try_method(a, p, err);
    if (status == TN_OK && p->images)
        tn__log(observer, 2, "%s%s: outputs move by %.4g of their variance",
                tn__prune_method_names[a->method],
                !a->repair ? ", no repair"
                : a->hold  ? ", means repaired"
                           : "",
                a->error);
    return status;
}

/* *best is what moves the outputs least of all ways there are. Where the images tell
 * nothing, deletion stands unless folding is as good as exact. */
static tn_status try_all(attempt *best, const pruning *p, const tn_observer *observer,
                         tn_error *err)
{
    tn_prune_repair by = p->options->repair;
    bool repair = by != TN_PRUNE_REPAIR_NONE, tell = images_tell(p);
    const attempt all[] = {{.method = TN_PRUNE_DELETE},
                           {.method = TN_PRUNE_DELETE, .repair = repair},
                           {.method = TN_PRUNE_FOLD, .repair = repair},
                           {.method = TN_PRUNE_REFIT, .repair = repair},
                           {.method = TN_PRUNE_REFIT, .repair = repair, .hold = true}};
    tn_status status = TN_OK;
    for (size_t k = 0; k < TN__COUNT(all) && status == TN_OK; k++) {
        attempt a = all[k];
        if (a.method == TN_PRUNE_REFIT &&
            (!tell || (a.hold && (!repair || by == TN_PRUNE_REPAIR_NORM)) ||
             (!a.hold && by == TN_PRUNE_REPAIR_MEAN)))
            continue;
        status = try_one(&a, p, observer, err);
        if (status == TN_OK && (k == 0 || a.error < (tell ? 1 : EXACT) * best->error)) {
            attempt_release(best, p->groups->count);
            *best = a;
        } else {
            attempt_release(&a, p->groups->count);
        }
    }
    return status;
}

static tn_status try_asked(attempt *best, const pruning *p, const tn_observer *observer,
                           tn_error *err)
{
    const tn_prune_options *options = p->options;
    if (options->method == TN_PRUNE_AUTO)
        return try_all(best, p, observer, err);
    attempt a = {.method = options->method,
                 .repair = !options->compat && options->repair != TN_PRUNE_REPAIR_NONE,
                 .hold = options->repair == TN_PRUNE_REPAIR_MEAN};
    tn_status status = try_one(&a, p, observer, err);
    if (status == TN_OK)
        *best = a;
    else
        attempt_release(&a, p->groups->count);
    return status;
}

/* The attempt that a plan tells of. */
static tn_status try_plan(attempt *best, pruning *p, const tn_prune_plan *plan,
                          const tn_observer *observer, tn_error *err)
{
    attempt a = {.method = plan->method, .repair = plan->repair, .hold = plan->hold};
    size_t count = p->groups->count;
    char hash[TN__SHA256_HEX];
    tn_status status = TN_OK;
    if (p->images) {
        hash_images(hash, p);
        if (strcmp(hash, plan->images_hash))
            return tn__fail(
                err, TN_ERROR_MISMATCH, "these are not the images of the plan%s%s",
                plan->data ? ", which were " : "", plan->data ? plan->data : "");
    }
    a.kept = tn__alloc(count, sizeof *a.kept);
    a.maps = mixes(a.method) ? tn__alloc(count, sizeof *a.maps) : NULL;
    if (!a.kept || (mixes(a.method) && !a.maps))
        status = tn__fail_memory(err, count * sizeof *a.maps);
    if (status == TN_OK)
        status = tn__plan_copy(a.kept, a.maps, plan, err);
    if (status == TN_OK)
        status = try_one(&a, p, observer, err);
    if (status == TN_OK)
        *best = a;
    else
        attempt_release(&a, count);
    return status;
}

/* *out: `options`, or what a plan puts in their place. */
static tn_status take_options(tn_prune_options *out, const tn_prune_options *options,
                              const tn_dataset *data, tn_error *err)
{
    static const tn_prune_options defaults = TN_PRUNE_OPTIONS_INIT;
    *out = options ? *options : defaults;
    const tn_prune_plan *plan = out->plan;
    if (!plan)
        return check_options(out, err);
    if (plan->images > 0 && !plan->synthetic && !data)
        return tn__fail(err, TN_ERROR_ARGUMENT, "the plan wants its images again%s%s",
                        plan->data ? ": " : "", plan->data ? plan->data : "");
    out->method = plan->method;
    out->importance = TN_PRUNE_IMPORTANCE_L1;
    out->repair = plan->repair ? TN_PRUNE_REPAIR_NORM : TN_PRUNE_REPAIR_NONE;
    out->compat = plan->compat;
    out->seed = plan->seed;
    out->samples = plan->images;
    return TN_OK;
}

static bool asks_for_less(const tn_prune_options *options)
{
    return options->sparsity > 0 || options->max_params || options->max_macs ||
           options->max_latency > 0 || options->keep;
}

/* loss [n + 1] of a group by the scores of its neurons: recovery says what is lost with
 * a neuron and all that are worth less, others say it of each alone. */
static tn_status lose(double *loss, const double *score, size_t n, bool recovered,
                      bool share, tn_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += score[i];
    tn_status status =
        tn__prune_losses(loss, score, n, share ? sum : sum / (double)n, err);
    if (status == TN_OK && recovered)
        tn__prune_levels(loss, score, n);
    return status;
}

/* loss[g] of the groups that may lose neurons. */
static tn_status find_losses(double **loss, const bool *wanted, bool *recovered,
                             const pruning *p, tn_error *err)
{
    bool by_error = p->options->allocate == TN_PRUNE_ALLOCATE_ERROR;
    tn_prune_importance by =
        by_error ? TN_PRUNE_IMPORTANCE_ERROR : p->options->importance;
    double **scores = NULL;
    tn_model *probe = NULL;
    tn_status status = TN_OK;
    if (by == TN_PRUNE_IMPORTANCE_AUTO)
        by = TN_PRUNE_IMPORTANCE_L1;
    if (tn__importance_wants_images(by))
        status = make_probe(&probe, p->model, p, err);
    if (status == TN_OK)
        status = score(&scores, recovered, p, wanted, by, probe, err);
    for (size_t g = 0; g < p->groups->count && status == TN_OK; g++) {
        size_t n = p->groups->list[g].neurons;
        if (!wanted[g])
            continue;
        loss[g] = tn__alloc(n + 1, sizeof **loss);
        status = loss[g] ? lose(loss[g], scores[g], n, recovered[g], by_error, err)
                         : tn__fail_memory(err, n * sizeof **loss);
    }
    scores_free(scores, p->groups->count);
    tn_model_free(probe);
    return status;
}

static tn_status order_removals(tn__removals *out, const pruning *p,
                                const tn__sizing *how, tn_error *err)
{
    size_t count = p->groups->count;
    double **loss = tn__alloc(count, sizeof *loss);
    double *saving = tn__alloc(count, sizeof *saving);
    bool *wanted = tn__alloc(count, 2 * sizeof *wanted), *recovered = wanted + count;
    for (size_t g = 0; wanted && g < count; g++)
        wanted[g] = p->limits.least[g] < p->limits.most[g];
    tn_status status = loss && saving && wanted
                           ? find_losses(loss, wanted, recovered, p, err)
                           : tn__fail_memory(err, count * sizeof *saving);
    if (status == TN_OK && p->options->allocate == TN_PRUNE_ALLOCATE_ERROR)
        status = tn__prune_savings(saving, how, err);
    for (size_t g = 0; saving && g < count; g++)
        if (p->options->allocate == TN_PRUNE_ALLOCATE_RANK)
            saving[g] = 1;
    if (status == TN_OK)
        status = tn__prune_allocate(out, loss, saving, &p->limits, count, err);
    scores_free(loss, count);
    tn__free(saving);
    tn__free(wanted);
    return status;
}

static tn_status find_widths(pruning *p, tn_error *err)
{
    const tn_prune_plan *plan = p->options->plan;
    tn__removals order = {0};
    tn__sizing how = {.model = p->model,
                      .groups = p->groups,
                      .limits = &p->limits,
                      .options = p->options};
    tn_status status = TN_OK;
    if (plan) {
        p->sparsity = plan->sparsity;
        return tn__plan_widths(p->left, plan, p->model, p->groups, err);
    }
    if (p->options->allocate != TN_PRUNE_ALLOCATE_EVEN) {
        status = order_removals(&order, p, &how, err);
        how.order = &order;
    }
    if (status == TN_OK)
        status = tn__prune_widths(p->left, &p->sparsity, &how, err);
    tn__removals_release(&order);
    return status;
}

/* Groups, limits and widths; images and what is made ready where there is something to
 * do. */
static tn_status begin(pruning *p, const tn_dataset *data, tn_error *err)
{
    const tn_prune_options *options = p->options;
    bool late = !options->plan && options->allocate != TN_PRUNE_ALLOCATE_EVEN;
    tn_status status = tn__groups_find(&p->groups, p->model, err);
    if (status == TN_OK && !options->plan)
        status = tn__limits_create(&p->limits, p->model, p->groups, options, err);
    if (status != TN_OK)
        return status;
    p->left = tn__alloc(p->groups->count, sizeof *p->left);
    if (!p->left)
        return tn__fail_memory(err, p->groups->count * sizeof *p->left);
    for (size_t g = 0; g < p->groups->count; g++)
        p->left[g] = p->groups->list[g].neurons;
    if (!options->plan && !asks_for_less(options))
        return TN_OK;
    if (!late)
        status = find_widths(p, err);
    if (status == TN_OK && (late || !nothing_to_do(p)))
        status = prepare(p, data, err);
    if (status == TN_OK && late)
        status = find_widths(p, err);
    return status;
}

tn_status tn_prune(tn_model **out, tn_prune_report *report, const tn_model *model,
                   const tn_dataset *data, const tn_prune_options *options,
                   const tn_observer *observer, tn_error *err)
{
    tn_prune_options asked;
    pruning p = {.options = &asked, .model = model};
    attempt best = {.error = (double)NAN};
    tn_status status = take_options(&asked, options, data, err);
    if (status == TN_OK)
        status = begin(&p, data, err);
    if (status == TN_OK && nothing_to_do(&p))
        status = tn__model_clone(&best.model, model, err);
    else if (status == TN_OK)
        status = asked.plan ? try_plan(&best, &p, asked.plan, observer, err)
                            : try_asked(&best, &p, observer, err);
    if (status == TN_OK && report)
        status = fill_report(report, &p, &best, data, err);
    if (status == TN_OK) {
        *out = best.model;
        best.model = NULL;
    }
    attempt_release(&best, p.groups ? p.groups->count : 0);
    pruning_release(&p);
    return status;
}
