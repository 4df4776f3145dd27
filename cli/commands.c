/* commands.c - the table of all subcommands, and the option groups that several share.
 *
 * Whatever needs to know all commands and options (help, man pages, shell completion)
 * walks this table and nothing else.
 */
#include "command.h"

#include <string.h>

#define FIELD(name) offsetof(struct cli_args, name)

static const struct cli_option common_options[] = {
    CLI_OPTION(
        "threads", CLI_SIZE, FIELD(threads), "N",
        "worker threads; 0 takes one for each processor. Results do not depend on it",
        .recorded = false, .max = 4096),
    CLI_OPTION("json", CLI_FLAG, FIELD(json), NULL,
               "print the result as one JSON object", .recorded = false),
    CLI_OPTION("quiet", CLI_FLAG, FIELD(quiet), NULL,
               "no progress and no notes, only the result and errors",
               .recorded = false, .letter = 'q'),
    CLI_OPTION("verbose", CLI_FLAG, FIELD(verbose), NULL, "say more", .recorded = false,
               .letter = 'v'),
    CLI_OPTION("help", CLI_FLAG, FIELD(help), NULL, "print this and end",
               .recorded = false, .letter = 'h'),
};
const struct cli_group cli_group_common = CLI_GROUP("Common options", common_options);

static const struct cli_option output_options[] = {
    CLI_OPTION("output", CLI_FILE, FIELD(output), "OUT",
               "the file to write, whole or not at all", .recorded = false,
               .letter = 'o'),
    CLI_OPTION("force", CLI_FLAG, FIELD(force), NULL,
               "replace the file where it is there already", .recorded = false,
               .letter = 'f'),
};
const struct cli_group cli_group_output = CLI_GROUP("Output", output_options);

static const struct cli_option model_options[] = {
    CLI_OPTION("arch", CLI_STRING, FIELD(arch), "NAME",
               "architecture of files that carry weights but no graph: one name for "
               "all, or one for each such file in their order, separated by commas. "
               "'tenon help arch' lists them",
               .recorded = true),
    CLI_OPTION("graph", CLI_FILE, FIELD(graph), "FILE.onnx",
               "take the graph of these files from an ONNX file instead",
               .recorded = true),
};
const struct cli_group cli_group_models = CLI_GROUP("Model files", model_options);

static const struct cli_option data_options[] = {
    CLI_OPTION("data", CLI_DATA, FIELD(data), "SPEC",
               "labelled images, kind:path[,key=value...]; split=test where the kind "
               "has splits and SPEC does not say. 'tenon help data' explains SPEC",
               .recorded = false),
};
const struct cli_group cli_group_data = CLI_GROUP("Data", data_options);

const struct cli_choice cli_precisions[] = {{"f32", TN_PRECISION_F32},
                                            {"bf16", TN_PRECISION_BF16},
                                            {"auto", TN_PRECISION_AUTO},
                                            {NULL, 0}};
static const struct cli_option speed_options[] = {
    CLI_PRECISION_OPTION(FIELD(precision)),
};
const struct cli_group cli_group_speed = CLI_GROUP("Speed", speed_options);

extern const struct cli_command cli_inspect, cli_eval, cli_fuse, cli_prune,
    cli_assemble, cli_slim, cli_train, cli_finetune, cli_distill, cli_transfer,
    cli_compare, cli_check, cli_infer, cli_convert, cli_run;

const struct cli_command *const cli_commands[] = {
    &cli_inspect, &cli_eval,     &cli_fuse,    &cli_prune,
    &cli_slim,    &cli_assemble, &cli_train,   &cli_finetune,
    &cli_distill, &cli_transfer, &cli_compare, &cli_check,
    &cli_infer,   &cli_convert,  &cli_run,     NULL};

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

const struct cli_option *cli_option_find(const struct cli_command *command,
                                         const char *name)
{
    for (size_t g = 0; command->groups[g]; g++)
        for (size_t i = 0; i < command->groups[g]->count; i++)
            if (strcmp(command->groups[g]->options[i].name, name) == 0)
                return &command->groups[g]->options[i];
    return NULL;
}
