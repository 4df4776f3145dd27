/* commands.c - the table of all subcommands, and the option groups that several share.
 *
 * Whatever needs to know all commands and options (help, man pages, shell completion)
 * walks this table and nothing else.
 */
#include "command.h"

#include <string.h>

#define FIELD(name) offsetof(struct cli_args, name)

static const struct cli_option common_options[] = {
    {.name = "threads",
     .kind = CLI_SIZE,
     .offset = FIELD(threads),
     .value = "N",
     .help =
         "worker threads; 0 takes one for each processor. Results do not depend on it",
     .max = 4096},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = FIELD(json),
     .help = "print the result as one JSON object"},
    {.name = "quiet",
     .letter = 'q',
     .kind = CLI_FLAG,
     .offset = FIELD(quiet),
     .help = "no progress and no notes, only the result and errors"},
    {.name = "verbose",
     .letter = 'v',
     .kind = CLI_FLAG,
     .offset = FIELD(verbose),
     .help = "say more"},
    {.name = "help",
     .letter = 'h',
     .kind = CLI_FLAG,
     .offset = FIELD(help),
     .help = "print this and end"},
};
const struct cli_group cli_group_common = CLI_GROUP("Common options", common_options);

static const struct cli_option output_options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_FILE,
     .offset = FIELD(output),
     .value = "OUT",
     .help = "the file to write, whole or not at all"},
    {.name = "force",
     .letter = 'f',
     .kind = CLI_FLAG,
     .offset = FIELD(force),
     .help = "replace the file where it is there already"},
};
const struct cli_group cli_group_output = CLI_GROUP("Output", output_options);

static const struct cli_option model_options[] = {
    {.name = "arch",
     .kind = CLI_STRING,
     .recorded = true,
     .offset = FIELD(arch),
     .value = "NAME",
     .help = "architecture of files that carry weights but no graph: one name for all, "
             "or one for each such file in their order, separated by commas. "
             "'tenon help arch' lists them"},
    {.name = "graph",
     .kind = CLI_FILE,
     .recorded = true,
     .offset = FIELD(graph),
     .value = "FILE.onnx",
     .help = "take the graph of these files from an ONNX file instead"},
};
const struct cli_group cli_group_models = CLI_GROUP("Model files", model_options);

static const struct cli_option data_options[] = {
    {.name = "data",
     .kind = CLI_DATA,
     .offset = FIELD(data),
     .value = "SPEC",
     .help = "labelled images, kind:path[,key=value...]; split=test where the kind has "
             "splits and SPEC does not say. 'tenon help data' explains SPEC"},
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
