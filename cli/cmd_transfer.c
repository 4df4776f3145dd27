/* cmd_transfer.c - tenon transfer: parameters of one network put into another, the
 * baseline of fusing networks of different depth. */
#include <stdio.h>

#include "alignment.h"
#include "files.h"
#include "message.h"
#include "options.h"
#include "score.h"

struct transfer_args {
    struct cli_args base;
    tn_depth_options depth;
    const char *align;
    size_t samples;
    uint64_t seed;
};

static void init(void *user)
{
    struct transfer_args *args = user;
    args->samples = 200;
    args->seed = 1;
}

/* The target may be an architecture: it then has random weights, the source's input and
 * classes. */
static tn_status open_models(tn_model **models, const struct transfer_args *args,
                             tn_error *err)
{
    const char *target = args->base.operands[1];
    if (cli_is_model_file(target))
        return cli_models_load(models, &args->base, 2, err);
    tn_model_info info;
    tn_status status = cli_models_load(models, &args->base, 1, err);
    if (status == TN_OK)
        status = tn_model_info_get(&info, models[0], err);
    if (status == TN_OK)
        status = tn_model_create(&models[1], target,
                                 info.input_rank == 4 ? info.input + 1 : NULL,
                                 info.output[info.output_rank - 1], args->seed, err);
    return status;
}

static int show(const struct transfer_args *args, const tn_alignment *alignment)
{
    if (args->base.json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "source", args->base.operands[0]);
        cJSON_AddStringToObject(json, "file", args->base.output);
        cJSON_AddItemToObject(json, "alignments", cli_alignments_json(alignment, 1));
        return cli_json_print(json);
    }
    cli_alignments_print(alignment, 1, &args->base);
    printf("wrote %s\n", args->base.output);
    return CLI_DONE;
}

static tn_status work(tn_alignment *alignment, tn_model **models, tn_model **out,
                      const tn_dataset *data, struct transfer_args *args, tn_error *err)
{
    tn_level_request request = {.models = (const tn_model *const *)models,
                                .count = 2,
                                .data = data,
                                .samples = args->samples,
                                .seed = args->seed,
                                .threads = args->base.threads};
    tn_status status = tn_transfer(out, alignment, &request, &args->depth, err);
    if (status == TN_OK)
        status =
            cli_model_write(*out, &args->base, args->base.output, request.models,
                            cli_is_model_file(args->base.operands[1]) ? 2 : 1, err);
    return status;
}

static int run(void *user)
{
    struct transfer_args *args = user;
    struct cli_given given = {0};
    tn_model *models[2] = {NULL, NULL}, *out = NULL;
    tn_dataset *data = NULL;
    tn_alignment alignment = {0};
    tn_error err = {0};
    tn_status status =
        cli_output_check(&args->base, args->base.output, cli_model_endings, &err);
    if (status == TN_OK)
        status = cli_given_read(&given, &args->depth, args->align, 2, &err);
    if (status == TN_OK)
        status = open_models(models, args, &err);
    if (status == TN_OK && args->base.data)
        status = tn_dataset_open(&data, args->base.data, "train", &err);
    if (status == TN_OK)
        status = work(&alignment, models, &out, data, args, &err);
    int result = status == TN_OK ? show(args, &alignment) : cli_fail(&err);
    tn_alignment_release(&alignment);
    cli_given_release(&given);
    cli_models_free(models, 2);
    tn_model_free(out);
    tn_dataset_free(data);
    return result;
}

#define FIELD(name) offsetof(struct transfer_args, name)

static const struct cli_option options[] = {
    CLI_ALIGN_OPTIONS(FIELD(align), FIELD(depth.cost)),
    CLI_OPTION("data", CLI_DATA, offsetof(struct cli_args, data), "SPEC",
               "probe images for the costs, kind:path[,key=value...]; split=train "
               "unless SPEC says",
               .recorded = true),
    CLI_OPTION("samples", CLI_SIZE, FIELD(samples), "N", "probe images",
               .recorded = true, .min = 1, .max = 1e9),
    CLI_OPTION("seed", CLI_U64, FIELD(seed), "N",
               "of a random alignment, of the images and of an architecture's weights",
               .recorded = true),
};
static const struct cli_group group = CLI_GROUP("Transfer", options);

const struct cli_command cli_transfer = {
    .name = "transfer",
    .operands = "SOURCE TARGET",
    .summary = "parameters of one network put into another of other depth or width",
    .about =
        "Layers are aligned as by 'tenon fuse'; each parameter of the target is then "
        "that "
        "of its counterpart, repeated where it is wider and cut where it is narrower, "
        "and "
        "layers without counterpart keep their own. Nothing is averaged and no "
        "function "
        "is preserved: this is what fusion across depths is compared with. TARGET is a "
        "model file, or the name of an architecture, which then has random weights.",
    .examples = "  tenon transfer resnet56.onnx resnet20 -o start.onnx --align chain\n",
    .operands_min = 2,
    .operands_max = 2,
    .required = {"output"},
    .groups = {&group, &cli_group_models, &cli_group_output, &cli_group_common},
    .size = sizeof(struct transfer_args),
    .init = init,
    .run = run,
};
