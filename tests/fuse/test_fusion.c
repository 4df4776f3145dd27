/* test_fusion.c - several results of one alignment: all weight on one parent is that
 * parent's function, a line between permuted copies is flat, and each result is what
 * tn_fuse() makes by the same options, whatever was made before it. */
#include "nets.h"

#define GREY "random:1x28x28,limit=48"
#define COLOUR "random:3x32x32,limit=48"

static tn_fuse_options options_by(tn_support support)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = support;
    options.samples = 24;
    options.calibration = 24;
    options.threads = 1;
    return options;
}

static tn_model *build(tn_fusion *fusion, const tn_fuse_options *options)
{
    tn_model *model = NULL;
    assert_ok(tn_fusion_build(&model, NULL, fusion, options, err));
    return model;
}

static void an_aligned_parent_alone_is_that_parents_function(void **state)
{
    (void)state;
    const char *archs[] = {"mlp:784-24-12-10:bias", "lenet5"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *models[3] = {make_net(archs[i], 1), make_net(archs[i], 2),
                               make_net(archs[i], 3)};
        tn_model *alone[3];
        tn_fusion *fusion = NULL;
        tn_fuse_options options = options_by(TN_SUPPORT_WEIGHTS);
        float *images = random_images(8, 784, 4);
        assert_ok(tn_fusion_create(&fusion, NULL, (const tn_model *const *)models, 3,
                                   NULL, &options, NULL, err));
        options.recalibrate = TN_RECALIBRATE_NONE;
        for (size_t k = 0; k < 3; k++) {
            double weights[3] = {k == 0, k == 1, k == 2};
            options.weights = weights;
            alone[k] = build(fusion, &options);
            double found = output_distance(models[k], alone[k], images, 8);
            if (!(found < 1e-5))
                fail_msg("%s: parent %zu moved by %g", archs[i], k, found);
        }
        assert_true(output_distance(alone[0], alone[1], images, 8) > 0.1);
        for (size_t k = 0; k < 3; k++) {
            tn_model_free(alone[k]);
            tn_model_free(models[k]);
        }
        tn_fusion_free(fusion);
        free(images);
    }
}

static void the_line_between_permuted_copies_is_flat(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10:bias", 1), *b = permuted(a, 2);
    const tn_model *models[2] = {a, b};
    tn_fusion *fusion = NULL;
    tn_fuse_options options = options_by(TN_SUPPORT_WEIGHTS);
    tn_dataset *data = open_data(GREY);
    float *images = random_images(8, 784, 4);
    assert_ok(tn_fusion_create(&fusion, NULL, models, 2, data, &options, NULL, err));
    tn_model_free(b); /* it is not needed any more */
    for (size_t i = 1; i < 4; i++) {
        double weights[2] = {(double)i / 4, 1 - (double)i / 4};
        options.weights = weights;
        tn_model *at = build(fusion, &options);
        assert_true(output_distance(a, at, images, 8) < 1e-4);
        tn_model_free(at);
    }
    tn_fusion_free(fusion);
    free(images);
    tn_dataset_free(data);
    tn_model_free(a);
}

/* Changes to what is made, one at a time. */
static tn_fuse_options variant(tn_fuse_options options, size_t which)
{
    static const double weights[2] = {0.75, 0.25};
    if (which == 1)
        options.recalibrate = TN_RECALIBRATE_NONE;
    if (which == 2)
        options.refit = TN_REFIT_LAYERS;
    if (which == 3)
        options.width = 1.5;
    if (which == 4)
        options.weights = weights;
    if (which == 5)
        options.align = false;
    if (which == 6) {
        options.refit = TN_REFIT_LAYERS;
        options.refit_goal = TN_REFIT_SPREAD;
        options.recalibrate = TN_RECALIBRATE_REPAIR;
        options.width = 1.25;
    }
    return options;
}

static void results_do_not_depend_on_what_was_made_before(void **state)
{
    (void)state;
    const char *archs[] = {"vgg11x0.125", "resnet20x0.25"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *a = make_net(archs[i], 1), *b = make_net(archs[i], 2);
        const tn_model *models[2] = {a, b};
        tn_fusion *fusion = NULL;
        tn_fuse_options base = options_by(TN_SUPPORT_AUTO);
        tn_dataset *data = open_data(COLOUR);
        assert_ok(tn_fusion_create(&fusion, NULL, models, 2, data, &base, NULL, err));
        for (size_t which = 7; which-- > 0;) {
            tn_fuse_options options = variant(base, which);
            tn_model *alone = NULL, *made = build(fusion, &options);
            assert_ok(tn_fuse(&alone, NULL, models, 2, data, &options, NULL, err));
            assert_near(distance(alone, made), 0, 0);
            tn_model_free(alone);
            tn_model_free(made);
        }
        tn_fusion_free(fusion);
        tn_dataset_free(data);
        tn_model_free(a);
        tn_model_free(b);
    }
}

static void the_report_tells_what_a_result_took(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.25", 1), *b = make_net("resnet20x0.25", 2);
    tn_model *made = NULL;
    const tn_model *models[2] = {a, b};
    tn_fusion *fusion = NULL;
    tn_fuse_report report = {0};
    tn_fuse_options options = options_by(TN_SUPPORT_AUTO);
    tn_dataset *data = open_data(COLOUR);
    assert_ok(tn_fusion_create(&fusion, &report, models, 2, data, &options, NULL, err));
    size_t groups = report.group_count;
    assert_true(groups > 0);
    assert_int_equal(report.layers_recalibrated, 0);
    assert_ok(tn_fusion_build(&made, &report, fusion, NULL, err));
    assert_int_equal(report.layers_recalibrated, 19);
    assert_int_equal(report.layers_refitted, 0);
    assert_int_equal(report.group_count, groups);
    tn_model_free(made);
    options.refit = TN_REFIT_LAYERS;
    assert_ok(tn_fusion_build(&made, &report, fusion, &options, err));
    assert_int_equal(report.layers_recalibrated, 0);
    assert_true(report.layers_refitted > 0);
    tn_model_free(made);
    tn_fuse_report_release(&report);
    tn_fusion_free(fusion);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void options_without_meaning_are_refused(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10", 1), *made = NULL;
    const tn_model *models[2] = {a, a};
    const double weights[2] = {0.5, 0.25};
    tn_fusion *fusion = NULL;
    tn_fuse_options base = options_by(TN_SUPPORT_WEIGHTS), options = base;
    assert_ok(tn_fusion_create(&fusion, NULL, models, 2, NULL, &base, NULL, err));
    options.weights = weights;
    assert_fails(tn_fusion_build(&made, NULL, fusion, &options, err), TN_ERROR_ARGUMENT,
                 "weights sum to");
    options = base;
    options.width = 3;
    assert_fails(tn_fusion_build(&made, NULL, fusion, &options, err), TN_ERROR_ARGUMENT,
                 "width is 3");
    options = base;
    options.refit = TN_REFIT_LAYERS;
    assert_fails(tn_fusion_build(&made, NULL, fusion, &options, err), TN_ERROR_ARGUMENT,
                 "wants data");
    assert_null(made);
    tn_fusion_free(fusion);
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aligned_parent_alone_is_that_parents_function),
        cmocka_unit_test(the_line_between_permuted_copies_is_flat),
        cmocka_unit_test(results_do_not_depend_on_what_was_made_before),
        cmocka_unit_test(the_report_tells_what_a_result_took),
        cmocka_unit_test(options_without_meaning_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
