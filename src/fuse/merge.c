/* merge.c - what is made of aligned parents: their average, and what puts it right.
 *
 * Aligned parents live only until they are averaged, and the average takes the place of
 * the first of them. Several results can be made of one alignment: each works on a view
 * that shares parents and what they were asked, and has maps of its own.
 */
#include <math.h>

#include "fuse/many.h"
#include "fuse/partial.h"

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

/* Whether a parent has maps of its own: the reference has where it is zipped. */
static bool is_moved(const tn__parent *parent)
{
    for (size_t g = 0; g < parent->groups->count; g++)
        if (parent->maps[g].first || parent->maps[g].select)
            return true;
    return false;
}

/* The weighted mean of the aligned parents; *foresight (NULL: not) is filled where it
 * is wanted. */
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
        if (k == f->reference && !is_moved(&f->parents[k]))
            continue;
        status = tn__fusion_carry(&carried[k], f, k, err);
        aligned[k] = carried[k];
    }
    if (status == TN_OK && foresight && is_data_free(f))
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

tn_status tn__fusion_average(tn_model **out, const tn__fusion *fusion, tn_error *err)
{
    return average_parents(out, NULL, fusion, err);
}

static tn_status recalibrate(tn_model *fused, size_t *layers, tn__fusion *f,
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
        status = tn__goals_measure(f, err);
    if (status == TN_OK && mode != TN_RECALIBRATE_NORM)
        status = tn__goals_mix(&goals, &how.goal_count, f, err);
    how.goals = goals;
    if (status == TN_OK && (how.norms || how.goal_count))
        status = tn__recalibrate(fused, layers, &how, err);
    tn__goals_free(goals, how.goal_count);
    return status;
}

/* Side by side nothing is averaged, and all is what it was. */
static bool is_apart(const tn__fusion *f)
{
    return f->options->width > 1 && f->options->width >= (double)(f->count - 1);
}

tn_status tn__fusion_merge(tn_model **out, tn__merged *merged, tn__fusion *f,
                           tn_error *err)
{
    tn__foresight *foresight = NULL;
    tn_model *fused = NULL;
    tn__merged made = {0};
    tn_status status = average_parents(&fused, &foresight, f, err);
    double start = tn__seconds();
    if (status == TN_OK && !is_apart(f) && f->options->refit != TN_REFIT_NONE)
        status = tn__regress(fused, &made.refitted, f, err);
    if (status == TN_OK && foresight)
        status = tn__foresight_apply(foresight, fused, &made.recalibrated, err);
    else if (status == TN_OK && !is_apart(f) && wants_recalibration(f))
        status = recalibrate(fused, &made.recalibrated, f, err);
    made.seconds = tn__seconds() - start;
    if (status == TN_OK) {
        *out = fused;
        *merged = made;
    } else {
        tn_model_free(fused);
    }
    tn__foresight_free(foresight);
    return status;
}

/* --- one of several results --- */

/* Without alignment neurons stay where they are, so there must be as many. */
static tn_status check_widths(const tn__parent *parent, const tn__parent *reference,
                              tn_error *err)
{
    for (size_t g = 0; g < parent->groups->count; g++) {
        const tn__group *a = &parent->groups->list[g], *b = &reference->groups->list[g];
        if (a->neurons != b->neurons)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "cannot average '%s' without alignment: %zu neurons "
                            "against %zu",
                            b->name, a->neurons, b->neurons);
    }
    return TN_OK;
}

static void view_release(tn__fusion *view, size_t count, bool folded)
{
    for (size_t k = 0; view->parents && k < view->count; k++) {
        tn__parent *parent = &view->parents[k];
        if (parent->groups)
            tn__maps_free(parent->maps, parent->groups->count);
        if (k >= count || folded)
            tn_model_free(parent->model);
        if (k >= count) /* the canvas of partial fusion */
            tn__groups_free(parent->groups);
    }
    tn__free(view->parents);
    tn__free(view->weights);
    tn__links_release(&view->links);
}

/* Parent k of the view. With `fold` the scale of norms moves into the layers before
 * them, so that weights of different parents can be averaged and fitted. */
static tn_status view_parent(tn__fusion *view, const tn__fusion *f, size_t k, bool fold,
                             tn_error *err)
{
    const tn__parent *from = &f->parents[k];
    tn__parent *to = &view->parents[k];
    tn_status status = TN_OK;
    if (!view->options->align)
        status = check_widths(from, &f->parents[f->reference], err);
    if (status == TN_OK)
        to->maps = tn__alloc(from->groups->count, sizeof *to->maps);
    if (status != TN_OK || !to->maps)
        return status != TN_OK
                   ? status
                   : tn__fail_memory(err, from->groups->count * sizeof *to->maps);
    to->groups = from->groups;
    for (size_t g = 0; g < from->groups->count && status == TN_OK; g++)
        if (view->options->align)
            status = tn__map_clone(&to->maps[g], &from->maps[g], err);
    if (status == TN_OK && fold)
        return tn__norms_fold(&to->model, from->model, TN__FOLD_SCALE, err);
    to->model = fold ? NULL : from->model;
    return status;
}

static tn_status view_create(tn__fusion *out, const tn__fusion *f,
                             const tn_fuse_options *options, bool fold, tn_error *err)
{
    tn__fusion view = *f;
    view.options = options;
    view.links = (tn__links){0};
    view.parents = tn__alloc(f->count, sizeof *view.parents);
    view.weights = tn__alloc(f->count, sizeof *view.weights);
    tn_status status =
        view.parents && view.weights
            ? tn__links_create(&view.links, f->parents[f->reference].model, err)
            : tn__fail_memory(err, f->count * sizeof *view.parents);
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        view.weights[k] =
            options->weights ? options->weights[k] : 1.0 / (double)f->count;
        status = view_parent(&view, f, k, fold, err);
    }
    if (status == TN_OK && options->align && options->zip > 0)
        tn__zip_weigh(&view);
    if (status == TN_OK)
        *out = view;
    else
        view_release(&view, f->count, fold);
    return status;
}

/* What all views of a fusion share is asked of the parents as they are. */
static tn_status ask_parents(tn__fusion *f, const tn_fuse_options *options,
                             tn_error *err)
{
    tn_status status = TN_OK;
    if (options->width > 1 && f->support && options->support != TN_SUPPORT_WEIGHTS)
        status = tn__answers_measure(f, err);
    if (status == TN_OK && f->calibration &&
        (options->recalibrate == TN_RECALIBRATE_REPAIR ||
         (options->recalibrate == TN_RECALIBRATE_AUTO &&
          options->refit == TN_REFIT_NONE)))
        status = tn__goals_measure(f, err);
    return status;
}

tn_status tn__fusion_build(tn_model **out, tn__merged *merged, tn__fusion *f,
                           const tn_fuse_options *options, tn_error *err)
{
    tn_fuse_options own = *f->options;
    tn__fusion view;
    own.weights = options->weights;
    own.align = options->align;
    own.width = options->width;
    own.refit = options->refit;
    own.refit_goal = options->refit_goal;
    own.scores = options->scores;
    own.recalibrate = options->recalibrate;
    bool fold = own.refit != TN_REFIT_NONE;
    tn_status status = tn__fusion_check(&own, f->count, f->calibration != NULL, err);
    if (status == TN_OK && own.width > 1 && f->level.models)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "width %g wants networks of one structure: neurons that stay "
                          "apart have no share in layers that others lack",
                          own.width);
    if (status == TN_OK)
        status = ask_parents(f, &own, err);
    if (status == TN_OK)
        status = view_create(&view, f, &own, fold, err);
    if (status != TN_OK)
        return status;
    if (own.width > 1)
        status = tn__partial_widen(&view, own.width, err);
    if (status == TN_OK)
        status = tn__fusion_merge(out, merged, &view, err);
    view_release(&view, f->count, fold);
    return status;
}
