/* mix.c - tn_fuse_mix(): the aligned parents averaged in several ways after one
 * alignment.
 *
 * What checks a fusion: each aligned parent alone, and the straight line between two.
 */
#include <string.h>

#include "fuse/many.h"

static const tn_fuse_options defaults = TN_FUSE_OPTIONS_INIT;

static tn_status mix_one(const tn_fuse_mixtures *mixtures, size_t k, tn__fusion *f,
                         tn_fuse_options *options, tn_error *err)
{
    tn__fuse_notes unread = {0};
    tn_model *model = NULL;
    tn_recalibrate how = options->recalibrate;
    memcpy(f->weights, mixtures->list[k].weights, f->count * sizeof *f->weights);
    if (!mixtures->list[k].recalibrate)
        options->recalibrate = TN_RECALIBRATE_NONE;
    tn_status status = tn__fusion_merge(&model, &unread, f, err);
    options->recalibrate = how;
    if (status == TN_OK)
        status = mixtures->visit(mixtures->user, k, model, err);
    tn_model_free(model);
    return status;
}

tn_status tn_fuse_mix(const tn_fuse_mixtures *mixtures, const tn_model *const *models,
                      size_t count, const tn_dataset *data,
                      const tn_fuse_options *options, const tn_observer *observer,
                      tn_error *err)
{
    tn_fuse_options own = options ? *options : defaults;
    tn__fusion f = {0};
    tn__fuse_notes notes = {0};
    own.weights = NULL;
    own.refit = TN_REFIT_NONE;
    own.width = 1;
    tn_status status = tn__fusion_create(&f, models, count, data, &own, err);
    if (status != TN_OK)
        return status;
    status = tn__fuse_notes_create(&notes, &f, err);
    if (status == TN_OK && own.align)
        status = tn__fusion_align_all(&f, &notes, observer, err);
    for (size_t k = 0; k < mixtures->count && status == TN_OK; k++)
        status = mix_one(mixtures, k, &f, &own, err);
    tn__free(notes.groups);
    tn__fusion_release(&f);
    return status;
}
