/* cmd_convert.c - tenon convert: a model from one file format to another. */
#include <stdio.h>

#include "command.h"
#include "files.h"
#include "message.h"
#include "score.h"

static int run(void *user)
{
    const struct cli_args *args = user;
    const char *path = args->operands[1];
    tn_error err = {0};
    tn_model *model = NULL;
    if (cli_output_check(args, path, cli_model_endings, &err) != TN_OK ||
        cli_models_load(&model, args, 1, &err) != TN_OK)
        return cli_fail(&err);
    const tn_model *input = model;
    tn_status status = cli_model_write(model, args, path, &input, 1, &err);
    tn_model_free(model);
    if (status != TN_OK)
        return cli_fail(&err);
    if (args->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "input", args->operands[0]);
        cJSON_AddStringToObject(json, "file", path);
        return cli_json_print(json);
    }
    printf("wrote %s\n", path);
    return CLI_DONE;
}

static const struct cli_option options[] = {
    CLI_OPTION("force", CLI_FLAG, offsetof(struct cli_args, force), NULL,
               "replace OUT where it is there already", .recorded = false,
               .letter = 'f'),
};
static const struct cli_group group = CLI_GROUP("Output", options);

const struct cli_command cli_convert = {
    .name = "convert",
    .operands = "IN OUT",
    .summary = "from one file format to another",
    .about =
        "Reads a model of any format and writes it by the ending of OUT: .onnx holds "
        "graph and weights, .safetensors the weights alone.",
    .examples = "  tenon convert net.pth net.onnx --arch resnet20\n"
                "  tenon convert net.onnx net.safetensors\n",
    .operands_min = 2,
    .operands_max = 2,
    .written = "",
    .groups = {&group, &cli_group_models, &cli_group_common},
    .size = sizeof(struct cli_args),
    .run = run,
};
