/* test_refit.c - layers refitted to what they answered before: copies are made good, no
 * attempt of auto beats its choice, threads do not matter. */
#include "fuse/nets.h"

#include "tenon/eval.h"
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

/* The weights of layer k of a perceptron. */
static const tn__tensor *matrix_of(const tn_model *model, size_t k)
{
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__tensor *t = &model->values[v].parameter;
        if (is_float_parameter(&model->values[v]) && t->shape.rank == 2 && k-- == 0)
            return t;
    }
    fail_msg("no such layer");
    return NULL;
}

/* Whether layer g + 1 reads group g by the very weights it had. */
static bool is_cut_only(const tn_model *out, const tn_model *model,
                        const tn_prune_report *report, size_t g)
{
    const tn__tensor *now = matrix_of(out, g + 1), *was = matrix_of(model, g + 1);
    bool last = g + 1 == report->group_count;
    const uint32_t *rows = last ? NULL : report->groups[g + 1].kept;
    size_t in = report->groups[g].left, before = report->groups[g].neurons;
    for (size_t i = 0; i < (size_t)now->shape.dims[0]; i++)
        for (size_t j = 0; j < in; j++)
            if (tn__tensor_get_f64(now, i * in + j) !=
                tn__tensor_get_f64(was, (rows ? rows[i] : i) * before +
                                            report->groups[g].kept[j]))
                return false;
    return true;
}

/* Groups of networks that few images, or many, leave to deletion, in *left; in *same
 * those whose readers have the very weights that deletion left. */
static void count_left(size_t *left, size_t *same, uint64_t seed, size_t samples)
{
    tn_model *model = make_net("mlp:48-24-12-10:bias", seed);
    tn_prune_options options = options_of(TN_PRUNE_REFIT);
    tn_prune_report report = {0};
    size_t refitted = 0;
    options.repair = TN_PRUNE_REPAIR_MEAN;
    options.samples = samples;
    options.seed = seed;
    tn_model *out = pruned(model, "random:3x4x4,limit=1024", &options, &report);
    assert_int_equal(report.group_count, 2);
    for (size_t g = 0; g < 2; g++) {
        const tn_prune_group *group = &report.groups[g];
        assert_int_equal(group->readers, 1);
        assert_int_equal(group->method,
                         group->readers_refitted ? TN_PRUNE_REFIT : TN_PRUNE_DELETE);
        refitted += group->readers_refitted;
        *left += group->method == TN_PRUNE_DELETE;
        *same += is_cut_only(out, model, &report, g);
    }
    assert_int_equal(report.layers_refitted, refitted);
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_model_free(model);
}

/* Four images, of which one chooses: three say too little of a layer of many inputs,
 * and some stay as deletion leaves them. A thousand say enough. */
static void few_images_leave_layers_as_deletion_does(void **state)
{
    (void)state;
    size_t left = 0, same = 0;
    for (uint64_t seed = 1; seed <= 12; seed++)
        count_left(&left, &same, seed, 4);
    assert_true(left > 0);
    assert_int_equal(same, left);
    left = same = 0;
    count_left(&left, &same, 1, 1024);
    assert_int_equal(left, 0);
    assert_int_equal(same, 0);
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

static float *outputs_of(const tn_model *model, const float *images, size_t n)
{
    float *out = calloc(n * 10, sizeof *out);
    assert_ok(tn_infer(out, model, images, n, &(tn_eval_options){.threads = 1}, err));
    return out;
}

/* Deletion with nothing put right takes no images: measured on those of `spec`. */
static double error_of_deletion(const tn_model *model, const char *spec)
{
    tn_prune_options options = options_of(TN_PRUNE_DELETE);
    options.repair = TN_PRUNE_REPAIR_NONE;
    tn_model *small = pruned(model, spec, &options, NULL);
    tn_dataset *data = open_data(spec);
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    size_t n = tn_dataset_count(data);
    float *images =
        calloc(n * (size_t)(shape[0] * shape[1] * shape[2]), sizeof *images);
    int32_t *labels = calloc(n, sizeof *labels);
    uint32_t *order = calloc(n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    assert_ok(tn_dataset_read(images, labels, data, order, 0, n, err));
    float *x = outputs_of(model, images, n), *y = outputs_of(small, images, n);
    double mean = 0, change = 0, variance = 0;
    for (size_t i = 0; i < 10 * n; i++)
        mean += (double)x[i] / (double)(10 * n);
    for (size_t i = 0; i < 10 * n; i++) {
        change += pow((double)y[i] - (double)x[i], 2);
        variance += pow((double)x[i] - mean, 2);
    }
    free(x);
    free(y);
    free(order);
    free(labels);
    free(images);
    tn_dataset_free(data);
    tn_model_free(small);
    return change / variance;
}

static void expect_no_better(const char *arch, const char *spec)
{
    static const struct {
        tn_prune_method method;
        tn_prune_repair repair;
    } ways[] = {{TN_PRUNE_DELETE, TN_PRUNE_REPAIR_REPAIR},
                {TN_PRUNE_FOLD, TN_PRUNE_REPAIR_REPAIR},
                {TN_PRUNE_REFIT, TN_PRUNE_REPAIR_REPAIR},
                {TN_PRUNE_REFIT, TN_PRUNE_REPAIR_MEAN}};
    tn_model *model = make_net(arch, 1);
    double best = error_of(model, spec, TN_PRUNE_AUTO, TN_PRUNE_REPAIR_AUTO);
    double deletion = error_of_deletion(model, spec);
    if (!(best <= deletion * (1 + 1e-6)))
        fail_msg("%s: auto %g, deletion %g", arch, best, deletion);
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
    expect_no_better("mlp:48-24-12-10:bias", "random:3x4x4,limit=4");
    expect_no_better("resnet20x0.25", "random:3x32x32,limit=16");
    expect_no_better("vgg11x0.0625", "random:3x32x32,limit=8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twins_are_made_good),
        cmocka_unit_test(few_images_leave_layers_as_deletion_does),
        cmocka_unit_test(auto_is_never_worse_than_deletion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
