/* fusion.c - sets up and takes down what the parts of a fusion share.
 *
 * Arguments are validated here: weights that are not finite, networks that do not
 * correspond, options without meaning. Images for the support and for calibration are
 * drawn by seed without replacement, and overlap only where the data set is too small
 * for both.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fuse/fusion.h"
#include "similarity/match.h"

static const char *model_label(const tn_model *model)
{
    return model->source ? model->source : model->name;
}

static tn_status check_finite(const tn_model *model, tn_error *err)
{
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__value *value = &model->values[v];
        if (!tn__value_is_parameter(value))
            continue;
        tn_status status = tn__tensor_check_finite(&value->parameter, value->name, err);
        if (status != TN_OK)
            return tn__fail_in(err, status, "cannot fuse '%s'", model_label(model));
    }
    return TN_OK;
}

tn_status tn__fusion_check(const tn_fuse_options *o, size_t count, bool data,
                           tn_error *err)
{
    double sum = 0;
    if (count < 2)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "cannot fuse %zu models, wanted 2 or more", count);
    if (o->reference >= count)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "reference %zu is not one of %zu models", o->reference, count);
    for (size_t k = 0; o->weights && k < count; k++) {
        if (!(o->weights[k] >= 0))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "weight %zu is %g, wanted 0 or more", k, o->weights[k]);
        sum += o->weights[k];
    }
    if (o->weights && !(fabs(sum - 1) <= 1e-6))
        return tn__fail(err, TN_ERROR_ARGUMENT, "weights sum to %g, wanted 1", sum);
    if (!(o->width >= 1 && o->width <= (double)count))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "width is %g, wanted from 1 to the %zu models", o->width,
                        count);
    if (!(o->zip >= 0 && o->zip <= 1) || !(o->zip_shrink > 0 && o->zip_shrink <= 1))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "zip is %g and shrinks by %g, wanted shares of 1", o->zip,
                        o->zip_shrink);
    if (o->zip > 0 && (o->gromov || o->descents > 0))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "neurons are either zipped or matched, both were asked for");
    if (o->gromov && o->sinkhorn.relaxation > 0)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "Gromov-Wasserstein keeps the masses, but relaxation is %g",
                        o->sinkhorn.relaxation);
    if (!data && o->align &&
        (o->support == TN_SUPPORT_ACTIVATIONS || o->support == TN_SUPPORT_BOTH))
        return tn__fail(err, TN_ERROR_ARGUMENT, "support by activations wants data");
    if (!data && (o->recalibrate == TN_RECALIBRATE_NORM ||
                  o->recalibrate == TN_RECALIBRATE_REPAIR))
        return tn__fail(err, TN_ERROR_ARGUMENT, "recalibration from data wants data");
    if (!data && o->refit != TN_REFIT_NONE)
        return tn__fail(err, TN_ERROR_ARGUMENT, "refitting layers wants data");
    return TN_OK;
}

/* --- parents --- */

static tn_status parent_create(tn__parent *out, const tn_model *model,
                               const tn_model *reference, tn_error *err)
{
    tn__parent made = {0};
    tn_status status = tn__match_adopt(&made.model, model, reference, err);
    if (status == TN_OK)
        status = tn__groups_find(&made.groups, made.model, err);
    if (status == TN_OK) {
        made.maps = tn__alloc(made.groups->count, sizeof *made.maps);
        if (!made.maps)
            status = tn__fail_memory(err, made.groups->count * sizeof *made.maps);
    }
    *out = made;
    if (status != TN_OK)
        return tn__fail_in(err, status, "cannot fuse '%s' with '%s'",
                           model_label(model), model_label(reference));
    return TN_OK;
}

static tn_status create_parents(tn__fusion *f, const tn_model *const *models,
                                tn_error *err)
{
    f->parents = tn__alloc(f->count, sizeof *f->parents);
    f->weights = tn__alloc(f->count, sizeof *f->weights);
    if (!f->parents || !f->weights)
        return tn__fail_memory(err, f->count * sizeof *f->parents);
    tn_status status = TN_OK;
    const tn_model *graph = models[f->reference];
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        f->weights[k] =
            f->options->weights ? f->options->weights[k] : 1.0 / (double)f->count;
        status = check_finite(models[k], err);
        if (status == TN_OK)
            status = parent_create(&f->parents[k], models[k], graph, err);
    }
    const tn__parent *reference = &f->parents[f->reference];
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        const tn__parent *parent = &f->parents[k];
        status =
            tn__match_groups(parent->groups, reference->groups, reference->model, err);
        if (status != TN_OK)
            status = tn__fail_in(err, status, "cannot fuse '%s' with '%s'",
                                 model_label(models[k]), model_label(graph));
    }
    if (status == TN_OK)
        status = tn__links_create(&f->links, reference->model, err);
    return status;
}

/* --- images --- */

static tn_status read_images(float **out, const tn_dataset *data, const uint32_t *index,
                             size_t n, size_t pixels, tn_error *err)
{
    float *images = tn__alloc(n, pixels * sizeof *images);
    if (!images)
        return tn__fail_memory(err, n * pixels * sizeof *images);
    tn_status status = tn_dataset_read(images, NULL, data, index, 0, n, err);
    if (status == TN_OK)
        *out = images;
    else
        tn__free(images);
    return status;
}

static tn_status check_images(const tn__fusion *f, size_t pixels, tn_error *err)
{
    const tn__parent *reference = &f->parents[f->reference];
    size_t input = reference->model->inputs[0], wanted;
    if (!tn__shape_count(&wanted, &reference->groups->shapes.shape[input]) ||
        wanted != pixels)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "images of %zu numbers do not fit input '%s' of %zu", pixels,
                        reference->model->values[input].name, wanted);
    return TN_OK;
}

static tn_status draw_images(tn__fusion *f, const tn_dataset *data, tn_error *err)
{
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    size_t n = tn_dataset_count(data),
           pixels = (size_t)(shape[0] * shape[1] * shape[2]);
    tn_status status = check_images(f, pixels, err);
    if (status != TN_OK)
        return status;
    uint32_t *order = tn__alloc(n, sizeof *order);
    if (!order)
        return tn__fail_memory(err, n * sizeof *order);
    tn__rng rng;
    tn__rng_seed(&rng, f->options->seed, 0);
    tn__rng_permutation(&rng, order, n);
    f->support_count = TN__MIN(f->options->samples, n);
    f->calibration_count = TN__MIN(f->options->calibration, n);
    size_t last = TN__MIN(f->support_count, n - f->calibration_count);
    if (f->support_count)
        status = read_images(&f->support, data, order, f->support_count, pixels, err);
    if (status == TN_OK && f->calibration_count)
        status = read_images(&f->calibration, data, order + last, f->calibration_count,
                             pixels, err);
    tn__free(order);
    if (status == TN_OK)
        status = tn__workers_create(&f->workers, f->options->threads, err);
    return status;
}

/* --- the whole --- */

tn_status tn__fusion_create(tn__fusion *out, const tn_model *const *models,
                            size_t count, const tn_dataset *data,
                            const tn_fuse_options *options, tn_error *err)
{
    tn__fusion made = {
        .options = options, .count = count, .reference = options->reference};
    tn_status status = tn__fusion_check(options, count, data != NULL, err);
    if (status != TN_OK)
        return status;
    status = tn__fusion_level(&made, models, data, err);
    if (status == TN_OK && made.level.models)
        models = (const tn_model *const *)made.level.models;
    if (status == TN_OK)
        status = create_parents(&made, models, err);
    if (status == TN_OK && data)
        status = draw_images(&made, data, err);
    if (status == TN_OK)
        *out = made;
    else
        tn__fusion_release(&made);
    return status;
}

void tn__fusion_release(tn__fusion *fusion)
{
    for (size_t k = 0; fusion->parents && k < fusion->count; k++) {
        tn__parent *parent = &fusion->parents[k];
        for (size_t g = 0; parent->maps && g < parent->groups->count; g++)
            tn__map_release(&parent->maps[g]);
        tn__free(parent->maps);
        tn__groups_free(parent->groups);
        tn_model_free(parent->model);
    }
    tn__free(fusion->parents);
    tn__free(fusion->weights);
    tn__links_release(&fusion->links);
    tn__level_release(&fusion->level);
    tn__workers_free(fusion->workers);
    tn__answers_release(&fusion->answers);
    for (size_t i = 0; i < fusion->count * fusion->moment_count; i++)
        tn__moments_release(&fusion->moments[i]);
    tn__free(fusion->moments);
    tn__free(fusion->support);
    tn__free(fusion->calibration);
    *fusion = (tn__fusion){0};
}
