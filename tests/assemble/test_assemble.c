/* test_assemble.c - the whole: budgets hold, what is planned is written, one member
 * gives itself back, threads do not matter, tuning moves what it may, bad input is
 * named. */
#include "zoos.h"

#include "assemble/job.h"
#include "data/dataset.h"

static tn_assemble_options small_options(void)
{
    tn_assemble_options options = TN_ASSEMBLE_OPTIONS_INIT;
    options.blocks = 3;
    options.samples = 64;
    options.calibration = 64;
    options.restarts = 20;
    options.candidates = 2;
    options.threads = 1;
    return options;
}

static tn_dataset *noise(void)
{
    tn_dataset *data = NULL;
    assert_ok(tn_dataset_open(&data, "random:3x32x32,limit=128,seed=3", NULL, err));
    return data;
}

static tn_zoo *two_members(void)
{
    const char *archs[] = {"resnet20x0.25", "resnet32x0.25"};
    return make_zoo(archs, 2);
}

static uint64_t params_of(const tn_model *model)
{
    tn_model_info info;
    assert_ok(tn_model_info_get(&info, model, err));
    return info.parameters;
}

static void budgets_hold_in_the_network_itself(void **state)
{
    (void)state;
    tn_zoo *zoo = two_members();
    tn_dataset *data = noise();
    tn_assemble_options options = small_options();
    uint64_t small = params_of(tn_zoo_model(zoo, 0)),
             large = params_of(tn_zoo_model(zoo, 1));
    options.min_params = small / 2;
    options.max_params = large - (large - small) / 8;
    for (int solver = 0; solver < 2; solver++) {
        tn_model *made = NULL;
        tn_assemble_report report = {0};
        tn_model_info info;
        options.solver = solver ? TN_ASSEMBLE_CBC : TN_ASSEMBLE_LABELS;
        options.candidates = 1;
        assert_ok(tn_assemble(&made, NULL, &report, zoo, data, &options, NULL, err));
        assert_ok(tn_model_info_get(&info, made, err));
        assert_int_equal(info.parameters, report.params);
        assert_int_equal(info.macs, report.macs);
        assert_true(info.parameters >= options.min_params &&
                    info.parameters <= options.max_params);
        assert_non_null(
            strstr(tn_model_metadata_get(made, "tenon.blocks"), "\"nodes\""));
        tn_assemble_report_release(&report);
        tn_model_free(made);
    }
    tn_dataset_free(data);
    tn_zoo_free(zoo);
}

static void the_nearest_budget_is_named(void **state)
{
    (void)state;
    tn_zoo *zoo = two_members();
    tn_dataset *data = noise();
    tn_assemble_options options = small_options();
    tn_model *made = NULL;
    options.max_params = 1000;
    assert_fails(tn_assemble(&made, NULL, NULL, zoo, data, &options, NULL, err),
                 TN_ERROR_MISMATCH,
                 "no chain of blocks keeps the budgets; the nearest");
    assert_null(made);
    tn_dataset_free(data);
    tn_zoo_free(zoo);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    tn_dataset *data = noise();
    tn_assemble_options options = small_options();
    float *images = random_images(4, 3072, 9), *outputs[2];
    for (size_t t = 0; t < 2; t++) {
        tn_zoo *zoo = two_members();
        tn_model *made = NULL;
        options.threads = t + 1;
        options.path = "1:0-3,2:5-16";
        assert_ok(tn_assemble(&made, NULL, NULL, zoo, data, &options, NULL, err));
        outputs[t] = outputs_on(made, images, 4);
        tn_model_free(made);
        tn_zoo_free(zoo);
    }
    assert_memory_equal(outputs[0], outputs[1], 40 * sizeof(float));
    free(outputs[0]);
    free(outputs[1]);
    free(images);
    tn_dataset_free(data);
}

/* Tuning stitches leaves the weights of blocks as they are, and the running statistics
 * before the first stitch. */
static void tuning_moves_stitches_and_head_alone(void **state)
{
    (void)state;
    tn_zoo *zoo = two_members();
    tn_dataset *data = noise();
    tn_assemble_options options = small_options();
    tn_model *made = NULL, *before = NULL;
    size_t moved = 0, still = 0;
    options.path = "1:0-3,2:5-16";
    options.tune = TN_TUNE_STITCHES;
    options.train.epochs = 1;
    options.train.warmup_epochs = 0;
    options.train.batch = 64;
    assert_ok(tn_assemble(&made, &before, NULL, zoo, data, &options, NULL, err));
    for (size_t v = 0; v < made->value_count; v++) {
        const tn__value *a = &made->values[v], *b = &before->values[v];
        bool statistic = strstr(a->name, "running") || strstr(a->name, "tracked");
        if (a->parameter.dtype != TN_F32 ||
            (statistic && strncmp(a->name, "block1.", 7) != 0))
            continue;
        bool same =
            !memcmp(tn__tensor_data(&a->parameter), tn__tensor_data(&b->parameter),
                    tn__tensor_bytes(&a->parameter));
        bool free_to =
            !strncmp(a->name, "stitch", 6) || strstr(a->name, "block2.linear");
        assert_int_equal(same, !free_to);
        moved += !same;
        still += same;
    }
    assert_int_equal(moved, 4);
    assert_true(still > 20);
    tn_model_free(made);
    tn_model_free(before);
    tn_dataset_free(data);
    tn_zoo_free(zoo);
}

/* Taught by the members, any labels give the same network, and the stitch that was
 * multiplied into the layer behind is tuned and in it again. */
static void members_teach_without_labels(void **state)
{
    (void)state;
    const char *archs[] = {"mlp:16-9-8-10", "mlp:16-7-6-10"};
    tn_dataset *data = NULL;
    tn_assemble_options options = small_options();
    float *images = random_images(8, 16, 9), *outputs[3];
    assert_ok(
        tn_dataset_open(&data, "random:16x1x1,limit=128,classes=10,seed=3", NULL, err));
    options.path = "1:0-0,2:1-2";
    options.head = TN_ASSEMBLE_HEAD_KEEP;
    options.teacher = TN_TEACHER_MEMBERS;
    options.train.epochs = 1;
    options.train.batch = 64;
    for (size_t t = 0; t < 3; t++) {
        tn_zoo *zoo = make_zoo(archs, 2);
        tn_model *made = NULL;
        options.tune = t < 2 ? TN_TUNE_STITCHES : TN_TUNE_NONE;
        assert_ok(tn_assemble(&made, NULL, NULL, zoo, data, &options, NULL, err));
        assert_int_equal(params_of(made), 16 * 9 + 9 * 6 + 6 + 6 * 10);
        outputs[t] = outputs_on(made, images, 8);
        for (size_t i = 0; i < data->count; i++)
            data->labels[i] = (data->labels[i] + 3) % 10;
        tn_model_free(made);
        tn_zoo_free(zoo);
    }
    assert_memory_equal(outputs[0], outputs[1], 80 * sizeof(float));
    assert_true(largest_gap(outputs[0], outputs[2], 80) > 1e-6);
    for (size_t t = 0; t < 3; t++)
        free(outputs[t]);
    free(images);
    tn_dataset_free(data);
}

/* A member trained with another mean and deviation answers as before to the same
 * pixels. */
static void another_normalisation_is_undone(void **state)
{
    (void)state;
    tn_dataset *data = noise();
    const double mean[3] = {0.5, 0.4, 0.3}, std[3] = {0.2, 0.25, 0.5};
    const tn_zoo_member as = {.channels = 3, .mean = mean, .std = std};
    tn_model *model = make_net("resnet20x0.25", 1);
    tn_zoo *zoo = NULL;
    float *pixels = random_images(4, 3072, 9), *own = random_images(4, 3072, 9);
    for (size_t i = 0; i < 4 * 3072; i++) {
        size_t c = i / 1024 % 3;
        own[i] = (float)(((double)pixels[i] - mean[c]) / std[c]);
    }
    assert_ok(tn_zoo_create(&zoo, err));
    assert_ok(tn_zoo_add(zoo, model, &as, err));
    assert_ok(tn__zoo_prepare(zoo, data, err)); /* random data: mean 0, deviation 1 */
    assert_ok(tn__zoo_prepare(zoo, data, err)); /* a second time changes nothing */
    float *a = outputs_on(model, own, 4),
          *b = outputs_on(tn_zoo_model(zoo, 0), pixels, 4);
    assert_true(largest_gap(a, b, 40) < 1e-4);
    assert_int_equal(params_of(tn_zoo_model(zoo, 0)), params_of(model) + 6);
    free(a);
    free(b);
    free(own);
    free(pixels);
    tn_model_free(model);
    tn_zoo_free(zoo);
    tn_dataset_free(data);
}

static void bad_paths_are_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"1:0-3", "from an input to an output"},
        {"1:0", "not MEMBER:FIRST-LAST"},
        {"3:0-3", "not in the zoo"},
        {"1:0-99", "units 0 to 10"},
        {"1:4-3", "not in the zoo"},
        {"1:0-3;2:5-16", "block 1 is not"},
        {"", "block 1 is not"},
    };
    tn_zoo *zoo = two_members();
    tn__block blocks[TN__BLOCKS_MAX];
    size_t count;
    for (size_t i = 0; i < TN__COUNT(bad); i++)
        assert_fails(tn__chain_parse(blocks, &count, zoo, bad[i][0], err),
                     TN_ERROR_ARGUMENT, bad[i][1]);
    assert_ok(tn__chain_parse(blocks, &count, zoo, "1:0-3,2:5-16", err));
    assert_int_equal(count, 2);
    tn_zoo_free(zoo);
}

static void expect_zoo_error(const char *text, tn_status status, const char *message)
{
    char path[] = "/tmp/tenon-zoo-XXXXXX";
    int fd = mkstemp(path);
    tn_zoo *zoo = NULL;
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    assert_ok(tn_zoo_create(&zoo, err));
    assert_fails(tn_zoo_load(zoo, path, err), status, message);
    tn_zoo_free(zoo);
    unlink(path);
}

static void bad_zoo_files_are_named(void **state)
{
    (void)state;
    expect_zoo_error("{", TN_ERROR_FORMAT, "\"members\"");
    expect_zoo_error("{\"members\": []}", TN_ERROR_FORMAT, "1 to 1024 members");
    expect_zoo_error("{\"members\": [{}]}", TN_ERROR_FORMAT, "has no 'file'");
    expect_zoo_error("{\"members\": [{\"file\": 3}]}", TN_ERROR_FORMAT, "is no text");
    expect_zoo_error("{\"members\": [{\"file\": \"a\", \"mean\": [1], \"std\": [0]}]}",
                     TN_ERROR_FORMAT, "standard deviation of 0");
    expect_zoo_error("{\"members\": [{\"file\": \"a\", \"mean\": [1]}]}",
                     TN_ERROR_FORMAT, "1 means and 0");
    expect_zoo_error("{\"members\": [{\"file\": \"absent.onnx\"}]}", TN_ERROR_IO,
                     "absent.onnx");
}

static void kendall_counts_pairs(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 4}, same[] = {2, 4, 6, 9}, back[] = {4, 3, 2, 1},
                 mixed[] = {1, 3, 2, 4}, flat[] = {1, 1, 1, 1};
    assert_near(tn_kendall(x, same, 4), 1, 1e-12);
    assert_near(tn_kendall(x, back, 4), -1, 1e-12);
    assert_near(tn_kendall(x, mixed, 4), 4.0 / 6, 1e-12);
    assert_true(tn_kendall(x, flat, 4) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_hold_in_the_network_itself),
        cmocka_unit_test(the_nearest_budget_is_named),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(tuning_moves_stitches_and_head_alone),
        cmocka_unit_test(members_teach_without_labels),
        cmocka_unit_test(another_normalisation_is_undone),
        cmocka_unit_test(bad_paths_are_named),
        cmocka_unit_test(bad_zoo_files_are_named),
        cmocka_unit_test(kendall_counts_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
