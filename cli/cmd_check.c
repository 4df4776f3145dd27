/* cmd_check.c - tenon check: permutes every neuron group at random and looks how far
 * the outputs move. Fails where they do. */
#include <stdio.h>

#include "command.h"
#include "files.h"
#include "message.h"
#include "progress.h"
#include "score.h"
#include "table.h"
#include "tenon/check.h"

struct check_args {
    struct cli_args base;
    tn_check_options check;
    const char *permuted;
};

static void init(void *user)
{
    struct check_args *args = user;
    args->check = (tn_check_options)TN_CHECK_OPTIONS_INIT;
}

static int show(const tn_check_report *report, const struct check_args *args)
{
    const char *file = args->base.operands[0];
    if (args->base.json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "file", file);
        cJSON_AddNumberToObject(json, "groups", (double)report->groups);
        cJSON_AddNumberToObject(json, "largest", report->largest);
        cJSON_AddNumberToObject(json, "failed", (double)report->failed);
        cJSON_AddNumberToObject(json, "tolerance", args->check.tolerance);
        if (cli_json_print(json) != CLI_DONE)
            return CLI_FAILED;
    } else {
        printf("groups            %zu, %zu of them above %.2g\n", report->groups,
               report->failed, args->check.tolerance);
        printf("largest movement  %.2g of the largest output\n", report->largest);
    }
    if (report->failed > 0 || !(report->largest <= args->check.tolerance)) {
        fflush(stdout);
        return cli_fail_text(
            "permuting groups of '%s' moves its outputs by %.2g of the "
            "largest, more than %.2g",
            file, report->largest, args->check.tolerance);
    }
    return CLI_DONE;
}

/* Writes a copy with all groups permuted. */
static tn_status write_permuted(const tn_model *model, const struct check_args *args,
                                tn_error *err)
{
    tn_model *permuted = NULL;
    if (!args->permuted)
        return TN_OK;
    tn_status status = tn_model_permute(&permuted, model, args->check.seed, err);
    if (status == TN_OK)
        status = cli_model_write(permuted, &args->base, args->permuted, &model, 1, err);
    tn_model_free(permuted);
    return status;
}

static int run(void *user)
{
    struct check_args *args = user;
    tn_error err = {0};
    tn_model *model = NULL;
    tn_check_report report;
    struct cli_progress progress;
    if ((args->permuted && cli_output_check(&args->base, args->permuted,
                                            cli_model_endings, &err) != TN_OK) ||
        cli_models_load(&model, &args->base, 1, &err) != TN_OK)
        return cli_fail(&err);
    args->check.threads = args->base.threads;
    tn_observer observer = cli_progress_start(&progress, &args->base);
    tn_status status = tn_model_check(&report, model, &args->check, &observer, &err);
    cli_progress_end(&progress);
    if (status == TN_OK)
        status = write_permuted(model, args, &err);
    tn_model_free(model);
    return status == TN_OK ? show(&report, args) : cli_fail(&err);
}

#define FIELD(name) offsetof(struct check_args, check.name)
static const struct cli_option options[] = {
    CLI_OPTION("rounds", CLI_SIZE, FIELD(rounds), "N",
               "random permutations of each group", .recorded = false, .min = 1,
               .max = 1e6),
    CLI_OPTION("images", CLI_SIZE, FIELD(images), "N", "random inputs",
               .recorded = false, .min = 1, .max = 1e6),
    CLI_OPTION("tolerance", CLI_DOUBLE, FIELD(tolerance), "X",
               "how far outputs may move, relative to the largest output",
               .recorded = false, .min = 1e-12, .max = 1),
    CLI_OPTION("seed", CLI_U64, FIELD(seed), "N", "of the permutations and the inputs",
               .recorded = true),
    CLI_OPTION("permuted", CLI_STRING, offsetof(struct check_args, permuted), "OUT",
               "write a copy with every group permuted: the same function",
               .recorded = false),
    CLI_OPTION("force", CLI_FLAG, offsetof(struct check_args, base.force), NULL,
               "replace OUT where it is there already", .recorded = false,
               .letter = 'f'),
};
static const struct cli_group group = CLI_GROUP("Checking", options);

const struct cli_command cli_check = {
    .name = "check",
    .operands = "MODEL",
    .summary = "permutes every group at random: how far do the outputs move?",
    .about =
        "Permutes each neuron group by itself, then all at once, and compares the "
        "outputs on random inputs. A permutation of a true group changes nothing but "
        "rounding; ends with status 1 where outputs move by more than --tolerance.",
    .examples = "  tenon check net.onnx\n"
                "  tenon check net.pth --arch vgg11 --rounds 10\n"
                "  tenon check net.onnx --permuted copy.onnx --seed 2\n",
    .operands_min = 1,
    .operands_max = 1,
    .written = "permuted",
    .groups = {&group, &cli_group_models, &cli_group_common},
    .size = sizeof(struct check_args),
    .init = init,
    .run = run,
};
