/* fuse_checks.c - see fuse_checks.h.
 *
 * The ends of the line are the aligned parents. The barrier is that of Frankle et al.,
 * "Linear mode connectivity and the lottery ticket hypothesis", ICML 2020.
 */
#include "fuse_checks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "progress.h"
#include "table.h"

/* What all checks are made with. */
struct checking {
    const struct cli_fuse_args *args;
    tn_fusion *fusion;
    const tn_dataset *data;
    const tn_observer *observer;
};

/* Evaluates the mean of aligned parents by `weights` into *score. */
static tn_status check_mixture(struct cli_score *score, const struct checking *c,
                               const double *weights, bool recalibrate, tn_error *err)
{
    tn_fuse_options options = c->args->fuse;
    tn_model *model = NULL;
    options.weights = weights;
    options.refit = TN_REFIT_NONE;
    options.width = 1;
    if (!recalibrate)
        options.recalibrate = TN_RECALIBRATE_NONE;
    tn_status status = tn_fusion_build(&model, NULL, c->fusion, &options, err);
    const tn_model *judged = model;
    if (status == TN_OK)
        status = cli_score_evaluate(score, NULL, &judged, 1, c->data, &c->args->base,
                                    c->observer, err);
    tn_model_free(model);
    return status;
}

static void measure_barrier(struct cli_fuse_checks *checks)
{
    const tn_eval_report *a = &checks->aligned[0].eval, *b = &checks->aligned[1].eval;
    checks->line[0] = checks->aligned[0];
    checks->line[checks->steps] = checks->aligned[1];
    for (size_t i = 1; i < checks->steps; i++) {
        const tn_eval_report *at = &checks->line[i].eval;
        double t = (double)i / (double)checks->steps;
        double fell = (1 - t) * a->accuracy + t * b->accuracy - at->accuracy;
        double rose = at->loss - (1 - t) * a->loss - t * b->loss;
        checks->barrier_accuracy = fmax(checks->barrier_accuracy, fell);
        checks->barrier_loss = fmax(checks->barrier_loss, rose);
    }
}

/* Each parent alone, then the inner points of the line. */
static tn_status check_mixtures(struct cli_fuse_checks *made, const struct checking *c,
                                const struct cli_score *parents, tn_error *err)
{
    double *weights = cli_alloc(made->count, sizeof *weights);
    tn_status status = TN_OK;
    for (size_t k = 0; k < made->count && status == TN_OK; k++) {
        made->aligned[k] = cli_score_named(parents[k].label, parents[k].file);
        for (size_t i = 0; i < made->count; i++)
            weights[i] = i == k;
        status = check_mixture(&made->aligned[k], c, weights, false, err);
        made->lost[k] = parents[k].eval.accuracy - made->aligned[k].eval.accuracy;
    }
    for (size_t i = 1; i < made->steps && status == TN_OK; i++) {
        made->line[i] = cli_score_named(NULL, NULL);
        weights[1] = (double)i / (double)made->steps;
        weights[0] = 1 - weights[1];
        status = check_mixture(&made->line[i], c, weights, true, err);
    }
    free(weights);
    return status;
}

tn_status cli_fuse_check(struct cli_fuse_checks *out, const struct cli_fuse_args *args,
                         tn_fusion *fusion, const struct cli_score *parents,
                         const tn_dataset *data, const tn_observer *observer,
                         tn_error *err)
{
    size_t count = args->base.count, steps = args->barrier;
    struct cli_fuse_checks made = {.count = count, .steps = steps};
    struct checking c = {args, fusion, data, observer};
    made.aligned = cli_alloc(count, sizeof *made.aligned);
    made.lost = cli_alloc(count, sizeof *made.lost);
    made.line = cli_alloc(steps + 1, sizeof *made.line);
    tn_status status = check_mixtures(&made, &c, parents, err);
    if (status != TN_OK) {
        cli_fuse_checks_release(&made);
        return status;
    }
    if (steps > 0)
        measure_barrier(&made);
    *out = made;
    return TN_OK;
}

void cli_fuse_checks_release(struct cli_fuse_checks *checks)
{
    free(checks->aligned);
    free(checks->lost);
    free(checks->line);
    *checks = (struct cli_fuse_checks){0};
}

static void worst(double *gap, double *marginal_error, const tn_fuse_report *report)
{
    *gap = *marginal_error = 0;
    for (size_t i = 0; i < report->group_count; i++) {
        const tn_fuse_group *group = &report->groups[i];
        *gap = fmax(*gap, group->gap); /* fmax() passes over NaN: no gap is known */
        *marginal_error = fmax(*marginal_error, group->marginal_error);
    }
}

static void print_line(const struct cli_fuse_checks *checks)
{
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    cli_table_init(&table, 3, 0);
    cli_table_add(&table, "t");
    cli_table_add(&table, "accuracy");
    cli_table_add(&table, "loss");
    for (size_t i = 0; i <= checks->steps; i++) {
        double t = (double)i / (double)checks->steps;
        cli_table_add(&table, cli_text_fixed(text, t, 2));
        cli_table_add(&table, cli_text_percent(text, checks->line[i].eval.accuracy));
        cli_table_add(&table, cli_text_fixed(text, checks->line[i].eval.loss, 4));
    }
    putchar('\n');
    cli_table_print(&table);
    cli_table_release(&table);
    printf("barrier %s", cli_text_percent(text, checks->barrier_accuracy));
    printf(", loss %s\n", cli_text_fixed(text, checks->barrier_loss, 4));
}

void cli_fuse_checks_print(const struct cli_fuse_checks *checks,
                           const tn_fuse_report *report)
{
    double gap, marginal_error;
    char text[CLI_NUMBER_TEXT];
    if (report->group_count > 0) {
        worst(&gap, &marginal_error, report);
        printf("\nlargest duality gap %s", cli_text_short(text, gap));
        printf(", marginal error %s\n", cli_text_short(text, marginal_error));
    }
    for (size_t k = 0; k < checks->count; k++) {
        printf("%s aligned alone: %s", checks->aligned[k].label,
               cli_text_percent(text, checks->aligned[k].eval.accuracy));
        printf(", %s lost\n", cli_text_percent(text, checks->lost[k]));
    }
    if (checks->steps > 0)
        print_line(checks);
}

static cJSON *line_json(const struct cli_fuse_checks *checks)
{
    cJSON *json = cJSON_CreateObject(), *points = cJSON_CreateArray();
    cJSON_AddNumberToObject(json, "accuracy", checks->barrier_accuracy);
    cJSON_AddNumberToObject(json, "loss", checks->barrier_loss);
    for (size_t i = 0; i <= checks->steps; i++) {
        cJSON *point = cJSON_CreateObject();
        cJSON_AddNumberToObject(point, "t", (double)i / (double)checks->steps);
        cJSON_AddNumberToObject(point, "accuracy", checks->line[i].eval.accuracy);
        cJSON_AddNumberToObject(point, "loss", checks->line[i].eval.loss);
        cJSON_AddItemToArray(points, point);
    }
    cJSON_AddItemToObject(json, "points", points);
    return json;
}

cJSON *cli_fuse_checks_json(const struct cli_fuse_checks *checks,
                            const tn_fuse_report *report)
{
    double gap, marginal_error;
    cJSON *json = cJSON_CreateObject();
    worst(&gap, &marginal_error, report);
    cJSON_AddNumberToObject(json, "gap", gap);
    cJSON_AddNumberToObject(json, "marginal_error", marginal_error);
    cJSON_AddItemToObject(json, "aligned",
                          cli_scores_json(checks->aligned, checks->count));
    cJSON_AddItemToObject(json, "lost",
                          cJSON_CreateDoubleArray(checks->lost, (int)checks->count));
    cJSON_AddItemToObject(json, "barrier",
                          checks->steps > 0 ? line_json(checks) : cJSON_CreateNull());
    return json;
}
