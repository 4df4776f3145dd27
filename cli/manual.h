/* manual.h - manual pages, made from the tables of command.h. */
#ifndef TENON_CLI_MANUAL_H
#define TENON_CLI_MANUAL_H

#include "command.h"

/* Prints tenon-COMMAND(1), or tenon(1) where command is NULL, as man(7) source. */
int cli_manual_print(const struct cli_command *command);

#endif
