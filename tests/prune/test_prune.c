/* test_prune.c - what pruning must do whatever the weights: nothing to remove changes
 * nothing, duplicates fold exactly, budgets hold, threads do not matter, bad input is
 * named. */
#include "fuse/nets.h"
#include "neurons/toys.h"

#include "ops/operand.h"
#include "stats/stats.h"
#include "tenon/prune.h"

static tn_prune_options options_of(double sparsity, tn_prune_method method)
{
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    options.sparsity = sparsity;
    options.method = method;
    options.groups = "all";
    options.samples = 24;
    options.threads = 1;
    return options;
}

static tn_model *pruned(const tn_model *model, const char *data,
                        const tn_prune_options *options, tn_prune_report *report)
{
    tn_model *out = NULL;
    tn_dataset *images = data ? open_data(data) : NULL;
    assert_ok(tn_prune(&out, report, model, images, options, NULL, err));
    tn_dataset_free(images);
    return out;
}

static tn_model_info info_of(const tn_model *model)
{
    tn_model_info info;
    assert_ok(tn_model_info_get(&info, model, err));
    return info;
}

static void nothing_to_remove_changes_nothing(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.5", 1);
    tn_prune_options options = options_of(0, TN_PRUNE_AUTO);
    tn_prune_report report = {0};
    tn_model *out = pruned(model, NULL, &options, &report);
    assert_true(distance(model, out) == 0);
    assert_int_equal(report.group_count, 0);
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_model_free(model);
}

/* Every neuron twice, then half of them away. */
static void expect_exact(const char *narrow, const char *wide, size_t pixels,
                         tn_prune_method method)
{
    tn_model *small = make_net(narrow, 1), *shape = make_net(wide, 2);
    tn_model *model = carried(small, shape, duplicate, NULL);
    tn_prune_options options = options_of(0.5, method);
    options.repair = TN_PRUNE_REPAIR_NONE;
    tn_model *out = pruned(model, NULL, &options, NULL);
    float *images = random_images(6, pixels, 3);
    assert_int_equal(info_of(out).parameters, info_of(small).parameters);
    double found = output_distance(model, out, images, 6);
    if (!(found < 2e-5))
        fail_msg("%s: outputs move by %g", narrow, found);
    free(images);
    tn_model_free(out);
    tn_model_free(model);
    tn_model_free(shape);
    tn_model_free(small);
}

static void duplicates_fold_exactly(void **state)
{
    (void)state;
    expect_exact("mlp:784-12-6-10:bias", "mlp:784-24-12-10:bias", 784, TN_PRUNE_FOLD);
    expect_exact("mlp:784-12-6-10:bias", "mlp:784-24-12-10:bias", 784, TN_PRUNE_AUTO);
}

static void methods_keep_what_is_asked(void **state)
{
    (void)state;
    static const tn_prune_method methods[] = {TN_PRUNE_DELETE, TN_PRUNE_INTRA_FUSION,
                                              TN_PRUNE_NEAREST, TN_PRUNE_FOLD,
                                              TN_PRUNE_REFIT};
    tn_model *model = make_net("resnet20x0.25", 1);
    float *images = random_images(2, 3072, 3);
    for (size_t i = 0; i < TN__COUNT(methods); i++) {
        tn_prune_options options = options_of(0.5, methods[i]);
        tn_prune_report report = {0};
        options.samples = 8;
        tn_model *out = pruned(model, "random:3x32x32,limit=8", &options, &report);
        assert_true(report.group_count > 9);
        for (size_t g = 0; g < report.group_count; g++)
            assert_int_equal(report.groups[g].left,
                             TN__MAX(report.groups[g].neurons / 2, 2));
        assert_true(isfinite(output_distance(model, out, images, 2)));
        assert_true(report.norms > 0);
        tn_prune_report_release(&report);
        tn_model_free(out);
    }
    free(images);
    tn_model_free(model);
}

/* Rows of a published map sum to 2 here; batch norms, folded away, must not. */
static void compat_leaves_folded_norms_idle(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.25", 1);
    tn_prune_options options = options_of(0.5, TN_PRUNE_INTRA_FUSION);
    options.compat = true;
    tn_model *out = pruned(model, NULL, &options, NULL);
    size_t norms = 0;
    for (size_t n = 0; n < out->node_count; n++) {
        const size_t *in = out->nodes[n].inputs;
        if (!tn__node_is_norm(&out->nodes[n]))
            continue;
        norms++;
        const tn__tensor *scale = &out->values[in[1]].parameter;
        const tn__tensor *variance = &out->values[in[4]].parameter;
        for (size_t c = 0; c < tn__tensor_count(scale); c++) {
            assert_near(tn__tensor_get_f64(scale, c), 1, 0);
            assert_near(tn__tensor_get_f64(variance, c), 1, 0);
        }
    }
    assert_int_equal(norms, 19);
    tn_model_free(out);
    tn_model_free(model);
}

static void inner_groups_leave_the_stream_alone(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.5", 1);
    tn_prune_options options = options_of(0.5, TN_PRUNE_DELETE);
    tn_prune_report report = {0};
    options.groups = "inner";
    options.repair = TN_PRUNE_REPAIR_NONE;
    tn_model *out = pruned(model, NULL, &options, &report);
    assert_int_equal(report.group_count, 9);
    for (size_t g = 0; g < report.group_count; g++)
        assert_non_null(strstr(report.groups[g].name, ".conv1.weight"));
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_model_free(model);
}

static void budgets_hold(void **state)
{
    (void)state;
    tn_model *model = make_net("vgg11-bnx0.125", 1);
    tn_prune_options options = options_of(0, TN_PRUNE_DELETE);
    tn_model_info before = info_of(model);
    options.repair = TN_PRUNE_REPAIR_NONE;
    options.max_macs = before.macs / 2;
    tn_model *out = pruned(model, NULL, &options, NULL);
    assert_true(info_of(out).macs <= before.macs / 2);
    assert_true(info_of(out).macs > before.macs / 3);
    tn_model_free(out);
    options.max_macs = 0;
    options.max_params = before.parameters / 3;
    out = pruned(model, NULL, &options, NULL);
    assert_true(info_of(out).parameters <= before.parameters / 3);
    tn_model_free(out);
    options.max_params = 3;
    out = NULL;
    assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "out of reach");
    assert_null(out);
    tn_model_free(model);
}

/* A network of f16 or bf16 comes back in the type it came in, whatever is done. */
static void types_of_parameters_stay(void **state)
{
    (void)state;
    static const tn_prune_method methods[] = {TN_PRUNE_DELETE, TN_PRUNE_INTRA_FUSION,
                                              TN_PRUNE_REFIT};
    for (size_t k = 0; k < 2 * TN__COUNT(methods); k++) {
        tn_dtype dtype = k & 1 ? TN_BF16 : TN_F16;
        tn_model *model = make_net("resnet20x0.25", 1);
        model->values[model->inputs[0]].dtype = dtype;
        for (size_t v = 0; v < model->value_count; v++) {
            tn__tensor *tensor = &model->values[v].parameter, half;
            if (tensor->dtype != TN_F32)
                continue;
            assert_ok(tn__tensor_convert(&half, tensor, dtype, err));
            tn__tensor_release(tensor);
            *tensor = half;
            model->values[v].dtype = dtype;
        }
        tn_prune_options options = options_of(0.5, methods[k / 2]);
        options.samples = 8;
        tn_model *out = pruned(model, "random:3x32x32,limit=8", &options, NULL);
        for (size_t v = 0; v < out->value_count; v++)
            if (tn__dtype_is_float(out->values[v].parameter.dtype))
                assert_int_equal(out->values[v].parameter.dtype, dtype);
        assert_int_equal(out->values[out->inputs[0]].dtype, dtype);
        tn_model_free(out);
        tn_model_free(model);
    }
}

/* Three convolutions, the second in groups of 4 onto 4: uneven shares leave as many in
 * each group, by numbers and by what they save. */
static void groups_of_a_convolution_keep_as_many(void **state)
{
    (void)state;
    static const tn_prune_allocation by[] = {TN_PRUNE_ALLOCATE_RANK,
                                             TN_PRUNE_ALLOCATE_ERROR};
    for (size_t k = 0; k < TN__COUNT(by); k++) {
        tn_model *model = toy_grouped(8, 6);
        tn_prune_options options = options_of(0.4, TN_PRUNE_DELETE);
        tn_prune_report report = {0};
        options.repair = TN_PRUNE_REPAIR_NONE;
        options.allocate = by[k];
        options.max_macs = k ? info_of(model).macs / 2 : 0;
        tn_model *out = pruned(model, NULL, &options, &report);
        size_t w = tn__model_find_value(out, "conv2.weight");
        assert_int_equal(report.group_count, 4);
        assert_int_equal(out->values[w].parameter.shape.dims[0],
                         2 * report.groups[3].left);
        assert_true(!k || info_of(out).macs <= options.max_macs);
        tn_prune_report_release(&report);
        tn_model_free(out);
        tn_model_free(model);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.25", 1), *out[2];
    for (size_t k = 0; k < 2; k++) {
        tn_prune_options options = options_of(0.5, TN_PRUNE_REFIT);
        options.samples = 80;
        options.threads = k + 1;
        out[k] = pruned(model, NULL, &options, NULL);
    }
    assert_true(distance(out[0], out[1]) == 0);
    tn_model_free(out[0]);
    tn_model_free(out[1]);
    tn_model_free(model);
}

static void bad_input_is_named(void **state)
{
    (void)state;
    tn_model *model = make_net("mlp:784-12-6-10", 1), *out = NULL;
    tn_dataset *data = open_data("random:3x8x8,limit=4");
    tn_prune_options options = options_of(1, TN_PRUNE_AUTO);
    assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "sparsity is 1");
    options = options_of(0.5, TN_PRUNE_AUTO);
    options.groups = "fc1.weight,nosuch";
    assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "no group is called 'nosuch'");
    options = options_of(0.5, TN_PRUNE_AUTO);
    assert_fails(tn_prune(&out, NULL, model, data, &options, NULL, err),
                 TN_ERROR_MISMATCH, "images of 192 numbers");
    options.compat = true;
    assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "compat");
    options = options_of(0.5, TN_PRUNE_DELETE);
    options.importance = TN_PRUNE_IMPORTANCE_NORM;
    assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "no batch norm carries group 'fc1.weight'");
    assert_null(out);
    tn_dataset_free(data);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_remove_changes_nothing),
        cmocka_unit_test(duplicates_fold_exactly),
        cmocka_unit_test(methods_keep_what_is_asked),
        cmocka_unit_test(compat_leaves_folded_norms_idle),
        cmocka_unit_test(inner_groups_leave_the_stream_alone),
        cmocka_unit_test(budgets_hold),
        cmocka_unit_test(types_of_parameters_stay),
        cmocka_unit_test(groups_of_a_convolution_keep_as_many),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
