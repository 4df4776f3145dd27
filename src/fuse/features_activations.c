/* features_activations.c - neurons compared by what they answer to the same images.
 *
 * Answers are taken before the activation function (see stats/watch.c) and never kept:
 * the inner products of all neurons with all others are streamed. Standardised, the
 * squared distance is 2 (1 - correlation), the matching of Li et al. 2015 ("Convergent
 * learning") and REPAIR; raw, it is OTFusion's. The evidence of all values of a
 * residual stream adds up.
 */
#include <math.h>
#include <string.h>

#include "fuse/fusion.h"

/* A neuron is dead where its variance is below this share of its layer's mean. */
#define DEAD_SHARE 1e-8

/* --- which values --- */

/* Marks the watched values of all groups of the reference. */
static tn_status mark_values(bool *marked, const tn__fusion *f, tn_error *err)
{
    const tn__parent *reference = &f->parents[f->reference];
    tn_status status = TN_OK;
    for (size_t g = 0; g < reference->groups->count && status == TN_OK; g++) {
        const tn__group *group = &reference->groups->list[g];
        size_t *entries = NULL, count = 0;
        status =
            tn__group_watch(&entries, &count, reference->model, &f->links, group, err);
        for (size_t e = 0; e < count; e++)
            marked[group->entries[entries[e]].value] = true;
        tn__free(entries);
    }
    return status;
}

static tn_status list_values(tn__answers *out, const tn__fusion *f, tn_error *err)
{
    size_t values = f->parents[f->reference].model->value_count;
    bool *marked = tn__alloc(values, sizeof *marked);
    out->values = tn__alloc(values, sizeof *out->values);
    tn_status status = marked && out->values
                           ? mark_values(marked, f, err)
                           : tn__fail_memory(err, values * sizeof *out->values);
    for (size_t v = 0; status == TN_OK && v < values; v++) {
        if (marked[v])
            out->values[out->value_count++] = v;
    }
    tn__free(marked);
    return status;
}

/* --- measuring --- */

void tn__answers_release(tn__answers *answers)
{
    if (!answers)
        return;
    for (size_t i = 0; answers->pairs && i < answers->parents * answers->value_count;
         i++)
        tn__comoments_release(&answers->pairs[i]);
    tn__free(answers->pairs);
    tn__free(answers->values);
    *answers = (tn__answers){0};
}

static tn_status pair_of(tn__pair *out, const tn__fusion *f, size_t parent,
                         size_t value, size_t keep, tn_error *err)
{
    const tn__shape *a = &f->parents[parent].groups->shapes.shape[value];
    const tn__shape *b = &f->parents[f->reference].groups->shapes.shape[value];
    *out = (tn__pair){.a = parent, .a_keep = keep, .b = f->reference, .b_keep = keep};
    tn_status status = tn__extent_of(&out->a_extent, a, err);
    return status == TN_OK ? tn__extent_of(&out->b_extent, b, err) : status;
}

/* All parents run together; pairs come parent by parent, the reference left out. */
static tn_status measure(tn__answers *out, tn__comoments *found,
                         tn__engine *const *engines, const tn__fusion *f, tn_error *err)
{
    size_t values = out->value_count, count = 0;
    tn__pair *pairs = tn__alloc(f->count, values * sizeof *pairs);
    if (!pairs)
        return tn__fail_memory(err, f->count * values * sizeof *pairs);
    tn_status status = TN_OK;
    for (size_t k = 0; k < f->count; k++) {
        for (size_t v = 0; k != f->reference && v < values && status == TN_OK; v++)
            status = pair_of(&pairs[count++], f, k, out->values[v], v, err);
    }
    if (status == TN_OK)
        status = tn__stats_pairs(found, engines, f->count, pairs, count, f->support,
                                 f->support_count, err);
    count = 0;
    for (size_t k = 0; status == TN_OK && k < f->count; k++) {
        if (k == f->reference)
            continue;
        memcpy(out->pairs + k * values, found + count, values * sizeof *found);
        count += values;
    }
    tn__free(pairs);
    return status;
}

tn_status tn__answers_measure(tn__fusion *fusion, tn_error *err)
{
    if (fusion->answers.value_count)
        return TN_OK;
    tn__answers made = {.parents = fusion->count};
    tn__comoments *found = NULL;
    tn__engine **engines = tn__alloc(fusion->count, sizeof(tn__engine *));
    if (!engines)
        return tn__fail_memory(err, fusion->count * sizeof *engines);
    tn_status status = list_values(&made, fusion, err);
    if (status != TN_OK)
        goto done;
    size_t cells = fusion->count * made.value_count;
    made.pairs = tn__alloc(cells, sizeof *made.pairs);
    found = tn__alloc(cells, sizeof *found);
    if (!made.pairs || !found) {
        status = tn__fail_memory(err, cells * sizeof *found);
        goto done;
    }
    for (size_t k = 0; k < fusion->count && status == TN_OK; k++) {
        tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
        options.workers = fusion->workers;
        options.keep = made.values;
        options.keep_count = made.value_count;
        status =
            tn__engine_create(&engines[k], fusion->parents[k].model, &options, err);
    }
    if (status == TN_OK)
        status = measure(&made, found, engines, fusion, err);
    if (status == TN_OK) {
        fusion->answers = made;
        made = (tn__answers){0};
    }
done:
    for (size_t k = 0; k < fusion->count; k++)
        tn__engine_free(engines[k]);
    tn__free(engines);
    tn__free(found);
    tn__answers_release(&made);
    return status;
}

/* --- evidence --- */

/* 1 / standard deviation of each channel times sqrt(rows); 0 for dead ones. */
static tn_status inverse_norms(double **out, const tn__moments *m, tn_error *err)
{
    double *inverse = tn__alloc(m->channels, sizeof *inverse), mean = 0;
    if (!inverse)
        return tn__fail_memory(err, m->channels * sizeof *inverse);
    for (size_t c = 0; c < m->channels; c++)
        mean += m->m2[c] / (double)m->channels;
    for (size_t c = 0; c < m->channels; c++)
        inverse[c] = m->m2[c] > DEAD_SHARE * mean ? 1 / sqrt(m->m2[c]) : 0;
    *out = inverse;
    return TN_OK;
}

/* Correlations: every neuron has norm one, dead ones are orthogonal to all. */
static tn_status add_correlations(tn__evidence *out, const tn__comoments *pair,
                                  const uint32_t *a, const uint32_t *b, tn_error *err)
{
    double *x = NULL, *y = NULL;
    tn_status status = inverse_norms(&x, &pair->a, err);
    if (status == TN_OK)
        status = inverse_norms(&y, &pair->b, err);
    for (size_t i = 0; status == TN_OK && i < out->n; i++) {
        const double *cross = pair->cross + a[i] * pair->b.channels;
        for (size_t j = 0; j < out->m; j++)
            out->dot[i * out->m + j] += cross[b[j]] * x[a[i]] * y[b[j]];
        out->x[i] += 1;
    }
    for (size_t j = 0; status == TN_OK && j < out->m; j++)
        out->y[j] += 1;
    tn__free(x);
    tn__free(y);
    return status;
}

/* Inner products as they are: co-moments with the means put back. */
static void add_raw(tn__evidence *out, const tn__comoments *pair, const uint32_t *a,
                    const uint32_t *b)
{
    double rows = pair->a.rows;
    for (size_t i = 0; i < out->n; i++) {
        const double *cross = pair->cross + a[i] * pair->b.channels;
        double mean = pair->a.mean[a[i]];
        for (size_t j = 0; j < out->m; j++)
            out->dot[i * out->m + j] += cross[b[j]] + rows * mean * pair->b.mean[b[j]];
        out->x[i] += pair->a.m2[a[i]] + rows * mean * mean;
    }
    for (size_t j = 0; j < out->m; j++) {
        double mean = pair->b.mean[b[j]];
        out->y[j] += pair->b.m2[b[j]] + rows * mean * mean;
    }
}

static size_t value_place(const tn__answers *answers, size_t value)
{
    size_t place = 0;
    while (answers->values[place] != value)
        place++;
    return place;
}

tn_status tn__evidence_activations(tn__evidence *out, bool *found,
                                   const tn__fusion *fusion, size_t parent,
                                   size_t group, tn_error *err)
{
    const tn__answers *answers = &fusion->answers;
    const tn__parent *reference = &fusion->parents[fusion->reference];
    const tn__parent *from = &fusion->parents[parent];
    const tn__group *a =
        &from->groups->list[tn__map_origin(from->groups, from->maps, group)];
    const tn__group *b = &reference->groups->list[group];
    size_t *entries = NULL, count = 0, used = 0;
    tn__evidence made = {0};
    tn_status status =
        tn__group_watch(&entries, &count, reference->model, &fusion->links, b, err);
    if (status == TN_OK)
        status = tn__evidence_create(&made, a->neurons, b->neurons, err);
    for (size_t e = 0; e < count && status == TN_OK; e++) {
        const tn__group_entry *entry = &b->entries[entries[e]];
        if (!tn__value_shared(fusion, parent, entry->value))
            continue;
        used++;
        size_t place = value_place(answers, entry->value);
        const tn__comoments *pair =
            &answers->pairs[parent * answers->value_count + place];
        const uint32_t *index = a->entries[entries[e]].index;
        if (fusion->options->features == TN_FEATURES_RAW)
            add_raw(&made, pair, index, entry->index);
        else
            status = add_correlations(&made, pair, index, entry->index, err);
    }
    tn__free(entries);
    if (status != TN_OK || used == 0)
        tn__evidence_release(&made);
    if (status == TN_OK) {
        *found = used > 0;
        *out = made;
    }
    return status;
}
