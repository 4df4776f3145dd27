/* completion.h - what a shell completes, made from the tables of command.h. */
#ifndef TENON_CLI_COMPLETION_H
#define TENON_CLI_COMPLETION_H

#include <stdbool.h>

/* Prints a script for bash, zsh or fish; false for any other shell. */
bool cli_completion_print(const char *shell);

#endif
