/* cmd_compare.c - tenon compare: how far apart two models are, in their outputs and
 * layer by layer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "files.h"
#include "message.h"
#include "report.h"
#include "score.h"
#include "table.h"
#include "tenon/assemble.h"
#include "tenon/eval.h"

struct compare_args {
    struct cli_args base;
    bool layers;
    size_t images;
    uint64_t seed;
    bool cuts, pooled;
    tn_cut_similarity similarity;
    const char *picture;
};

static void init(void *user)
{
    struct compare_args *args = user;
    args->images = 64;
    args->seed = 1;
}

struct layers {
    struct cli_table table;
    cJSON *json;
    size_t count;
};

static int on_layer(void *user, const tn_similarity *similarity)
{
    struct layers *layers = user;
    char text[CLI_NUMBER_TEXT];
    cli_table_add(&layers->table, similarity->a);
    cli_table_add(&layers->table, similarity->b);
    cli_table_add(&layers->table, cli_text_fixed(text, similarity->cka, 4));
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "a", similarity->a);
    cJSON_AddStringToObject(item, "b", similarity->b);
    cJSON_AddNumberToObject(item, "cka", similarity->cka);
    cJSON_AddItemToArray(layers->json, item);
    layers->count++;
    return 0;
}

/* --data, else random images of the shape that the first model takes. */
static tn_status open_data(tn_dataset **out, const tn_model *model,
                           const struct compare_args *args, tn_error *err)
{
    tn_model_info info;
    char spec[256];
    int64_t dims[3] = {1, 1, 1};
    if (args->base.data)
        return tn_dataset_open(out, args->base.data, "test", err);
    tn_status status = tn_model_info_get(&info, model, err);
    if (status != TN_OK)
        return status;
    if (info.input_rank < 2 || info.input_rank > 4) {
        snprintf(
            err->message, sizeof err->message,
            "no random images for '%.200s': its input has %d axes, wanted are 2 to 4",
            args->base.operands[0], info.input_rank);
        return err->code = TN_ERROR_UNSUPPORTED;
    }
    for (int i = 1; i < info.input_rank; i++)
        dims[i - 1] = info.input[i];
    snprintf(spec, sizeof spec, "random:%lldx%lldx%lld,limit=%zu,seed=%llu",
             (long long)dims[0], (long long)dims[1], (long long)dims[2], args->images,
             (unsigned long long)args->seed);
    return tn_dataset_open(out, spec, "test", err);
}

/* Layers are told where they were asked for, or where there is data; only then is it an
 * error if the two networks have none in common. */
static tn_status compare_layers(struct layers *layers, tn_model *const *models,
                                const tn_dataset *data, const struct compare_args *args,
                                tn_error *err)
{
    tn_eval_options options = TN_EVAL_OPTIONS_INIT;
    options.threads = args->base.threads;
    if (!args->layers && !args->base.data)
        return TN_OK;
    tn_status status =
        tn_compare_layers(models[0], models[1], data, &options, on_layer, layers, err);
    if ((status == TN_ERROR_MISMATCH || status == TN_ERROR_UNSUPPORTED) &&
        !args->layers) {
        cli_note(&args->base, "no comparison of layers: %s", err->message);
        return TN_OK;
    }
    return status;
}

/* Every cut of one network against every cut of the other, where it was asked for. */
static tn_status compare_cuts(tn_cut_matrix *matrix, tn_model *const *models,
                              const tn_dataset *data, const struct compare_args *args,
                              tn_error *err)
{
    if (!args->cuts && !args->picture)
        return TN_OK;
    tn_status status =
        tn_compare_cuts(matrix, models[0], models[1], data, args->similarity,
                        args->pooled, args->base.threads, err);
    if (status == TN_OK && args->picture)
        status = tn_cut_matrix_picture(args->picture, args->base.force, matrix, err);
    return status;
}

static cJSON *names_json(char *const *names, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
    return list;
}

static cJSON *matrix_json(const tn_cut_matrix *matrix)
{
    cJSON *json = cJSON_CreateObject(), *values = cJSON_CreateArray();
    cJSON_AddItemToObject(json, "a", names_json(matrix->row_names, matrix->rows));
    cJSON_AddItemToObject(json, "b", names_json(matrix->column_names, matrix->columns));
    for (size_t i = 0; i < matrix->rows; i++)
        cJSON_AddItemToArray(
            values, cJSON_CreateDoubleArray(matrix->values + i * matrix->columns,
                                            (int)matrix->columns));
    cJSON_AddItemToObject(json, "similarity", values);
    return json;
}

/* For each cut of the first network the one most like it in the second. */
static void show_matrix(const tn_cut_matrix *matrix, const struct compare_args *args)
{
    struct cli_table table;
    char text[CLI_NUMBER_TEXT];
    cli_table_init(&table, 3, 2);
    cli_table_add(&table, args->base.operands[0]);
    cli_table_add(&table, "most like it");
    cli_table_add(&table, "similarity");
    for (size_t i = 0; i < matrix->rows; i++) {
        const double *values = matrix->values + i * matrix->columns;
        size_t best = 0;
        for (size_t j = 1; j < matrix->columns; j++)
            best = values[j] > values[best] ? j : best;
        cli_table_add(&table, matrix->row_names[i]);
        cli_table_add(&table, matrix->column_names[best]);
        cli_table_add(&table, cli_text_fixed(text, values[best], 4));
    }
    putchar('\n');
    cli_table_print(&table);
    cli_table_release(&table);
    if (args->picture)
        printf("wrote %s\n", args->picture);
}

static cJSON *result_json(const tn_compare_report *report, struct layers *layers,
                          const tn_cut_matrix *matrix, const tn_dataset *data,
                          const struct compare_args *args)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "a", args->base.operands[0]);
    cJSON_AddStringToObject(json, "b", args->base.operands[1]);
    cJSON_AddStringToObject(json, "data", tn_dataset_spec(data));
    cJSON_AddNumberToObject(json, "images", (double)report->images);
    cJSON_AddNumberToObject(json, "largest_difference", report->largest_difference);
    cJSON_AddNumberToObject(json, "largest_output", report->largest_output);
    cJSON_AddNumberToObject(json, "agreement", report->agreement);
    cJSON_AddItemToObject(json, "layers", layers->json);
    layers->json = NULL;
    if (matrix->values)
        cJSON_AddItemToObject(json, "cuts", matrix_json(matrix));
    return json;
}

static int show(const tn_compare_report *report, struct layers *layers,
                const tn_cut_matrix *matrix, const tn_dataset *data,
                const struct compare_args *args)
{
    char text[CLI_NUMBER_TEXT];
    if (cli_report_wanted(&args->base)) {
        int status = cli_report_tell(&args->base,
                                     result_json(report, layers, matrix, data, args));
        if (status != CLI_DONE || args->base.json)
            return status;
    }
    printf("images              %zu of %s\n", report->images, tn_dataset_spec(data));
    printf("largest difference  %.3g, of outputs up to %.3g\n",
           report->largest_difference, report->largest_output);
    printf("same class          %s of the images\n",
           cli_text_percent(text, report->agreement));
    if (layers->count > 0) {
        putchar('\n');
        cli_table_print(&layers->table);
    }
    if (matrix->values)
        show_matrix(matrix, args);
    return CLI_DONE;
}

static int run(void *user)
{
    const struct compare_args *args = user;
    tn_error err = {0};
    tn_model *models[2];
    tn_dataset *data = NULL;
    tn_compare_report report;
    tn_eval_options options = TN_EVAL_OPTIONS_INIT;
    tn_cut_matrix matrix = {0};
    struct layers layers = {.json = cJSON_CreateArray()};
    options.threads = args->base.threads;
    cli_table_init(&layers.table, 3, 2);
    cli_table_add(&layers.table, args->base.operands[0]);
    cli_table_add(&layers.table, args->base.operands[1]);
    cli_table_add(&layers.table, "CKA");
    static const char *const pictures[] = {".svg", NULL};
    memset(models, 0, sizeof models);
    tn_status status = TN_OK;
    if (args->picture)
        status = cli_output_check(&args->base, args->picture, pictures, &err);
    if (status == TN_OK)
        status = cli_models_load(models, &args->base, 2, &err);
    if (status == TN_OK)
        status = open_data(&data, models[0], args, &err);
    if (status == TN_OK)
        status = tn_compare(&report, models[0], models[1], data, &options, &err);
    if (status == TN_OK)
        status = compare_layers(&layers, models, data, args, &err);
    if (status == TN_OK)
        status = compare_cuts(&matrix, models, data, args, &err);
    int result =
        status == TN_OK ? show(&report, &layers, &matrix, data, args) : cli_fail(&err);
    tn_cut_matrix_release(&matrix);
    cJSON_Delete(layers.json);
    cli_table_release(&layers.table);
    tn_dataset_free(data);
    cli_models_free(models, 2);
    return result;
}

static const struct cli_choice similarities[] = {
    {"cka", TN_CUT_SIMILARITY_CKA},
    {"rbf", TN_CUT_SIMILARITY_RBF},
    {"regression", TN_CUT_SIMILARITY_REGRESSION},
    {NULL, 0}};

static const struct cli_option options[] = {
    CLI_OPTION("data", CLI_DATA, offsetof(struct compare_args, base.data), "SPEC",
               "images to compare on, kind:path[,key=value...]; else random ones. "
               "'tenon help data' explains SPEC",
               .recorded = false),
    CLI_OPTION("layers", CLI_FLAG, offsetof(struct compare_args, layers), NULL,
               "similarity layer by layer, on random images too", .recorded = false),
    CLI_OPTION("cuts", CLI_FLAG, offsetof(struct compare_args, cuts), NULL,
               "similarity of every place at which the first network can be cut with "
               "every one of the second",
               .recorded = false),
    CLI_OPTION("similarity", CLI_CHOICE, offsetof(struct compare_args, similarity),
               NULL,
               "of cuts: CKA, linear or with a Gaussian kernel, or the variance that "
               "ridge regression explains",
               .recorded = false, .choices = similarities),
    CLI_OPTION("pooled", CLI_FLAG, offsetof(struct compare_args, pooled), NULL,
               "of their means over all positions, not of 4 x 4 grids",
               .recorded = false),
    CLI_OPTION("picture", CLI_FILE, offsetof(struct compare_args, picture), "FILE.svg",
               "draw that matrix", .recorded = false),
    CLI_OPTION("force", CLI_FLAG, offsetof(struct compare_args, base.force), NULL,
               "replace the picture where it is there already", .recorded = false,
               .letter = 'f'),
    CLI_OPTION("images", CLI_SIZE, offsetof(struct compare_args, images), "N",
               "random images, where there is no --data", .recorded = false, .min = 1,
               .max = 1e6),
    CLI_OPTION("seed", CLI_U64, offsetof(struct compare_args, seed), "N",
               "of the random images", .recorded = false),
};
static const struct cli_group group = CLI_GROUP("Comparing", options);

const struct cli_command cli_compare = {
    .name = "compare",
    .operands = "MODEL MODEL",
    .summary = "largest output difference of two models; layer-by-layer similarity",
    .about =
        "Runs both models on the same images and tells how far their outputs are "
        "apart and how often they agree. With --data or --layers also the linear CKA "
        "of each pair of layers that correspond (Kornblith et al. 2019; unbiased).",
    .examples = "  tenon compare a.onnx b.onnx\n"
                "  tenon compare a.onnx b.onnx --data fashion-mnist,limit=1000\n",
    .operands_min = 2,
    .operands_max = 2,
    .groups = {&group, &cli_group_models, &cli_group_report, &cli_group_common},
    .size = sizeof(struct compare_args),
    .init = init,
    .run = run,
};
