/* training.h - what `tenon train` and `tenon finetune` share: options, the job, the
 * report.
 */
#ifndef TENON_CLI_TRAINING_H
#define TENON_CLI_TRAINING_H

#include "command.h"
#include "tenon/train.h"

struct cli_training_args {
    struct cli_args base;
    tn_train_options train;
};

extern const struct cli_group cli_group_training;
extern const struct cli_group cli_group_training_data;

/* Makes the model that training starts from; `data` is what it will be trained on. */
typedef tn_status cli_training_start(tn_model **out,
                                     const struct cli_training_args *args,
                                     const tn_dataset *data, tn_error *err);

/* Trains, writes --output and prints the report; where `before` is not NULL the model
 * that training starts from is evaluated too, as the row of that label. Returns the
 * exit status. */
int cli_training_run(struct cli_training_args *args, cli_training_start *start,
                     const char *before);

#endif
