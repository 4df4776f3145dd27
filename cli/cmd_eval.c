/* cmd_eval.c - tenon eval: accuracy, loss and calibration of models and their ensemble.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "command.h"
#include "files.h"
#include "message.h"
#include "progress.h"
#include "report.h"
#include "score.h"
#include "table.h"

static cJSON *eval_json(const struct cli_score *scores, size_t count,
                        const tn_dataset *data)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "models", cli_scores_json(scores, count));
    if (count > 1)
        cJSON_AddItemToObject(json, "ensemble", cli_score_json(&scores[count]));
    else
        cJSON_AddNullToObject(json, "ensemble");
    cJSON_AddStringToObject(json, "data", tn_dataset_spec(data));
    return json;
}

static int show(const struct cli_score *scores, size_t count, const tn_dataset *data,
                const struct cli_args *args)
{
    char text[CLI_NUMBER_TEXT];
    if (cli_report_wanted(args)) {
        int status = cli_report_tell(args, eval_json(scores, count, data));
        if (status != CLI_DONE || args->json)
            return status;
    }
    cli_score_print(scores, count > 1 ? count + 1 : count);
    printf("\n%s images of %s\n", cli_text_count(text, tn_dataset_count(data)),
           tn_dataset_spec(data));
    return CLI_DONE;
}

/* scores [count + 1]: the ensemble is the last row. */
static tn_status evaluate(struct cli_score *scores, tn_model *const *models,
                          const tn_dataset *data, const struct cli_args *args,
                          tn_error *err)
{
    struct cli_progress progress;
    tn_observer observer = cli_progress_start(&progress, args);
    const tn_model *const *list = (const tn_model *const *)models;
    size_t count = args->count;
    cli_score_name_files(scores, args->operands, count);
    scores[count] = cli_score_named("prediction ensemble", NULL);
    tn_status status = tn_cluster_agree(
        args->cluster, cli_score_measure(scores, list, count, false, err), err);
    if (status == TN_OK)
        status = cli_score_evaluate(scores, count > 1 ? &scores[count] : NULL, list,
                                    count, data, args, &observer, err);
    cli_score_sum(&scores[count], scores, count);
    cli_progress_end(&progress);
    return status;
}

static tn_status open_all(tn_model **models, tn_dataset **data,
                          const struct cli_args *args, tn_error *err)
{
    tn_status status = cli_models_load(models, args, args->count, err);
    return status == TN_OK ? tn_dataset_open(data, args->data, "test", err) : status;
}

static int run(void *user)
{
    struct cli_args *args = user;
    const tn_cluster *cluster = NULL;
    tn_error err = {0};
    size_t count = args->count;
    tn_model **models = cli_alloc(count, sizeof *models);
    struct cli_score *scores = cli_alloc(count + 1, sizeof *scores);
    tn_dataset *data = NULL;
    tn_status status = cli_cluster_join(&cluster, args, &err);
    args->cluster = cluster;
    if (status == TN_OK)
        status = tn_cluster_agree(cluster, open_all(models, &data, args, &err), &err);
    if (status == TN_OK)
        status = evaluate(scores, models, data, args, &err);
    int result = status == TN_OK ? CLI_DONE : CLI_FAILED;
    if (!cluster || cluster->rank == 0)
        result = status == TN_OK ? show(scores, count, data, args) : cli_fail(&err);
    cli_cluster_leave(cluster);
    tn_dataset_free(data);
    cli_models_free(models, count);
    free(models);
    free(scores);
    return result;
}

static const struct cli_option options[] = {
    CLI_OPTION("force", CLI_FLAG, offsetof(struct cli_args, force), NULL,
               "replace the report where it is there already", .recorded = false,
               .letter = 'f'),
    CLI_MPI_OPTION("the images"),
};
static const struct cli_group group = CLI_GROUP("Output", options);

const struct cli_command cli_eval = {
    .name = "eval",
    .operands = "MODEL...",
    .summary = "accuracy, loss and calibration of models, and of their ensemble",
    .about =
        "Evaluates each model on labelled images. With several models the mean of "
        "their probabilities, their prediction ensemble, is one more row. ECE is the "
        "expected calibration error over 15 equal bins.",
    .examples =
        "  tenon eval a.onnx b.onnx --data fashion-mnist\n"
        "  tenon eval net.pth --arch resnet20 --data cifar10:test_batch.bin --json\n",
    .operands_min = 1,
    .operands_max = 64,
    .required = {"data"},
    .groups = {&cli_group_data, &cli_group_models, &cli_group_speed, &cli_group_report,
               &group, &cli_group_common},
    .size = sizeof(struct cli_args),
    .run = run,
};
