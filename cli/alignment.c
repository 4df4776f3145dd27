/* alignment.c - alignments of layers read from JSON, and shown as text and JSON. */
#include "alignment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "table.h"

#define FILE_MAX ((size_t)16 << 20)
#define UNITS_MAX 100000

const struct cli_choice cli_layer_costs[] = {{"auto", TN_LAYER_COST_AUTO},
                                             {"cka", TN_LAYER_COST_CKA},
                                             {"cka-biased", TN_LAYER_COST_CKA_BIASED},
                                             {"cka-rbf", TN_LAYER_COST_CKA_RBF},
                                             {"wasserstein", TN_LAYER_COST_WASSERSTEIN},
                                             {"regression", TN_LAYER_COST_REGRESSION},
                                             {"neurons", TN_LAYER_COST_NEURONS},
                                             {"index", TN_LAYER_COST_INDEX},
                                             {NULL, 0}};

/* --- from a file --- */

static tn_status fail(tn_error *err, tn_status code, const char *path, const char *why)
{
    err->code = code;
    snprintf(err->message, sizeof err->message, "cannot read '%.200s': %s", path, why);
    return code;
}

static tn_status read_text(char **out, const char *path, tn_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail(err, TN_ERROR_IO, path, strerror(errno));
    char *text = NULL;
    size_t length = 0, room = 0;
    for (bool more = true; more && length <= FILE_MAX; more = length == room - 1) {
        room = 2 * room + 4096;
        char *grown = cli_alloc(room, 1);
        memcpy(grown, text ? text : "", length);
        free(text);
        text = grown;
        length += fread(text + length, 1, room - length - 1, file);
    }
    bool broken = ferror(file) != 0;
    fclose(file);
    if (broken || length > FILE_MAX) {
        free(text);
        return broken ? fail(err, TN_ERROR_IO, path, "reading failed")
                      : fail(err, TN_ERROR_FORMAT, path, "it is larger than 16 MiB");
    }
    text[length] = 0;
    *out = text;
    return TN_OK;
}

static bool is_count(const cJSON *number, double below)
{
    return cJSON_IsNumber(number) && number->valuedouble >= 0 &&
           number->valuedouble < below &&
           (double)(size_t)number->valuedouble == number->valuedouble;
}

/* Ends with SIZE_MAX, by which the library knows a list that is too short. */
static tn_status read_slots(struct cli_given *out, const cJSON *item, const char *path,
                            tn_error *err)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(item, "model");
    const cJSON *slots = cJSON_GetObjectItemCaseSensitive(item, "slots"), *slot;
    if (!is_count(model, (double)out->count))
        return fail(err, TN_ERROR_FORMAT, path, "'model' is not one of the models");
    if (!cJSON_IsArray(slots) || cJSON_GetArraySize(slots) > UNITS_MAX)
        return fail(err, TN_ERROR_FORMAT, path, "'slots' is not a list of numbers");
    size_t k = (size_t)model->valuedouble, n = 0;
    if (out->slots[k])
        return fail(err, TN_ERROR_FORMAT, path, "a 'model' is there twice");
    out->slots[k] =
        cli_alloc((size_t)cJSON_GetArraySize(slots) + 1, sizeof *out->slots[k]);
    cJSON_ArrayForEach(slot, slots)
    {
        if (!is_count(slot, UNITS_MAX))
            return fail(err, TN_ERROR_FORMAT, path, "'slots' is not a list of numbers");
        out->slots[k][n++] = (size_t)slot->valuedouble;
    }
    out->slots[k][n] = SIZE_MAX;
    return TN_OK;
}

static tn_status read_file(struct cli_given *out, const char *path, tn_error *err)
{
    char *text = NULL;
    tn_status status = read_text(&text, path, err);
    if (status != TN_OK)
        return status;
    cJSON *json = cJSON_Parse(text);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "alignments"), *item;
    if (!json)
        status = fail(err, TN_ERROR_FORMAT, path, "it is not JSON");
    else if (!cJSON_IsArray(list))
        status = fail(err, TN_ERROR_FORMAT, path, "it has no list 'alignments'");
    cJSON_ArrayForEach(item, list)
    {
        if (status == TN_OK)
            status = read_slots(out, item, path, err);
    }
    cJSON_Delete(json);
    free(text);
    return status;
}

tn_status cli_given_read(struct cli_given *out, tn_depth_options *options,
                         const char *how, size_t models, tn_error *err)
{
    static const struct cli_choice maps[] = {{"auto", TN_LAYER_MAP_LAYERS},
                                             {"segments", TN_LAYER_MAP_SEGMENTS},
                                             {"chain", TN_LAYER_MAP_CHAIN},
                                             {"random", TN_LAYER_MAP_RANDOM}};
    for (size_t i = 0; i < CLI_COUNT(maps); i++) {
        if (how && strcmp(how, maps[i].name) == 0)
            options->map = (tn_layer_map)maps[i].value;
        if (!how || strcmp(how, maps[i].name) == 0)
            return TN_OK;
    }
    out->count = models;
    out->slots = cli_alloc(models, sizeof *out->slots);
    options->given = (const size_t *const *)out->slots;
    return read_file(out, how, err);
}

void cli_given_release(struct cli_given *given)
{
    for (size_t k = 0; k < given->count; k++)
        free(given->slots[k]);
    free(given->slots);
    *given = (struct cli_given){0};
}

/* --- text and JSON --- */

static const char *file_of(const struct cli_args *args, size_t model)
{
    return cli_base_name(args->operands[model]);
}

static void print_alignment(const tn_alignment *a, const struct cli_args *args)
{
    static const char *const titles[] = {"layer",   "aligned with", "stage",
                                         "neurons", "onto",         "cost"};
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    printf("\n%s aligned with", file_of(args, a->model));
    printf(" %s: %zu layers with %zu, cost %s", file_of(args, a->onto), a->count,
           a->deep_count, cli_text_fixed(text, a->total, 4));
    printf("; outputs moved by %s\n", cli_text_short(text, a->error));
    cli_table_init(&table, CLI_COUNT(titles), 2);
    for (size_t i = 0; i < CLI_COUNT(titles); i++)
        cli_table_add(&table, titles[i]);
    for (size_t k = 0; k < a->count; k++) {
        const tn_unit *unit = &a->units[k], *onto = &a->deep[a->slot[k]];
        cli_table_add(&table, unit->name);
        cli_table_add(&table, onto->name);
        cli_table_add(&table, cli_text_count(text, unit->stage));
        cli_table_add(&table, cli_text_count(text, unit->neurons));
        cli_table_add(&table, cli_text_count(text, onto->neurons));
        cli_table_add(&table,
                      cli_text_fixed(text, a->cost[a->slot[k] * a->count + k], 4));
    }
    cli_table_print(&table);
    cli_table_release(&table);
}

void cli_alignments_print(const tn_alignment *list, size_t count,
                          const struct cli_args *args)
{
    for (size_t i = 0; i < count; i++)
        print_alignment(&list[i], args);
}

static cJSON *units_json(const tn_unit *units, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t u = 0; u < count; u++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", units[u].name);
        cJSON_AddNumberToObject(item, "stage", (double)units[u].stage);
        cJSON_AddNumberToObject(item, "neurons", (double)units[u].neurons);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *alignment_json(const tn_alignment *a)
{
    cJSON *json = cJSON_CreateObject(), *slots = cJSON_CreateArray();
    cJSON *cost = cJSON_CreateArray();
    for (size_t k = 0; k < a->count; k++)
        cJSON_AddItemToArray(slots, cJSON_CreateNumber((double)a->slot[k]));
    for (size_t l = 0; l < a->deep_count; l++)
        cJSON_AddItemToArray(
            cost, cJSON_CreateDoubleArray(a->cost + l * a->count, (int)a->count));
    cJSON_AddNumberToObject(json, "model", (double)a->model);
    cJSON_AddNumberToObject(json, "onto", (double)a->onto);
    cJSON_AddItemToObject(json, "slots", slots);
    cJSON_AddNumberToObject(json, "total", a->total);
    cJSON_AddNumberToObject(json, "error", a->error);
    cJSON_AddItemToObject(json, "units", units_json(a->units, a->count));
    cJSON_AddItemToObject(json, "deep", units_json(a->deep, a->deep_count));
    cJSON_AddItemToObject(json, "cost", cost);
    return json;
}

cJSON *cli_alignments_json(const tn_alignment *list, size_t count)
{
    cJSON *json = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(json, alignment_json(&list[i]));
    return json;
}
