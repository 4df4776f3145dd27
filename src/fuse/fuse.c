/* fuse.c - tn_fuse() and tn_align(): the order in which a fusion happens.
 *
 * Groups are solved in topological order, each parent against the reference (many to
 * one). Classes keep their order, since graph outputs belong to no group. Aligned
 * parents live only until they are averaged, and the average takes the place of the
 * first of them.
 */
#include <math.h>
#include <string.h>

#include "fuse/fusion.h"
#include "fuse/many.h"
#include "fuse/partial.h"

static const tn_fuse_options defaults = TN_FUSE_OPTIONS_INIT;

void tn_fuse_report_release(tn_fuse_report *report)
{
    if (!report)
        return;
    tn__free(report->groups);
    for (size_t i = 0; i < report->alignment_count; i++)
        tn_alignment_release(&report->alignments[i]);
    tn__free(report->alignments);
    tn__free(report->candidates);
    *report = (tn_fuse_report){0};
}

tn_status tn__fuse_notes_create(tn__fuse_notes *out, const tn__fusion *f, tn_error *err)
{
    const tn__groups *groups = f->parents[f->reference].groups;
    size_t lines = (f->count - 1) * groups->count, text = 0;
    for (size_t g = 0; g < groups->count; g++)
        text += strlen(groups->list[g].name) + 1;
    char *memory = tn__alloc(1, lines * sizeof *out->groups + text);
    if (!memory)
        return tn__fail_memory(err, lines * sizeof *out->groups + text);
    void *start = memory;
    *out = (tn__fuse_notes){.groups = start, .count = lines};
    char *at = memory + lines * sizeof *out->groups;
    for (size_t g = 0; g < groups->count; g++) {
        size_t size = strlen(groups->list[g].name) + 1;
        memcpy(at, groups->list[g].name, size);
        for (size_t k = 0; k < f->count - 1; k++)
            out->groups[k * groups->count + g].name = at;
        at += size;
    }
    return TN_OK;
}

/* --- alignment --- */

tn_status tn__evidence_find(tn__evidence *out, const tn__fusion *f,
                            const tn__answers *answers, size_t parent, size_t group,
                            const bool *solved, tn_error *err)
{
    bool found = false, both = f->options->support == TN_SUPPORT_BOTH;
    tn__evidence answered = {0};
    tn_status status = TN_OK;
    if (answers->value_count)
        status =
            tn__evidence_activations(&answered, &found, answers, f, parent, group, err);
    if (status == TN_OK && found && !both) {
        *out = answered;
        return TN_OK;
    }
    if (status == TN_OK)
        status = tn__evidence_weights(out, f, parent, group, solved, err);
    if (status == TN_OK && found)
        tn__evidence_blend(out, &answered);
    tn__evidence_release(&answered);
    return status;
}

static tn_status align_group(tn__fusion *f, tn_fuse_group *note,
                             const tn__answers *answers, size_t parent, size_t group,
                             bool *solved, tn_error *err)
{
    tn__evidence evidence = {0};
    double *mu = NULL, *nu = NULL;
    const tn__parent *from = &f->parents[parent];
    size_t origin = tn__map_origin(from->groups, from->maps, group);
    if (!tn__group_shared(f, parent, group)) {
        note->model = parent;
        note->neurons = f->parents[parent].groups->list[group].neurons;
        note->target = f->parents[f->reference].groups->list[group].neurons;
        return tn__map_unshared(&f->parents[parent].maps[group], f, parent, group, err);
    }
    tn_status status =
        tn__evidence_find(&evidence, f, answers, parent, group, solved, err);
    if (status == TN_OK)
        status = tn__masses(&mu, f, parent, origin, err);
    if (status == TN_OK)
        status = tn__masses(&nu, f, f->reference, group, err);
    if (status == TN_OK) {
        note->model = parent;
        note->neurons = evidence.n;
        note->target = evidence.m;
        status = tn__solve(&f->parents[parent].maps[group], note, &evidence, mu, nu,
                           f->options, err);
    }
    if (status != TN_OK)
        status = tn__fail_in(err, status, "cannot align group '%s'",
                             f->parents[parent].groups->list[group].name);
    else
        solved[group] = true;
    tn__evidence_release(&evidence);
    tn__free(mu);
    tn__free(nu);
    return status;
}

static tn_status align_parent(tn__fusion *f, tn_fuse_group *groups,
                              const tn__answers *answers, size_t parent,
                              const tn_observer *observer, tn_error *err)
{
    size_t count = f->parents[parent].groups->count;
    double start = tn__seconds();
    bool *solved = tn__alloc(count, sizeof *solved);
    tn_status status = solved ? TN_OK : tn__fail_memory(err, count * sizeof *solved);
    for (size_t g = 0; g < count && status == TN_OK; g++) {
        status = f->parents[parent].groups->list[g].kinds
                     ? tn__align_blocks(&groups[g], f, answers, parent, g, solved, err)
                     : align_group(f, &groups[g], answers, parent, g, solved, err);
        tn_progress progress = {.stage = "transport",
                                .done = (double)(g + 1),
                                .total = (double)count,
                                .unit = "groups",
                                .loss = (double)NAN,
                                .accuracy = (double)NAN,
                                .seconds = tn__seconds() - start};
        if (status == TN_OK)
            status = tn__report(observer, &progress, err);
    }
    tn__free(solved);
    return status;
}

static bool wants_activations(const tn__fusion *f)
{
    return f->support && f->options->support != TN_SUPPORT_WEIGHTS;
}

tn_status tn__fusion_align(tn__fusion *f, tn__fuse_notes *n, size_t only,
                           const tn_observer *observer, tn_error *err)
{
    tn__answers answers = {0};
    double start = tn__seconds();
    tn_status status = TN_OK;
    if (wants_activations(f))
        status = tn__answers_measure(&answers, f, err);
    n->report.seconds_statistics = tn__seconds() - start;
    start = tn__seconds();
    size_t groups = f->parents[f->reference].groups->count, line = 0;
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        if (k == f->reference)
            continue;
        if (only == TN__NONE || only == k)
            status = align_parent(f, n->groups + line, &answers, k, observer, err);
        if (status == TN_OK && f->options->descents > 0 &&
            (only == TN__NONE || only == k))
            status = tn__descend(f, n->groups + line, k, err);
        line += groups;
    }
    n->report.seconds_transport = tn__seconds() - start;
    tn__answers_release(&answers);
    return status;
}

tn_status tn__fusion_carry(tn_model **out, const tn__fusion *f, size_t parent,
                           tn_error *err)
{
    const tn__parent *source = &f->parents[parent], *target = &f->parents[f->reference];
    return tn__map_apply(out, source->model, source->groups, target->model,
                         target->groups, NULL, source->maps, err);
}

/* --- averaging and recalibration --- */

static bool has_norms(const tn_model *model)
{
    for (size_t n = 0; n < model->node_count; n++) {
        if (tn__node_is_norm(&model->nodes[n]))
            return true;
    }
    return false;
}

static bool is_data_free(const tn__fusion *f)
{
    tn_recalibrate how = f->options->recalibrate;
    return how == TN_RECALIBRATE_DATA_FREE ||
           (how == TN_RECALIBRATE_AUTO && !f->calibration);
}

/* Layers that are fitted have the statistics wanted already. */
static bool wants_recalibration(const tn__fusion *f)
{
    tn_recalibrate how = f->options->recalibrate;
    return how != TN_RECALIBRATE_NONE &&
           !(how == TN_RECALIBRATE_AUTO && f->options->refit != TN_REFIT_NONE);
}

/* The weighted mean of the aligned parents; *foresight is filled where it is wanted. */
static tn_status average_parents(tn_model **out, tn__foresight **foresight,
                                 const tn__fusion *f, tn_error *err)
{
    tn_model **carried = tn__alloc(f->count, sizeof(tn_model *));
    const tn_model **aligned = tn__alloc(f->count, sizeof(const tn_model *));
    size_t first = f->reference == 0 ? 1 : 0;
    tn_status status = TN_OK;
    if (!carried || !aligned) {
        status = tn__fail_memory(err, f->count * sizeof *carried);
        goto done;
    }
    aligned[f->reference] = f->parents[f->reference].model;
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        if (k == f->reference)
            continue;
        status = tn__fusion_carry(&carried[k], f, k, err);
        aligned[k] = carried[k];
    }
    if (status == TN_OK && is_data_free(f))
        status = tn__foresight_create(foresight, f, aligned, err);
    if (status == TN_OK)
        status = tn__average(carried[first], aligned, f, err);
    if (status == TN_OK) {
        *out = carried[first];
        carried[first] = NULL;
    }
done:
    for (size_t k = 0; carried && k < f->count; k++)
        tn_model_free(carried[k]);
    tn__free(carried);
    tn__free(aligned);
    return status;
}

static tn_status recalibrate(tn_model *fused, size_t *layers, const tn__fusion *f,
                             tn_error *err)
{
    tn_recalibrate mode = f->options->recalibrate;
    tn__goal *goals = NULL;
    tn__recalibration how = {.norms = has_norms(fused),
                             .workers = f->workers,
                             .images = f->calibration,
                             .n = f->calibration_count};
    tn_status status = TN_OK;
    if (mode != TN_RECALIBRATE_NORM)
        status = tn__goals_measure(&goals, &how.goal_count, f, err);
    how.goals = goals;
    if (status == TN_OK && (how.norms || how.goal_count))
        status = tn__recalibrate(fused, layers, &how, err);
    tn__goals_free(goals, how.goal_count);
    return status;
}

tn_status tn__fusion_merge(tn_model **out, tn__fuse_notes *n, const tn__fusion *f,
                           tn_error *err)
{
    tn__foresight *foresight = NULL;
    tn_model *fused = NULL;
    tn_status status = average_parents(&fused, &foresight, f, err);
    double start = tn__seconds();
    size_t *layers = &n->report.layers_recalibrated;
    /* Side by side nothing is averaged, and all is what it was. */
    bool apart = f->options->width > 1 && f->options->width >= (double)(f->count - 1);
    if (status == TN_OK && !apart && f->options->refit != TN_REFIT_NONE)
        status = tn__regress(fused, &n->report.layers_refitted, f, err);
    if (status == TN_OK && foresight)
        status = tn__foresight_apply(foresight, fused, layers, err);
    else if (status == TN_OK && !apart && wants_recalibration(f))
        status = recalibrate(fused, layers, f, err);
    n->report.seconds_recalibrate = tn__seconds() - start;
    if (status == TN_OK)
        *out = fused;
    else
        tn_model_free(fused);
    tn__foresight_free(foresight);
    return status;
}

/* --- the public calls --- */

tn_status tn_fuse(tn_model **out, tn_fuse_report *report, const tn_model *const *models,
                  size_t count, const tn_dataset *data, const tn_fuse_options *options,
                  const tn_observer *observer, tn_error *err)
{
    const tn_fuse_options *o = options ? options : &defaults;
    if (o->method == TN_FUSE_AUTO)
        return tn__fuse_climb(out, report, models, count, data, o, observer, err);
    return tn__fuse_once(out, report, models, count, data, o, observer, err);
}

tn_status tn__fuse_once(tn_model **out, tn_fuse_report *report,
                        const tn_model *const *models, size_t count,
                        const tn_dataset *data, const tn_fuse_options *options,
                        const tn_observer *observer, tn_error *err)
{
    tn__fusion f = {0};
    tn__fuse_notes n = {0};
    tn_model *fused = NULL;
    tn_status status = tn__fusion_create(&f, models, count, data, options, err);
    if (status != TN_OK)
        return status;
    status = tn__fuse_notes_create(&n, &f, err);
    if (status == TN_OK && f.options->align)
        status = tn__fusion_align_all(&f, &n, observer, err);
    if (status == TN_OK && f.options->width > 1)
        status = tn__partial_widen(&f, f.options->width, err);
    if (status == TN_OK)
        status = tn__fusion_merge(&fused, &n, &f, err);
    if (status == TN_OK) {
        *out = fused;
        if (report) {
            *report = n.report;
            report->groups = n.groups;
            report->group_count = f.options->align ? n.count : 0;
            report->alignments = f.level.alignments;
            report->alignment_count = f.level.alignments ? f.level.count - 1 : 0;
            f.level.alignments = NULL;
            report->options = *options;
            n.groups = NULL;
        }
    }
    tn__free(n.groups);
    tn__fusion_release(&f);
    return status;
}

tn_status tn_align(tn_model **out, const tn_model *const *models, size_t count,
                   size_t parent, const tn_dataset *data,
                   const tn_fuse_options *options, const tn_observer *observer,
                   tn_error *err)
{
    tn__fusion f = {0};
    tn__fuse_notes n = {0};
    if (parent >= count)
        return tn__fail(err, TN_ERROR_ARGUMENT, "parent %zu is not one of %zu models",
                        parent, count);
    tn_status status =
        tn__fusion_create(&f, models, count, data, options ? options : &defaults, err);
    if (status != TN_OK)
        return status;
    status = tn__fuse_notes_create(&n, &f, err);
    if (status == TN_OK && f.options->align)
        status = tn__fusion_align_all(&f, &n, observer, err);
    if (status == TN_OK)
        status = tn__fusion_carry(out, &f, parent, err);
    tn__free(n.groups);
    tn__fusion_release(&f);
    return status;
}
