/* training.c - see training.h. The file is written as soon as the model exists; the
 * evaluation that follows cannot lose it.
 */
#include "training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "score.h"
#include "table.h"

struct training {
    struct cli_training_args *args;
    const char *before;
    tn_dataset *data, *eval_data;
    tn_model *start, *result;
    struct cli_score scores[2]; /* before, after */
    tn_train_report report;
};

static tn_status open_all(struct training *job, cli_training_start *start,
                          tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_status status;
    if ((status = cli_output_check(base, base->output, cli_model_endings, err)) ||
        (status = tn_dataset_open(&job->data, base->data, "train", err)) ||
        (status = cli_eval_data_open(&job->eval_data, base, err)) ||
        (status = start(&job->start, job->args, job->data, err)))
        return status;
    return TN_OK;
}

static tn_status score(struct training *job, size_t row, const tn_model *model,
                       const tn_observer *observer, tn_error *err)
{
    tn_status status = cli_score_measure(&job->scores[row], &model, 1, true, err);
    if (status != TN_OK || !job->eval_data)
        return status;
    return cli_score_evaluate(&job->scores[row], NULL, &model, 1, job->eval_data,
                              &job->args->base, observer, err);
}

static tn_status work(struct training *job, const tn_observer *observer, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    const tn_model *start = job->start;
    tn_status status = TN_OK;
    job->scores[0] =
        cli_score_named(job->before ? cli_base_name(job->before) : NULL, job->before);
    job->scores[1] = cli_score_named(cli_base_name(base->output), base->output);
    if (job->before)
        status = score(job, 0, job->start, observer, err);
    if (status == TN_OK)
        status = tn_train(&job->result, &job->report, job->start, job->data,
                          &job->args->train, observer, err);
    if (status == TN_OK)
        status = cli_model_write(job->result, base, base->output, &start, 1, err);
    if (status == TN_OK)
        status = score(job, 1, job->result, observer, err);
    job->scores[1].seconds = job->report.seconds;
    return status;
}

static int show_json(const struct training *job)
{
    const tn_train_report *report = &job->report;
    cJSON *json = cJSON_CreateObject(), *train = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "models",
                          cli_scores_json(job->scores, job->before ? 1 : 0));
    cJSON_AddItemToObject(json, "result", cli_score_json(&job->scores[1]));
    cJSON_AddNumberToObject(train, "epochs", (double)report->epochs);
    cJSON_AddNumberToObject(train, "best_epoch", (double)report->best_epoch);
    cJSON_AddNumberToObject(train, "loss", report->loss);
    cJSON_AddNumberToObject(train, "accuracy", report->accuracy);
    cJSON_AddNumberToObject(train, "holdout_accuracy", report->holdout_accuracy);
    cJSON_AddNumberToObject(train, "images_per_second", report->images_per_second);
    cJSON_AddNumberToObject(train, "seconds", report->seconds);
    cJSON_AddItemToObject(json, "train", train);
    cJSON_AddStringToObject(json, "data", tn_dataset_spec(job->data));
    if (job->eval_data)
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(job->eval_data));
    return cli_json_print(json);
}

static int show(const struct training *job)
{
    char text[CLI_NUMBER_TEXT];
    const tn_train_report *report = &job->report;
    if (job->eval_data &&
        strcmp(tn_dataset_spec(job->data), tn_dataset_spec(job->eval_data)) == 0)
        cli_note(&job->args->base, "the accuracy is on the training images");
    if (job->args->base.json)
        return show_json(job);
    cli_score_print(job->before ? job->scores : job->scores + 1, job->before ? 2 : 1);
    printf("\n%zu epoch%s, %s images/s; the last: loss %.4f", report->epochs,
           report->epochs == 1 ? "" : "s",
           cli_text_count(text, (uint64_t)report->images_per_second), report->loss);
    printf(", accuracy %s on the training images\n",
           cli_text_percent(text, report->accuracy));
    if (report->best_epoch > 0)
        printf("epoch %zu was the best on the images kept apart: %s\n",
               report->best_epoch, cli_text_percent(text, report->holdout_accuracy));
    printf("wrote %s\n", job->args->base.output);
    return CLI_DONE;
}

int cli_training_run(struct cli_training_args *args, cli_training_start *start,
                     const char *before)
{
    struct training job = {.args = args, .before = before};
    struct cli_progress progress;
    tn_error err = {0};
    args->train.threads = args->base.threads;
    tn_status status = open_all(&job, start, &err);
    if (status == TN_OK) {
        tn_observer observer = cli_progress_start(&progress, &args->base);
        status = work(&job, &observer, &err);
        cli_progress_end(&progress);
    }
    int result = status == TN_OK ? show(&job) : cli_fail(&err);
    tn_model_free(job.result);
    tn_model_free(job.start);
    tn_dataset_free(job.data);
    tn_dataset_free(job.eval_data);
    return result;
}
