/* training.c - see training.h. The file is written as soon as the model exists; the
 * evaluation that follows cannot lose it.
 */
#include "training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "files.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "score.h"
#include "table.h"

struct training {
    struct cli_training_args *args;
    const struct cli_training_job *job;
    tn_dataset *data, *eval_data;
    tn_model **models; /* [teachers + 1]: they, and the start */
    tn_model *result;
    struct cli_score
        *scores; /* [rows]: teachers, the start where it has a row, result */
    size_t rows;
    tn_train_report report;
    const tn_observer *observer;
    const tn_cluster *cluster; /* or NULL */
    cJSON *curve;              /* an object for each epoch */
};

/* The end of an epoch is kept for the curve; "epoch 3 of 10" is what its stage is
 * called. */
static int on_progress(void *user, const tn_progress *p)
{
    struct training *t = user;
    size_t epoch = 0;
    if (p->done >= p->total && sscanf(p->stage, "epoch %zu of", &epoch) == 1 &&
        isfinite(p->loss)) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "epoch", (double)epoch);
        cJSON_AddNumberToObject(item, "loss", p->loss);
        cJSON_AddNumberToObject(item, "accuracy", p->accuracy);
        cJSON_AddItemToArray(t->curve, item);
    }
    if (strstr(p->stage, ", held out") && cJSON_GetArraySize(t->curve) > 0)
        cJSON_AddNumberToObject(
            cJSON_GetArrayItem(t->curve, cJSON_GetArraySize(t->curve) - 1),
            "holdout_accuracy", p->accuracy);
    return t->observer->progress(t->observer->user, p);
}

static void on_log(void *user, int level, const char *message)
{
    const struct training *t = user;
    t->observer->log(t->observer->user, level, message);
}

/* The one process, or that of several which writes and speaks. */
static bool is_first(const struct training *t)
{
    return !t->cluster || t->cluster->rank == 0;
}

static tn_status open_all(struct training *t, tn_error *err)
{
    const struct cli_args *base = &t->args->base;
    tn_status status;
    if ((status = cli_output_check(base, base->output, cli_model_endings, err)) ||
        (status = tn_dataset_open(&t->data, base->data, "train", err)) ||
        (status = t->job->open(t->models, t->args, t->data, err)))
        return status;
    return cli_eval_data_open(&t->eval_data, base, err);
}

static tn_status score(struct training *t, size_t row, const tn_model *model,
                       const tn_observer *observer, tn_error *err)
{
    tn_status status = TN_OK;
    if (is_first(t))
        status = cli_score_measure(&t->scores[row], &model, 1, true, err);
    status = tn_cluster_agree(t->cluster, status, err);
    if (status != TN_OK || !t->eval_data)
        return status;
    return cli_score_evaluate(&t->scores[row], NULL, &model, 1, t->eval_data,
                              &t->args->base, observer, err);
}

static tn_status run_training(struct training *t, const tn_observer *observer,
                              tn_error *err)
{
    size_t teachers = t->job->teachers;
    const tn_observer keeping = {on_log, on_progress, t};
    t->observer = observer;
    const tn_model *start = t->models[teachers];
    if (!teachers)
        return tn_train(&t->result, &t->report, start, t->data, &t->args->train,
                        &keeping, err);
    t->args->teachers.models = (const tn_model *const *)t->models;
    t->args->teachers.count = teachers;
    return tn_distill(&t->result, &t->report, start, &t->args->teachers, t->data,
                      &t->args->train, &keeping, err);
}

static tn_status work(struct training *t, const tn_observer *observer, tn_error *err)
{
    const struct cli_args *base = &t->args->base;
    const tn_model *const *inputs = (const tn_model *const *)t->models;
    size_t before = t->rows - 1;
    tn_status status = TN_OK;
    cli_score_name_files(t->scores, base->operands, before);
    t->scores[before] = cli_score_named(cli_base_name(base->output), base->output);
    for (size_t row = 0; row < before && status == TN_OK; row++)
        status = score(t, row, t->models[row], observer, err);
    if (status == TN_OK)
        status = run_training(t, observer, err);
    if (status == TN_OK && is_first(t))
        status = cli_model_write(t->result, base, base->output, inputs,
                                 t->job->teachers + 1, err);
    if (status == TN_OK && is_first(t) && t->args->train.state)
        remove(t->args->train.state);
    status = tn_cluster_agree(t->cluster, status, err);
    if (status == TN_OK)
        status = score(t, before, t->result, observer, err);
    t->scores[before].seconds = t->report.seconds;
    return status;
}

static cJSON *result_json(const struct training *t)
{
    const tn_train_report *report = &t->report;
    cJSON *json = cJSON_CreateObject(), *train = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "models", cli_scores_json(t->scores, t->rows - 1));
    cJSON_AddItemToObject(json, "result", cli_score_json(&t->scores[t->rows - 1]));
    cJSON_AddNumberToObject(train, "epochs", (double)report->epochs);
    cJSON_AddNumberToObject(train, "best_epoch", (double)report->best_epoch);
    cJSON_AddNumberToObject(train, "loss", report->loss);
    cJSON_AddNumberToObject(train, "accuracy", report->accuracy);
    cJSON_AddNumberToObject(train, "holdout_accuracy", report->holdout_accuracy);
    cJSON_AddNumberToObject(train, "images_per_second", report->images_per_second);
    cJSON_AddNumberToObject(train, "seconds", report->seconds);
    cJSON_AddStringToObject(train, "precision",
                            report->precision == TN_BF16 ? "bf16" : "f32");
    cJSON_AddItemToObject(train, "curve", cJSON_Duplicate(t->curve, true));
    cJSON_AddItemToObject(json, "train", train);
    cJSON_AddStringToObject(json, "data", tn_dataset_spec(t->data));
    if (t->eval_data)
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(t->eval_data));
    return json;
}

static int show(const struct training *t)
{
    char text[CLI_NUMBER_TEXT];
    const tn_train_report *report = &t->report;
    if (t->eval_data &&
        strcmp(tn_dataset_spec(t->data), tn_dataset_spec(t->eval_data)) == 0)
        cli_note(&t->args->base, "the accuracy is on the training images");
    if (cli_report_wanted(&t->args->base)) {
        int status = cli_report_tell(&t->args->base, result_json(t));
        if (status != CLI_DONE || t->args->base.json)
            return status;
    }
    cli_score_print(t->scores, t->rows);
    printf("\n%zu epoch%s in %s, %s images/s; the last: loss %.4f", report->epochs,
           report->epochs == 1 ? "" : "s",
           report->precision == TN_BF16 ? "bf16" : "f32",
           cli_text_count(text, (uint64_t)report->images_per_second), report->loss);
    printf(", accuracy %s on the training images\n",
           cli_text_percent(text, report->accuracy));
    if (report->best_epoch > 0)
        printf("epoch %zu was the best on the images kept apart: %s\n",
               report->best_epoch, cli_text_percent(text, report->holdout_accuracy));
    printf("wrote %s\n", t->args->base.output);
    return CLI_DONE;
}

int cli_training_run(struct cli_training_args *args, const struct cli_training_job *job)
{
    size_t models = job->teachers + 1;
    struct training t = {.args = args,
                         .job = job,
                         .rows = job->teachers + (job->start_row ? 2 : 1),
                         .curve = cJSON_CreateArray(),
                         .models = cli_alloc(models, sizeof *t.models),
                         .scores = cli_alloc(models + 1, sizeof *t.scores)};
    struct cli_progress progress;
    tn_error err = {0};
    args->train.threads = args->base.threads;
    args->train.replace_logs = args->base.force;
    tn_status status = cli_cluster_join(&t.cluster, &args->base, &err);
    args->train.cluster = args->base.cluster = t.cluster;
    if (status == TN_OK)
        status = tn_cluster_agree(t.cluster, open_all(&t, &err), &err);
    if (status == TN_OK) {
        tn_observer observer = cli_progress_start(&progress, &args->base);
        status = work(&t, &observer, &err);
        cli_progress_end(&progress);
    }
    int result = status == TN_OK ? CLI_DONE : CLI_FAILED;
    if (is_first(&t))
        result = status == TN_OK ? show(&t) : cli_fail(&err);
    if (is_first(&t) && status == TN_ERROR_CANCELLED && args->train.state)
        fputs("the same command with --resume goes on from there\n", stderr);
    cli_cluster_leave(t.cluster);
    cJSON_Delete(t.curve);
    tn_model_free(t.result);
    cli_models_free(t.models, models);
    tn_dataset_free(t.data);
    tn_dataset_free(t.eval_data);
    free(t.models);
    free(t.scores);
    return result;
}
