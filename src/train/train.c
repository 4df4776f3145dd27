/* train.c - tn_train() and tn_distill(): what they need is made, a training that was
 * stopped is taken up, and epochs are run (epoch.c). What is random comes from the
 * seed.
 */
#include <math.h>

#include "eval/fit.h"
#include "train/train_options.h"
#include "train/trainer.h"

/* The stream of the seed that chooses the images held out; those of batches.c begin at
 * 0 and at 2^63. */
#define HOLDOUT_STREAM ((uint64_t)1 << 62)

static void trainer_release(tn__trainer *t)
{
    tn__journal_close(&t->journal);
    tn__batches_free(t->batches);
    tn__teaching_release(&t->teaching);
    tn__optimizer_free(t->optimizer);
    tn__average_release(&t->average);
    tn__engine_free(t->judge);
    tn__engine_free(t->engine);
    tn__workers_free(t->workers);
    tn_model_free(t->result);
    tn__free(t->order);
    tn__free(t->job.correct);
}

/* --- setting up ---------------------------------------------------------------------
 */

static tn_status hold_out(tn__trainer *t, tn_error *err)
{
    const tn_train_options *o = t->options;
    size_t images = tn_dataset_count(t->data);
    tn__rng rng;
    t->held = (size_t)floor(o->holdout * (double)images + 0.5);
    t->trained = images - t->held;
    if (o->holdout > 0 && t->held == 0)
        return tn__fail(err, TN_ERROR_MISMATCH, "holdout = %g of %zu images is none",
                        o->holdout, images);
    if (t->trained < o->batch)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "batch = %zu, but the data has only %zu images to train on",
                        o->batch, t->trained);
    t->order = tn__alloc(images, sizeof *t->order);
    if (!t->order)
        return tn__fail_memory(err, images * sizeof *t->order);
    if (t->held) {
        tn__rng_seed(&rng, o->seed, HOLDOUT_STREAM);
        tn__rng_permutation(&rng, t->order, images);
    } else {
        for (size_t i = 0; i < images; i++)
            t->order[i] = (uint32_t)i;
    }
    return TN_OK;
}

static tn_status make_engines(tn__trainer *t, tn_error *err)
{
    tn_status status = tn__workers_create(&t->workers, t->options->threads, err);
    if (status)
        return status;
    tn__engine_options options = {.workers = t->workers,
                                  .shard = (int64_t)t->options->shard,
                                  .training = true,
                                  .cluster = t->options->cluster,
                                  .precision = t->options->precision};
    status = tn__engine_create(&t->engine, t->start, &options, err);
    if (status)
        return status;
    if ((status = tn__check_fit(t->engine, t->start, t->data, err)) != TN_OK)
        return status;
    options.training = false;
    options.cluster = NULL;
    status = tn__teaching_open(&t->teaching, t->teachers, &options,
                               tn__engine_output_count(t->engine), t->options->batch,
                               t->data, err);
    if (status)
        return status;
    options.precision = TN_PRECISION_F32;
    return t->held || t->options->average > 0
               ? tn__engine_create(&t->judge, t->start, &options, err)
               : TN_OK;
}

static tn_status check_padding(const tn__trainer *t, tn_error *err)
{
    int64_t shape[3];
    tn_dataset_shape(shape, t->data);
    int64_t side = TN__MIN(shape[1], shape[2]);
    if (t->options->augment_pad < (size_t)side)
        return TN_OK;
    return tn__fail(err, TN_ERROR_ARGUMENT,
                    "augment_pad = %zu, expected less than the images' side %lld",
                    t->options->augment_pad, (long long)side);
}

/* --- the file that keeps where training stands --------------------------------------
 */

static tn__state_tensors state_tensors(tn__trainer *t)
{
    return (tn__state_tensors){.engine = t->engine,
                               .optimizer = t->optimizer,
                               .average = t->options->average > 0 ? &t->average : NULL,
                               .best = t->result};
}

/* Whether a training like this can stand there: a file may say anything. */
static bool is_place(const tn__trainer *t)
{
    const tn__state *now = &t->now;
    size_t per_epoch = tn__batches_per_epoch(t->batches);
    size_t batches = now->images / t->options->batch;
    bool ended = now->epoch == t->options->epochs;
    return now->epoch <= t->options->epochs &&
           batches * t->options->batch == now->images &&
           batches <= (ended ? 0 : per_epoch) &&
           tn__optimizer_steps(t->optimizer) == now->epoch * per_epoch + batches &&
           now->correct <= now->images && now->best_epoch <= now->epoch &&
           isfinite(now->loss) && isfinite(now->seconds) && now->seconds >= 0 &&
           isfinite(now->stepping) && now->stepping >= 0;
}

/* Begins, or goes on where the file says. */
static tn_status find_state(tn__trainer *t, tn_error *err)
{
    const tn_train_options *o = t->options;
    tn__state_tensors into = state_tensors(t);
    bool there = o->state && tn__file_exists(o->state);
    tn_status status = tn__cluster_broadcast(o->cluster, &there, sizeof there, 0, err);
    if (status || !o->state)
        return status;
    tn__state_identify(t->now.training, o, t->type, t->data, t->start, t->teachers);
    if (!there)
        return TN_OK;
    if (!o->resume)
        return tn__fail(err, TN_ERROR_EXISTS,
                        "'%s' keeps a training that was stopped: resume it, or remove "
                        "the file",
                        o->state);
    status = tn__state_load(&t->now, &into, o->state, err);
    if (!status && !is_place(t))
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': epoch %zu, image %zu is no place in this "
                          "training",
                          o->state, t->now.epoch, t->now.images);
    if (!status)
        tn__log(t->observer, 1, "goes on in epoch %zu of %zu, after %zu images",
                t->now.epoch + 1, o->epochs, t->now.images);
    return status;
}

static tn_status open_journal(tn__trainer *t, tn_error *err)
{
    tn__journal_mark mark = {t->now.log_bytes, t->now.event_bytes};
    t->started -= t->now.seconds;
    if (tn__cluster_rank(t->options->cluster) > 0)
        return TN_OK;
    return tn__journal_open(&t->journal, t->options, &mark, err);
}

tn_status tn__trainer_save(tn__trainer *t, tn_error *err)
{
    tn__state_tensors from = state_tensors(t);
    tn__journal_mark mark = {t->now.log_bytes, t->now.event_bytes};
    t->saved = tn__seconds();
    t->now.seconds = t->saved - t->started;
    if (!t->options->state || tn__cluster_rank(t->options->cluster) > 0)
        return TN_OK;
    tn_status status = tn__journal_measure(&mark, &t->journal, err);
    t->now.log_bytes = mark.lines;
    t->now.event_bytes = mark.events;
    return status ? status : tn__state_save(t->options->state, &t->now, &from, err);
}

static tn_status set_up(tn__trainer *t, tn_error *err)
{
    const tn_train_options *o = t->options;
    tn__rule rule = {.kind = o->optimizer,
                     .momentum = o->momentum,
                     .second = o->second_momentum,
                     .decay = o->weight_decay,
                     .clip = o->clip,
                     .nesterov = o->nesterov,
                     .only = o->only};
    tn__augment augment = {.pad = o->augment_pad,
                           .flip = o->augment_flip,
                           .cutout = o->augment_cutout,
                           .erase = o->augment_erase,
                           .mixup = o->mixup};
    tn_status status = tn__train_options_check(o, err);
    if (status || (status = tn__precision_resolve(&t->type, o->precision, err)) ||
        (status = check_padding(t, err)) != TN_OK ||
        (status = hold_out(t, err)) != TN_OK ||
        (status = make_engines(t, err)) != TN_OK)
        return status;
    t->job = (tn__cross_entropy_job){.classes = tn__engine_output_count(t->engine),
                                     .smoothing = o->label_smoothing,
                                     .images = o->batch,
                                     .shard = o->shard,
                                     .taught = t->teaching.taught};
    if (t->teachers) {
        t->job.temperature = t->teachers->temperature;
        t->job.weight = t->teachers->weight;
    }
    t->job.correct = tn__alloc(o->batch / o->shard, sizeof *t->job.correct);
    if (!t->job.correct)
        return tn__fail_memory(err, o->batch / o->shard * sizeof *t->job.correct);
    if ((status = tn__model_clone(&t->result, t->start, err)) != TN_OK ||
        (status = tn__optimizer_create(&t->optimizer, t->engine, t->start, t->workers,
                                       &rule, err)) != TN_OK ||
        (status = tn__batches_create(&t->batches, t->data, t->order, t->trained,
                                     o->batch, &augment, o->seed, err)) != TN_OK)
        return status;
    if (o->average > 0 &&
        (status = tn__average_begin(&t->average, t->engine, t->start->value_count,
                                    o->average, err)) != TN_OK)
        return status;
    tn__cluster_share(&t->first, &t->shards, o->cluster, tn__cluster_rank(o->cluster),
                      o->batch / o->shard);
    tn__batches_narrow(t->batches, t->first * o->shard, t->shards * o->shard);
    return TN_OK;
}

static void fill_report(tn_train_report *report, const tn__trainer *t)
{
    const tn__state *now = &t->now;
    size_t images = now->epoch * tn__batches_per_epoch(t->batches) * t->options->batch;
    *report = (tn_train_report){.epochs = now->epoch,
                                .best_epoch = now->best_epoch,
                                .loss = now->last_loss,
                                .accuracy = now->last_accuracy,
                                .holdout_accuracy = now->holdout_accuracy,
                                .seconds = tn__seconds() - t->started,
                                .precision = t->type};
    if (now->stepping > 0)
        report->images_per_second = (double)images / now->stepping;
}

static tn_status train(tn_model **out, tn_train_report *report, tn__trainer *t,
                       tn_error *err)
{
    static const tn_train_options usual = TN_TRAIN_OPTIONS_INIT;
    t->started = t->saved = tn__seconds();
    t->now.holdout_accuracy = (double)NAN;
    if (!t->options)
        t->options = &usual;
    tn_status status = tn__trainer_agree(t, set_up(t, err), err);
    if (!status && (status = find_state(t, err)) == TN_OK)
        status = open_journal(t, err);
    status = tn__trainer_agree(t, status, err);
    while (!status && t->now.epoch < t->options->epochs)
        status = tn__trainer_run_epoch(t, err);
    if (!status) {
        if (report)
            fill_report(report, t);
        *out = t->result;
        t->result = NULL;
    }
    trainer_release(t);
    return status;
}

tn_status tn_train(tn_model **out, tn_train_report *report, const tn_model *start,
                   const tn_dataset *data, const tn_train_options *options,
                   const tn_observer *observer, tn_error *err)
{
    tn__trainer t = {
        .start = start, .data = data, .options = options, .observer = observer};
    return train(out, report, &t, err);
}

tn_status tn_distill(tn_model **out, tn_train_report *report, const tn_model *student,
                     const tn_teachers *teachers, const tn_dataset *data,
                     const tn_train_options *options, const tn_observer *observer,
                     tn_error *err)
{
    tn__trainer t = {.start = student,
                     .data = data,
                     .options = options,
                     .teachers = teachers,
                     .observer = observer};
    return train(out, report, &t, err);
}
