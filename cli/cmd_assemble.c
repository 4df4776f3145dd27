/* cmd_assemble.c - tenon assemble: one network out of blocks of several. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assemble_options.h"
#include "cluster.h"
#include "files.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "score.h"
#include "table.h"

struct assemble_job {
    struct cli_assemble_args *args;
    tn_zoo *zoo;
    tn_model **files; /* [args->base.count] */
    tn_dataset *data, *eval_data;
    struct cli_progress progress;
    tn_observer observer;
    struct cli_score *rows; /* members, stitched, result */
    size_t row_count;
    tn_assemble_report report;
};

static int check_usage(struct cli_assemble_args *args)
{
    const struct cli_args *base = &args->base;
    if (base->count == 0 && !args->zoo)
        return cli_usage(base->command,
                         "of what? name MODEL files, or --zoo FILE.json");
    args->assemble.threads = base->threads;
    args->assemble.max_latency = 1e-3 * args->max_latency;
    args->assemble.train.warmup_epochs = 0;
    return CLI_DONE;
}

static tn_status open_zoo(struct assemble_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    job->files = cli_alloc(base->count + 1, sizeof(tn_model *));
    tn_status status = tn_zoo_create(&job->zoo, err);
    if (status == TN_OK)
        status = cli_models_load(job->files, base, base->count, err);
    for (size_t i = 0; i < base->count && status == TN_OK; i++)
        status = tn_zoo_add(job->zoo, job->files[i], NULL, err);
    if (status == TN_OK && job->args->zoo)
        status = tn_zoo_load(job->zoo, job->args->zoo, err);
    return status;
}

static tn_status open_all(struct assemble_job *job, tn_error *err)
{
    static const char *const pictures[] = {".svg", NULL};
    const struct cli_args *base = &job->args->base;
    tn_status status = cli_output_check(base, base->output, cli_model_endings, err);
    if (status == TN_OK && job->args->picture)
        status = cli_output_check(base, job->args->picture, pictures, err);
    if (status == TN_OK)
        status = open_zoo(job, err);
    if (status == TN_OK)
        status = tn_dataset_open(&job->data, base->data, "train", err);
    return status == TN_OK ? cli_eval_data_open(&job->eval_data, base, err) : status;
}

static tn_status score(struct assemble_job *job, const char *label, const char *file,
                       const tn_model *model, double seconds, tn_error *err)
{
    struct cli_score *row = &job->rows[job->row_count++];
    *row = cli_score_named(label, file);
    row->seconds = seconds;
    job->progress.what = label;
    tn_status status = cli_score_measure(row, &model, 1, true, err);
    if (status == TN_OK && job->eval_data)
        status = cli_score_evaluate(row, NULL, &model, 1, job->eval_data,
                                    &job->args->base, &job->observer, err);
    return status;
}

static double seconds_before_tuning(const tn_assemble_report *report)
{
    return report->seconds.features + report->seconds.partition +
           report->seconds.program + report->seconds.stitching;
}

static tn_status write_files(struct assemble_job *job, tn_model *made, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    size_t count = tn_zoo_count(job->zoo);
    const tn_model **inputs = cli_alloc(count, sizeof *inputs);
    for (size_t i = 0; i < count; i++)
        inputs[i] = tn_zoo_model(job->zoo, i);
    tn_status status = cli_model_write(made, base, base->output, inputs, count, err);
    if (status == TN_OK && job->args->picture)
        status = tn_assemble_picture(job->args->picture, base->force, job->zoo,
                                     &job->report, err);
    free(inputs);
    return status;
}

static tn_status work(struct assemble_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_model *made = NULL, *stitched = NULL;
    size_t count = tn_zoo_count(job->zoo);
    job->rows = cli_alloc(count + 2, sizeof *job->rows);
    job->progress.what = "assemble";
    tn_status status = tn_assemble(&made, &stitched, &job->report, job->zoo, job->data,
                                   &job->args->assemble, &job->observer, err);
    if (status == TN_OK)
        status = write_files(job, made, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        status = score(job, tn_zoo_name(job->zoo, i), tn_zoo_name(job->zoo, i),
                       tn_zoo_model(job->zoo, i), nan(""), err);
    double before = seconds_before_tuning(&job->report);
    if (status == TN_OK && stitched)
        status = score(job, "stitched", NULL, stitched, before, err);
    if (status == TN_OK)
        status = score(job, stitched ? "tuned" : "stitched", base->output, made,
                       stitched ? job->report.seconds.tuning : before, err);
    tn_model_free(made);
    tn_model_free(stitched);
    return status;
}

/* --- JSON --------------------------------------------------------------------------
 */

static cJSON *block_json(const struct assemble_job *job, const tn_assemble_block *b)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "member", tn_zoo_name(job->zoo, b->member));
    cJSON_AddNumberToObject(json, "index", (double)b->member + 1);
    cJSON_AddNumberToObject(json, "first", (double)b->first);
    cJSON_AddNumberToObject(json, "last", (double)b->last);
    cJSON_AddNumberToObject(json, "set", (double)b->set + 1);
    return json;
}

static cJSON *chain_json(const struct assemble_job *job)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t k = 0; k < job->report.chain_length; k++) {
        cJSON *item = block_json(job, &job->report.chain[k]);
        if (k + 1 < job->report.chain_length) {
            cJSON_AddNumberToObject(item, "residual", job->report.residual[k]);
            cJSON_AddNumberToObject(item, "stitch_params",
                                    (double)job->report.stitch_params[k]);
        }
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static void add_finite(cJSON *json, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(json, key, value);
}

/* "1:0-3,2:4-9", as --path takes it. */
static void path_text(char text[256], const tn_assemble_chain *chain, size_t length)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t k = 0; k < length && used < 200; k++)
        used += (size_t)snprintf(text + used, 256 - used, "%s%zu:%zu-%zu", k ? "," : "",
                                 chain->member[k] + 1, chain->first[k], chain->last[k]);
}

static cJSON *chains_json(const tn_assemble_report *report)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t c = 0; c < report->chain_count; c++) {
        const tn_assemble_chain *chain = &report->chains[c];
        char text[256];
        cJSON *item = cJSON_CreateObject();
        path_text(text, chain, report->chain_length);
        cJSON_AddStringToObject(item, "path", text);
        cJSON_AddBoolToObject(item, "random", chain->random);
        cJSON_AddNumberToObject(item, "params", (double)chain->params);
        cJSON_AddNumberToObject(item, "macs", (double)chain->macs);
        cJSON_AddNumberToObject(item, "stitched", chain->stitched);
        cJSON_AddNumberToObject(item, "loss", chain->loss);
        add_finite(item, "tuned", chain->tuned);
        cJSON_AddNumberToObject(item, "residual", chain->residual);
        cJSON_AddNumberToObject(item, "similarity", chain->similarity);
        add_finite(item, "naswot", chain->naswot);
        add_finite(item, "naswot_per_unit", chain->naswot_per_unit);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *partition_json(const struct assemble_job *job)
{
    const tn_assemble_report *report = &job->report;
    cJSON *json = cJSON_CreateObject(), *list = cJSON_CreateArray();
    for (size_t b = 0; b < report->block_count; b++)
        cJSON_AddItemToArray(list, block_json(job, &report->blocks[b]));
    cJSON_AddItemToObject(json, "blocks", list);
    cJSON_AddNumberToObject(json, "objective", report->objective);
    cJSON_AddNumberToObject(json, "mean_objective", report->mean_objective);
    cJSON_AddNumberToObject(json, "eps", report->eps);
    cJSON_AddBoolToObject(json, "proven", report->proven);
    return json;
}

static cJSON *result_json(const struct assemble_job *job)
{
    const tn_assemble_report *report = &job->report;
    size_t members = tn_zoo_count(job->zoo), last = job->row_count - 1;
    cJSON *json = cJSON_CreateObject(), *seconds = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "models", cli_scores_json(job->rows, members));
    if (last > members)
        cJSON_AddItemToObject(json, "stitched", cli_score_json(&job->rows[members]));
    cJSON_AddItemToObject(json, "result", cli_score_json(&job->rows[last]));
    cJSON_AddItemToObject(json, "chain", chain_json(job));
    cJSON_AddNumberToObject(json, "params", (double)report->params);
    cJSON_AddNumberToObject(json, "macs", (double)report->macs);
    cJSON_AddNumberToObject(json, "memory", (double)report->memory);
    if (report->block_count > 0)
        cJSON_AddItemToObject(json, "partition", partition_json(job));
    cJSON_AddItemToObject(json, "candidates", chains_json(report));
    cJSON_AddNumberToObject(json, "features_cached", (double)report->features_cached);
    cJSON_AddNumberToObject(seconds, "features", report->seconds.features);
    cJSON_AddNumberToObject(seconds, "partition", report->seconds.partition);
    cJSON_AddNumberToObject(seconds, "program", report->seconds.program);
    cJSON_AddNumberToObject(seconds, "stitching", report->seconds.stitching);
    cJSON_AddNumberToObject(seconds, "tuning", report->seconds.tuning);
    cJSON_AddItemToObject(json, "seconds", seconds);
    cJSON_AddStringToObject(json, "data", tn_dataset_spec(job->data));
    if (job->eval_data)
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(job->eval_data));
    return json;
}

/* --- text --------------------------------------------------------------------------
 */

static void show_chain(const struct assemble_job *job)
{
    const tn_assemble_report *report = &job->report;
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    static const char *const titles[] = {
        "block", "from", "units", "set", "stitch explains", "its parameters"};
    cli_table_init(&table, CLI_COUNT(titles), 2);
    for (size_t i = 0; i < CLI_COUNT(titles); i++)
        cli_table_add(&table, titles[i]);
    for (size_t k = 0; k < report->chain_length; k++) {
        const tn_assemble_block *b = &report->chain[k];
        bool stitch = k + 1 < report->chain_length;
        cli_table_add(&table, cli_text_count(text, k + 1));
        cli_table_add(&table, tn_zoo_name(job->zoo, b->member));
        snprintf(text, sizeof text, "%zu-%zu", b->first, b->last);
        cli_table_add(&table, text);
        cli_table_add(&table,
                      report->block_count ? cli_text_count(text, b->set + 1) : NULL);
        cli_table_add(&table,
                      stitch ? cli_text_percent(text, 1 - report->residual[k]) : NULL);
        cli_table_add(&table,
                      stitch ? cli_text_count(text, report->stitch_params[k]) : NULL);
    }
    putchar('\n');
    cli_table_print(&table);
    cli_table_release(&table);
}

/* Kendall's tau of each proxy with the accuracy after an epoch of tuning. */
static void show_audit(const tn_assemble_report *report)
{
    static const char *const names[] = {"stitched accuracy",
                                        "stitched loss, negated",
                                        "stitch residuals",
                                        "similarity to anchors",
                                        "NASWOT",
                                        "NASWOT per unit",
                                        "parameters",
                                        "MACs"};
    const size_t n = report->chain_count, proxies = CLI_COUNT(names);
    double *columns = cli_alloc(n, (proxies + 1) * sizeof *columns);
    double *tuned = columns + proxies * n;
    for (size_t c = 0; c < n; c++) {
        const tn_assemble_chain *chain = &report->chains[c];
        const double values[CLI_COUNT(names)] = {
            chain->stitched,       -chain->loss,       chain->residual,
            chain->similarity,     chain->naswot,      chain->naswot_per_unit,
            (double)chain->params, (double)chain->macs};
        for (size_t p = 0; p < proxies; p++)
            columns[p * n + c] = values[p];
        tuned[c] = chain->tuned;
    }
    printf("\nKendall's tau with the accuracy after an epoch on the stitches, %zu "
           "chains\n",
           n);
    for (size_t p = 0; p < proxies; p++)
        printf("%-24s%7.3f\n", names[p], tn_kendall(columns + p * n, tuned, n));
    free(columns);
}

static int show(const struct assemble_job *job)
{
    const tn_assemble_report *report = &job->report;
    const struct cli_args *base = &job->args->base;
    if (cli_report_wanted(base)) {
        int status = cli_report_tell(base, result_json(job));
        if (status != CLI_DONE || base->json)
            return status;
    }
    cli_score_print(job->rows, job->row_count);
    show_chain(job);
    if (report->block_count > 0)
        printf("\npartition: %.2f of at most %.0f within eps = %.4g%s\n",
               report->objective, 2.0 * (double)report->block_count, report->eps,
               report->proven ? ", proven best" : "");
    if (job->args->assemble.audit > 0 && report->block_count > 0)
        show_audit(report);
    printf("wrote %s\n", job->args->base.output);
    return CLI_DONE;
}

/* Processes after the first help with the features and have nothing to say: errors are
 * those of all. */
static tn_status work_together(struct assemble_job *job, const tn_cluster *cluster,
                               tn_error *err)
{
    job->args->assemble.cluster = cluster;
    tn_status status = tn_cluster_agree(cluster, open_all(job, err), err);
    if (status != TN_OK)
        return status;
    job->observer = cli_progress_start(&job->progress, &job->args->base);
    status = cluster && cluster->rank > 0
                 ? tn_assemble(NULL, NULL, NULL, job->zoo, job->data,
                               &job->args->assemble, &job->observer, err)
                 : work(job, err);
    cli_progress_end(&job->progress);
    return status;
}

static int run(void *user)
{
    struct cli_assemble_args *args = user;
    struct assemble_job job = {.args = args};
    const tn_cluster *cluster = NULL;
    tn_error err = {0};
    if (check_usage(args) != CLI_DONE)
        return CLI_USAGE;
    int result = CLI_DONE;
    tn_status status = cli_cluster_join(&cluster, &args->base, &err);
    if (status == TN_OK)
        status = work_together(&job, cluster, &err);
    if (!cluster || cluster->rank == 0)
        result = status == TN_OK ? show(&job) : cli_fail(&err);
    cli_cluster_leave(cluster);
    tn_assemble_report_release(&job.report);
    cli_models_free(job.files, job.files ? args->base.count : 0);
    free(job.files);
    free(job.rows);
    tn_zoo_free(job.zoo);
    tn_dataset_free(job.data);
    tn_dataset_free(job.eval_data);
    return result;
}

static void init(void *user)
{
    struct cli_assemble_args *args = user;
    args->assemble = (tn_assemble_options)TN_ASSEMBLE_OPTIONS_INIT;
    args->assemble.train.epochs = 1;
    args->assemble.train.learning_rate = 0.01;
}

const struct cli_command cli_assemble = {
    .name = "assemble",
    .operands = "[MODEL...]",
    .summary = "one network within budgets, out of blocks of several",
    .about =
        "Cuts every network of a zoo into K blocks, groups blocks that do the same "
        "work, and chains one of each group under budgets (DeRy: Yang et al., NeurIPS "
        "2022). Partition and choice are solved exactly; stitches between blocks are "
        "fitted by ridge regression, batch norms re-estimated, and gradient steps are "
        "optional.",
    .examples = "  tenon assemble a.onnx b.onnx -o ab.onnx --data cifar10:data "
                "--min-macs 45M --max-macs 55M\n"
                "  tenon assemble --zoo zoo.json -o net.onnx --data cifar10:data "
                "--max-params 0.35M --tune stitches\n"
                "  tenon assemble a.onnx b.onnx -o ab.onnx --data cifar10:data "
                "--path 1:0-5,2:6-16\n",
    .operands_min = 0,
    .operands_max = 64,
    .required = {"output", "data"},
    .groups = {&cli_group_assemble, &cli_group_assemble_budgets,
               &cli_group_assemble_stitches, &cli_group_assemble_data,
               &cli_group_models, &cli_group_output, &cli_group_report,
               &cli_group_common},
    .size = sizeof(struct cli_assemble_args),
    .init = init,
    .run = run,
};
