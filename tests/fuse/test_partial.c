/* test_partial.c - at full width the parents stand side by side and the result is the
 * mean of their outputs; between, copies of one network give that network, and the cost
 * grows with the width asked for. */
#include "nets.h"

#include "tenon/eval.h"

static tn_fuse_options options_of(double width)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.width = width;
    options.samples = 32;
    options.threads = 1;
    return options;
}

/* Largest distance of fused's outputs from the weighted mean of the models', relative
 * to the largest of these. */
static double distance_from_mean(const tn_model *fused, const tn_model *const *models,
                                 size_t count, const double *weights)
{
    enum { IMAGES = 6, CLASSES = 10 };
    float outputs[IMAGES * CLASSES];
    double mean[IMAGES * CLASSES] = {0}, largest = 0, worst = 0;
    tn_model_info info;
    assert_ok(tn_model_info_get(&info, fused, err));
    size_t pixels = (size_t)(info.input[1] * info.input[2] * info.input[3]);
    float *images = random_images(IMAGES, pixels, 9);
    for (size_t k = 0; k < count; k++) {
        assert_ok(tn_infer(outputs, models[k], images, IMAGES,
                           &(tn_eval_options){.threads = 1}, err));
        for (size_t i = 0; i < TN__COUNT(mean); i++)
            mean[i] += weights[k] * (double)outputs[i];
    }
    assert_ok(tn_infer(outputs, fused, images, IMAGES, &(tn_eval_options){.threads = 1},
                       err));
    for (size_t i = 0; i < TN__COUNT(mean); i++) {
        largest = TN__MAX(largest, fabs(mean[i]));
        worst = TN__MAX(worst, fabs(mean[i] - (double)outputs[i]));
    }
    free(images);
    return worst / largest;
}

static void full_width_is_the_mean_of_the_outputs(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "lenet5",
                                        "vgg11-bnx0.125",        "resnet20x0.25",
                                        "resnet20bx0.25",        "resnet18x0.0625"};
    const double weights[] = {0.25, 0.75};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *models[2] = {make_net(archs[i], 1), make_net(archs[i], 2)};
        tn_model *fused = NULL;
        tn_fuse_options options = options_of(2);
        options.weights = weights;
        assert_ok(tn_fuse(&fused, NULL, (const tn_model *const *)models, 2, NULL,
                          &options, NULL, err));
        double found =
            distance_from_mean(fused, (const tn_model *const *)models, 2, weights);
        if (!(found < 1e-5))
            fail_msg("%s at full width is off by %g", archs[i], found);
        tn_model_free(fused);
        tn_model_free(models[0]);
        tn_model_free(models[1]);
    }
}

static void three_models_stand_side_by_side(void **state)
{
    (void)state;
    const double weights[] = {0.2, 0.3, 0.5};
    tn_model *models[3], *fused = NULL;
    for (size_t k = 0; k < 3; k++)
        models[k] = make_net("resnet20x0.25", k + 1);
    tn_dataset *data = open_data("random:3x32x32,limit=32");
    tn_fuse_options options = options_of(3);
    options.weights = weights;
    options.reference = 1;
    assert_ok(tn_fuse(&fused, NULL, (const tn_model *const *)models, 3, data, &options,
                      NULL, err));
    assert_true(distance_from_mean(fused, (const tn_model *const *)models, 3, weights) <
                1e-5);
    tn_dataset_free(data);
    tn_model_free(fused);
    for (size_t k = 0; k < 3; k++)
        tn_model_free(models[k]);
}

static void copies_of_one_network_give_it_at_any_width(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "vgg11-bnx0.125",
                                        "resnet20x0.25"};
    static const char *const data_of[] = {"random:1x28x28,limit=32",
                                          "random:3x32x32,limit=32",
                                          "random:3x32x32,limit=32"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *a = make_net(archs[i], 1), *b = permuted(a, 2);
        const tn_model *models[2] = {a, b};
        tn_dataset *data = open_data(data_of[i]);
        tn_model_info info;
        assert_ok(tn_model_info_get(&info, a, err));
        uint64_t before = info.macs;
        for (double width = 1.2; width < 2; width += 0.3) {
            tn_model *fused = NULL;
            tn_fuse_options options = options_of(width);
            assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
            assert_ok(tn_model_info_get(&info, fused, err));
            assert_true(info.macs > before);
            before = info.macs;
            assert_true(distance_from_mean(fused, models, 1, (double[]){1}) < 1e-4);
            tn_model_free(fused);
        }
        tn_dataset_free(data);
        tn_model_free(a);
        tn_model_free(b);
    }
}

/* REPAIR's goals know the slots: what every parent keeps to itself stays as it was. */
static void repair_leaves_full_width_alone(void **state)
{
    (void)state;
    const double half[] = {0.5, 0.5};
    tn_model *models[2] = {make_net("mlp:784-24-12-10:bias", 1),
                           make_net("mlp:784-24-12-10:bias", 2)};
    tn_model *fused = NULL;
    tn_dataset *data = open_data("random:1x28x28,limit=64");
    tn_fuse_options options = options_of(2);
    options.recalibrate = TN_RECALIBRATE_REPAIR;
    assert_ok(tn_fuse(&fused, NULL, (const tn_model *const *)models, 2, data, &options,
                      NULL, err));
    assert_true(distance_from_mean(fused, (const tn_model *const *)models, 2, half) <
                1e-4);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(models[0]);
    tn_model_free(models[1]);
}

static void what_cannot_be_kept_apart_is_named(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10", 1), *b = make_net("mlp:784-24-12-10", 2);
    const tn_model *models[2] = {a, b};
    tn_model *fused = NULL;
    tn_fuse_options options = options_of(2.5);
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "width is 2.5");
    options = options_of(1.5);
    options.solver = TN_SOLVER_SINKHORN;
    options.sinkhorn.regularization = 1;
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_UNSUPPORTED, "matched one to one");
    options = options_of(1.5);
    options.weights = (double[]){0, 1};
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "weight 0");
    assert_null(fused);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_width_is_the_mean_of_the_outputs),
        cmocka_unit_test(three_models_stand_side_by_side),
        cmocka_unit_test(copies_of_one_network_give_it_at_any_width),
        cmocka_unit_test(repair_leaves_full_width_alone),
        cmocka_unit_test(what_cannot_be_kept_apart_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
