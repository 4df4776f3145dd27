/* training.h - what `tenon train`, `tenon finetune` and `tenon distill` share: options,
 * the job, the report.
 */
#ifndef TENON_CLI_TRAINING_H
#define TENON_CLI_TRAINING_H

#include "command.h"
#include "tenon/train.h"

struct cli_training_args {
    struct cli_args base;
    tn_train_options train;
    tn_teachers teachers; /* of distill: temperature and weight */
};

extern const struct cli_group cli_group_training;
extern const struct cli_group cli_group_training_state; /* --state --resume */
extern const struct cli_group cli_group_training_data;

/* Rows that pruning with training has too; the offsets of a double, a size and a flag.
 */
#define CLI_WEIGHT_DECAY_OPTION(at)                                                    \
    CLI_OPTION("weight-decay", CLI_DOUBLE, (at), "X", "on weights of rank 2 and more", \
               .recorded = true, .max = 1e6)
#define CLI_AUGMENT_OPTIONS(pad, flip)                                                 \
    CLI_OPTION("pad", CLI_SIZE, (pad), "N",                                            \
               "augmentation: pixels of padding before a random crop",                 \
               .recorded = true, .max = 4096),                                         \
        CLI_OPTION("flip", CLI_FLAG, (flip), NULL,                                     \
                   "augmentation: mirror every other image at random",                 \
                   .recorded = true)

/* Fills models [teachers + 1]: the teachers, then the model that training starts from;
 * `data` is what it will be trained on. */
typedef tn_status cli_training_open(tn_model **models,
                                    const struct cli_training_args *args,
                                    const tn_dataset *data, tn_error *err);

struct cli_training_job {
    cli_training_open *open;
    size_t teachers; /* the first operands */
    bool start_row;  /* the model that training starts from is in the table too */
};

/* Trains, writes --output and prints the report. Returns the exit status. */
int cli_training_run(struct cli_training_args *args,
                     const struct cli_training_job *job);

#endif
