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
    size_t count = answers->parents * answers->parents * answers->value_count;
    for (size_t i = 0; answers->pairs && i < count; i++)
        tn__comoments_release(&answers->pairs[i]);
    tn__free(answers->pairs);
    tn__free(answers->values);
    *answers = (tn__answers){0};
}

/* The co-moments of value number `place` of parents a and b. */
static tn__comoments *pair_at(const tn__answers *answers, size_t a, size_t b,
                              size_t place)
{
    return &answers->pairs[(a * answers->parents + b) * answers->value_count + place];
}

static bool is_wanted(const tn__answers *answers, const tn__fusion *f, size_t a,
                      size_t b)
{
    return answers->all ? a <= b : b == f->reference && a != b;
}

static tn_status pair_of(tn__pair *out, const tn__fusion *f, size_t a, size_t b,
                         size_t value, size_t keep, tn_error *err)
{
    const tn__shape *of_a = &f->parents[a].groups->shapes.shape[value];
    const tn__shape *of_b = &f->parents[b].groups->shapes.shape[value];
    *out = (tn__pair){.a = a, .a_keep = keep, .b = b, .b_keep = keep};
    tn_status status = tn__extent_of(&out->a_extent, of_a, err);
    return status == TN_OK ? tn__extent_of(&out->b_extent, of_b, err) : status;
}

/* All parents run together. */
static tn_status measure(tn__answers *out, tn__engine *const *engines,
                         const tn__fusion *f, tn_error *err)
{
    size_t values = out->value_count, cells = f->count * f->count * values, count = 0;
    tn__pair *pairs = tn__alloc(cells, sizeof *pairs);
    tn__comoments *found = tn__alloc(cells, sizeof *found);
    tn_status status =
        pairs && found ? TN_OK : tn__fail_memory(err, cells * sizeof *found);
    for (size_t a = 0; a < f->count; a++)
        for (size_t b = 0; b < f->count; b++)
            for (size_t v = 0; v < values && status == TN_OK; v++)
                if (is_wanted(out, f, a, b))
                    status = pair_of(&pairs[count++], f, a, b, out->values[v], v, err);
    if (status == TN_OK)
        status = tn__stats_pairs(found, engines, f->count, pairs, count, f->support,
                                 f->support_count, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        *pair_at(out, pairs[i].a, pairs[i].b, pairs[i].a_keep) = found[i];
    tn__free(pairs);
    tn__free(found);
    return status;
}

tn_status tn__answers_measure(tn__fusion *fusion, tn_error *err)
{
    bool all = fusion->options->gromov || fusion->options->zip > 0;
    if (fusion->answers.value_count && (fusion->answers.all || !all))
        return TN_OK;
    tn__answers made = {.parents = fusion->count, .all = all};
    tn__engine **engines = tn__alloc(fusion->count, sizeof(tn__engine *));
    if (!engines)
        return tn__fail_memory(err, fusion->count * sizeof *engines);
    tn_status status = list_values(&made, fusion, err);
    if (status != TN_OK)
        goto done;
    size_t cells = fusion->count * fusion->count * made.value_count;
    made.pairs = tn__alloc(cells, sizeof *made.pairs);
    if (!made.pairs) {
        status = tn__fail_memory(err, cells * sizeof *made.pairs);
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
        status = measure(&made, engines, fusion, err);
    if (status == TN_OK) {
        tn__answers_release(&fusion->answers);
        fusion->answers = made;
        made = (tn__answers){0};
    }
done:
    for (size_t k = 0; k < fusion->count; k++)
        tn__engine_free(engines[k]);
    tn__free(engines);
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

/* One value seen by two parents, in either order. */
typedef struct view {
    const tn__moments *x, *y;
    const double *cross; /* x_stride and y_stride apart */
    size_t x_stride, y_stride;
} view;

static view view_of(const tn__answers *answers, size_t a, size_t b, size_t place)
{
    const tn__comoments *pair = pair_at(answers, a, b, place);
    if (pair->a.channels)
        return (view){&pair->a, &pair->b, pair->cross, pair->b.channels, 1};
    pair = pair_at(answers, b, a, place);
    return (view){&pair->b, &pair->a, pair->cross, 1, pair->b.channels};
}

/* Correlations: every neuron has norm one, dead ones are orthogonal to all. */
static tn_status add_correlations(tn__evidence *out, const view *of, const uint32_t *a,
                                  const uint32_t *b, tn_error *err)
{
    double *x = NULL, *y = NULL;
    tn_status status = inverse_norms(&x, of->x, err);
    if (status == TN_OK)
        status = inverse_norms(&y, of->y, err);
    for (size_t i = 0; status == TN_OK && i < out->n; i++) {
        const double *cross = of->cross + a[i] * of->x_stride;
        for (size_t j = 0; j < out->m; j++)
            out->dot[i * out->m + j] += cross[b[j] * of->y_stride] * x[a[i]] * y[b[j]];
        out->x[i] += 1;
    }
    for (size_t j = 0; status == TN_OK && j < out->m; j++)
        out->y[j] += 1;
    tn__free(x);
    tn__free(y);
    return status;
}

/* Inner products as they are: co-moments with the means put back. */
static void add_raw(tn__evidence *out, const view *of, const uint32_t *a,
                    const uint32_t *b)
{
    double rows = of->x->rows;
    for (size_t i = 0; i < out->n; i++) {
        const double *cross = of->cross + a[i] * of->x_stride;
        double mean = of->x->mean[a[i]];
        for (size_t j = 0; j < out->m; j++)
            out->dot[i * out->m + j] +=
                cross[b[j] * of->y_stride] + rows * mean * of->y->mean[b[j]];
        out->x[i] += of->x->m2[a[i]] + rows * mean * mean;
    }
    for (size_t j = 0; j < out->m; j++) {
        double mean = of->y->mean[b[j]];
        out->y[j] += of->y->m2[b[j]] + rows * mean * mean;
    }
}

static size_t value_place(const tn__answers *answers, size_t value)
{
    size_t place = 0;
    while (answers->values[place] != value)
        place++;
    return place;
}

static const tn__group *group_of(const tn__fusion *f, size_t parent, size_t group)
{
    const tn__parent *from = &f->parents[parent];
    return &from->groups->list[tn__map_origin(from->groups, from->maps, group)];
}

tn_status tn__evidence_between(tn__evidence *out, bool *found, const tn__fusion *fusion,
                               size_t a, size_t b, size_t group, tn_error *err)
{
    const tn__parent *reference = &fusion->parents[fusion->reference];
    const tn__group *x = group_of(fusion, a, group), *y = group_of(fusion, b, group);
    size_t *entries = NULL, count = 0, used = 0;
    tn__evidence made = {0};
    tn_status status =
        tn__group_watch(&entries, &count, reference->model, &fusion->links,
                        &reference->groups->list[group], err);
    if (status == TN_OK)
        status = tn__evidence_create(&made, x->neurons, y->neurons, err);
    for (size_t e = 0; e < count && status == TN_OK; e++) {
        size_t value = reference->groups->list[group].entries[entries[e]].value;
        if (!tn__value_shared(fusion, a, value) || !tn__value_shared(fusion, b, value))
            continue;
        used++;
        view of = view_of(&fusion->answers, a, b, value_place(&fusion->answers, value));
        const uint32_t *i = x->entries[entries[e]].index;
        const uint32_t *j = y->entries[entries[e]].index;
        if (fusion->options->features == TN_FEATURES_RAW)
            add_raw(&made, &of, i, j);
        else
            status = add_correlations(&made, &of, i, j, err);
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

/* dot [n, n] within one parent. */
static tn_status find_within(double **dot, const tn__fusion *f, size_t parent,
                             size_t group, tn_error *err)
{
    tn__evidence own = {0};
    bool found;
    tn_status status =
        tn__evidence_between(&own, &found, f, parent, parent, group, err);
    if (status != TN_OK)
        return status;
    *dot = own.dot;
    own.dot = NULL;
    tn__evidence_release(&own);
    return TN_OK;
}

tn_status tn__evidence_activations(tn__evidence *out, bool *found,
                                   const tn__fusion *fusion, size_t parent,
                                   size_t group, tn_error *err)
{
    tn__evidence made = {0};
    tn_status status = tn__evidence_between(&made, found, fusion, parent,
                                            fusion->reference, group, err);
    if (status == TN_OK && *found && fusion->options->gromov) {
        status = find_within(&made.xx, fusion, parent, group, err);
        if (status == TN_OK)
            status = find_within(&made.yy, fusion, fusion->reference, group, err);
    }
    if (status == TN_OK)
        *out = made;
    else
        tn__evidence_release(&made);
    return status;
}
