/* cmd_finetune.c - tenon finetune: goes on training a model. */
#include "command.h"
#include "files.h"
#include "report.h"
#include "training.h"

/* A trained network wants a tenth of the learning rate that a random one does. */
static void init(void *user)
{
    struct cli_training_args *args = user;
    args->train = (tn_train_options)TN_TRAIN_OPTIONS_INIT;
    args->train.learning_rate /= 10;
}

static tn_status open_model(tn_model **out, const struct cli_training_args *args,
                            const tn_dataset *data, tn_error *err)
{
    (void)data;
    return cli_models_load(out, &args->base, 1, err);
}

static int run(void *user)
{
    static const struct cli_training_job job = {.open = open_model, .start_row = true};
    return cli_training_run(user, &job);
}

const struct cli_command cli_finetune = {
    .name = "finetune",
    .operands = "MODEL",
    .summary = "goes on training a model",
    .about = "Trains MODEL further with SGD on cross-entropy and prints its accuracy "
             "before and after. The same data, options and seed give the same file, "
             "whatever the number of threads.",
    .examples = "  tenon finetune fused.onnx -o tuned.onnx --data fashion-mnist "
                "--epochs 3\n",
    .operands_min = 1,
    .operands_max = 1,
    .required = {"output", "data"},
    .groups = {&cli_group_training, &cli_group_training_state, &cli_group_training_data,
               &cli_group_models, &cli_group_output, &cli_group_report,
               &cli_group_common},
    .size = sizeof(struct cli_training_args),
    .init = init,
    .run = run,
};
