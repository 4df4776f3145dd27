/* help.h - the screens of help, made from the tables of command.h. */
#ifndef TENON_CLI_HELP_H
#define TENON_CLI_HELP_H

#include "command.h"

/* What `tenon` alone prints: what it is and its commands. */
void cli_help_overview(void);

/* Usage, options with their defaults, examples. */
int cli_help_command(const struct cli_command *command);

/* The page called `topic` that is not a command ("data", "arch"); false where there is
 * none. */
bool cli_help_topic(const char *topic);

/* "-o, --output OUT" */
#define CLI_OPTION_TEXT 128
void cli_help_option(char text[CLI_OPTION_TEXT], const struct cli_option *option);

/* The sentence of help, the names of a choice, and the default, which is that in
 * `defaults`. */
#define CLI_SENTENCE_TEXT 1024
void cli_help_sentence(char text[CLI_SENTENCE_TEXT], const struct cli_option *option,
                       const void *defaults);

/* "MODEL -o OUT --data SPEC [options]" */
void cli_help_synopsis(char text[CLI_SENTENCE_TEXT], const struct cli_command *command);

/* The arguments of a command at their defaults, for free(); NULL without memory. */
void *cli_help_defaults(const struct cli_command *command);

#endif
