/* message.h - what the command says on stderr: one line for an error, and notes.
 *
 * Results go to stdout and are no business of this file.
 */
#ifndef TENON_CLI_MESSAGE_H
#define TENON_CLI_MESSAGE_H

#include "command.h"
#include "tenon/error.h"

#define CLI_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* "tenon: MESSAGE"; returns CLI_FAILED. */
int cli_fail(const tn_error *err);
int cli_fail_text(const char *format, ...) CLI_PRINTF(1, 2);

/* "tenon COMMAND: MESSAGE; see 'tenon help COMMAND'"; command may be NULL. Returns
 * CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *format, ...)
    CLI_PRINTF(2, 3);

/* Where what cli_usage() speaks of stands, "FILE:LINE:COLUMN", borrowed; NULL: on the
 * command line. */
void cli_usage_place(const char *place);

/* "note: MESSAGE", unless args->quiet. */
void cli_note(const struct cli_args *args, const char *format, ...) CLI_PRINTF(2, 3);

/* Keeps in *best the candidate nearest to `wrong`; *distance starts at 0 with *best
 * NULL. Candidates too far to be meant are not taken. */
void cli_suggest(const char **best, size_t *distance, const char *wrong,
                 const char *candidate);

#endif
