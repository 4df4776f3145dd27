/* epoch.c - an epoch of training.
 *
 * A batch is one step of the engine (forward, loss, backward) and one of the optimiser.
 * After the batches the images held out are judged by a second engine in inference, on
 * the weights or on their moving average, and the best model is kept.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/metrics.h"
#include "eval/stream.h"
#include "train/schedule.h"
#include "train/trainer.h"

/* What a step, or the observer, ended with: a training that is told to stop keeps where
 * it stands. */
static tn_status save_when_due(tn__trainer *t, tn_status status, tn_error *err)
{
    const tn_train_options *o = t->options;
    if (!o->state)
        return status;
    if (status == TN_ERROR_CANCELLED) {
        status = tn__trainer_save(t, err);
        return status ? status
                      : tn__fail(err, TN_ERROR_CANCELLED,
                                 "interrupted in epoch %zu of %zu, '%s' keeps "
                                 "where it stands",
                                 t->now.epoch + 1, o->epochs, o->state);
    }
    if (!status && tn__seconds() - t->saved > 60 * o->state_minutes)
        status = tn__trainer_save(t, err);
    return status;
}

/* In the batch, by all processes. */
static tn_status count_correct(size_t *correct, const tn__trainer *t, tn_error *err)
{
    double sum = 0;
    for (size_t s = t->first; s < t->first + t->shards; s++)
        sum += (double)t->job.correct[s];
    tn_status status = tn__cluster_sum(t->options->cluster, &sum, 1, err);
    *correct = (size_t)sum;
    return status;
}

static tn_status step(tn__trainer *t, const float *images, const int32_t *labels,
                      tn_error *err)
{
    const tn_train_options *o = t->options;
    tn__state *now = &t->now;
    size_t per_epoch = tn__batches_per_epoch(t->batches);
    size_t at = now->images / o->batch;
    double rate = tn__schedule_rate(o, now->epoch * per_epoch + at, per_epoch);
    double loss = 0;
    size_t correct = 0;
    tn__mixed mixed = tn__batches_mixed(t->batches);
    t->job.labels = labels;
    t->job.others = mixed.others;
    t->job.shares = mixed.shares;
    tn_status status =
        tn__engine_step(t->engine, &loss, images, o->batch, tn__cross_entropy, &t->job,
                        o->norm_momentum, err);
    if (!status)
        status = count_correct(&correct, t, err);
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
    now->correct += correct;
    status = tn__optimizer_step(t->optimizer, rate, err);
    if (!status && o->average > 0)
        tn__average_move(&t->average, t->engine, tn__optimizer_steps(t->optimizer));
    t->last = (tn__journal_note){.step = tn__optimizer_steps(t->optimizer),
                                 .epoch = now->epoch + 1,
                                 .loss = loss,
                                 .accuracy = (double)correct / (double)o->batch,
                                 .holdout_accuracy = (double)NAN,
                                 .rate = rate};
    return status;
}

/* Accounts for the time since the step before. */
static tn_status note_step(tn__trainer *t, tn_error *err)
{
    double time = tn__seconds();
    size_t step = t->last.step;
    t->now.stepping += time - t->accounted;
    t->accounted = time;
    if (!tn__journal_wants(&t->journal, step))
        return TN_OK;
    t->last.seconds = time - t->started;
    t->last.images_per_second =
        (double)((step - t->told_step) * t->options->batch) / (time - t->told);
    t->told_step = step;
    t->told = time;
    return tn__journal_tell(&t->journal, &t->last, err);
}

static tn_status report_progress(const tn__trainer *t, tn_error *err)
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

/* The next batch, and what the teachers say of it. *images is NULL after the last. */
static tn_status fetch(tn__trainer *t, const float **images, const int32_t **labels,
                       tn_error *err)
{
    size_t shard = t->options->shard;
    tn_status status = tn__batches_next(t->batches, images, labels, err);
    if (status || !*images || !t->teachers)
        return status;
    return tn__teaching_teach(&t->teaching, *images, t->first * shard,
                              t->shards * shard, err);
}

static tn_status advance(tn__trainer *t, const float *images, const int32_t *labels,
                         tn_error *err)
{
    tn_status status = step(t, images, labels, err);
    if (!status)
        status = note_step(t, err);
    return status ? status : report_progress(t, err);
}

/* Processes agree before each step, which they take together, and after it, so that
 * they stop at the same one. */
static tn_status run_batches(tn__trainer *t, tn_error *err)
{
    const float *images = NULL;
    const int32_t *labels = NULL;
    size_t first = t->now.images / t->options->batch;
    t->begun = t->accounted = t->told = tn__seconds();
    t->told_step = tn__optimizer_steps(t->optimizer);
    tn_status status = tn__batches_begin(t->batches, t->now.epoch, first, err);
    while (true) {
        if (!status)
            status = fetch(t, &images, &labels, err);
        status = tn__trainer_agree(t, status, err);
        if (status || !images)
            return status;
        status = tn__trainer_agree(t, advance(t, images, labels, err), err);
        status = save_when_due(t, status, err);
    }
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

/* Of the epoch that is over, and told apart from it by the stage. */
static tn_status report_held_out(const tn__trainer *t, double accuracy, tn_error *err)
{
    char stage[64];
    snprintf(stage, sizeof stage, "epoch %zu of %zu, held out", t->now.epoch,
             t->options->epochs);
    tn_progress progress = {.stage = stage,
                            .done = (double)t->held,
                            .total = (double)t->held,
                            .unit = "images",
                            .loss = (double)NAN,
                            .accuracy = accuracy,
                            .seconds = tn__seconds() - t->begun};
    return tn__report(t->observer, &progress, err);
}

/* The engine that has what would be returned: the weights, or their average. */
static tn__engine *finished(tn__trainer *t)
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
 * any, that of the last epoch. *accuracy is left alone then. */
static tn_status keep_best(double *accuracy, tn__trainer *t, tn_error *err)
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
                         .index_count = t->held,
                         .cluster = t->options->cluster};
    tn_status status = tn__stream_run(&stream, judge_stretch, &j, err);
    double correct = (double)j.correct;
    status = tn__trainer_agree(t, status, err);
    if (!status)
        status = tn__cluster_sum(t->options->cluster, &correct, 1, err);
    if (status)
        return status;
    *accuracy = correct / (double)t->held;
    tn__log(t->observer, 1, "epoch %zu of %zu: %.2f %% of the images held out",
            now->epoch + 1, t->options->epochs, 100 * *accuracy);
    if (now->best_epoch && *accuracy <= now->holdout_accuracy)
        return TN_OK;
    now->best_epoch = now->epoch + 1;
    now->holdout_accuracy = *accuracy;
    return tn__engine_store(judge, t->result, err);
}

/* Tells of the epoch that is over. */
static tn_status note_epoch(tn__trainer *t, double images_per_second,
                            double holdout_accuracy, tn_error *err)
{
    const tn__state *now = &t->now;
    size_t per_epoch = tn__batches_per_epoch(t->batches);
    tn__journal_note note = {
        .whole_epoch = true,
        .step = tn__optimizer_steps(t->optimizer),
        .epoch = now->epoch + 1,
        .loss = now->last_loss,
        .accuracy = now->last_accuracy,
        .holdout_accuracy = holdout_accuracy,
        .rate =
            tn__schedule_rate(t->options, (now->epoch + 1) * per_epoch - 1, per_epoch),
        .images_per_second = images_per_second,
        .seconds = tn__seconds() - t->started};
    return tn__journal_tell(&t->journal, &note, err);
}

tn_status tn__trainer_run_epoch(tn__trainer *t, tn_error *err)
{
    tn__state *now = &t->now;
    double accuracy = (double)NAN, already = (double)now->images;
    tn_status status = run_batches(t, err);
    if (status)
        return status;
    double images = (double)now->images;
    double speed = (images - already) / (tn__seconds() - t->begun);
    now->last_loss = now->loss / images;
    now->last_accuracy = (double)now->correct / images;
    tn__log(t->observer, 1,
            "epoch %zu of %zu: loss %.4f, accuracy %.2f %%, %.0f images/s",
            now->epoch + 1, t->options->epochs, now->last_loss,
            100 * now->last_accuracy, speed);
    if ((status = keep_best(&accuracy, t, err)) == TN_OK)
        status = note_epoch(t, speed, accuracy, err);
    if (!status) {
        now->epoch++;
        now->images = now->correct = 0;
        now->loss = 0;
        status = tn__trainer_save(t, err);
    }
    status = tn__trainer_agree(t, status, err);
    if (status || !t->held)
        return status;
    /* told when the next epoch is what a state goes on with, or it would be told for
     * ever to whoever stops here; after the last there is nothing to stop */
    status = tn__trainer_agree(t, report_held_out(t, accuracy, err), err);
    return now->epoch < t->options->epochs ? save_when_due(t, status, err) : TN_OK;
}
