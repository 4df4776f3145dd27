/* fuse_checks.h - was a fusion done right: the aligned parents alone, and the line
 * between them. */
#ifndef TENON_CLI_FUSE_CHECKS_H
#define TENON_CLI_FUSE_CHECKS_H

#include "fuse_options.h"
#include "score.h"

struct cli_fuse_checks {
    size_t count;              /* models; 0: nothing was checked */
    size_t steps;              /* of the line between two models; 0: no line */
    struct cli_score *aligned; /* [count]: each parent carried, alone */
    double *lost;              /* [count]: parent's accuracy minus the aligned one's */
    struct cli_score *line;    /* [steps + 1], from all of the first model to all of the
                                  second */
    double barrier_accuracy, barrier_loss; /* largest distance of the line's points from
                                              the straight line between its ends */
};

/* Makes and evaluates them on `data`; parents [count] were evaluated on the same. */
tn_status cli_fuse_check(struct cli_fuse_checks *out, const struct cli_fuse_args *args,
                         tn_fusion *fusion, const struct cli_score *parents,
                         const tn_dataset *data, const tn_observer *observer,
                         tn_error *err);
void cli_fuse_checks_release(struct cli_fuse_checks *checks);

/* The lines below the table; the worst of `report`'s numbers among them. */
void cli_fuse_checks_print(const struct cli_fuse_checks *checks,
                           const tn_fuse_report *report);
cJSON *cli_fuse_checks_json(const struct cli_fuse_checks *checks,
                            const tn_fuse_report *report);

#endif
