/* train.c - tn_train() and tn_distill(): the loop.
 *
 * An epoch is a run of batches; a batch is one step of the engine (forward, loss,
 * backward) and one of the optimiser. After each epoch the images held out are judged
 * by a second engine in inference, on the weights or on their moving average, and the
 * best model is kept. What is random comes
 * from the seed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/batches.h"
#include "eval/fit.h"
#include "eval/metrics.h"
#include "eval/stream.h"
#include "train/average.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/teachers.h"
#include "train/train_options.h"

/* The stream of the seed that chooses the images held out; those of batches.c begin at
 * 0 and at 2^63. */
#define HOLDOUT_STREAM ((uint64_t)1 << 62)

typedef struct trainer {
    const tn_model *start;
    const tn_dataset *data;
    const tn_train_options *options;
    const tn_teachers *teachers; /* or NULL */
    const tn_observer *observer;
    tn__workers *workers;
    tn__engine *engine; /* trains */
    tn__engine *judge;  /* infers, for the images held out, or holds the average; NULL
                           without both */
    tn__teaching teaching;
    tn__optimizer *optimizer;
    tn__average average; /* with options->average */
    tn__batches *batches;
    uint32_t *order; /* [images]: those trained on, then those held out */
    size_t trained, held;
    tn__cross_entropy_job job;
    tn_model *result; /* owned: of the best epoch so far */
    tn_dtype type;    /* computed in */
    tn__state now;    /* where it stands; the sums are over the images of the epoch */
    double begun;     /* the epoch, or this run of it */
    double saved;     /* the state, last */
    double stepping;  /* seconds spent in steps */
    size_t stepped;   /* images */
} trainer;

static void trainer_release(trainer *t)
{
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

static tn_status hold_out(trainer *t, tn_error *err)
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

static tn_status make_engines(trainer *t, tn_error *err)
{
    tn_status status = tn__workers_create(&t->workers, t->options->threads, err);
    if (status)
        return status;
    tn__engine_options options = {.workers = t->workers,
                                  .shard = (int64_t)t->options->shard,
                                  .training = true,
                                  .precision = t->options->precision};
    status = tn__engine_create(&t->engine, t->start, &options, err);
    if (status)
        return status;
    if ((status = tn__check_fit(t->engine, t->start, t->data, err)) != TN_OK)
        return status;
    options.training = false;
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

static tn_status check_padding(const trainer *t, tn_error *err)
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

static tn__state_tensors state_tensors(trainer *t)
{
    return (tn__state_tensors){.engine = t->engine,
                               .optimizer = t->optimizer,
                               .average = t->options->average > 0 ? &t->average : NULL,
                               .best = t->result};
}

/* Begins, or goes on where the file says. */
static tn_status find_state(trainer *t, tn_error *err)
{
    const tn_train_options *o = t->options;
    tn__state_tensors into = state_tensors(t);
    t->now.holdout_accuracy = (double)NAN;
    t->saved = tn__seconds();
    if (!o->state)
        return TN_OK;
    tn__state_identify(t->now.training, o, t->type, t->data, t->start, t->teachers);
    if (!tn__file_exists(o->state))
        return TN_OK;
    if (!o->resume)
        return tn__fail(err, TN_ERROR_EXISTS,
                        "'%s' keeps a training that was stopped: resume it, or remove "
                        "the file",
                        o->state);
    tn_status status = tn__state_load(&t->now, &into, o->state, err);
    if (!status && (t->now.images % o->batch || t->now.epoch > o->epochs ||
                    t->now.best_epoch > t->now.epoch))
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': epoch %zu, image %zu is no place in this "
                          "training",
                          o->state, t->now.epoch, t->now.images);
    if (!status)
        tn__log(t->observer, 1, "goes on in epoch %zu of %zu, after %zu images",
                t->now.epoch + 1, o->epochs, t->now.images);
    return status;
}

static tn_status save_state(trainer *t, tn_error *err)
{
    tn__state_tensors from = state_tensors(t);
    t->saved = tn__seconds();
    return t->options->state ? tn__state_save(t->options->state, &t->now, &from, err)
                             : TN_OK;
}

/* What a step, or the observer, ended with: a training that is told to stop keeps where
 * it stands. */
static tn_status save_when_due(trainer *t, tn_status status, tn_error *err)
{
    const tn_train_options *o = t->options;
    if (!o->state)
        return status;
    if (status == TN_ERROR_CANCELLED) {
        status = save_state(t, err);
        return status ? status
                      : tn__fail(err, TN_ERROR_CANCELLED,
                                 "interrupted in epoch %zu of %zu, '%s' keeps "
                                 "where it stands",
                                 t->now.epoch + 1, o->epochs, o->state);
    }
    if (!status && tn__seconds() - t->saved > 60 * o->state_minutes)
        status = save_state(t, err);
    return status;
}

static tn_status set_up(trainer *t, tn_error *err)
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
    return find_state(t, err);
}

/* --- an epoch -----------------------------------------------------------------------
 */

static tn_status step(trainer *t, const float *images, const int32_t *labels,
                      tn_error *err)
{
    const tn_train_options *o = t->options;
    tn__state *now = &t->now;
    size_t per_epoch = tn__batches_per_epoch(t->batches);
    size_t at = now->images / o->batch;
    double rate = tn__schedule_rate(o, now->epoch * per_epoch + at, per_epoch);
    double loss = 0;
    tn__mixed mixed = tn__batches_mixed(t->batches);
    t->job.labels = labels;
    t->job.others = mixed.others;
    t->job.shares = mixed.shares;
    tn_status status =
        t->teachers ? tn__teaching_teach(&t->teaching, images, o->batch, err) : TN_OK;
    if (!status)
        status = tn__engine_step(t->engine, &loss, images, o->batch, tn__cross_entropy,
                                 &t->job, o->norm_momentum, err);
    if (status)
        return status;
    if (!isfinite(loss))
        return tn__fail(
            err, TN_ERROR_NUMERIC,
            "the loss is %g at epoch %zu, step %zu: lower the learning rate "
            "(learning_rate = %g)",
            loss, now->epoch + 1, at + 1, o->learning_rate);
    now->images += o->batch;
    now->loss += loss * (double)o->batch;
    for (size_t s = 0; s < o->batch / o->shard; s++)
        now->correct += t->job.correct[s];
    t->stepped += o->batch;
    status = tn__optimizer_step(t->optimizer, rate, err);
    if (!status && o->average > 0)
        tn__average_move(&t->average, t->engine, tn__optimizer_steps(t->optimizer));
    return status;
}

static tn_status report_progress(const trainer *t, tn_error *err)
{
    char stage[64];
    double images = (double)t->now.images;
    snprintf(stage, sizeof stage, "epoch %zu of %zu", t->now.epoch + 1,
             t->options->epochs);
    tn_progress progress = {
        .stage = stage,
        .done = images,
        .total = (double)(tn__batches_per_epoch(t->batches) * t->options->batch),
        .unit = "images",
        .loss = t->now.loss / images,
        .accuracy = (double)t->now.correct / images,
        .seconds = tn__seconds() - t->begun};
    return tn__report(t->observer, &progress, err);
}

static tn_status run_batches(trainer *t, tn_error *err)
{
    const float *images = NULL;
    const int32_t *labels = NULL;
    size_t first = t->now.images / t->options->batch;
    t->begun = tn__seconds();
    tn_status status = tn__batches_begin(t->batches, t->now.epoch, first, err);
    while (!status) {
        status = tn__batches_next(t->batches, &images, &labels, err);
        if (status || !images)
            break;
        if ((status = step(t, images, labels, err)) != TN_OK)
            break;
        status = save_when_due(t, report_progress(t, err), err);
    }
    t->stepping += tn__seconds() - t->begun;
    return status;
}

/* --- the images held out ------------------------------------------------------------
 */

static void copy_parameters(tn__engine *to, tn__engine *from, size_t values)
{
    for (size_t v = 0; v < values; v++) {
        size_t count = tn__engine_parameter_count(from, v);
        if (count)
            memcpy(tn__engine_parameter(to, v), tn__engine_parameter(from, v),
                   count * sizeof(float));
    }
    tn__engine_touch(to);
}

typedef struct judgement {
    size_t classes, correct;
} judgement;

static tn_status judge_stretch(void *user, const tn__stretch *stretch, tn_error *err)
{
    judgement *j = user;
    for (size_t i = 0; i < stretch->images; i++) {
        const float *logits = stretch->logits[0] + i * j->classes;
        if (!tn__all_finite(logits, j->classes))
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "an output is not finite on the images held out: lower the "
                            "learning rate");
        j->correct += tn__largest_f32(logits, j->classes) == (size_t)stretch->labels[i];
    }
    return TN_OK;
}

/* The engine that has what would be returned: the weights, or their average. */
static tn__engine *finished(trainer *t)
{
    if (!t->judge)
        return t->engine;
    if (t->options->average > 0)
        tn__average_show(&t->average, t->judge);
    else
        copy_parameters(t->judge, t->engine, t->start->value_count);
    return t->judge;
}

/* Keeps the model where it is better than all before on the images held out; without
 * any, that of the last epoch. */
static tn_status keep_best(trainer *t, tn_error *err)
{
    judgement j = {.classes = t->job.classes};
    tn__state *now = &t->now;
    if (!t->held)
        return now->epoch + 1 == t->options->epochs
                   ? tn__engine_store(finished(t), t->result, err)
                   : TN_OK;
    tn__engine *judge = finished(t);
    tn__stream stream = {.engines = &judge,
                         .count = 1,
                         .data = t->data,
                         .index = t->order + t->trained,
                         .index_count = t->held};
    tn_status status = tn__stream_run(&stream, judge_stretch, &j, err);
    if (status)
        return status;
    double accuracy = (double)j.correct / (double)t->held;
    tn__log(t->observer, 1, "epoch %zu of %zu: %.2f %% of the images held out",
            now->epoch + 1, t->options->epochs, 100 * accuracy);
    if (now->best_epoch && accuracy <= now->holdout_accuracy)
        return TN_OK;
    now->best_epoch = now->epoch + 1;
    now->holdout_accuracy = accuracy;
    return tn__engine_store(judge, t->result, err);
}

static tn_status run_epoch(trainer *t, tn_error *err)
{
    tn__state *now = &t->now;
    size_t before = t->stepped;
    tn_status status = run_batches(t, err);
    if (status)
        return status;
    double images = (double)now->images;
    now->last_loss = now->loss / images;
    now->last_accuracy = (double)now->correct / images;
    tn__log(
        t->observer, 1, "epoch %zu of %zu: loss %.4f, accuracy %.2f %%, %.0f images/s",
        now->epoch + 1, t->options->epochs, now->last_loss, 100 * now->last_accuracy,
        (double)(t->stepped - before) / (tn__seconds() - t->begun));
    if ((status = keep_best(t, err)) != TN_OK)
        return status;
    now->epoch++;
    now->images = now->correct = 0;
    now->loss = 0;
    return save_state(t, err);
}

static void fill_report(tn_train_report *report, const trainer *t, double begun)
{
    *report = (tn_train_report){.epochs = t->now.epoch,
                                .best_epoch = t->now.best_epoch,
                                .loss = t->now.last_loss,
                                .accuracy = t->now.last_accuracy,
                                .holdout_accuracy = t->now.holdout_accuracy,
                                .seconds = tn__seconds() - begun,
                                .precision = t->type};
    if (t->stepping > 0)
        report->images_per_second = (double)t->stepped / t->stepping;
}

static tn_status train(tn_model **out, tn_train_report *report, trainer *t,
                       tn_error *err)
{
    static const tn_train_options usual = TN_TRAIN_OPTIONS_INIT;
    double begun = tn__seconds();
    if (!t->options)
        t->options = &usual;
    tn_status status = set_up(t, err);
    while (!status && t->now.epoch < t->options->epochs)
        status = run_epoch(t, err);
    if (!status) {
        if (report)
            fill_report(report, t, begun);
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
    trainer t = {
        .start = start, .data = data, .options = options, .observer = observer};
    return train(out, report, &t, err);
}

tn_status tn_distill(tn_model **out, tn_train_report *report, const tn_model *student,
                     const tn_teachers *teachers, const tn_dataset *data,
                     const tn_train_options *options, const tn_observer *observer,
                     tn_error *err)
{
    trainer t = {.start = student,
                 .data = data,
                 .options = options,
                 .teachers = teachers,
                 .observer = observer};
    return train(out, report, &t, err);
}
