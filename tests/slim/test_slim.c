/* test_slim.c - pruning with training: widths, determinism, parts, and what is refused.
 */
#include "fuse/nets.h"

#include "data/subset.h"
#include "tenon/eval.h"
#include "tenon/slim.h"

static tn_slim_options small_options(void)
{
    tn_slim_options options = TN_SLIM_OPTIONS_INIT;
    options.steps = 2;
    options.last_epochs = 1;
    options.tune_rate = 0.05;
    options.train.batch = options.train.shard = 32;
    options.train.threads = options.prune.threads = options.fuse.threads = 1;
    options.prune.sparsity = 0.5;
    options.prune.samples = 32;
    return options;
}

static tn_model *slimmed(const tn_slim_options *options, tn_slim_report *report)
{
    tn_dataset *data = open_data("random:3x4x4,limit=256");
    size_t count = tn_slim_starts(options->parts);
    tn_model *starts[6] = {0}, *out = NULL;
    const int64_t shape[3] = {3, 4, 4};
    for (size_t k = 0; k < count; k++)
        assert_ok(
            tn_model_create(&starts[k], "mlp:48-16-12-10", shape, 10, k + 1, err));
    assert_ok(tn_slim(&out, report, (const tn_model *const *)starts, count, data,
                      options, NULL, err));
    for (size_t k = 0; k < count; k++)
        tn_model_free(starts[k]);
    tn_dataset_free(data);
    return out;
}

static void widths_are_halved_whatever_the_order(void **state)
{
    (void)state;
    const uint64_t weights = 48 * 8 + 8 * 6 + 6 * 10, biases = 8 + 6;
    for (size_t k = 0; k < 4; k++) {
        tn_slim_options options = small_options();
        tn_slim_report report;
        tn_model_info info;
        options.parts = k == 0 ? 0 : k == 3 ? 4 : 2;
        options.order = k == 2 ? TN_SLIM_FUSE_PRUNE : TN_SLIM_PRUNE_FUSE;
        options.start_epochs = 1;
        tn_model *out = slimmed(&options, &report);
        assert_ok(tn_model_info_get(&info, out, err));
        assert_int_equal(info.parameters, weights + (options.parts ? biases : 0));
        assert_true(report.parallel <= report.total);
        assert_true((report.fuse > 0) == (options.parts > 0));
        tn_model_free(out);
    }
}

static void the_same_comes_out_again(void **state)
{
    (void)state;
    tn_slim_options options = small_options();
    options.parts = 2;
    options.start_epochs = 1;
    tn_model *a = slimmed(&options, NULL);
    options.train.threads = options.prune.threads = options.fuse.threads = 2;
    tn_model *b = slimmed(&options, NULL);
    assert_true(distance(a, b) == 0);
    tn_model_free(a);
    tn_model_free(b);
}

static void starts_are_counted_by_unions(void **state)
{
    (void)state;
    assert_int_equal(tn_slim_starts(0), 1);
    assert_int_equal(tn_slim_starts(2), 2);
    assert_int_equal(tn_slim_starts(4), 6);
    assert_int_equal(tn_slim_starts(6), 20);
}

static void subsets_have_their_images(void **state)
{
    (void)state;
    static const char *const specs[] = {"random:3x4x4,limit=20"};
    const uint32_t index[] = {7, 0, 19};
    for (size_t k = 0; k < TN__COUNT(specs); k++) {
        tn_dataset *data = open_data(specs[k]), *part = NULL;
        float x[48], y[48];
        int32_t a, b;
        assert_ok(tn__dataset_subset(&part, data, index, TN__COUNT(index), err));
        assert_int_equal(tn_dataset_count(part), 3);
        assert_int_equal(tn_dataset_classes(part), tn_dataset_classes(data));
        for (size_t i = 0; i < TN__COUNT(index); i++) {
            assert_ok(tn_dataset_read(x, &a, part, NULL, i, 1, err));
            assert_ok(tn_dataset_read(y, &b, data, NULL, index[i], 1, err));
            assert_memory_equal(x, y, sizeof x);
            assert_int_equal(a, b);
        }
        tn_dataset_free(part);
        tn_dataset_free(data);
    }
}

static void bad_options_are_told(void **state)
{
    (void)state;
    tn_model *model = make_net("mlp:48-16-10", 1), *out = NULL;
    const tn_model *starts[] = {model, model};
    tn_dataset *data = open_data("random:3x4x4,limit=64");
    tn_slim_options options = small_options();
    options.parts = 3;
    assert_fails(tn_slim(&out, NULL, starts, 2, data, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "parts is 3, expected an even number");
    options.parts = 4;
    assert_fails(tn_slim(&out, NULL, starts, 2, data, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "2 networks, 4 parts want 6");
    options.parts = 2;
    options.prune.max_params = 100;
    assert_fails(tn_slim(&out, NULL, starts, 2, data, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "no budget and no plan");
    assert_null(out);
    tn_dataset_free(data);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_halved_whatever_the_order),
        cmocka_unit_test(the_same_comes_out_again),
        cmocka_unit_test(starts_are_counted_by_unions),
        cmocka_unit_test(subsets_have_their_images),
        cmocka_unit_test(bad_options_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
