/* cmd_train.c - tenon train: a built-in architecture, from random weights. */
#include "command.h"
#include "report.h"
#include "training.h"

static void init(void *user)
{
    struct cli_training_args *args = user;
    args->train = (tn_train_options)TN_TRAIN_OPTIONS_INIT;
}

/* Input and classes are those of the data; the seed is that of the training. */
static tn_status open_model(tn_model **out, const struct cli_training_args *args,
                            const tn_dataset *data, tn_error *err)
{
    int64_t input[3];
    tn_dataset_shape(input, data);
    return tn_model_create(out, args->base.operands[0], input,
                           (int64_t)tn_dataset_classes(data), args->train.seed, err);
}

static int run(void *user)
{
    static const struct cli_training_job job = {.open = open_model};
    return cli_training_run(user, &job);
}

const struct cli_command cli_train = {
    .name = "train",
    .operands = "ARCH",
    .summary = "trains a built-in architecture from random weights",
    .about =
        "Trains with SGD on cross-entropy. Input size and number of classes are those "
        "of "
        "the data. The same data, options and seed give the same file, whatever the "
        "number of threads. 'tenon help arch' lists the architectures.",
    .examples = "  tenon train mlp:784-400-10 -o mlp.onnx --data fashion-mnist\n"
                "  tenon train resnet20 -o net.onnx --data cifar10:DIR --epochs 30 "
                "--pad 4 --flip\n",
    .operands_min = 1,
    .operands_max = 1,
    .required = {"output", "data"},
    .groups = {&cli_group_training, &cli_group_training_state, &cli_group_training_data,
               &cli_group_output, &cli_group_report, &cli_group_common},
    .size = sizeof(struct cli_training_args),
    .init = init,
    .run = run,
};
