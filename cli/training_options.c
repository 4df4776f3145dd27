/* training_options.c - the option tables of training, one row for each member of
 * tn_train_options. */
#include "training.h"

#define FIELD(name) offsetof(struct cli_training_args, train.name)
#define MANY 1e9

static const struct cli_choice schedules[] = {{"constant", TN_SCHEDULE_CONSTANT},
                                              {"cosine", TN_SCHEDULE_COSINE},
                                              {"step", TN_SCHEDULE_STEP},
                                              {"cycle", TN_SCHEDULE_CYCLE},
                                              {NULL, 0}};

static const struct cli_choice optimizers[] = {
    {"sgd", TN_OPTIMIZER_SGD}, {"adamw", TN_OPTIMIZER_ADAMW}, {NULL, 0}};

static const struct cli_option options[] = {
    CLI_OPTION("epochs", CLI_SIZE, FIELD(epochs), "N", "how often each image is seen",
               .recorded = true, .letter = 'e', .min = 1, .max = MANY),
    CLI_OPTION("batch", CLI_SIZE, FIELD(batch), "N",
               "images of a step; a multiple of --shard", .recorded = true, .min = 1,
               .max = MANY),
    CLI_OPTION("shard", CLI_SIZE, FIELD(shard), "N",
               "images whose batch statistics are taken together, and the unit of work "
               "of a thread",
               .recorded = true, .min = 1, .max = MANY),
    CLI_OPTION("optimizer", CLI_CHOICE, FIELD(optimizer), NULL,
               "how weights follow gradients", .recorded = true, .choices = optimizers),
    CLI_OPTION("only", CLI_STRING, FIELD(only), "NAMES",
               "train only parameters whose names begin so, separated by commas",
               .recorded = true),
    CLI_OPTION("learning-rate", CLI_DOUBLE, FIELD(learning_rate), "X", "at its highest",
               .recorded = true, .letter = 'l', .min = 1e-12, .max = 1e6),
    CLI_OPTION("momentum", CLI_DOUBLE, FIELD(momentum), "X",
               "of SGD; of AdamW's first moment", .recorded = true, .max = 1),
    CLI_OPTION("second-momentum", CLI_DOUBLE, FIELD(second_momentum), "X",
               "of AdamW's second moment", .recorded = true, .max = 1),
    CLI_OPTION("no-nesterov", CLI_CLEAR, FIELD(nesterov), NULL,
               "plain momentum instead of Nesterov's", .recorded = true),
    CLI_OPTION("clip", CLI_DOUBLE, FIELD(clip), "NORM",
               "scale gradients so that their norm is at most that; 0 leaves them",
               .recorded = true, .max = 1e12),
    CLI_WEIGHT_DECAY_OPTION(FIELD(weight_decay)),
    CLI_OPTION("schedule", CLI_CHOICE, FIELD(schedule), NULL, "of the learning rate",
               .recorded = true, .choices = schedules),
    CLI_OPTION("steps", CLI_SIZES, FIELD(step_epochs), "A/B/C",
               "epochs after which the schedule 'step' lowers the learning rate",
               .recorded = true, .max = TN_TRAIN_STEPS_MAX),
    CLI_OPTION("step-factor", CLI_DOUBLE, FIELD(step_factor), "X",
               "what it is multiplied by there", .recorded = true, .max = 1),
    CLI_OPTION("warmup", CLI_DOUBLE, FIELD(warmup_epochs), "EPOCHS",
               "in which the learning rate rises from 0", .recorded = true,
               .max = MANY),
    CLI_OPTION("cycle-rise", CLI_DOUBLE, FIELD(cycle_rise), "SHARE",
               "of the schedule 'cycle': the share of steps in which the rate rises",
               .recorded = true, .min = 1e-6, .max = 1),
    CLI_OPTION("label-smoothing", CLI_DOUBLE, FIELD(label_smoothing), "X",
               "share of the target spread over all classes", .recorded = true,
               .max = 1),
    CLI_OPTION("norm-momentum", CLI_DOUBLE, FIELD(norm_momentum), "X",
               "of the running statistics of batch norm", .recorded = true, .max = 1),
    CLI_PRECISION_OPTION(FIELD(precision)),
    CLI_AUGMENT_OPTIONS(FIELD(augment_pad), FIELD(augment_flip)),
    CLI_OPTION(
        "cutout", CLI_SIZE, FIELD(augment_cutout), "N",
        "augmentation: a square of N x N pixels somewhere becomes the mean colour",
        .recorded = true, .max = 4096),
    CLI_OPTION("erase", CLI_DOUBLE, FIELD(augment_erase), "P",
               "augmentation: the probability that a rectangle becomes noise",
               .recorded = true, .max = 1),
    CLI_OPTION("mixup", CLI_DOUBLE, FIELD(mixup), "ALPHA",
               "augmentation: mix images and labels in pairs, by Beta(ALPHA, ALPHA); 0 "
               "mixes none",
               .recorded = true, .max = 1e6),
    CLI_OPTION("average", CLI_DOUBLE, FIELD(average), "DECAY",
               "judge and return the moving average of the weights, which keeps DECAY "
               "of itself at each step; 0 returns the weights",
               .recorded = true, .max = 1),
    CLI_OPTION("holdout", CLI_DOUBLE, FIELD(holdout), "SHARE",
               "keep a share of the images apart and return the epoch best on them; 0 "
               "returns the last epoch",
               .recorded = true, .max = 1),
    CLI_OPTION("seed", CLI_U64, FIELD(seed), "N",
               "of everything random: first weights, order, augmentation, holdout",
               .recorded = true),
};
const struct cli_group cli_group_training = CLI_GROUP("Training", options);

static const struct cli_option state_options[] = {
    CLI_OPTION("state", CLI_FILE, FIELD(state), "FILE",
               "keep where training stands in FILE: after each epoch, on ^C, and every "
               "--state-minutes; it is removed when OUT is written",
               .recorded = false),
    CLI_OPTION("state-minutes", CLI_DOUBLE, FIELD(state_minutes), "M",
               "at most so long between two states", .recorded = false, .max = 1e6),
    CLI_OPTION("resume", CLI_FLAG, FIELD(resume), NULL,
               "go on from --state where that file is there; the result is, bit for "
               "bit, that of a training that was never stopped",
               .recorded = false),
    CLI_OPTION("log", CLI_FILE, FIELD(log), "FILE.jsonl",
               "tell epochs, and some steps, one JSON object a line; --resume goes on "
               "with it",
               .recorded = false),
    CLI_OPTION("log-steps", CLI_SIZE, FIELD(log_steps), "N",
               "every so many steps one is told; 0: epochs only", .recorded = false,
               .max = MANY),
    CLI_OPTION("tensorboard", CLI_FILE, FIELD(tensorboard), "DIR",
               "tell the same to TensorBoard, in an event file in DIR",
               .recorded = false),
    CLI_OPTION(
        "mpi", CLI_FLAG, offsetof(struct cli_args, mpi), NULL,
        "share the shards of each batch among the processes that mpirun started; "
        "with one shard a process the result is that of one process",
        .recorded = false),
};
const struct cli_group cli_group_training_state =
    CLI_GROUP("Long trainings", state_options);

static const struct cli_option data_options[] = {
    CLI_OPTION("data", CLI_DATA, offsetof(struct cli_args, data), "SPEC",
               "labelled images to train on, kind:path[,key=value...]; split=train "
               "unless SPEC says. 'tenon help data' explains SPEC",
               .recorded = true),
    CLI_EVAL_DATA_OPTION,
};
const struct cli_group cli_group_training_data = CLI_GROUP("Data", data_options);
