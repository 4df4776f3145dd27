/* test_regress.c - layers fitted one after another to the aligned parents' answers. */
#include "nets.h"

#define COLOUR "random:3x32x32,limit=96"
#define GREY "random:1x28x28,limit=96"

static tn_fuse_options options_of(void)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.refit = TN_REFIT_LAYERS;
    options.samples = 64;
    options.calibration = 80;
    options.threads = 1;
    return options;
}

static const struct {
    const char *arch, *data;
    size_t pixels, layers;
} nets[] = {{"mlp:784-24-12-10", GREY, 784, 3},
            {"vgg11x0.125", COLOUR, 3072, 9},
            {"vgg11-bnx0.125", COLOUR, 3072, 9},
            {"resnet20x0.5", COLOUR, 3072, 20},
            {"resnet18x0.125", COLOUR, 3072, 21}};

static void a_permuted_copy_comes_back_whatever_the_goal(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(nets); i++) {
        tn_model *a = make_net(nets[i].arch, 1), *b = permuted(a, 2);
        const tn_model *models[2] = {a, b};
        tn_dataset *data = open_data(nets[i].data);
        float *images = random_images(8, nets[i].pixels, 4);
        for (int goal = (int)(i % 2); goal <= TN_REFIT_SPREAD; goal += 2) {
            tn_model *fused = NULL;
            tn_fuse_report report = {0};
            tn_fuse_options options = options_of();
            options.refit_goal = (tn_refit_goal)goal;
            assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
            assert_int_equal(report.layers_refitted, nets[i].layers);
            assert_int_equal(report.layers_recalibrated, 0);
            double found = output_distance(a, fused, images, 8);
            if (!(found < 1e-3))
                fail_msg("%s comes back with a difference of %g", nets[i].arch, found);
            tn_fuse_report_release(&report);
            tn_model_free(fused);
        }
        free(images);
        tn_dataset_free(data);
        tn_model_free(a);
        tn_model_free(b);
    }
}

/* Mean square of the difference between a network and the mean of two others. */
static double from_mean(const tn_model *model, const tn_model *const *pair,
                        const float *images, size_t n)
{
    const tn_model *all[3] = {model, pair[0], pair[1]};
    float *out[3];
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        tn__engine *engine = NULL;
        tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
        out[k] = calloc(n, 10 * sizeof *out[k]);
        assert_ok(tn__engine_create(&engine, all[k], &options, err));
        assert_ok(tn__engine_infer(engine, out[k], images, n, err));
        tn__engine_free(engine);
    }
    for (size_t i = 0; i < n * 10; i++) {
        double e = (double)out[0][i] - ((double)out[1][i] + (double)out[2][i]) / 2;
        sum += e * e / (double)(n * 10);
    }
    for (int k = 0; k < 3; k++)
        free(out[k]);
    return sum;
}

static void outputs_come_nearer_to_the_parents_mean(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(nets); i += 2) {
        tn_model *a = make_net(nets[i].arch, 1), *b = make_net(nets[i].arch, 2);
        tn_model *fitted = NULL, *averaged = NULL;
        const tn_model *models[2] = {a, b};
        tn_dataset *data = open_data(nets[i].data);
        float *images = random_images(64, nets[i].pixels, 9);
        tn_fuse_options options = options_of();
        assert_ok(tn_fuse(&fitted, NULL, models, 2, data, &options, NULL, err));
        options.refit = TN_REFIT_NONE;
        assert_ok(tn_fuse(&averaged, NULL, models, 2, data, &options, NULL, err));
        assert_true(from_mean(fitted, models, images, 64) <
                    from_mean(averaged, models, images, 64));
        free(images);
        tn_dataset_free(data);
        tn_model_free(fitted);
        tn_model_free(averaged);
        tn_model_free(a);
        tn_model_free(b);
    }
}

/* Gradients move weights before a norm the faster the smaller they are: what they
 * answer has the variance of the folded norms, 1. */
static void refitted_layers_before_norms_answer_with_unit_variance(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = permuted(a, 2), *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(COLOUR);
    tn_fuse_options options = options_of();
    size_t norms = 0;
    assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
    for (size_t v = 0; v < fused->value_count; v++) {
        const tn__tensor *variance = &fused->values[v].parameter;
        if (!strstr(fused->values[v].name, "running_var"))
            continue;
        norms++;
        for (size_t i = 0; i < tn__tensor_count(variance); i++)
            assert_near(tn__tensor_get_f64(variance, i), 1, 1e-4);
    }
    assert_int_equal(norms, 19);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(fused);
}

static void all_weight_on_one_parent_gives_its_function(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = make_net("resnet20x0.5", 2);
    tn_model *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(COLOUR);
    float *images = random_images(8, 3072, 4);
    tn_fuse_options options = options_of();
    options.weights = (double[]){0, 1};
    assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
    assert_true(output_distance(b, fused, images, 8) < 1e-3);
    free(images);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

static void parents_of_other_widths_are_fitted_too(void **state)
{
    (void)state;
    tn_model *a = make_net("vgg11x0.125", 1), *b = make_net("vgg11x0.25", 2);
    tn_model *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(COLOUR);
    float *images = random_images(64, 3072, 9);
    tn_fuse_options options = options_of();
    assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
    assert_true(isfinite(from_mean(fused, models, images, 64)));
    assert_int_equal(fused->value_count, a->value_count + 9); /* biases */
    free(images);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = make_net("resnet20x0.5", 2);
    const tn_model *models[2] = {a, b};
    tn_model *fused[2] = {NULL, NULL};
    tn_dataset *data = open_data(COLOUR);
    for (size_t k = 0; k < 2; k++) {
        tn_fuse_options options = options_of();
        options.threads = k + 1;
        assert_ok(tn_fuse(&fused[k], NULL, models, 2, data, &options, NULL, err));
    }
    assert_near(distance(fused[0], fused[1]), 0, 0);
    tn_dataset_free(data);
    tn_model_free(fused[0]);
    tn_model_free(fused[1]);
    tn_model_free(a);
    tn_model_free(b);
}

static void without_images_it_is_refused(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-10", 1), *fused = NULL;
    const tn_model *models[2] = {a, a};
    tn_fuse_options options = options_of();
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "wants data");
    assert_null(fused);
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permuted_copy_comes_back_whatever_the_goal),
        cmocka_unit_test(outputs_come_nearer_to_the_parents_mean),
        cmocka_unit_test(refitted_layers_before_norms_answer_with_unit_variance),
        cmocka_unit_test(all_weight_on_one_parent_gives_its_function),
        cmocka_unit_test(parents_of_other_widths_are_fitted_too),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(without_images_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
