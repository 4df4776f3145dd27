/* cmd_distill.c - tenon distill: trains a student on what teachers say. */
#include "command.h"
#include "files.h"
#include "report.h"
#include "training.h"

static void init(void *user)
{
    struct cli_training_args *args = user;
    args->train = (tn_train_options)TN_TRAIN_OPTIONS_INIT;
    args->train.learning_rate /= 10;
    args->teachers = (tn_teachers)TN_TEACHERS_INIT;
}

/* Input and classes of a student without weights are those of the data. */
static tn_status open_models(tn_model **models, const struct cli_training_args *args,
                             const tn_dataset *data, tn_error *err)
{
    size_t teachers = args->base.count - 1;
    const char *student = args->base.operands[teachers];
    if (cli_is_model_file(student))
        return cli_models_load(models, &args->base, teachers + 1, err);
    int64_t input[3];
    tn_dataset_shape(input, data);
    tn_status status = cli_models_load(models, &args->base, teachers, err);
    if (status == TN_OK)
        status =
            tn_model_create(&models[teachers], student, input,
                            (int64_t)tn_dataset_classes(data), args->train.seed, err);
    return status;
}

static int run(void *user)
{
    struct cli_training_args *args = user;
    const char *student = args->base.operands[args->base.count - 1];
    struct cli_training_job job = {.open = open_models,
                                   .teachers = args->base.count - 1,
                                   .start_row = cli_is_model_file(student)};
    return cli_training_run(args, &job);
}

#define FIELD(name) offsetof(struct cli_training_args, teachers.name)

static const struct cli_option options[] = {
    CLI_OPTION("temperature", CLI_DOUBLE, FIELD(temperature), "T",
               "by which outputs are divided before both softmaxes", .recorded = true,
               .min = 1e-6, .max = 1e6),
    CLI_OPTION("teaching", CLI_DOUBLE, FIELD(weight), "A",
               "share of the teachers in the loss, the rest is that of the labels",
               .recorded = true, .max = 1),
};
static const struct cli_group group = CLI_GROUP("Distillation", options);

const struct cli_command cli_distill = {
    .name = "distill",
    .operands = "TEACHER... STUDENT",
    .summary = "trains a student on what one or more teachers say",
    .about =
        "The loss of an image is (1 - A) its cross-entropy + A T^2 KL(teachers || "
        "student) (Hinton et al. 2015); several teachers are averaged. STUDENT is a "
        "model file, or the name of an architecture, which then starts from random "
        "weights. The same data, options and seed give the same file, whatever the "
        "number of threads.",
    .examples =
        "  tenon distill a.onnx b.onnx fused.onnx -o out.onnx --data "
        "fashion-mnist\n"
        "  tenon distill big.onnx resnet8 -o out.onnx --data cifar10:DIR -l 0.1\n",
    .operands_min = 2,
    .operands_max = SIZE_MAX,
    .required = {"output", "data"},
    .groups = {&group, &cli_group_training, &cli_group_training_state,
               &cli_group_training_data, &cli_group_models, &cli_group_output,
               &cli_group_report, &cli_group_common},
    .size = sizeof(struct cli_training_args),
    .init = init,
    .run = run,
};
