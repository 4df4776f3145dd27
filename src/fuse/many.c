/* many.c - three and more parents aligned with one another, not only with one of them.
 *
 * Iterative: each parent in turn is aligned with the mean of those before it, which
 * weigh k / (k + 1) against it (CLAFusion's program, arXiv 2110.15538, lets their
 * weights decay instead). Mean: from many-to-one on, each parent in turn is aligned
 * with the mean of all others, as long as that brings the parents together: MergeMany
 * (Ainsworth et al., "Git Re-Basin", arXiv 2209.04836, algorithm 3). All maps lead to
 * the reference's coordinates, so the map between any two is their composition and
 * cycles close by construction.
 */
#include <string.h>

#include "base/rng.h"
#include "fuse/many.h"
#include "ops/operand.h"

#define SWEEPS_MAX 20
#define GAIN_MIN 1e-9 /* of the spread: below, rounding */

/* Parents members[0..count) as a fusion of their own, sharing all with `f`. */
static tn_status view_create(tn__fusion *out, const tn__fusion *f,
                             const size_t *members, size_t count, tn_error *err)
{
    tn__fusion view = *f;
    double sum = 0;
    view.count = count;
    view.answers = (tn__answers){0};
    view.moments = NULL;
    view.moment_count = 0;
    view.parents = tn__alloc(count, sizeof *view.parents);
    view.weights = tn__alloc(count, sizeof *view.weights);
    if (!view.parents || !view.weights) {
        tn__free(view.parents);
        tn__free(view.weights);
        return tn__fail_memory(err, count * sizeof *view.parents);
    }
    for (size_t i = 0; i < count; i++) {
        view.parents[i] = f->parents[members[i]];
        view.weights[i] = f->weights[members[i]];
        sum += view.weights[i];
    }
    for (size_t i = 0; i < count; i++)
        view.weights[i] = sum > 0 ? view.weights[i] / sum : 1 / (double)count;
    view.reference = 0;
    *out = view;
    return TN_OK;
}

/* What was asked of others is not asked of these. */
static void view_release(tn__fusion *view)
{
    tn__answers_release(&view->answers);
    for (size_t i = 0; i < view->count * view->moment_count; i++)
        tn__moments_release(&view->moments[i]);
    tn__free(view->moments);
    tn__free(view->parents);
    tn__free(view->weights);
}

/* The fusion of the members in the reference's coordinates; the first is the reference.
 */
static tn_status merge_members(tn_model **out, const tn__fusion *f,
                               const size_t *members, size_t count, tn_error *err)
{
    tn__fusion view;
    tn__merged unread;
    tn_fuse_options options = *f->options;
    if (count == 1)
        return tn_model_clone(out, f->parents[members[0]].model, err);
    tn_status status = view_create(&view, f, members, count, err);
    if (status != TN_OK)
        return status;
    options.refit = TN_REFIT_NONE;
    options.width = 1;
    view.options = &options;
    status = tn__fusion_merge(out, &unread, &view, err);
    view_release(&view);
    return status;
}

/* maps [groups] of parent k onto `mean`, a model over the reference's graph. */
static tn_status align_with(tn__map **maps, tn_fuse_group *lines, const tn__fusion *f,
                            size_t k, tn_model *mean, tn_error *err)
{
    size_t groups = f->parents[k].groups->count, members[2] = {k, f->reference};
    tn__fuse_notes notes = {0};
    tn__fusion view;
    tn_status status = view_create(&view, f, members, 2, err);
    if (status != TN_OK)
        return status;
    view.reference = 1;
    view.parents[1].model = mean;
    view.parents[0].maps = tn__alloc(groups, sizeof **maps);
    status = view.parents[0].maps ? tn__fuse_notes_create(&notes, &view, err)
                                  : tn__fail_memory(err, groups * sizeof **maps);
    if (status == TN_OK)
        status = tn__fusion_align(&view, &notes, 0, NULL, err);
    for (size_t g = 0; g < groups && status == TN_OK; g++) {
        const char *name = lines[g].name;
        lines[g] = notes.groups[g];
        lines[g].name = name;
        lines[g].model = k;
    }
    if (status == TN_OK)
        *maps = view.parents[0].maps;
    else
        tn__maps_free(view.parents[0].maps, groups);
    tn__free(notes.groups);
    view_release(&view);
    return status;
}

/* The lines of parent k in the notes: the reference has none. */
static tn_fuse_group *lines_of(const tn__fusion *f, const tn__fuse_notes *notes,
                               size_t k)
{
    size_t place = k - (k > f->reference);
    return notes->groups + place * f->parents[k].groups->count;
}

void tn__maps_free(tn__map *maps, size_t count)
{
    for (size_t g = 0; maps && g < count; g++)
        tn__map_release(&maps[g]);
    tn__free(maps);
}

/* --- each with the mean of those before ----------------------------------------------
 */

static tn_status align_next(tn__fusion *f, const tn__fuse_notes *notes, size_t k,
                            const size_t *members, size_t count, tn_error *err)
{
    tn_model *mean = NULL;
    tn__map *maps = NULL;
    tn_status status = merge_members(&mean, f, members, count, err);
    if (status == TN_OK)
        status = align_with(&maps, lines_of(f, notes, k), f, k, mean, err);
    if (status == TN_OK) {
        tn__maps_free(f->parents[k].maps, f->parents[k].groups->count);
        f->parents[k].maps = maps;
    }
    tn_model_free(mean);
    return status;
}

static tn_status align_iteratively(tn__fusion *f, const tn__fuse_notes *notes,
                                   size_t *members, tn_error *err)
{
    size_t count = 0;
    tn_status status = TN_OK;
    members[count++] = f->reference;
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        if (k == f->reference)
            continue;
        status = align_next(f, notes, k, members, count, err);
        members[count++] = k;
    }
    return status;
}

/* --- each with the mean of all others ------------------------------------------------
 */

/* *sum += weight |x - mean|^2 over all float parameters of two models of one graph. */
static void add_distance(double *sum, const tn_model *x, const tn_model *mean,
                         double weight)
{
    for (size_t v = 0; v < mean->value_count; v++) {
        const tn__tensor *a = &x->values[v].parameter;
        const tn__tensor *b = &mean->values[v].parameter;
        if (!tn__dtype_is_float(b->dtype))
            continue;
        for (size_t i = 0; i < tn__tensor_count(b); i++) {
            double d = tn__tensor_get_f64(a, i) - tn__tensor_get_f64(b, i);
            *sum += weight * d * d;
        }
    }
}

tn_status tn__fusion_spread(double *out, const tn__fusion *f, tn_error *err)
{
    double sum = 0;
    tn_model **carried = tn__alloc(f->count, sizeof(tn_model *)), *mean = NULL;
    if (!carried)
        return tn__fail_memory(err, f->count * sizeof *carried);
    tn_status status = tn_model_clone(&mean, f->parents[f->reference].model, err);
    for (size_t k = 0; k < f->count && status == TN_OK; k++)
        status = tn__fusion_carry(&carried[k], f, k, err);
    if (status == TN_OK)
        status = tn__average(mean, (const tn_model *const *)carried, f, err);
    for (size_t k = 0; k < f->count; k++) {
        if (status == TN_OK)
            add_distance(&sum, carried[k], mean, f->weights[k]);
        tn_model_free(carried[k]);
    }
    tn__free(carried);
    tn_model_free(mean);
    if (status == TN_OK)
        *out = sum;
    return status;
}

/* Aligns parent k with the mean of the others; kept where *spread falls. */
static tn_status improve(tn__fusion *f, const tn__fuse_notes *notes, size_t k,
                         size_t *members, double *spread, bool *better, tn_error *err)
{
    size_t groups = f->parents[k].groups->count, count = 0;
    tn__map *old = f->parents[k].maps, *maps = NULL;
    tn_fuse_group *lines = tn__alloc(groups, sizeof *lines);
    tn_model *mean = NULL;
    double now = 0;
    if (!lines)
        return tn__fail_memory(err, groups * sizeof *lines);
    memcpy(lines, lines_of(f, notes, k), groups * sizeof *lines);
    members[count++] = f->reference;
    for (size_t i = 0; i < f->count; i++)
        if (i != k && i != f->reference)
            members[count++] = i;
    tn_status status = merge_members(&mean, f, members, count, err);
    if (status == TN_OK)
        status = align_with(&maps, lines, f, k, mean, err);
    if (status == TN_OK) {
        f->parents[k].maps = maps;
        status = tn__fusion_spread(&now, f, err);
    }
    if (status == TN_OK && now < *spread * (1 - GAIN_MIN)) {
        *spread = now;
        *better = true;
        memcpy(lines_of(f, notes, k), lines, groups * sizeof *lines);
        maps = old;
    } else {
        f->parents[k].maps = old;
    }
    tn__maps_free(maps, groups);
    tn__free(lines);
    tn_model_free(mean);
    return status;
}

static tn_status align_with_means(tn__fusion *f, tn__fuse_notes *notes, size_t *members,
                                  const tn_observer *observer, tn_error *err)
{
    double spread = 0;
    uint32_t *order = tn__alloc(f->count, sizeof *order);
    if (!order)
        return tn__fail_memory(err, f->count * sizeof *order);
    tn__rng rng;
    tn__rng_seed(&rng, f->options->seed, 1);
    tn_status status = tn__fusion_align(f, notes, TN__NONE, observer, err);
    if (status == TN_OK)
        status = tn__fusion_spread(&spread, f, err);
    bool better = true;
    for (size_t sweep = 0; sweep < SWEEPS_MAX && better && status == TN_OK; sweep++) {
        better = false;
        tn__rng_permutation(&rng, order, f->count);
        for (size_t i = 0; i < f->count && status == TN_OK; i++)
            if (order[i] != f->reference)
                status = improve(f, notes, order[i], members, &spread, &better, err);
    }
    tn__free(order);
    return status;
}

tn_status tn__fusion_align_all(tn__fusion *fusion, tn__fuse_notes *notes,
                               const tn_observer *observer, tn_error *err)
{
    tn_many many = fusion->options->many;
    if (fusion->options->zip > 0)
        return tn__fusion_zip(fusion, notes, observer, err);
    if (many == TN_MANY_TO_ONE || (fusion->count < 3 && many != TN_MANY_CYCLE))
        return tn__fusion_align(fusion, notes, TN__NONE, observer, err);
    if (fusion->level.models)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "models of different depths are aligned many to one only");
    double start = tn__seconds();
    size_t *members = tn__alloc(fusion->count, sizeof *members);
    if (!members)
        return tn__fail_memory(err, fusion->count * sizeof *members);
    tn_status status =
        many == TN_MANY_ITERATIVE ? align_iteratively(fusion, notes, members, err)
        : many == TN_MANY_MEAN ? align_with_means(fusion, notes, members, observer, err)
                               : tn__fusion_align_cycle(fusion, notes, observer, err);
    tn__free(members);
    notes->seconds_transport = tn__seconds() - start - notes->seconds_statistics;
    return status;
}
