/* cmd_prune.c - tenon prune: a smaller network, and what it costs.
 *
 * Where there are images to evaluate on, plain deletion of as many neurons is made too,
 * so that the table shows what the method was worth.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "prune_options.h"
#include "report.h"
#include "score.h"
#include "table.h"

#define BATCH 32       /* of the second latency */
#define BATCH_RUNS 5   /* at most, */
#define BATCH_TIME 1.0 /* and of a slow network as many as take these seconds */
#define BLOCK 16       /* channels that runtimes keep together (NCHWc on AVX512) */

enum { BEFORE, DELETED, PRUNED, ROW_COUNT };

struct prune_job {
    struct cli_prune_args *args;
    tn_model *model;
    tn_dataset *data, *eval_data; /* either may be NULL */
    struct cli_progress progress;
    tn_observer observer;
    struct cli_score rows[ROW_COUNT];
    double batch[ROW_COUNT]; /* seconds of a batch; of BEFORE and PRUNED */
    bool has_deleted;
    tn_compare_report compare; /* with eval_data */
    tn_prune_report report;
    tn_prune_plan *plan; /* of --plan */
    cJSON *record;       /* its options: the texts of args point here */
    cJSON *widths;       /* of layers; goes into --json */
    size_t uneven;       /* concatenations that no longer give whole blocks */
};

static const char *const plan_endings[] = {".json", NULL};

/* What --plan says takes the place of the options. */
static int take_plan(struct prune_job *job)
{
    struct cli_prune_args *args = job->args;
    const struct cli_command *command = args->base.command;
    tn_error err = {0};
    if (tn_prune_plan_load(&job->plan, args->plan, &err) != TN_OK)
        return cli_fail(&err);
    const char *note = tn_prune_plan_note(job->plan);
    job->record = note ? cJSON_Parse(note) : NULL;
    int status = cli_options_restore(args, command, job->record);
    args->prune.plan = job->plan;
    return status;
}

static int check_usage(struct cli_prune_args *args)
{
    const struct cli_args *base = &args->base;
    bool budget =
        args->prune.max_params || args->prune.max_macs || args->prune.max_latency > 0;
    if (args->plan && (args->prune.sparsity >= 0 || budget))
        return cli_usage(base->command,
                         "--plan says how much: leave --sparsity and budgets out");
    if (args->prune.sparsity < 0 && !budget && !args->plan && !args->prune.keep)
        return cli_usage(base->command,
                         "how much? --sparsity S, --max-params N, --max-macs N, "
                         "--max-latency MS or --keep NAME=N");
    if (args->prune.compat && args->prune.method != TN_PRUNE_INTRA_FUSION)
        return cli_usage(base->command, "--compat wants --method intra-fusion");
    args->prune.sparsity = fmax(args->prune.sparsity, 0);
    args->prune.threads = base->threads;
    return CLI_DONE;
}

static tn_status open_all(struct prune_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_status status;
    if ((status = cli_output_check(base, base->output, cli_model_endings, err)) ||
        (job->args->plan_out &&
         (status = cli_output_check(base, job->args->plan_out, plan_endings, err))) ||
        (status = cli_models_load(&job->model, base, 1, err)))
        return status;
    if (base->data && (status = tn_dataset_open(&job->data, base->data, "train", err)))
        return status;
    return cli_eval_data_open(&job->eval_data, base, err);
}

static tn_status score(struct prune_job *job, size_t row, const tn_model *model,
                       tn_error *err)
{
    struct cli_score *to = &job->rows[row];
    job->progress.what = to->label;
    tn_status status = cli_score_measure(to, &model, 1, row != DELETED, err);
    double runs = BATCH_TIME / fmax(to->latency * BATCH, 1e-9);
    if (status == TN_OK && row != DELETED)
        status = tn_latency(&job->batch[row], model, BATCH,
                            (size_t)fmin(fmax(runs, 1), BATCH_RUNS), err);
    if (status == TN_OK && job->eval_data)
        status = cli_score_evaluate(to, NULL, &model, 1, job->eval_data,
                                    &job->args->base, &job->observer, err);
    return status;
}

/* "NAME=N,..." of what was pruned; the caller frees. */
static char *widths_text(const tn_prune_report *report)
{
    size_t size = 1, used = 0;
    for (size_t i = 0; i < report->group_count; i++)
        size += strlen(report->groups[i].name) + CLI_NUMBER_TEXT;
    char *text = cli_alloc(size, 1);
    for (size_t i = 0; i < report->group_count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s=%zu", i ? "," : "",
                                 report->groups[i].name, report->groups[i].left);
    return text;
}

/* Deletion to the same widths. */
static tn_status make_deleted(struct prune_job *job, tn_error *err)
{
    char *keep = widths_text(&job->report);
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_model *model = NULL;
    options.groups = "";
    options.keep = keep;
    options.threads = job->args->base.threads;
    options.method = TN_PRUNE_DELETE;
    options.importance = TN_PRUNE_IMPORTANCE_L1;
    options.repair = TN_PRUNE_REPAIR_NONE;
    job->rows[DELETED] = cli_score_named("deleted, no repair", NULL);
    double start = cli_now();
    tn_status status =
        tn_prune(&model, NULL, job->model, NULL, &options, &job->observer, err);
    job->rows[DELETED].seconds = cli_now() - start;
    if (status == TN_OK)
        status = score(job, DELETED, model, err);
    job->has_deleted = status == TN_OK;
    free(keep);
    tn_model_free(model);
    return status;
}

static tn_status write_plan(const struct prune_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_save_options options = {.replace = base->force};
    cJSON *record = cli_options_record(base->command, job->args);
    char *note = cJSON_PrintUnformatted(record);
    tn_status status =
        tn_prune_plan_save(job->report.plan, job->args->plan_out, note, &options, err);
    cJSON_free(note);
    cJSON_Delete(record);
    return status;
}

static int add_layer(void *user, const char *text, const char *json)
{
    (void)text;
    cJSON *node = cJSON_Parse(json);
    const char *type =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "type"));
    if (type && (!strncmp(type, "Conv", 4) || !strcmp(type, "Gemm")))
        cJSON_AddItemToArray(user, node);
    else
        cJSON_Delete(node);
    return 0;
}

/* The channels that each layer gives, before and after. */
static tn_status list_widths(struct prune_job *job, const tn_model *pruned,
                             tn_error *err)
{
    const tn_model *models[] = {job->model, pruned};
    cJSON *layers[] = {cJSON_CreateArray(), cJSON_CreateArray()};
    tn_status status = TN_OK;
    job->widths = cJSON_CreateArray();
    for (size_t k = 0; k < 2 && status == TN_OK; k++)
        status = tn_model_list_nodes(models[k], add_layer, layers[k], err);
    const cJSON *after = layers[1]->child, *before = NULL;
    cJSON_ArrayForEach(before, layers[0])
    {
        cJSON *item = cJSON_CreateObject();
        const char *const names[] = {"before", "after"};
        const cJSON *const nodes[] = {before, after};
        cJSON_AddStringToObject(
            item, "name",
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(before, "name")));
        for (size_t k = 0; k < 2; k++) {
            const cJSON *shape = cJSON_GetObjectItemCaseSensitive(nodes[k], "shape");
            cJSON_AddNumberToObject(item, names[k],
                                    cJSON_GetNumberValue(cJSON_GetArrayItem(shape, 1)));
        }
        cJSON_AddItemToArray(job->widths, item);
        after = after ? after->next : NULL;
    }
    cJSON_Delete(layers[0]);
    cJSON_Delete(layers[1]);
    return status;
}

static int add_concat(void *user, const char *text, const char *json)
{
    (void)text;
    cJSON *node = cJSON_Parse(json);
    const char *type =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "type"));
    if (type && !strcmp(type, "Concat")) {
        const cJSON *shape = cJSON_GetObjectItemCaseSensitive(node, "shape");
        cJSON_AddItemToArray(user, cJSON_CreateNumber(cJSON_GetNumberValue(
                                       cJSON_GetArrayItem(shape, 1))));
    }
    cJSON_Delete(node);
    return 0;
}

/* Concatenations that gave whole blocks of channels and no longer do: a runtime that
 * computes in blocks leaves that layout there, and takes it up again behind. */
static tn_status count_uneven(struct prune_job *job, const tn_model *pruned,
                              tn_error *err)
{
    const tn_model *models[] = {job->model, pruned};
    cJSON *widths[] = {cJSON_CreateArray(), cJSON_CreateArray()};
    tn_status status = TN_OK;
    for (size_t k = 0; k < 2 && status == TN_OK; k++)
        status = tn_model_list_nodes(models[k], add_concat, widths[k], err);
    const cJSON *after = widths[1]->child, *before = NULL;
    cJSON_ArrayForEach(before, widths[0])
    {
        double wide = cJSON_GetNumberValue(before), now = cJSON_GetNumberValue(after);
        job->uneven += fmod(wide, BLOCK) == 0 && fmod(now, BLOCK) > 0;
        after = after ? after->next : NULL;
    }
    cJSON_Delete(widths[0]);
    cJSON_Delete(widths[1]);
    return status;
}

static tn_status work(struct prune_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    const tn_model *before = job->model;
    tn_model *pruned = NULL;
    cli_score_name_files(&job->rows[BEFORE], base->operands, 1);
    tn_status status = score(job, BEFORE, job->model, err);
    job->progress.what = "prune";
    double start = cli_now();
    if (status == TN_OK)
        status = tn_prune(&pruned, &job->report, job->model, job->data,
                          &job->args->prune, &job->observer, err);
    job->rows[PRUNED] = cli_score_named("pruned", base->output);
    job->rows[PRUNED].seconds = cli_now() - start;
    if (status == TN_OK)
        status = cli_progress_cancelled(err);
    if (status == TN_OK)
        status = cli_model_write(pruned, base, base->output, &before, 1, err);
    if (status == TN_OK && job->args->plan_out)
        status = write_plan(job, err);
    if (status == TN_OK && cli_report_wanted(base))
        status = list_widths(job, pruned, err);
    if (status == TN_OK)
        status = count_uneven(job, pruned, err);
    if (status == TN_OK)
        status = score(job, PRUNED, pruned, err);
    if (status == TN_OK && job->eval_data) {
        tn_eval_options options = TN_EVAL_OPTIONS_INIT;
        options.threads = base->threads;
        status = tn_compare(&job->compare, job->model, pruned, job->eval_data, &options,
                            err);
    }
    if (status == TN_OK && job->eval_data)
        status = make_deleted(job, err);
    tn_model_free(pruned);
    return status;
}

static cJSON *groups_json(const tn_prune_report *report)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < report->group_count; i++) {
        const tn_prune_group *group = &report->groups[i];
        cJSON *item = cJSON_CreateObject(), *kept = cJSON_CreateArray();
        cJSON_AddStringToObject(item, "name", group->name);
        cJSON_AddNumberToObject(item, "neurons", (double)group->neurons);
        cJSON_AddNumberToObject(item, "left", (double)group->left);
        cJSON_AddStringToObject(item, "method", cli_prune_methods[group->method].name);
        cJSON_AddNumberToObject(item, "readers", (double)group->readers);
        cJSON_AddNumberToObject(item, "readers_refitted",
                                (double)group->readers_refitted);
        if (isfinite(group->error))
            cJSON_AddNumberToObject(item, "error", group->error);
        for (size_t j = 0; group->kept && j < group->left; j++)
            cJSON_AddItemToArray(kept, cJSON_CreateNumber(group->kept[j]));
        if (group->kept)
            cJSON_AddItemToObject(item, "kept", kept);
        else
            cJSON_Delete(kept);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

/* The row as JSON, with the latency of a batch. */
static cJSON *row_json(const struct prune_job *job, size_t row)
{
    cJSON *json = cli_score_json(&job->rows[row]);
    if (row != DELETED)
        cJSON_AddNumberToObject(json, "latency_batch_32", job->batch[row]);
    return json;
}

static cJSON *result_json(const struct prune_job *job)
{
    const tn_prune_report *report = &job->report;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "model", row_json(job, BEFORE));
    cJSON_AddItemToObject(json, "pruned", row_json(job, PRUNED));
    if (job->has_deleted)
        cJSON_AddItemToObject(json, "deleted", row_json(job, DELETED));
    cJSON_AddStringToObject(json, "method", cli_prune_methods[report->method].name);
    cJSON_AddNumberToObject(json, "sparsity", report->sparsity);
    cJSON_AddNumberToObject(json, "images", (double)report->images);
    cJSON_AddBoolToObject(json, "synthetic", report->synthetic);
    if (isfinite(report->error))
        cJSON_AddNumberToObject(json, "error", report->error);
    cJSON_AddNumberToObject(json, "layers_refitted", (double)report->layers_refitted);
    cJSON_AddNumberToObject(json, "norms", (double)report->norms);
    cJSON_AddNumberToObject(json, "layers_repaired", (double)report->layers_repaired);
    cJSON_AddNumberToObject(json, "uneven_concats", (double)job->uneven);
    if (job->eval_data) {
        cJSON_AddNumberToObject(json, "largest_difference",
                                job->compare.largest_difference);
        cJSON_AddNumberToObject(json, "agreement", job->compare.agreement);
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(job->eval_data));
    }
    if (job->data)
        cJSON_AddStringToObject(json, "data", tn_dataset_spec(job->data));
    cJSON_AddItemToObject(json, "widths", job->widths);
    cJSON_AddItemToObject(json, "groups", groups_json(report));
    return json;
}

static void show_groups(const tn_prune_report *report)
{
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    cli_table_init(&table, 5, 1);
    cli_table_add(&table, "group");
    cli_table_add(&table, "neurons");
    cli_table_add(&table, "left");
    cli_table_add(&table, "readers refitted");
    cli_table_add(&table, "method");
    for (size_t i = 0; i < report->group_count; i++) {
        cli_table_add(&table, report->groups[i].name);
        cli_table_add(&table, cli_text_count(text, report->groups[i].neurons));
        cli_table_add(&table, cli_text_count(text, report->groups[i].left));
        snprintf(text, sizeof text, "%zu of %zu", report->groups[i].readers_refitted,
                 report->groups[i].readers);
        cli_table_add(&table, report->groups[i].readers > 0 ? text : "-");
        cli_table_add(&table, cli_prune_methods[report->groups[i].method].name);
    }
    putchar('\n');
    cli_table_print(&table);
    cli_table_release(&table);
}

static int show(const struct prune_job *job)
{
    const tn_prune_report *report = &job->report;
    struct cli_score rows[ROW_COUNT];
    size_t count = 0;
    const struct cli_args *base = &job->args->base;
    if (cli_report_wanted(base)) {
        int status = cli_report_tell(base, result_json(job));
        if (status != CLI_DONE || base->json)
            return status;
    }
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (i != DELETED || job->has_deleted)
            rows[count++] = job->rows[i];
    cli_score_print(rows, count);
    if (job->args->base.verbose)
        show_groups(report);
    printf("\n%.1f %% of the neurons of %zu groups removed by %s; %zu layers refitted, "
           "%zu repaired, %zu batch norms re-estimated",
           100 * report->sparsity, report->group_count,
           cli_prune_methods[report->method].name, report->layers_refitted,
           report->layers_repaired, report->norms);
    if (report->images > 0)
        printf(" on %zu %s images", report->images,
               report->synthetic ? "drawn" : "given");
    printf("\na batch of %d: %.2f ms before, %.2f ms after\n", BATCH,
           1e3 * job->batch[BEFORE], 1e3 * job->batch[PRUNED]);
    if (job->uneven > 0)
        printf(
            "concatenations that no longer give a multiple of %d channels: %zu; "
            "runtimes that compute in such blocks gain less there (see --round-to)\n",
            BLOCK, job->uneven);
    if (job->eval_data)
        printf("largest output difference %.4g (largest output %.4g), same answer for "
               "%.2f %% of the images\n",
               job->compare.largest_difference, job->compare.largest_output,
               100 * job->compare.agreement);
    printf("wrote %s\n", job->args->base.output);
    return CLI_DONE;
}

static int run(void *user)
{
    struct cli_prune_args *args = user;
    struct prune_job job = {.args = args};
    tn_error err = {0};
    int result = check_usage(args);
    if (result == CLI_DONE && args->plan)
        result = take_plan(&job);
    tn_status status = result == CLI_DONE ? open_all(&job, &err) : TN_ERROR_ARGUMENT;
    if (status == TN_OK) {
        job.observer = cli_progress_start(&job.progress, &args->base);
        status = work(&job, &err);
        cli_progress_end(&job.progress);
    }
    if (result == CLI_DONE)
        result = status == TN_OK ? show(&job) : cli_fail(&err);
    cJSON_Delete(job.record);
    tn_prune_plan_free(job.plan);
    tn_prune_report_release(&job.report);
    tn_model_free(job.model);
    tn_dataset_free(job.data);
    tn_dataset_free(job.eval_data);
    return result;
}

static void init(void *user)
{
    struct cli_prune_args *args = user;
    args->prune = (tn_prune_options)TN_PRUNE_OPTIONS_INIT;
    args->prune.sparsity = -1;
}

const struct cli_command cli_prune = {
    .name = "prune",
    .operands = "MODEL",
    .summary = "a smaller network out of one, without training",
    .about =
        "Removes neurons, group by group, and puts right what reads them: by default "
        "the neurons stay from which the others can be recovered best, and every layer "
        "behind is refitted by least squares to the answers it gave before. Images for "
        "that come from --data, unlabelled; without it Tenon draws its own. "
        "Intra-Fusion "
        "(Theus et al., ICLR 2024), folding and deletion are there beside it.",
    .examples = "  tenon prune net.onnx -o small.onnx --sparsity 0.5\n"
                "  tenon prune net.onnx -o small.onnx --max-macs 20000000 "
                "--data cifar10:data\n",
    .operands_min = 1,
    .operands_max = 1,
    .required = {"output"},
    .groups = {&cli_group_prune, &cli_group_prune_data, &cli_group_models,
               &cli_group_output, &cli_group_report, &cli_group_common},
    .size = sizeof(struct cli_prune_args),
    .init = init,
    .run = run,
};
