/* test_check.c - the groups of every built-in architecture, proved by the function;
 * wrong groups are found out. */
#include "toys.h"

#include "arch/arch.h"
#include "base/base.h"
#include "neurons/check.h"

static tn_model *build(const char *arch, const int64_t *input)
{
    tn_model *model = NULL;
    assert_ok(tn__arch_build(&model, arch, input, 0, 1, err));
    toy_randomise(model, 2);
    return model;
}

/* Number of groups, and of their neurons in all. */
static void check_arch(const char *arch, const int64_t *input, size_t groups,
                       size_t neurons, bool reference)
{
    tn_model *model = build(arch, input);
    tn__groups *found = toy_groups(model);
    size_t sum = 0;
    for (size_t g = 0; g < found->count; g++)
        sum += found->list[g].neurons;
    if (found->count != groups || sum != neurons)
        fail_msg("%s has %zu groups of %zu neurons, expected %zu of %zu", arch,
                 found->count, sum, groups, neurons);
    tn_check_options options = TN_CHECK_OPTIONS_INIT;
    tn_check_report report;
    options.images = 2;
    options.rounds = 1;
    options.threads = 1;
    for (int plain = 0; plain <= reference; plain++) {
        assert_ok(
            tn__groups_check(&report, model, found, &options, plain == 1, NULL, err));
        assert_int_equal(report.groups, groups);
        assert_int_equal(report.failed, 0);
        assert_near(report.largest, 0, 1e-5);
    }
    tn__groups_free(found);
    tn_model_free(model);
}

static void groups_of_plain_networks_hold(void **state)
{
    (void)state;
    check_arch("mlp:784-400-200-100-10", NULL, 3, 700, true);
    check_arch("mlp:20-12-8-3:bias", NULL, 2, 20, true);
    check_arch("lenet5", NULL, 4, 6 + 16 + 120 + 84, true);
    /* 64, 128, 256, 256, 512 x 4, an eighth of each */
    check_arch("vgg11x0.125", NULL, 8, 8 + 16 + 32 + 32 + 4 * 64, true);
    check_arch("vgg11-bnx0.125", NULL, 8, 8 + 16 + 32 + 32 + 4 * 64, true);
}

/* A block's inner channels are a group of their own; the stages' widths w, 2w, 4w are
 * one group each, of what a stage adds to the one before with padding shortcuts (option
 * A). */
static void groups_of_cifar_resnets_hold(void **state)
{
    (void)state;
    const int64_t input[] = {3, 16, 16};
    check_arch("resnet20x0.5", input, 9 + 3, 3 * (8 + 16 + 32) + 8 + 8 + 16, true);
    check_arch("resnet20bx0.5", input, 9 + 3, 3 * (8 + 16 + 32) + 8 + 16 + 32, true);
    check_arch("resnet32x0.5", input, 15 + 3, 5 * (8 + 16 + 32) + 8 + 8 + 16, false);
    check_arch("resnet56x0.5", input, 27 + 3, 9 * (8 + 16 + 32) + 8 + 8 + 16, false);
}

static void groups_of_imagenet_resnets_hold(void **state)
{
    (void)state;
    const int64_t input[] = {3, 16, 16};
    size_t stages = 8 + 16 + 32 + 64;
    check_arch("resnet18x0.125", input, 8 + 4, 2 * stages + stages, true);
    check_arch("resnet34x0.125", input, 16 + 4,
               3 * 8 + 4 * 16 + 6 * 32 + 3 * 64 + stages, false);
}

static void groups_of_grouped_convolutions_hold(void **state)
{
    (void)state;
    tn_model *models[] = {toy_grouped(6, 4), toy_residual(5, 6, 3)};
    for (size_t k = 0; k < TN__COUNT(models); k++) {
        tn_check_report report;
        assert_ok(tn_model_check(&report, models[k], NULL, NULL, err));
        assert_int_equal(report.failed, 0);
        assert_true(report.largest <= 1e-5);
        tn_model_free(models[k]);
    }
}

typedef struct heard {
    size_t lines, steps;
    char last[256];
    double done, total;
} heard;

static void hear(void *user, int level, const char *message)
{
    heard *l = user;
    (void)level;
    l->lines++;
    snprintf(l->last, sizeof l->last, "%s", message);
}

static int watch(void *user, const tn_progress *progress)
{
    heard *l = user;
    l->steps++;
    l->done = progress->done;
    l->total = progress->total;
    return 0;
}

static void a_forgotten_tensor_is_found_out(void **state)
{
    (void)state;
    tn_model *model = toy_residual(5, 6, 3);
    tn__groups *groups = toy_groups(model);
    tn__group *group = &groups->list[toy_find_group(groups, "conv1.weight")];
    /* Without its consumer the group is permuted on one side only. */
    toy_forget_entry(groups, model, group, "conv2.weight", 1);
    heard l = {0};
    const tn_observer observer = {hear, watch, &l};
    tn_check_report report;
    assert_ok(tn__groups_check(&report, model, groups, NULL, false, &observer, err));
    assert_int_equal(report.failed, 1);
    assert_true(report.largest > 1e-2);
    assert_int_equal(l.lines, 1);
    assert_non_null(strstr(l.last, "group 'conv1.weight': the outputs move by"));
    assert_int_equal(l.steps, 4 * 3);
    assert_true(l.done == l.total && l.total == 4 * 3);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void wrongly_aligned_repeats_are_found_out(void **state)
{
    (void)state;
    tn_model *model = toy_residual(5, 6, 3);
    tn__groups *groups = toy_groups(model);
    tn__group *group = &groups->list[toy_find_group(groups, "stem.weight")];
    tn__group_entry *entry =
        &group->entries[toy_find_entry(model, group, "fc.weight", 1)];
    /* The pixels of one neuron in another order. */
    uint32_t swap = entry->index[3];
    entry->index[3] = entry->index[4];
    entry->index[4] = swap;
    tn_check_report report;
    assert_ok(tn__groups_check(&report, model, groups, NULL, true, NULL, err));
    assert_int_equal(report.failed, 1);
    tn__groups_free(groups);
    tn_model_free(model);
}

static int refuse(void *user, const tn_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static void the_caller_may_cancel(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    const tn_observer observer = {NULL, refuse, NULL};
    tn_check_report report;
    assert_fails(tn_model_check(&report, model, NULL, &observer, err),
                 TN_ERROR_CANCELLED, "");
    tn_model_free(model);
}

static void options_without_meaning_are_refused(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn_check_options images = TN_CHECK_OPTIONS_INIT, rounds = TN_CHECK_OPTIONS_INIT;
    tn_check_options tolerance = TN_CHECK_OPTIONS_INIT;
    images.images = 0;
    rounds.rounds = 0;
    tolerance.tolerance = (double)NAN;
    tn_check_report report;
    assert_fails(tn_model_check(&report, model, &images, NULL, err), TN_ERROR_ARGUMENT,
                 "images is 0");
    assert_fails(tn_model_check(&report, model, &rounds, NULL, err), TN_ERROR_ARGUMENT,
                 "rounds is 0");
    assert_fails(tn_model_check(&report, model, &tolerance, NULL, err),
                 TN_ERROR_ARGUMENT, "tolerance is");
    tn_model_free(model);
}

static void outputs_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn__tensor *bias =
        &model->values[tn__model_find_value(model, "fc1.bias")].parameter;
    void *data;
    assert_ok(tn__tensor_write(bias, &data, err));
    ((float *)data)[0] = INFINITY;
    tn_check_report report;
    assert_fails(tn_model_check(&report, model, NULL, NULL, err), TN_ERROR_NUMERIC,
                 "is not finite");
    tn_model_free(model);
}

static void the_report_does_not_depend_on_threads(void **state)
{
    (void)state;
    tn_model *model = toy_residual(5, 6, 3);
    tn_check_options one = TN_CHECK_OPTIONS_INIT, two = TN_CHECK_OPTIONS_INIT;
    one.threads = 1;
    two.threads = 2;
    tn_check_report a, b;
    assert_ok(tn_model_check(&a, model, &one, NULL, err));
    assert_ok(tn_model_check(&b, model, &two, NULL, err));
    assert_true(a.largest == b.largest && a.groups == b.groups);
    tn_model_free(model);
}

static void lack_of_memory_is_reported_wherever_it_strikes(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn_check_options options = TN_CHECK_OPTIONS_INIT;
    options.images = options.rounds = options.threads = 1;
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status != TN_OK; k++) {
        tn_check_report report;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        status = tn_model_check(&report, model, &options, NULL, &err);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
    }
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_plain_networks_hold),
        cmocka_unit_test(groups_of_cifar_resnets_hold),
        cmocka_unit_test(groups_of_imagenet_resnets_hold),
        cmocka_unit_test(groups_of_grouped_convolutions_hold),
        cmocka_unit_test(a_forgotten_tensor_is_found_out),
        cmocka_unit_test(wrongly_aligned_repeats_are_found_out),
        cmocka_unit_test(the_caller_may_cancel),
        cmocka_unit_test(options_without_meaning_are_refused),
        cmocka_unit_test(outputs_that_are_not_finite_are_refused),
        cmocka_unit_test(the_report_does_not_depend_on_threads),
        cmocka_unit_test(lack_of_memory_is_reported_wherever_it_strikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
