/* test_depths.c - fusion of networks of different depth. */
#include "depth/parents.h"

static const char *const pairs[][2] = {
    /* deep, shallow */
    {"mlp:784-32-24-16-12-8-10", "mlp:784-32-24-16-10"},
    {"mlp:784-32-32-32-32-32-10:bias", "mlp:784-16-16-16-10:bias"},
    {"vgg13x0.125", "vgg11x0.125"},
    {"vgg13-bnx0.125:bias", "vgg11-bnx0.0625:bias"},
    {"resnet20x0.5", "resnet8x0.5"},
    {"resnet14x0.5", "resnet8x0.25"},
    {"resnet34x0.125", "resnet18x0.0625"},
};

static tn_fuse_options options_of(tn_support support)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = support;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.samples = options.calibration = PROBE_IMAGES;
    options.threads = 1;
    return options;
}

static void expect_like(const tn_model *a, const tn_model *b, const parents *p,
                        const char *what)
{
    double moved = output_distance(a, b, p->images, TEST_IMAGES);
    if (!(moved < 1e-4))
        fail_msg("%s, %s: moved by %g", p->name, what, moved);
}

/* The shallow network with the depth of the other, its neurons in random order. */
static tn_model *deeper_copy(const parents *p)
{
    tn_model *deeper = NULL;
    tn_alignment a = level(&deeper, p->models[0], p->models[1], NULL, NULL);
    tn_model *copy = permuted(deeper, 3);
    tn_alignment_release(&a);
    tn_model_free(deeper);
    return copy;
}

static void a_deeper_copy_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        parents p = parents_make(pairs[i][0], pairs[i][1]);
        tn_model *copy = deeper_copy(&p);
        const tn_model *models[2] = {p.models[1], copy};
        for (size_t reference = 0; reference < 2; reference++) {
            tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
            tn_fuse_report report = {0};
            tn_model *fused = NULL;
            options.reference = reference;
            options.depth.cost = TN_LAYER_COST_INDEX; /* as the copy was made */
            assert_ok(tn_fuse(&fused, &report, models, 2, p.data, &options, NULL, err));
            assert_int_equal(report.alignment_count, 1);
            assert_true(report.alignments[0].error < 2e-5);
            expect_like(models[0], fused, &p, reference ? "onto it" : "onto the copy");
            tn_fuse_report_release(&report);
            tn_model_free(fused);
        }
        tn_model_free(copy);
        parents_release(&p);
    }
}

/* Of equal widths by permutations; a parent of half the other's widths in that of the
 * other, where each of its neurons has two copies. */
static void each_aligned_parent_keeps_its_function(void **state)
{
    (void)state;
    for (size_t i = 1; i < TN__COUNT(pairs); i++) {
        parents p = parents_make(pairs[i][0], pairs[i][1]);
        const tn_model *models[2] = {p.models[0], p.models[1]};
        tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
        for (size_t k = 0; k < 2; k++) {
            tn_model *fused = NULL;
            options.weights = (const double[]){k == 0, k == 1};
            assert_ok(tn_fuse(&fused, NULL, models, 2, p.data, &options, NULL, err));
            expect_like(models[k], fused, &p, k ? "shallow" : "deep");
            tn_model_free(fused);
        }
        parents_release(&p);
    }
}

static void families_fuse_to_either_depth_and_width(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        parents p = parents_make(pairs[i][0], pairs[i][1]);
        const tn_model *models[2] = {p.models[0], p.models[1]};
        for (size_t fold = 0; fold < 2; fold++) {
            tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
            tn_model *fused = NULL;
            options.reference = fold;
            options.depth.depth = fold ? TN_DEPTH_SHALLOW : TN_DEPTH_DEEP;
            options.recalibrate = TN_RECALIBRATE_AUTO;
            assert_ok(tn_fuse(&fused, NULL, models, 2, p.data, &options, NULL, err));
            assert_int_equal(fused->node_count, models[fold]->node_count);
            double apart = output_distance(models[0], fused, p.images, TEST_IMAGES);
            assert_true(isfinite(apart));
            tn_model_free(fused);
        }
        parents_release(&p);
    }
}

/* Block layer1.1 is only in the deep parent: the fused one is that parent's, neurons in
 * the order of the reference. */
static void what_one_parent_alone_has_is_whole(void **state)
{
    (void)state;
    parents p = parents_make("resnet14x0.5", "resnet8x0.5");
    const tn_model *models[2] = {p.models[0], p.models[1]};
    tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
    for (int share = 0; share < 2; share++) {
        tn_fuse_report report = {0};
        tn_model *fused = NULL;
        options.depth.insert = share ? TN_INSERT_SHARE : TN_INSERT_WHOLE;
        assert_ok(tn_fuse(&fused, &report, models, 2, p.data, &options, NULL, err));
        size_t unit = report.alignments[0].slot[1] == 1 ? 1 : 0;
        char name[40];
        snprintf(name, sizeof name, "layer1.%zu.conv2.weight", unit);
        const tn__tensor *x =
            &models[0]->values[tn__model_find_value(models[0], name)].parameter;
        const tn__tensor *y =
            &fused->values[tn__model_find_value(fused, name)].parameter;
        for (size_t i = 0; i < tn__tensor_count(x); i++)
            assert_near(tn__tensor_get_f64(y, i),
                        tn__tensor_get_f64(x, i) * (share ? 0.5 : 1), 1e-6);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    parents_release(&p);
}

/* Networks of several depths and widths, which must not matter to their number. */
static void expect_many(const char *const *archs, size_t count, const char *spec)
{
    const tn_model *models[6];
    tn_dataset *data = open_data(spec);
    size_t deep = 0, shallow = 0;
    for (size_t k = 0; k < count; k++) {
        models[k] = make_net(archs[k], k + 1);
        deep = models[k]->node_count > models[deep]->node_count ? k : deep;
        shallow = models[k]->node_count < models[shallow]->node_count ? k : shallow;
    }
    for (int fold = 0; fold < 2; fold++) {
        tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
        tn_fuse_report report = {0};
        tn_model *fused = NULL;
        options.depth.depth = fold ? TN_DEPTH_SHALLOW : TN_DEPTH_DEEP;
        options.reference = deep;
        options.recalibrate = TN_RECALIBRATE_AUTO;
        assert_ok(tn_fuse(&fused, &report, models, count, data, &options, NULL, err));
        assert_int_equal(report.alignment_count, count - 1);
        assert_true(report.layers_recalibrated > 0);
        assert_int_equal(fused->node_count, models[fold ? shallow : deep]->node_count);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    for (size_t k = 0; k < count; k++)
        tn_model_free((tn_model *)(uintptr_t)models[k]);
}

static void four_and_six_networks_of_three_depths_fuse(void **state)
{
    (void)state;
    static const char *const resnets[] = {"resnet8x0.5",  "resnet20x0.5",
                                          "resnet14x0.5", "resnet20x0.5",
                                          "resnet8x0.25", "resnet14x0.25"};
    static const char *const mlps[] = {"mlp:784-16-12-10",     "mlp:784-16-12-8-10",
                                       "mlp:784-16-12-9-8-10", "mlp:784-16-12-10",
                                       "mlp:784-12-8-10",      "mlp:784-20-9-8-10"};
    expect_many(resnets, 4, COLOUR);
    expect_many(resnets, 6, COLOUR);
    expect_many(mlps, 6, GREY);
}

/* Six copies of one network at two depths are that network: all have equal weights. */
static void six_copies_of_two_depths_are_the_network(void **state)
{
    (void)state;
    parents p = parents_make("mlp:784-16-12-9-8-10", "mlp:784-16-12-8-10");
    tn_model *copies[6];
    for (size_t k = 0; k < 6; k++)
        copies[k] = k % 2 ? deeper_copy(&p) : permuted(p.models[1], k);
    const tn_model *models[6];
    memcpy(models, copies, sizeof models);
    tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
    options.depth.cost = TN_LAYER_COST_INDEX;
    tn_model *fused = NULL;
    assert_ok(tn_fuse(&fused, NULL, models, 6, p.data, &options, NULL, err));
    expect_like(p.models[1], fused, &p, "six copies");
    tn_model_free(fused);
    for (size_t k = 0; k < 6; k++)
        tn_model_free(copies[k]);
    parents_release(&p);
}

static void partial_fusion_wants_equal_depths(void **state)
{
    (void)state;
    parents p = parents_make("mlp:784-9-8-10", "mlp:784-9-10");
    const tn_model *models[2] = {p.models[0], p.models[1]};
    tn_fuse_options options = options_of(TN_SUPPORT_WEIGHTS);
    tn_model *fused = NULL;
    options.width = 1.5;
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_UNSUPPORTED, "wants networks of one structure");
    assert_null(fused);
    parents_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deeper_copy_comes_back),
        cmocka_unit_test(each_aligned_parent_keeps_its_function),
        cmocka_unit_test(families_fuse_to_either_depth_and_width),
        cmocka_unit_test(what_one_parent_alone_has_is_whole),
        cmocka_unit_test(four_and_six_networks_of_three_depths_fuse),
        cmocka_unit_test(six_copies_of_two_depths_are_the_network),
        cmocka_unit_test(partial_fusion_wants_equal_depths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
