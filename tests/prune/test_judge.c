/* test_judge.c - groups whose neurons are nearly twins are read from the means of the
 * twins; others keep neurons; what was chosen is done again by its plan. */
#include "fuse/nets.h"

#include "tenon/prune.h"

#define IMAGES "random:3x4x4,limit=512"

static tn_model *pruned(const tn_model *model, tn_prune_method method,
                        const tn_prune_plan *plan, tn_prune_report *report)
{
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_model *out = NULL;
    tn_dataset *data = open_data(IMAGES);
    options.sparsity = 0.5;
    options.method = method;
    options.samples = 512;
    options.threads = 1;
    options.plan = plan;
    assert_ok(tn_prune(&out, report, model, data, &options, NULL, err));
    tn_dataset_free(data);
    return out;
}

static void near_twins_are_read_from_their_means(void **state)
{
    (void)state;
    tn_model *model = near_twins(0.2);
    tn_prune_report best = {0}, refit = {0}, again = {0};
    tn_model *out = pruned(model, TN_PRUNE_AUTO, NULL, &best);
    tn_model_free(pruned(model, TN_PRUNE_REFIT, NULL, &refit));
    size_t mixed = 0;
    for (size_t g = 0; g < best.group_count; g++)
        mixed += best.groups[g].method == TN_PRUNE_FOLD ||
                 best.groups[g].method == TN_PRUNE_INTRA_FUSION;
    assert_int_equal(best.method, TN_PRUNE_REFIT);
    assert_true(mixed > 0);
    assert_true(best.error < refit.error);
    tn_model *same = pruned(model, TN_PRUNE_AUTO, best.plan, &again);
    assert_true(distance(out, same) == 0);
    for (size_t g = 0; g < best.group_count; g++)
        assert_int_equal(again.groups[g].method, best.groups[g].method);
    tn_prune_report_release(&best);
    tn_prune_report_release(&refit);
    tn_prune_report_release(&again);
    tn_model_free(out);
    tn_model_free(same);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_twins_are_read_from_their_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
