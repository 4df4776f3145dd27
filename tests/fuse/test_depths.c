/* test_depths.c - fusion of networks of different depth. */
#include "nets.h"

#define COLOUR "random:3x32x32,limit=48"
#define GREY "random:1x28x28,limit=48"

typedef struct pair {
    const char *deep, *shallow, *data;
} pair;

static const pair pairs[] = {
    {"mlp:784-32-16-12-10", "mlp:784-32-16-10", GREY},
    {"vgg13x0.125", "vgg11x0.125", COLOUR},
    {"resnet20x0.5", "resnet8x0.5", COLOUR},
};

static tn_fuse_options options_of(tn_support support)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = support;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.samples = options.calibration = 48;
    options.threads = 1;
    return options;
}

/* `shallow` with the depth of another architecture, its neurons in random order. */
static tn_model *deeper_copy(const tn_model *shallow, const char *arch)
{
    tn_model *shape = make_net(arch, 7), *out[2] = {NULL, NULL};
    const tn_model *models[2] = {shape, shallow};
    tn_level_request request = {models, 2, NULL, 0, 1, 1};
    assert_ok(tn_level(out, NULL, &request, NULL, err));
    tn_model *copy = permuted(out[1], 3);
    tn_model_free(shape);
    tn_model_free(out[0]);
    tn_model_free(out[1]);
    return copy;
}

static void a_deeper_copy_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        tn_model *a = make_net(pairs[i].shallow, 1);
        tn_model *b = deeper_copy(a, pairs[i].deep);
        tn_dataset *data = open_data(pairs[i].data);
        size_t pixels = strcmp(pairs[i].data, GREY) ? 3072 : 784;
        float *images = random_images(8, pixels, 4);
        const tn_model *models[2] = {a, b};
        for (size_t reference = 0; reference < 2; reference++) {
            tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
            tn_fuse_report report = {0};
            tn_model *fused = NULL;
            options.reference = reference;
            options.depth.cost = TN_LAYER_COST_INDEX; /* as the copy was made */
            assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
            assert_int_equal(report.alignment_count, 1);
            assert_true(report.alignments[0].error < 2e-5);
            double moved = output_distance(a, fused, images, 8);
            if (!(moved < 1e-4))
                fail_msg("%s with reference %zu: %g", pairs[i].shallow, reference,
                         moved);
            tn_fuse_report_release(&report);
            tn_model_free(fused);
        }
        free(images);
        tn_dataset_free(data);
        tn_model_free(a);
        tn_model_free(b);
    }
}

static void each_aligned_parent_keeps_its_function(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        const tn_model *models[2] = {make_net(pairs[i].deep, 1),
                                     make_net(pairs[i].shallow, 2)};
        tn_dataset *data = open_data(pairs[i].data);
        size_t pixels = strcmp(pairs[i].data, GREY) ? 3072 : 784;
        float *images = random_images(8, pixels, 4);
        tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
        for (size_t k = 0; i > 0 && k < 2; k++) { /* equal widths: permutations */
            tn_model *fused = NULL;
            options.weights = (const double[]){k == 0, k == 1};
            assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
            assert_true(output_distance(models[k], fused, images, 8) < 1e-4);
            tn_model_free(fused);
        }
        free(images);
        tn_dataset_free(data);
        tn_model_free((tn_model *)(uintptr_t)models[0]);
        tn_model_free((tn_model *)(uintptr_t)models[1]);
    }
}

/* Block layer1.1 is only in the deep parent: the fused one is that parent's, neurons in
 * the order of the reference. */
static void what_one_parent_alone_has_is_whole(void **state)
{
    (void)state;
    tn_model *deep = make_net("resnet14x0.5", 1), *shallow = make_net("resnet8x0.5", 2);
    const tn_model *models[2] = {deep, shallow};
    tn_dataset *data = open_data(COLOUR);
    tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
    for (int share = 0; share < 2; share++) {
        tn_fuse_report report = {0};
        tn_model *fused = NULL;
        options.depth.insert = share ? TN_INSERT_SHARE : TN_INSERT_WHOLE;
        assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
        size_t unit = report.alignments[0].slot[1] == 1 ? 1 : 0;
        char name[40];
        snprintf(name, sizeof name, "layer1.%zu.conv2.weight", unit);
        const tn__tensor *x = &deep->values[tn__model_find_value(deep, name)].parameter;
        const tn__tensor *y =
            &fused->values[tn__model_find_value(fused, name)].parameter;
        for (size_t i = 0; i < tn__tensor_count(x); i++)
            assert_near(tn__tensor_get_f64(y, i),
                        tn__tensor_get_f64(x, i) * (share ? 0.5 : 1), 1e-6);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    tn_model_free(deep);
    tn_model_free(shallow);
}

static void four_networks_of_three_depths_and_widths_fuse(void **state)
{
    (void)state;
    const tn_model *models[4] = {
        make_net("resnet8x0.5", 1), make_net("resnet20x0.5", 2),
        make_net("resnet14x0.5", 3), make_net("resnet20x0.5", 4)};
    tn_dataset *data = open_data(COLOUR);
    for (int depth = TN_DEPTH_DEEP; depth <= TN_DEPTH_SHALLOW; depth++) {
        tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
        tn_fuse_report report = {0};
        tn_model *fused = NULL;
        size_t first = depth == TN_DEPTH_SHALLOW; /* resnet8 takes no blocks beside */
        options.depth.depth = (tn_depth)depth;
        options.reference = 1;
        options.recalibrate = TN_RECALIBRATE_AUTO;
        assert_ok(tn_fuse(&fused, &report, models + first, 4 - first, data, &options,
                          NULL, err));
        assert_int_equal(report.alignment_count, 3 - first);
        assert_true(report.layers_recalibrated > 0);
        assert_int_equal(fused->node_count, models[1 + first]->node_count);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    for (size_t k = 0; k < 4; k++)
        tn_model_free((tn_model *)(uintptr_t)models[k]);
}

static void partial_fusion_wants_equal_depths(void **state)
{
    (void)state;
    const tn_model *models[2] = {make_net("mlp:784-9-8-10", 1),
                                 make_net("mlp:784-9-10", 2)};
    tn_fuse_options options = options_of(TN_SUPPORT_WEIGHTS);
    tn_model *fused = NULL;
    options.width = 1.5;
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_UNSUPPORTED, "wants networks of one structure");
    assert_null(fused);
    for (size_t k = 0; k < 2; k++)
        tn_model_free((tn_model *)(uintptr_t)models[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deeper_copy_comes_back),
        cmocka_unit_test(each_aligned_parent_keeps_its_function),
        cmocka_unit_test(what_one_parent_alone_has_is_whole),
        cmocka_unit_test(four_networks_of_three_depths_and_widths_fuse),
        cmocka_unit_test(partial_fusion_wants_equal_depths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
