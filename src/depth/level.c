/* level.c - tn_level(): every network is aligned with the deepest and made as deep (or
 * the other way round), and what that cost its function is measured. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "depth/align.h"
#include "depth/insert.h"
#include "depth/squeeze.h"
#include "similarity/match.h"

static const tn_depth_options defaults = TN_DEPTH_OPTIONS_INIT;

/* Above this the function is not preserved but approximated. */
#define ERROR_EXACT 1e-4
#define RANDOM_IMAGES 8 /* to measure the error on where there are none */

static const char *model_label(const tn_model *model)
{
    return model->source ? model->source : model->name;
}

tn_status tn__level_wanted(bool *wanted, const tn_model *const *models, size_t count,
                           tn_error *err)
{
    *wanted = false;
    for (size_t k = 1; k < count && !*wanted; k++) {
        tn_error differ = {0};
        size_t *value_of = NULL;
        tn_status status = tn__match_values(&value_of, models[k], models[0], &differ);
        tn__free(value_of);
        *wanted = status == TN_ERROR_MISMATCH;
        if (status != TN_OK && !*wanted)
            return tn__fail(err, status, "%s", differ.message);
    }
    return TN_OK;
}

/* --- images --- */

tn_status tn__probe_open(tn__probe_data *out, const tn_dataset *data, size_t wanted,
                         uint64_t seed, size_t threads, tn_error *err)
{
    tn__probe_data made = {0};
    uint32_t *order = NULL;
    tn_status status = tn__workers_create(&made.probe.workers, threads, err);
    if (status != TN_OK || !data)
        goto done;
    int64_t dims[3];
    tn_dataset_shape(dims, data);
    size_t n = tn_dataset_count(data), pixels = (size_t)(dims[0] * dims[1] * dims[2]);
    made.probe.n = TN__MIN(wanted, n);
    made.images = tn__alloc(made.probe.n, pixels * sizeof *made.images);
    order = tn__alloc(n, sizeof *order);
    if (!made.images || !order) {
        status = tn__fail_memory(err, made.probe.n * pixels * sizeof *made.images);
        goto done;
    }
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    tn__rng_permutation(&rng, order, n);
    status = tn_dataset_read(made.images, NULL, data, order, 0, made.probe.n, err);
    made.probe.images = made.images;
done:
    tn__free(order);
    if (status == TN_OK)
        *out = made;
    else
        tn__probe_close(&made);
    return status;
}

void tn__probe_close(tn__probe_data *data)
{
    tn__workers_free(data->probe.workers);
    tn__free(data->images);
    *data = (tn__probe_data){0};
}

/* --- what it cost --- */

static tn_status outputs_of(float **out, size_t *count, const tn_model *model,
                            const tn__probe *probe, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = probe->workers;
    tn_status status = tn__engine_create(&engine, model, &options, err);
    if (status != TN_OK)
        return status;
    size_t n = probe->n ? probe->n : RANDOM_IMAGES;
    size_t pixels = tn__engine_input_count(engine);
    *count = n * tn__engine_output_count(engine);
    float *made = tn__alloc(*count, sizeof *made);
    float *drawn = probe->n ? NULL : tn__alloc(n, pixels * sizeof *drawn);
    if (!made || (!probe->n && !drawn))
        status = tn__fail_memory(err, n * pixels * sizeof *drawn);
    tn__rng rng;
    tn__rng_seed(&rng, 1, 0);
    for (size_t i = 0; drawn && i < n * pixels; i++)
        drawn[i] = (float)tn__rng_normal(&rng);
    if (status == TN_OK)
        status = tn__engine_infer(engine, made, drawn ? drawn : probe->images, n, err);
    tn__free(drawn);
    tn__engine_free(engine);
    if (status == TN_OK)
        *out = made;
    else
        tn__free(made);
    return status;
}

static tn_status measure_error(double *error, const tn_model *before,
                               const tn_model *after, const tn__probe *probe,
                               tn_error *err)
{
    float *a = NULL, *b = NULL;
    size_t count = 0;
    tn_status status = outputs_of(&a, &count, before, probe, err);
    if (status == TN_OK)
        status = outputs_of(&b, &count, after, probe, err);
    double most = 0, apart = 0;
    for (size_t i = 0; status == TN_OK && i < count; i++) {
        most = TN__MAX(most, fabs((double)a[i]));
        apart = TN__MAX(apart, fabs((double)a[i] - (double)b[i]));
    }
    tn__free(a);
    tn__free(b);
    if (status == TN_OK)
        *error = most > 0 ? apart / most : apart;
    return status;
}

/* --- all networks --- */

typedef struct leveling {
    const tn_model *const *models;
    size_t count, target;
    tn__units *units;          /* [count] */
    tn__unit_answers *answers; /* [count] */
    const tn__level_how *how;
} leveling;

static bool is_shallow(const leveling *v)
{
    return v->how->options->depth == TN_DEPTH_SHALLOW;
}

static void choose_target(leveling *v)
{
    for (size_t k = 1; k < v->count; k++) {
        size_t here = v->units[k].count, best = v->units[v->target].count;
        if (is_shallow(v) ? here < best : here > best)
            v->target = k;
    }
}

static tn_status leveling_create(leveling *v, tn_error *err)
{
    v->units = tn__alloc(v->count, sizeof *v->units);
    v->answers = tn__alloc(v->count, sizeof *v->answers);
    if (!v->units || !v->answers)
        return tn__fail_memory(err, v->count * sizeof *v->units);
    tn_layer_cost cost = v->how->options->cost;
    if (cost == TN_LAYER_COST_AUTO)
        cost = v->how->probe->n ? TN_LAYER_COST_CKA : TN_LAYER_COST_INDEX;
    for (size_t k = 0; k < v->count; k++) {
        tn_status status = tn__units_find(&v->units[k], v->models[k], err);
        if (status == TN_OK)
            status = tn__unit_answers_measure(&v->answers[k], &v->units[k], cost,
                                              v->how->probe, err);
        if (status != TN_OK)
            return tn__fail_in(err, status, "cannot level '%s'",
                               model_label(v->models[k]));
    }
    choose_target(v);
    return TN_OK;
}

static void leveling_release(leveling *v)
{
    for (size_t k = 0; v->units && k < v->count; k++)
        tn__units_release(&v->units[k]);
    for (size_t k = 0; v->answers && k < v->count; k++)
        tn__unit_answers_release(&v->answers[k]);
    tn__free(v->units);
    tn__free(v->answers);
}

/* Aligns model k with the target and gives it the target's graph. */
static tn_status level_model(tn__level *out, tn_alignment *a, const leveling *v,
                             size_t k, tn_error *err)
{
    size_t t = v->target;
    size_t d = is_shallow(v) ? k : t, s = is_shallow(v) ? t : k;
    tn__cost_side deep = {&v->units[d], &v->answers[d]};
    tn__cost_side shallow = {&v->units[s], &v->answers[s]};
    const size_t *const *given = v->how->options->given;
    tn_status status =
        tn__align_units(a, &deep, &shallow, given ? given[s] : NULL, v->how, err);
    if (status != TN_OK)
        return status;
    a->model = s;
    a->onto = d;
    if (is_shallow(v))
        status = tn__squeeze_units(&out->models[k], deep.units, shallow.units, a->slot,
                                   v->how->probe, err);
    else
        status =
            tn__insert_units(&out->models[k], shallow.units, deep.units, a->slot, err);
    if (status == TN_OK)
        status =
            measure_error(&a->error, v->models[k], out->models[k], v->how->probe, err);
    if (status == TN_OK && a->error > ERROR_EXACT && !v->how->probe->n)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "added units change its outputs by %.2g of the largest, as "
                          "its activations do not repeat; data is wanted to measure "
                          "that",
                          a->error);
    return status;
}

static tn_status mark_presence(tn__level *out, const leveling *v, tn_error *err)
{
    const tn__units *target = &v->units[v->target];
    size_t values = target->model->value_count, line = 0;
    for (size_t k = 0; k < v->count; k++) {
        out->present[k] = tn__alloc(values, sizeof(bool));
        if (!out->present[k])
            return tn__fail_memory(err, values * sizeof(bool));
        memset(out->present[k], true, values * sizeof(bool));
        if (k == v->target)
            continue;
        const tn_alignment *a = &out->alignments[line++];
        if (!is_shallow(v))
            tn__mark_present(out->present[k], target, a->slot, a->count);
    }
    return TN_OK;
}

/* What was folded takes the graph of the target, whose kernels may have to grow. */
static tn_status share_graph(tn__level *out, const leveling *v, tn_error *err)
{
    tn_status status = tn__widen_kernels(out->models, out->count, err);
    for (size_t k = 0; k < out->count && status == TN_OK; k++) {
        tn_model *adopted = NULL;
        if (k == v->target)
            continue;
        status = tn__match_adopt(&adopted, out->models[k], out->models[v->target], err);
        if (status == TN_OK) {
            tn_model_free(out->models[k]);
            out->models[k] = adopted;
        }
    }
    return status;
}

static tn_status level_all(tn__level *out, const leveling *v, tn_error *err)
{
    size_t line = 0;
    tn_status status = TN_OK;
    for (size_t k = 0; k < v->count && status == TN_OK; k++) {
        if (k == v->target)
            status = tn_model_clone(&out->models[k], v->models[k], err);
        else
            status = level_model(out, &out->alignments[line++], v, k, err);
        if (status != TN_OK)
            status = tn__fail_in(err, status, "cannot level '%s' with '%s'",
                                 model_label(v->models[k]),
                                 model_label(v->models[v->target]));
    }
    if (status == TN_OK && is_shallow(v))
        status = share_graph(out, v, err);
    return status == TN_OK ? mark_presence(out, v, err) : status;
}

tn_status tn__level_create(tn__level *out, const tn_model *const *models, size_t count,
                           const tn__level_how *how, tn_error *err)
{
    leveling v = {.models = models, .count = count, .how = how};
    tn__level made = {.count = count,
                      .models = tn__alloc(count, sizeof(tn_model *)),
                      .present = tn__alloc(count, sizeof(bool *)),
                      .alignments = tn__alloc(count, sizeof(tn_alignment))};
    tn_status status = TN_OK;
    if (!made.models || !made.present || !made.alignments)
        status = tn__fail_memory(err, count * sizeof *made.alignments);
    if (status == TN_OK)
        status = leveling_create(&v, err);
    made.target = v.target;
    if (status == TN_OK)
        status = level_all(&made, &v, err);
    leveling_release(&v);
    if (status == TN_OK)
        *out = made;
    else
        tn__level_release(&made);
    return status;
}

void tn__level_release(tn__level *level)
{
    for (size_t k = 0; k < level->count; k++) {
        if (level->models)
            tn_model_free(level->models[k]);
        if (level->present)
            tn__free(level->present[k]);
        if (level->alignments && k + 1 < level->count)
            tn_alignment_release(&level->alignments[k]);
    }
    tn__free(level->models);
    tn__free(level->present);
    tn__free(level->alignments);
    *level = (tn__level){0};
}

tn_status tn_level(tn_model **out, tn_alignment *alignments,
                   const tn_level_request *request, const tn_depth_options *options,
                   tn_error *err)
{
    tn__probe_data data = {0};
    tn__level level = {0};
    size_t count = request->count;
    if (count < 2)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "cannot level %zu models, wanted 2 or more", count);
    tn_status status = tn__probe_open(&data, request->data, request->samples,
                                      request->seed, request->threads, err);
    tn__level_how how = {options ? options : &defaults, &data.probe, request->seed};
    if (status == TN_OK)
        status = tn__level_create(&level, request->models, count, &how, err);
    if (status == TN_OK) {
        memcpy(out, level.models, count * sizeof(tn_model *));
        memset(level.models, 0, count * sizeof(tn_model *));
        if (alignments) {
            memcpy(alignments, level.alignments, (count - 1) * sizeof *alignments);
            memset(level.alignments, 0, count * sizeof *alignments);
        }
    }
    tn__level_release(&level);
    tn__probe_close(&data);
    return status;
}
