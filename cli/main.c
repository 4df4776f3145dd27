/* main.c - the command `tenon`: finds the subcommand and runs it.
 *
 * What the subcommands are is in commands.c, what they do in cmd_*.c. Only the public
 * API of libtenon is used.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "completion.h"
#include "help.h"
#include "manual.h"
#include "message.h"
#include "options.h"
#include "report.h"
#include "tenon/version.h"

static int usage_command(const char *name)
{
    const char *best = NULL;
    size_t distance = 0;
    for (size_t i = 0; cli_commands[i]; i++)
        cli_suggest(&best, &distance, name, cli_commands[i]->name);
    if (best)
        return cli_usage(NULL, "unknown command '%s' (did you mean '%s'?)", name, best);
    return cli_usage(NULL, "unknown command '%s'", name);
}

/* What help has pages on besides commands. */
static const char *const topics[] = {"data", "arch", "man", "completion", NULL};

static int usage_topic(const char *name)
{
    const char *best = NULL;
    size_t distance = 0;
    for (size_t i = 0; topics[i]; i++)
        cli_suggest(&best, &distance, name, topics[i]);
    if (best)
        return cli_usage(NULL, "no help on '%s' (did you mean '%s'?)", name, best);
    return usage_command(name);
}

/* tenon help man [COMMAND] */
static int manual(const char *name)
{
    const struct cli_command *command = name ? cli_command_find(name) : NULL;
    return name && !command ? usage_command(name) : cli_manual_print(command);
}

/* tenon help [WHAT] */
static int help(int argc, char **argv)
{
    if (argc == 0) {
        cli_help_overview();
        return CLI_DONE;
    }
    if (argc <= 2 && strcmp(argv[0], "man") == 0)
        return manual(argv[1]);
    if (argc == 2 && strcmp(argv[0], "completion") == 0)
        return cli_completion_print(argv[1])
                   ? CLI_DONE
                   : cli_usage(NULL,
                               "no completion for '%s', wanted is bash, zsh or fish",
                               argv[1]);
    if (argc > 1)
        return cli_usage(NULL, "help wants one command, got %d", argc);
    const struct cli_command *command = cli_command_find(argv[0]);
    if (command)
        return cli_help_command(command);
    return cli_help_topic(argv[0]) ? CLI_DONE : usage_topic(argv[0]);
}

static int run(const struct cli_command *command, int argc, char **argv)
{
    struct cli_args *args = calloc(1, command->size);
    if (!args)
        return cli_fail_text("out of memory");
    int status = cli_parse(args, command, argc, argv);
    if (status == CLI_DONE && args->help)
        status = cli_help_command(command);
    else if (status == CLI_DONE && (status = cli_report_check(args)) == CLI_DONE)
        status = command->run(args);
    free(args);
    return status;
}

static int dispatch(int argc, char **argv)
{
    const char *name = argv[1];
    if (argc < 2 || strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        cli_help_overview();
        return CLI_DONE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("tenon %s\n", tn_version());
        return CLI_DONE;
    }
    if (strcmp(name, "help") == 0)
        return help(argc - 2, argv + 2);
    if (name[0] == '-')
        return cli_usage(NULL, "unknown option '%s', a command comes first", name);
    const struct cli_command *command = cli_command_find(name);
    return command ? run(command, argc - 2, argv + 2) : usage_command(name);
}

int main(int argc, char **argv)
{
    /* large blocks go back to the system when freed; glibc would raise this limit and
       keep them (VGG11 fused by weights: 153 MB instead of 207) */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    int status = dispatch(argc, argv);
    /* a full disk or a closed pipe must not pass for success */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("tenon: cannot write the result");
        return CLI_FAILED;
    }
    return status;
}
