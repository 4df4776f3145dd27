/* score.c - see score.h. */
#include "score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "options.h"
#include "table.h"

#define LATENCY_RUNS 15

struct cli_score cli_score_named(const char *label, const char *file)
{
    return (struct cli_score){
        .label = label, .file = file, .latency = nan(""), .seconds = nan("")};
}

void cli_score_name_files(struct cli_score *scores, char *const *files, size_t count)
{
    bool unique = true;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(cli_base_name(files[i]), cli_base_name(files[j])) == 0)
                unique = false;
    for (size_t i = 0; i < count; i++)
        scores[i] =
            cli_score_named(unique ? cli_base_name(files[i]) : files[i], files[i]);
}

tn_status cli_score_measure(struct cli_score *scores, const tn_model *const *models,
                            size_t count, bool latency, tn_error *err)
{
    for (size_t i = 0; i < count; i++) {
        tn_model_info info;
        double seconds = nan("");
        tn_status status = tn_model_info_get(&info, models[i], err);
        if (status == TN_OK && latency)
            status = tn_latency(&seconds, models[i], 1, LATENCY_RUNS, err);
        if (status != TN_OK)
            return status;
        scores[i].parameters = info.parameters;
        scores[i].macs = info.macs;
        scores[i].latency = seconds;
        scores[i].measured = true;
    }
    return TN_OK;
}

tn_status cli_score_evaluate(struct cli_score *scores, struct cli_score *ensemble,
                             const tn_model *const *models, size_t count,
                             const tn_dataset *data, const struct cli_args *args,
                             const tn_observer *observer, tn_error *err)
{
    tn_eval_report *reports = cli_alloc(count, sizeof *reports), together;
    tn_eval_options options = TN_EVAL_OPTIONS_INIT;
    options.threads = args->threads;
    options.precision = args->precision;
    options.cluster = args->cluster;
    tn_status status = tn_eval(reports, ensemble ? &together : NULL, models, count,
                               data, &options, observer, err);
    for (size_t i = 0; i < count && status == TN_OK; i++) {
        scores[i].evaluated = true;
        scores[i].eval = reports[i];
    }
    if (status == TN_OK && ensemble) {
        ensemble->evaluated = true;
        ensemble->eval = together;
    }
    free(reports);
    return status;
}

void cli_score_sum(struct cli_score *sum, const struct cli_score *scores, size_t count)
{
    sum->measured = true;
    sum->latency = 0;
    for (size_t i = 0; i < count; i++) {
        sum->parameters += scores[i].parameters;
        sum->macs += scores[i].macs;
        sum->latency += scores[i].latency;
    }
}

enum column { ACCURACY, LOSS, ECE, PARAMETERS, MACS, LATENCY, SECONDS, COLUMN_COUNT };

static const char *const titles[COLUMN_COUNT] = {
    "accuracy", "loss", "ECE", "parameters", "MACs", "latency ms", "seconds"};

static bool fills(const struct cli_score *score, enum column column)
{
    switch (column) {
    case ACCURACY:
    case LOSS:
    case ECE:
        return score->evaluated;
    case PARAMETERS:
    case MACS:
        return score->measured;
    case LATENCY:
        return isfinite(score->latency);
    case SECONDS:
        return isfinite(score->seconds);
    case COLUMN_COUNT:
        break;
    }
    return false;
}

static const char *cell(char text[CLI_NUMBER_TEXT], const struct cli_score *score,
                        enum column column)
{
    if (!fills(score, column))
        return NULL;
    switch (column) {
    case ACCURACY:
        return cli_text_percent(text, score->eval.accuracy);
    case LOSS:
        return cli_text_fixed(text, score->eval.loss, 4);
    case ECE:
        return cli_text_fixed(text, score->eval.calibration_error, 4);
    case PARAMETERS:
        return cli_text_count(text, score->parameters);
    case MACS:
        return cli_text_amount(text, score->macs);
    case LATENCY:
        return cli_text_time(text, 1e3 * score->latency);
    case SECONDS:
        return cli_text_time(text, score->seconds);
    case COLUMN_COUNT:
        break;
    }
    return NULL;
}

void cli_score_print(const struct cli_score *scores, size_t count)
{
    bool shown[COLUMN_COUNT] = {false};
    size_t columns = 1;
    char text[CLI_NUMBER_TEXT];
    struct cli_table table;
    for (int c = 0; c < COLUMN_COUNT; c++) {
        for (size_t i = 0; i < count; i++)
            shown[c] = shown[c] || fills(&scores[i], (enum column)c);
        columns += shown[c];
    }
    cli_table_init(&table, columns, 1);
    cli_table_add(&table, "model");
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (shown[c])
            cli_table_add(&table, titles[c]);
    for (size_t i = 0; i < count; i++) {
        cli_table_add(&table, scores[i].label);
        for (int c = 0; c < COLUMN_COUNT; c++)
            if (shown[c])
                cli_table_add(&table, cell(text, &scores[i], (enum column)c));
    }
    cli_table_print(&table);
    cli_table_release(&table);
}

cJSON *cli_score_json(const struct cli_score *score)
{
    cJSON *json = cJSON_CreateObject();
    if (score->file)
        cJSON_AddStringToObject(json, "file", score->file);
    if (score->evaluated) {
        cJSON_AddNumberToObject(json, "accuracy", score->eval.accuracy);
        cJSON_AddNumberToObject(json, "loss", score->eval.loss);
        cJSON_AddNumberToObject(json, "calibration_error",
                                score->eval.calibration_error);
        cJSON_AddNumberToObject(json, "images", (double)score->eval.images);
    }
    if (score->measured) {
        cJSON_AddNumberToObject(json, "params", (double)score->parameters);
        cJSON_AddNumberToObject(json, "macs", (double)score->macs);
    }
    if (isfinite(score->latency))
        cJSON_AddNumberToObject(json, "latency", score->latency);
    if (isfinite(score->seconds))
        cJSON_AddNumberToObject(json, "seconds", score->seconds);
    return json;
}

cJSON *cli_scores_json(const struct cli_score *scores, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cli_score_json(&scores[i]));
    return list;
}

int cli_json_print(cJSON *json)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (!text)
        return cli_fail_text("out of memory");
    puts(text);
    cJSON_free(text);
    return CLI_DONE;
}
