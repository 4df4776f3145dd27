/* test_refit.c - layers refitted to what they answered before: copies are made good, no
 * attempt of auto beats its choice, threads do not matter. */
#include "fuse/nets.h"

#include "tenon/prune.h"

static tn_prune_options options_of(tn_prune_method method)
{
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    options.sparsity = 0.5;
    options.method = method;
    options.samples = 64;
    options.threads = 1;
    return options;
}

static tn_model *pruned(const tn_model *model, const char *spec,
                        const tn_prune_options *options, tn_prune_report *report)
{
    tn_model *out = NULL;
    tn_dataset *data = open_data(spec);
    assert_ok(tn_prune(&out, report, model, data, options, NULL, err));
    tn_dataset_free(data);
    return out;
}

/* Half of a network of twins goes by error; what reads the rest takes twice of it. */
static void twins_are_made_good(void **state)
{
    (void)state;
    tn_model *small = make_net("mlp:48-12-6-10", 1),
             *shape = make_net("mlp:48-24-12-10", 2);
    tn_model *model = carried(small, shape, duplicate, NULL);
    tn_prune_options options = options_of(TN_PRUNE_REFIT);
    tn_prune_report report = {0};
    options.samples = 512;
    tn_model *out = pruned(model, "random:3x4x4,limit=512", &options, &report);
    assert_int_equal(report.layers_refitted, 2);
    assert_true(report.error < 1e-6);
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_model_free(model);
    tn_model_free(shape);
    tn_model_free(small);
}

static double error_of(const tn_model *model, const char *spec, tn_prune_method method,
                       tn_prune_repair repair)
{
    tn_prune_options options = options_of(method);
    tn_prune_report report = {0};
    options.repair = repair;
    tn_model_free(pruned(model, spec, &options, &report));
    double error = report.error;
    tn_prune_report_release(&report);
    return error;
}

static void expect_no_better(const char *arch, const char *spec)
{
    static const struct {
        tn_prune_method method;
        tn_prune_repair repair;
    } ways[] = {{TN_PRUNE_DELETE, TN_PRUNE_REPAIR_NORM},
                {TN_PRUNE_FOLD, TN_PRUNE_REPAIR_NORM},
                {TN_PRUNE_REFIT, TN_PRUNE_REPAIR_NORM},
                {TN_PRUNE_REFIT, TN_PRUNE_REPAIR_MEAN}};
    tn_model *model = make_net(arch, 1);
    double best = error_of(model, spec, TN_PRUNE_AUTO, TN_PRUNE_REPAIR_AUTO);
    for (size_t i = 0; i < TN__COUNT(ways); i++) {
        double other = error_of(model, spec, ways[i].method, ways[i].repair);
        if (!(best <= other))
            fail_msg("%s: auto %g, way %zu %g", arch, best, i, other);
    }
    tn_model_free(model);
}

static void auto_is_never_worse_than_deletion(void **state)
{
    (void)state;
    expect_no_better("mlp:48-24-12-10:bias", "random:3x4x4,limit=64");
    expect_no_better("resnet20x0.25", "random:3x32x32,limit=16");
    expect_no_better("vgg11x0.0625", "random:3x32x32,limit=8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twins_are_made_good),
        cmocka_unit_test(auto_is_never_worse_than_deletion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
