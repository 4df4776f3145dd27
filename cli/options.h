/* options.h - command lines into structs, by the tables of command.h.
 *
 * Long options are --name VALUE or --name=VALUE, short ones -o VALUE or -oVALUE, flags
 * may be bundled (-qf), and -- ends the options. Operands may stand anywhere.
 */
#ifndef TENON_CLI_OPTIONS_H
#define TENON_CLI_OPTIONS_H

#include <cjson/cJSON.h>

#include "command.h"

/* Fills `args` (command->size bytes), defaults first. Operands stay borrowed from argv,
 * whose order changes. Prints one line and returns CLI_USAGE where the line is wrong.
 */
int cli_parse(void *args, const struct cli_command *command, int argc, char **argv);

/* The same in parts, for options that stand elsewhere than on a command line: defaults;
 * one option (text NULL for flags), which borrows its text; whether operands and
 * options that are wanted are there. Each prints one line and returns CLI_USAGE where
 * something is wrong. */
void cli_args_init(void *args, const struct cli_command *command);
int cli_option_set(void *args, const struct cli_command *command,
                   const struct cli_option *option, const char *text);
int cli_option_unknown(const struct cli_command *command, const char *name);
int cli_check_complete(const struct cli_command *command, const void *args);
bool cli_takes_value(const struct cli_option *option);

/* The value of an option in `args` as the user would write it; "" where there is none
 * to show (flags, absent strings). */
#define CLI_VALUE_TEXT 512
void cli_option_text(char text[CLI_VALUE_TEXT], const struct cli_option *option,
                     const void *args);

/* The recorded options of a command with the values in `args`, as a JSON object that
 * the caller owns: names as on the command line, paths without their folders. NULL when
 * out of memory. */
cJSON *cli_options_record(const struct cli_command *command, const void *args);

/* Sets the options of `args` that a record holds, but for files and data: those the
 * user names again. Texts stay borrowed from the record. Returns as cli_parse(). */
int cli_options_restore(void *args, const struct cli_command *command,
                        const cJSON *record);

/* The last part of a path; borrowed. */
const char *cli_base_name(const char *path);

#endif
