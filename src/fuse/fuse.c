/* fuse.c - the public calls: networks aligned once, and what is made of them. */
#include <string.h>

#include "fuse/fusion.h"
#include "fuse/many.h"

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

void tn_fusion_free(tn_fusion *fusion)
{
    if (!fusion)
        return;
    tn__fusion_release(&fusion->inner);
    tn_model_free(fusion->made);
    tn__free(fusion->weights);
    tn__free(fusion);
}

/* A copy of the options that outlives the caller's. */
static tn_status set_options(tn_fusion *fusion, const tn_fuse_options *options,
                             size_t count, tn_error *err)
{
    fusion->options = *options;
    if (!options->weights)
        return TN_OK;
    fusion->weights = tn__alloc(count, sizeof *fusion->weights);
    if (!fusion->weights)
        return tn__fail_memory(err, count * sizeof *fusion->weights);
    memcpy(fusion->weights, options->weights, count * sizeof *fusion->weights);
    fusion->options.weights = fusion->weights;
    return TN_OK;
}

static tn_status align(tn_fusion *fusion, tn__fuse_notes *notes,
                       const tn__fuse_request *r, tn_error *err)
{
    tn_status status = tn__fusion_create(&fusion->inner, r->models, r->count, r->data,
                                         &fusion->options, err);
    if (status == TN_OK && fusion->options.align)
        status = tn__fuse_notes_create(notes, &fusion->inner, err);
    if (status == TN_OK && fusion->options.align)
        status = tn__fusion_align_all(&fusion->inner, notes, r->observer, err);
    return status;
}

/* Moves what is to be told into *report. */
static void fill_report(tn_fuse_report *report, tn_fusion *fusion,
                        tn__fuse_notes *notes)
{
    tn__level *level = &fusion->inner.level;
    report->groups = notes->groups;
    report->group_count = notes->count;
    report->seconds_statistics = notes->seconds_statistics;
    report->seconds_transport = notes->seconds_transport;
    report->alignments = level->alignments;
    report->alignment_count = level->alignments ? level->count - 1 : 0;
    report->options = fusion->options;
    level->alignments = NULL;
    *notes = (tn__fuse_notes){0};
}

tn_status tn_fusion_create(tn_fusion **out, tn_fuse_report *report,
                           const tn_model *const *models, size_t count,
                           const tn_dataset *data, const tn_fuse_options *options,
                           const tn_observer *observer, tn_error *err)
{
    const tn_fuse_options *o = options ? options : &defaults;
    tn__fuse_request request = {models, count, data, observer};
    tn__fuse_notes notes = {0};
    tn_fuse_report told = {0};
    tn_fusion *made = tn__alloc(1, sizeof *made);
    if (!made)
        return tn__fail_memory(err, sizeof *made);
    tn_status status = tn__fusion_check(o, count, data != NULL, err);
    if (status == TN_OK)
        status = set_options(made, o, count, err);
    if (status == TN_OK && o->method == TN_FUSE_AUTO)
        status = tn__fusion_climb(made, &notes, &told, &request, err);
    else if (status == TN_OK)
        status = align(made, &notes, &request, err);
    if (status == TN_OK) {
        *out = made;
        fill_report(&told, made, &notes);
        told.options.weights = o->weights;
        made = NULL;
        if (report) {
            *report = told;
            told = (tn_fuse_report){0};
        }
    }
    tn__free(notes.groups);
    tn_fuse_report_release(&told);
    tn_fusion_free(made);
    return status;
}

tn_status tn_fusion_build(tn_model **out, tn_fuse_report *report, tn_fusion *fusion,
                          const tn_fuse_options *options, tn_error *err)
{
    tn__merged merged = fusion->merged;
    tn_status status =
        !options && fusion->made
            ? tn_model_clone(out, fusion->made, err)
            : tn__fusion_build(out, &merged, &fusion->inner,
                               options ? options : &fusion->options, err);
    if (status == TN_OK && report) {
        report->layers_recalibrated = merged.recalibrated;
        report->layers_refitted = merged.refitted;
        report->seconds_recalibrate = merged.seconds;
    }
    return status;
}

tn_status tn_fuse(tn_model **out, tn_fuse_report *report, const tn_model *const *models,
                  size_t count, const tn_dataset *data, const tn_fuse_options *options,
                  const tn_observer *observer, tn_error *err)
{
    tn_fusion *fusion = NULL;
    tn_fuse_report told = {0};
    tn_status status =
        tn_fusion_create(&fusion, &told, models, count, data, options, observer, err);
    if (status == TN_OK)
        status = tn_fusion_build(out, &told, fusion, NULL, err);
    if (status == TN_OK && report) {
        *report = told;
        told = (tn_fuse_report){0};
    }
    tn_fuse_report_release(&told);
    tn_fusion_free(fusion);
    return status;
}

tn_status tn_align(tn_model **out, const tn_model *const *models, size_t count,
                   size_t parent, const tn_dataset *data,
                   const tn_fuse_options *options, const tn_observer *observer,
                   tn_error *err)
{
    tn_fusion *fusion = NULL;
    tn_fuse_options alone = defaults;
    if (parent >= count)
        return tn__fail(err, TN_ERROR_ARGUMENT, "parent %zu is not one of %zu models",
                        parent, count);
    double *weights = tn__alloc(count, sizeof *weights);
    if (!weights)
        return tn__fail_memory(err, count * sizeof *weights);
    weights[parent] = 1;
    alone.weights = weights;
    alone.recalibrate = TN_RECALIBRATE_NONE;
    alone.align = !options || options->align;
    tn_status status =
        tn_fusion_create(&fusion, NULL, models, count, data, options, observer, err);
    if (status == TN_OK)
        status = tn_fusion_build(out, NULL, fusion, &alone, err);
    tn_fusion_free(fusion);
    tn__free(weights);
    return status;
}
