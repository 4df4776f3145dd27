/* cmd_slim.c - tenon slim: pruning with training, of one network or of several that are
 * trained on parts of the data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "message.h"
#include "progress.h"
#include "prune_options.h"
#include "report.h"
#include "score.h"
#include "table.h"
#include "tenon/slim.h"
#include "training.h"

struct slim_args {
    struct cli_args base;
    tn_slim_options slim;
};

struct slim_job {
    struct slim_args *args;
    tn_dataset *data, *eval_data; /* the latter may be NULL */
    tn_model **starts;
    size_t count;
    tn_model *result;
    bool trained; /* the start is a file */
    struct cli_score scores[2];
    tn_slim_report report;
};

/* Starts are one model file or `count` draws of an architecture. */
static tn_status make_starts(struct slim_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    const char *name = base->operands[0];
    int64_t shape[3];
    tn_status status = TN_OK;
    job->trained = access(name, F_OK) == 0;
    job->count = tn_slim_starts(job->args->slim.parts);
    job->starts = cli_alloc(job->count, sizeof(tn_model *));
    if (job->trained)
        return cli_models_load(job->starts, base, 1, err);
    tn_dataset_shape(shape, job->data);
    for (size_t k = 0; k < job->count && status == TN_OK; k++)
        status = tn_model_create(&job->starts[k], name, shape,
                                 (int64_t)tn_dataset_classes(job->data),
                                 job->args->slim.train.seed + k, err);
    return status;
}

static int check_usage(struct slim_args *args)
{
    const struct cli_args *base = &args->base;
    bool file = access(base->operands[0], F_OK) == 0;
    if (file && args->slim.parts)
        return cli_usage(base->command, "--parts wants the name of an architecture: "
                                        "networks of parts are trained here");
    if (!file && args->slim.start_epochs == 0)
        return cli_usage(base->command,
                         "'%s' is no file; of an architecture --start-epochs is wanted",
                         base->operands[0]);
    args->slim.train.threads = base->threads;
    args->slim.prune.threads = base->threads;
    args->slim.fuse.threads = base->threads;
    args->slim.prune.seed = args->slim.fuse.seed = args->slim.train.seed;
    return CLI_DONE;
}

static tn_status open_all(struct slim_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_status status;
    if ((status = cli_output_check(base, base->output, cli_model_endings, err)) ||
        (status = tn_dataset_open(&job->data, base->data, "train", err)) ||
        (status = cli_eval_data_open(&job->eval_data, base, err)))
        return status;
    return make_starts(job, err);
}

static tn_status score(struct slim_job *job, size_t row, const tn_model *model,
                       const tn_observer *observer, tn_error *err)
{
    tn_status status = cli_score_measure(&job->scores[row], &model, 1, true, err);
    if (status == TN_OK && job->eval_data)
        status = cli_score_evaluate(&job->scores[row], NULL, &model, 1, job->eval_data,
                                    &job->args->base, observer, err);
    return status;
}

static tn_status work(struct slim_job *job, const tn_observer *observer, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    const tn_model *const *starts = (const tn_model *const *)job->starts;
    tn_status status = TN_OK;
    job->scores[0] = cli_score_named(base->operands[0], base->operands[0]);
    job->scores[1] = cli_score_named("slim", base->output);
    if (job->trained)
        status = score(job, 0, starts[0], observer, err);
    if (status == TN_OK)
        status = tn_slim(&job->result, &job->report, starts, job->count, job->data,
                         &job->args->slim, observer, err);
    if (status == TN_OK)
        status = cli_model_write(job->result, base, base->output, starts,
                                 job->trained ? 1 : 0, err);
    job->scores[1].seconds = job->report.total;
    if (status == TN_OK)
        status = score(job, 1, job->result, observer, err);
    return status;
}

static cJSON *result_json(const struct slim_job *job)
{
    const tn_slim_report *r = &job->report;
    cJSON *json = cJSON_CreateObject();
    if (job->trained)
        cJSON_AddItemToObject(json, "model", cli_score_json(&job->scores[0]));
    cJSON_AddItemToObject(json, "slim", cli_score_json(&job->scores[1]));
    cJSON_AddNumberToObject(json, "starts", (double)job->count);
    cJSON *seconds = cJSON_AddObjectToObject(json, "seconds");
    cJSON_AddNumberToObject(seconds, "start", r->start);
    cJSON_AddNumberToObject(seconds, "start_longest", r->start_longest);
    cJSON_AddNumberToObject(seconds, "prune", r->prune);
    cJSON_AddNumberToObject(seconds, "prune_longest", r->prune_longest);
    cJSON_AddNumberToObject(seconds, "fuse", r->fuse);
    cJSON_AddNumberToObject(seconds, "last", r->last);
    cJSON_AddNumberToObject(seconds, "total", r->total);
    cJSON_AddNumberToObject(seconds, "parallel", r->parallel);
    cJSON_AddStringToObject(json, "data", tn_dataset_spec(job->data));
    if (job->eval_data)
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(job->eval_data));
    return json;
}

static int show(const struct slim_job *job)
{
    const tn_slim_report *r = &job->report;
    const struct cli_args *base = &job->args->base;
    if (cli_report_wanted(base)) {
        int status = cli_report_tell(base, result_json(job));
        if (status != CLI_DONE || base->json)
            return status;
    }
    cli_score_print(job->trained ? job->scores : job->scores + 1, job->trained ? 2 : 1);
    printf("\nseconds: training %.1f, pruning and training %.1f, fusion %.1f, last "
           "training %.1f\n",
           r->start, r->prune, r->fuse, r->last);
    if (job->count > 1)
        printf("%.1f one after another; %.1f with a machine for each of the %zu "
               "networks\n",
               r->total, r->parallel, job->count);
    printf("wrote %s\n", job->args->base.output);
    return CLI_DONE;
}

static int run(void *user)
{
    struct slim_args *args = user;
    struct slim_job job = {.args = args};
    struct cli_progress progress;
    tn_error err = {0};
    if (check_usage(args) != CLI_DONE)
        return CLI_USAGE;
    tn_status status = open_all(&job, &err);
    if (status == TN_OK) {
        tn_observer observer = cli_progress_start(&progress, &args->base);
        status = work(&job, &observer, &err);
        cli_progress_end(&progress);
    }
    int result = status == TN_OK ? show(&job) : cli_fail(&err);
    for (size_t k = 0; job.starts && k < job.count; k++)
        tn_model_free(job.starts[k]);
    free(job.starts);
    tn_model_free(job.result);
    tn_dataset_free(job.data);
    tn_dataset_free(job.eval_data);
    return result;
}

static void init(void *user)
{
    struct slim_args *args = user;
    args->slim = (tn_slim_options)TN_SLIM_OPTIONS_INIT;
    args->slim.prune.sparsity = 0.5;
}

#define FIELD(name) offsetof(struct slim_args, slim.name)
#define MANY 1e9

static const struct cli_choice orders[] = {
    {"prune-fuse", TN_SLIM_PRUNE_FUSE}, {"fuse-prune", TN_SLIM_FUSE_PRUNE}, {NULL, 0}};

static const struct cli_option options[] = {
    CLI_OPTION("sparsity", CLI_DOUBLE, FIELD(prune.sparsity), "S",
               "share of the neurons of each group that is gone at the end",
               .recorded = true, .letter = 's', .max = 0.98),
    CLI_OPTION("groups", CLI_STRING, FIELD(prune.groups), "WHICH",
               "inner, all, or names, as of 'tenon prune'", .recorded = true),
    CLI_OPTION("method", CLI_CHOICE, FIELD(prune.method), NULL,
               "of pruning, as of 'tenon prune'", .recorded = true,
               .choices = cli_prune_methods),
    CLI_OPTION("samples", CLI_SIZE, FIELD(prune.samples), "N",
               "images that pruning takes statistics from", .recorded = true, .min = 1,
               .max = MANY),
    CLI_OPTION("steps", CLI_SIZE, FIELD(steps), "N",
               "of pruning, each followed by training", .recorded = true, .min = 1,
               .max = 1000),
    CLI_OPTION("step-epochs", CLI_SIZE, FIELD(step_epochs), "N",
               "of training after each step", .recorded = true, .max = MANY),
    CLI_OPTION("last-epochs", CLI_SIZE, FIELD(last_epochs), "N",
               "of training after pruning, and again after fusion (of one network: at "
               "the end)",
               .recorded = true, .max = MANY),
    CLI_OPTION("tune-rate", CLI_DOUBLE, FIELD(tune_rate), "X",
               "highest learning rate of these trainings", .recorded = true,
               .min = 1e-12, .max = 1e6),
    CLI_OPTION("parts", CLI_SIZE, FIELD(parts), "K",
               "train one network on each union of half of K disjoint parts of the "
               "data (2: two networks, 4: six), and fuse them",
               .recorded = true, .max = TN_SLIM_PARTS_MAX),
    CLI_OPTION("order", CLI_CHOICE, FIELD(order), NULL,
               "whether networks of parts are pruned before they are fused or after",
               .recorded = true, .choices = orders),
};

static const struct cli_option train_options[] = {
    CLI_OPTION("start-epochs", CLI_SIZE, FIELD(start_epochs), "N",
               "that networks are trained first; 0: MODEL is trained already",
               .recorded = true, .letter = 'e', .max = MANY),
    CLI_OPTION("learning-rate", CLI_DOUBLE, FIELD(train.learning_rate), "X",
               "at its highest, in these epochs", .recorded = true, .letter = 'l',
               .min = 1e-12, .max = 1e6),
    CLI_OPTION("batch", CLI_SIZE, FIELD(train.batch), "N",
               "images of a training step; a multiple of 64", .recorded = true,
               .min = 64, .max = MANY),
    CLI_WEIGHT_DECAY_OPTION(FIELD(train.weight_decay)),
    CLI_PRECISION_OPTION(FIELD(train.precision)),
    CLI_AUGMENT_OPTIONS(FIELD(train.augment_pad), FIELD(train.augment_flip)),
    CLI_OPTION("seed", CLI_U64, FIELD(train.seed), "N", "of everything random",
               .recorded = true),
};

static const struct cli_group group_slim = CLI_GROUP("Pruning", options);
static const struct cli_group group_train = CLI_GROUP("Training", train_options);

const struct cli_command cli_slim = {
    .name = "slim",
    .operands = "MODEL|ARCH",
    .summary = "a smaller network, with training",
    .about =
        "Prunes MODEL in steps and trains it after each. Of an architecture it is "
        "trained first; with --parts several networks are, each on a part of the data, "
        "as machines side by side could, and are fused into one: Prune-and-Fuse and "
        "Fuse-and-Prune (Theus et al., ICLR 2024). The last line says what that gains.",
    .examples =
        "  tenon slim net.onnx -o small.onnx --data fashion-mnist -s 0.7\n"
        "  tenon slim resnet20 -o small.onnx --data cifar10:DIR -e 30 --parts 2\n",
    .operands_min = 1,
    .operands_max = 1,
    .required = {"output", "data"},
    .groups = {&group_slim, &group_train, &cli_group_training_data, &cli_group_models,
               &cli_group_output, &cli_group_report, &cli_group_common},
    .size = sizeof(struct slim_args),
    .init = init,
    .run = run,
};
