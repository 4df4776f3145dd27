/* cmd_infer.c - tenon infer: a model's outputs for the inputs in an .npy file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "files.h"
#include "message.h"
#include "npy.h"
#include "score.h"
#include "table.h"
#include "tenon/eval.h"

static const char *const endings[] = {".npy", NULL};

/* Drops axes of length 1. */
static int squeeze(int64_t *out, const int64_t *dims, int rank)
{
    int kept = 0;
    for (int i = 0; i < rank; i++)
        if (dims[i] != 1)
            out[kept++] = dims[i];
    return kept;
}

/* Whether dims are those of one input of the model, up to axes of length 1, or a flat
 * vector of as many elements. */
static bool fits(const int64_t *dims, int rank, const tn_model_info *info)
{
    int64_t a[CLI_NPY_RANK_MAX], b[8], elements = 1;
    int n = squeeze(a, dims, rank),
        m = squeeze(b, info->input + 1, info->input_rank - 1);
    for (int i = 0; i < m; i++)
        elements *= b[i];
    if (rank == 1 && dims[0] == elements)
        return true;
    return n == m && memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* How many inputs the array holds: [n, ...] or one without the first axis; 0: none. */
static size_t input_count(const struct cli_array *array, const tn_model_info *info)
{
    if (array->rank > 0 && fits(array->dims + 1, array->rank - 1, info))
        return (size_t)array->dims[0];
    return fits(array->dims, array->rank, info) ? 1 : 0;
}

static tn_status infer(struct cli_array *out, const tn_model *model,
                       const struct cli_array *in, const struct cli_args *args,
                       tn_error *err)
{
    tn_model_info info;
    char found[CLI_NUMBER_TEXT], wanted[CLI_NUMBER_TEXT];
    tn_status status = tn_model_info_get(&info, model, err);
    if (status != TN_OK)
        return status;
    size_t n = input_count(in, &info), each = 1;
    if (n == 0) {
        snprintf(err->message, sizeof err->message,
                 "cannot run '%.150s' on '%.150s': the shape is %s, wanted is Nx%s",
                 args->operands[0], args->operands[1],
                 cli_text_shape(found, in->dims, in->rank),
                 cli_text_shape(wanted, info.input + 1, info.input_rank - 1));
        return err->code = TN_ERROR_MISMATCH;
    }
    *out = (struct cli_array){.rank = info.output_rank};
    out->dims[0] = (int64_t)n;
    for (int i = 1; i < info.output_rank; i++) {
        out->dims[i] = info.output[i];
        each *= (size_t)info.output[i];
    }
    out->count = n * each;
    out->values = cli_alloc(out->count, sizeof *out->values);
    tn_eval_options options = {.threads = args->threads, .precision = args->precision};
    return tn_infer(out->values, model, in->values, n, &options, err);
}

static int show(const struct cli_array *out, const struct cli_args *args)
{
    char text[CLI_NUMBER_TEXT];
    if (args->json) {
        cJSON *json = cJSON_CreateObject(), *shape = cJSON_CreateArray();
        cJSON_AddStringToObject(json, "file", args->output);
        for (int i = 0; i < out->rank; i++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)out->dims[i]));
        cJSON_AddItemToObject(json, "shape", shape);
        return cli_json_print(json);
    }
    printf("wrote %s, %s\n", args->output, cli_text_shape(text, out->dims, out->rank));
    return CLI_DONE;
}

static int run(void *user)
{
    const struct cli_args *args = user;
    tn_error err = {0};
    tn_model *model = NULL;
    struct cli_array in = {0}, out = {0};
    tn_status status;
    if ((status = cli_output_check(args, args->output, endings, &err)) ||
        (status = cli_models_load(&model, args, 1, &err)) ||
        (status = cli_npy_read(&in, args->operands[1], &err)) ||
        (status = infer(&out, model, &in, args, &err)) ||
        (status = cli_npy_write(&out, args->output, args->force, &err)))
        goto done;
done:;
    int result = status == TN_OK ? show(&out, args) : cli_fail(&err);
    cli_npy_release(&in);
    cli_npy_release(&out);
    tn_model_free(model);
    return result;
}

const struct cli_command cli_infer = {
    .name = "infer",
    .operands = "MODEL INPUT.npy",
    .summary = "runs a model on the inputs in an .npy file",
    .about =
        "Reads inputs of shape [N, ...], or one without the first axis, as the model "
        "takes them: already normalised, channels first. Writes the outputs, [N, K] "
        "numbers before any softmax, as f32.",
    .examples = "  tenon infer net.onnx images.npy -o logits.npy\n",
    .operands_min = 2,
    .operands_max = 2,
    .required = {"output"},
    .groups = {&cli_group_output, &cli_group_models, &cli_group_speed,
               &cli_group_common},
    .size = sizeof(struct cli_args),
    .run = run,
};
