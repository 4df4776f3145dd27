/* progress.h - how far a job is, on stderr.
 *
 *     struct cli_progress progress;
 *     tn_observer observer = cli_progress_start(&progress, args);
 *     status = tn_train(..., &observer, &err);
 *     cli_progress_end(&progress);
 *
 * On a terminal one line is redrawn, at most ten times a second and only when it
 * changed; elsewhere a line is written at the end of a stage and every few seconds of
 * it. The first ^C, or SIGTERM as batch
 * systems send it, asks the job to stop, the second kills it.
 */
#ifndef TENON_CLI_PROGRESS_H
#define TENON_CLI_PROGRESS_H

#include "command.h"
#include "tenon/error.h"

#define CLI_PROGRESS_TEXT 256

struct cli_progress {
    const char *what; /* set by the command: what the stages are about; or NULL */
    bool terminal, quiet, verbose;
    bool drawn;                  /* a bar stands on the last line of the terminal */
    bool open;                   /* plain lines: the stage has not been told as ended */
    double last_time;            /* of the last line, seconds */
    char stage[128];             /* as last seen */
    char end[CLI_PROGRESS_TEXT]; /* the line that tells its end */
    char shown[CLI_PROGRESS_TEXT]; /* on the terminal now */
    bool has_loss;                 /* the stage is one of training */
    bool slow;                     /* it took long enough to be told off the terminal */
};

/* Takes over SIGINT and SIGTERM. The observer borrows *progress. */
tn_observer cli_progress_start(struct cli_progress *progress,
                               const struct cli_args *args);

/* Clears the bar; to be called before anything else is printed. */
void cli_progress_end(struct cli_progress *progress);

/* Whether ^C was pressed; fills err with TN_ERROR_CANCELLED. For the gaps between calls
 * that take an observer. */
tn_status cli_progress_cancelled(tn_error *err);

/* Seconds of a clock that only goes forward. */
double cli_now(void);

#endif
