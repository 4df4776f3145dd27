/* cmd_fuse.c - tenon fuse: OTFusion of networks, and what it was worth.
 *
 * Where there are images to evaluate on, the plain average and the result before
 * recalibration are made too, so that the table shows what each step gave.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alignment.h"
#include "files.h"
#include "fuse_candidates.h"
#include "fuse_checks.h"
#include "fuse_options.h"
#include "message.h"
#include "progress.h"
#include "report.h"
#include "score.h"
#include "table.h"
#include "tenon/fuse.h"

enum { AVERAGE, UNCALIBRATED, FUSED, MADE_COUNT }; /* what a run makes */

struct fuse_job {
    struct cli_fuse_args *args;
    tn_model **models; /* [count] */
    size_t count;
    tn_dataset *data, *eval_data; /* either may be NULL */
    struct cli_progress progress;
    tn_observer observer;      /* of the above */
    struct cli_score *parents; /* [count + 1], the last is their ensemble */
    struct cli_score made[MADE_COUNT];
    bool has[MADE_COUNT];
    tn_fusion *fusion; /* made once, for all */
    tn_fuse_report report;
    struct cli_fuse_checks checks;
    struct cli_given given; /* an alignment of layers from a file */
};

static int check_usage(const struct cli_fuse_args *args)
{
    const struct cli_args *base = &args->base;
    const tn_fuse_options *fuse = &args->fuse;
    if (args->weights.count > 0 && args->weights.count != base->count)
        return cli_usage(base->command, "--weights has %zu numbers for %zu models",
                         args->weights.count, base->count);
    if (fuse->width > (double)base->count)
        return cli_usage(base->command, "--width is %g for %zu models", fuse->width,
                         base->count);
    if (fuse->reference >= base->count)
        return cli_usage(base->command, "--reference is %zu, the models are 0 to %zu",
                         fuse->reference, base->count - 1);
    if (args->barrier > 0 && base->count != 2)
        return cli_usage(base->command, "--barrier is between two models, here are %zu",
                         base->count);
    if (fuse->sinkhorn.relaxation > 0 && fuse->solver != TN_SOLVER_SINKHORN)
        return cli_usage(base->command, "--unbalanced wants --solver sinkhorn");
    if (fuse->method == TN_FUSE_AUTO && !base->data)
        return cli_usage(base->command, "--method auto wants --data SPEC");
    if (fuse->refit != TN_REFIT_NONE && !base->data)
        return cli_usage(base->command, "--refit wants --data SPEC");
    if (fuse->support == TN_SUPPORT_ACTIVATIONS && !base->data)
        return cli_usage(base->command, "--support activations wants --data SPEC");
    if (fuse->support == TN_SUPPORT_BOTH && !base->data)
        return cli_usage(base->command, "--support both wants --data SPEC");
    return CLI_DONE;
}

static tn_status open_all(struct fuse_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_status status;
    if ((status = cli_output_check(base, base->output, cli_model_endings, err)) ||
        (status = cli_models_load(job->models, base, job->count, err)))
        return status;
    const char *picture = job->args->picture;
    if (picture && (status = cli_output_check(base, picture, cli_picture_endings, err)))
        return status;
    if ((status = cli_given_read(&job->given, &job->args->fuse.depth, job->args->align,
                                 job->count, err)))
        return status;
    if (base->data && (status = tn_dataset_open(&job->data, base->data, "train", err)))
        return status;
    if ((status = cli_eval_data_open(&job->eval_data, base, err)))
        return status;
    return TN_OK;
}

/* Parents and their ensemble. */
static tn_status score_parents(struct fuse_job *job, tn_error *err)
{
    const tn_model *const *list = (const tn_model *const *)job->models;
    struct cli_score *ensemble = &job->parents[job->count];
    cli_score_name_files(job->parents, job->args->base.operands, job->count);
    *ensemble = cli_score_named("prediction ensemble", NULL);
    tn_status status =
        cli_score_measure(job->parents, list, job->count, job->eval_data != NULL, err);
    cli_score_sum(ensemble, job->parents, job->count);
    job->progress.what = "parents";
    if (status == TN_OK && job->eval_data)
        status =
            cli_score_evaluate(job->parents, ensemble, list, job->count, job->eval_data,
                               &job->args->base, &job->observer, err);
    return status;
}

/* Aligns the models and makes the result. */
static tn_status make_result(tn_model **out, struct fuse_job *job, tn_error *err)
{
    double start = cli_now();
    job->made[FUSED] = cli_score_named("result", NULL);
    job->progress.what = "result";
    tn_status status = tn_fusion_create(
        &job->fusion, &job->report, (const tn_model *const *)job->models, job->count,
        job->data, &job->args->fuse, &job->observer, err);
    if (status == TN_OK)
        status = tn_fusion_build(out, &job->report, job->fusion, NULL, err);
    job->made[FUSED].seconds = cli_now() - start;
    return status;
}

/* Makes one more model of the aligned ones by `options` into *out and times it. */
static tn_status make(tn_model **out, struct fuse_job *job, size_t which,
                      const char *label, const tn_fuse_options *options, tn_error *err)
{
    double start = cli_now();
    job->made[which] = cli_score_named(label, NULL);
    job->progress.what = label;
    tn_status status = tn_fusion_build(out, NULL, job->fusion, options, err);
    job->made[which].seconds = cli_now() - start;
    return status;
}

static tn_status score_made(struct fuse_job *job, size_t which, const tn_model *model,
                            tn_error *err)
{
    tn_status status =
        cli_score_measure(&job->made[which], &model, 1, job->eval_data != NULL, err);
    if (status == TN_OK && job->eval_data)
        status = cli_score_evaluate(&job->made[which], NULL, &model, 1, job->eval_data,
                                    &job->args->base, &job->observer, err);
    job->has[which] = status == TN_OK;
    return status;
}

/* The steps on the way, for the table alone. Networks of different width have no plain
 * average: that row is then left out. */
static tn_status compare_steps(struct fuse_job *job, tn_error *err)
{
    tn_fuse_options options = job->args->fuse;
    bool aligned = options.align;
    tn_model *model = NULL;
    tn_status status = TN_OK;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.refit = TN_REFIT_NONE;
    if (job->report.layers_recalibrated + job->report.layers_refitted > 0) {
        status = make(&model, job, UNCALIBRATED, aligned ? "fused" : "plain average",
                      &options, err);
        if (status == TN_OK)
            status = score_made(job, UNCALIBRATED, model, err);
        tn_model_free(model);
        model = NULL;
    }
    if (status != TN_OK || !aligned)
        return status;
    options.align = false;
    options.width = 1;
    status = make(&model, job, AVERAGE, "plain average", &options, err);
    if (status == TN_ERROR_MISMATCH) {
        cli_note(&job->args->base, "no plain average: %s", err->message);
        return TN_OK;
    }
    if (status == TN_OK)
        status = score_made(job, AVERAGE, model, err);
    tn_model_free(model);
    return status;
}

/* Nothing to check where neurons stay where they were. */
static tn_status check(struct fuse_job *job, tn_error *err)
{
    if (!job->args->fuse.align && job->args->barrier == 0)
        return TN_OK;
    job->progress.what = "checks";
    return cli_fuse_check(&job->checks, job->args, job->fusion, job->parents,
                          job->eval_data, &job->observer, err);
}

static const char *result_label(const struct fuse_job *job)
{
    bool recalibrated = job->report.layers_recalibrated > 0;
    if (job->report.layers_refitted > 0)
        return job->args->fuse.align ? "fused, refitted" : "plain average, refitted";
    if (job->args->fuse.align)
        return recalibrated ? "fused, recalibrated" : "fused";
    return recalibrated ? "plain average, recalibrated" : "plain average";
}

static tn_status work(struct fuse_job *job, tn_error *err)
{
    const struct cli_args *base = &job->args->base;
    tn_model *fused = NULL;
    tn_status status = score_parents(job, err);
    if (status == TN_OK)
        status = make_result(&fused, job, err);
    if (status == TN_OK)
        status = cli_progress_cancelled(err);
    if (status == TN_OK)
        status = cli_model_write(fused, base, base->output,
                                 (const tn_model *const *)job->models, job->count, err);
    if (status == TN_OK && job->args->picture)
        status = cli_alignments_draw(job->args->picture, job->report.alignments,
                                     job->report.alignment_count, base, err);
    if (status == TN_OK) {
        job->args->fuse = job->report.options; /* what auto chose is what is compared */
        job->made[FUSED].label = result_label(job);
        job->made[FUSED].file = base->output;
        status = score_made(job, FUSED, fused, err);
    }
    if (status == TN_OK && job->eval_data)
        status = compare_steps(job, err);
    if (status == TN_OK && job->eval_data)
        status = check(job, err);
    tn_model_free(fused);
    return status;
}

/* [source, target, mass] of each entry; NULL where the group has no map. */
static cJSON *map_json(const tn_fusion *fusion, const tn_fuse_group *group)
{
    tn_ot_plan plan = {0};
    if (tn_fusion_map(&plan, fusion, group->model, group->name, NULL) != TN_OK)
        return NULL;
    cJSON *list = cJSON_CreateArray();
    for (size_t e = 0; e < plan.count; e++) {
        const double entry[] = {plan.source[e], plan.target[e], plan.mass[e]};
        cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(entry, 3));
    }
    tn_ot_plan_release(&plan);
    return list;
}

/* With the maps where `fusion` is given: these are many numbers. */
static cJSON *groups_json(const tn_fuse_report *report, const tn_fusion *fusion)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < report->group_count; i++) {
        const tn_fuse_group *group = &report->groups[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", group->name);
        cJSON_AddNumberToObject(item, "model", (double)group->model);
        cJSON_AddNumberToObject(item, "neurons", (double)group->neurons);
        cJSON_AddNumberToObject(item, "target", (double)group->target);
        cJSON_AddNumberToObject(item, "cost", group->cost);
        cJSON_AddNumberToObject(item, "gap", group->gap);
        cJSON_AddNumberToObject(item, "marginal_error", group->marginal_error);
        cJSON_AddNumberToObject(item, "moved", group->moved);
        if (fusion)
            cJSON_AddItemToObject(item, "map", map_json(fusion, group));
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *result_json(const struct fuse_job *job)
{
    static const char *const keys[MADE_COUNT] = {"average", "uncalibrated", "fused"};
    cJSON *json = cJSON_CreateObject(), *seconds = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "models", cli_scores_json(job->parents, job->count));
    cJSON_AddItemToObject(json, "ensemble", cli_score_json(&job->parents[job->count]));
    for (size_t i = 0; i < MADE_COUNT; i++)
        cJSON_AddItemToObject(json, keys[i],
                              job->has[i] ? cli_score_json(&job->made[i])
                                          : cJSON_CreateNull());
    cJSON_AddItemToObject(json, "candidates",
                          cli_fuse_candidates_json(&job->report, job->count));
    cJSON_AddItemToObject(
        json, "groups",
        groups_json(&job->report, job->args->base.report ? job->fusion : NULL));
    cJSON_AddItemToObject(
        json, "alignments",
        cli_alignments_json(job->report.alignments, job->report.alignment_count));
    cJSON_AddItemToObject(json, "checks",
                          cli_fuse_checks_json(&job->checks, &job->report));
    cJSON_AddNumberToObject(json, "layers_recalibrated",
                            (double)job->report.layers_recalibrated);
    cJSON_AddNumberToObject(json, "layers_refitted",
                            (double)job->report.layers_refitted);
    cJSON_AddNumberToObject(seconds, "statistics", job->report.seconds_statistics);
    cJSON_AddNumberToObject(seconds, "transport", job->report.seconds_transport);
    cJSON_AddNumberToObject(seconds, "recalibrate", job->report.seconds_recalibrate);
    cJSON_AddItemToObject(json, "seconds", seconds);
    if (job->data)
        cJSON_AddStringToObject(json, "data", tn_dataset_spec(job->data));
    if (job->eval_data)
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(job->eval_data));
    return json;
}

static void show_groups(const tn_fuse_report *report)
{
    static const char *const titles[] = {"group", "model", "neurons",        "onto",
                                         "cost",  "gap",   "marginal error", "moved"};
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    cli_table_init(&table, CLI_COUNT(titles), 1);
    for (size_t i = 0; i < CLI_COUNT(titles); i++)
        cli_table_add(&table, titles[i]);
    for (size_t i = 0; i < report->group_count; i++) {
        const tn_fuse_group *group = &report->groups[i];
        cli_table_add(&table, group->name);
        cli_table_add(&table, cli_text_count(text, group->model));
        cli_table_add(&table, cli_text_count(text, group->neurons));
        cli_table_add(&table, cli_text_count(text, group->target));
        cli_table_add(&table, cli_text_short(text, group->cost));
        cli_table_add(&table, cli_text_short(text, group->gap));
        cli_table_add(&table, cli_text_short(text, group->marginal_error));
        cli_table_add(&table, cli_text_percent(text, group->moved));
    }
    putchar('\n');
    cli_table_print(&table);
    cli_table_release(&table);
}

static void note_same_images(const struct fuse_job *job)
{
    if (job->data && job->eval_data &&
        strcmp(tn_dataset_spec(job->data), tn_dataset_spec(job->eval_data)) == 0)
        cli_note(&job->args->base, "the probe images are among those evaluated on");
}

static int show(const struct fuse_job *job)
{
    const tn_fuse_report *report = &job->report;
    size_t count = job->count + 1;
    note_same_images(job);
    const struct cli_args *base = &job->args->base;
    if (cli_report_wanted(base)) {
        int status = cli_report_tell(base, result_json(job));
        if (status != CLI_DONE || base->json)
            return status;
    }
    struct cli_score *rows = cli_alloc(count + MADE_COUNT, sizeof *rows);
    memcpy(rows, job->parents, count * sizeof *rows);
    for (size_t i = 0; i < MADE_COUNT; i++)
        if (job->has[i])
            rows[count++] = job->made[i];
    cli_score_print(rows, count);
    free(rows);
    cli_fuse_candidates_print(&job->report, job->count, &job->args->base);
    if (job->args->base.verbose)
        show_groups(report);
    cli_alignments_print(report->alignments, report->alignment_count, &job->args->base);
    cli_fuse_checks_print(&job->checks, report);
    printf(
        "\nstatistics %.2f s, transport %.2f s, recalibration of %zu layers %.2f s\n",
        report->seconds_statistics, report->seconds_transport,
        report->layers_recalibrated, report->seconds_recalibrate);
    printf("wrote %s\n", job->args->base.output);
    return CLI_DONE;
}

static int run(void *user)
{
    struct cli_fuse_args *args = user;
    struct fuse_job job = {.args = args, .count = args->base.count};
    tn_error err = {0};
    if (check_usage(args) != CLI_DONE)
        return CLI_USAGE;
    args->fuse.threads = args->base.threads;
    args->fuse.weights = args->weights.count > 0 ? args->weights.values : NULL;
    job.models = cli_alloc(job.count, sizeof(tn_model *));
    job.parents = cli_alloc(job.count + 1, sizeof *job.parents);
    tn_status status = open_all(&job, &err);
    if (status == TN_OK) {
        job.observer = cli_progress_start(&job.progress, &args->base);
        status = work(&job, &err);
        cli_progress_end(&job.progress);
    }
    int result = status == TN_OK ? show(&job) : cli_fail(&err);
    tn_fusion_free(job.fusion);
    tn_fuse_report_release(&job.report);
    cli_fuse_checks_release(&job.checks);
    cli_given_release(&job.given);
    cli_models_free(job.models, job.count);
    tn_dataset_free(job.data);
    tn_dataset_free(job.eval_data);
    free(job.models);
    free(job.parents);
    return result;
}

static void init(void *user)
{
    struct cli_fuse_args *args = user;
    args->fuse = (tn_fuse_options)TN_FUSE_OPTIONS_INIT;
}

const struct cli_command cli_fuse = {
    .name = "fuse",
    .operands = "MODEL MODEL...",
    .summary = "one network out of several, by optimal transport of their neurons",
    .about =
        "Carries the neurons of each model onto those of the reference by optimal "
        "transport, averages, and corrects the statistics of the result (OTFusion: "
        "Singh "
        "and Jaggi, NeurIPS 2020; REPAIR: Jordan et al., ICLR 2023). With --data the "
        "images decide which neurons belong together, and a table shows the parents, "
        "their prediction ensemble, the plain average and the result.",
    .examples = "  tenon fuse a.onnx b.onnx -o fused.onnx --data fashion-mnist\n"
                "  tenon fuse a.pth b.pth --arch vgg11 -o fused.onnx\n",
    .operands_min = 2,
    .operands_max = CLI_WEIGHTS_MAX,
    .required = {"output"},
    .groups = {&cli_group_fuse, &cli_group_fuse_transport, &cli_group_fuse_depth,
               &cli_group_fuse_data, &cli_group_models, &cli_group_output,
               &cli_group_report, &cli_group_common},
    .size = sizeof(struct cli_fuse_args),
    .init = init,
    .run = run,
};
