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

#endif
