/* test_trained_pairs.c - fusion of networks that were really trained, against floors
 * set by public measurements of permuting and averaging the same pairs. */
#include "nets.h"

#define MNIST ",mean=.1307,std=.3081"
#define CIFAR ",mean=.4914/.4822/.4465,std=.2470/.2435/.2616"

static tn_model *load(const char *path, const char *arch)
{
    tn_model *model = NULL;
    tn_load_options options = TN_LOAD_OPTIONS_INIT;
    options.arch = arch;
    assert_ok(tn_model_load(&model, path, &options, err));
    return model;
}

/* Share of images whose largest output is the label. */
static double accuracy_of(const tn_model *model, const tn_dataset *data)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    size_t n = tn_dataset_count(data), right = 0;
    float *images =
        calloc(n, (size_t)(shape[0] * shape[1] * shape[2]) * sizeof *images);
    float *out = calloc(n, 10 * sizeof *out);
    int32_t *labels = calloc(n, sizeof *labels);
    assert_ok(tn__engine_create(&engine, model, &options, err));
    assert_ok(tn_dataset_read(images, labels, data, NULL, 0, n, err));
    assert_ok(tn__engine_infer(engine, out, images, n, err));
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        for (size_t k = 1; k < 10; k++)
            best = out[i * 10 + k] > out[i * 10 + best] ? k : best;
        right += (int32_t)best == labels[i];
    }
    tn__engine_free(engine);
    free(images);
    free(out);
    free(labels);
    return (double)right / (double)n;
}

static double fused_accuracy(tn_model *const *pair, const tn_dataset *probe,
                             const tn_fuse_options *options, const tn_dataset *test)
{
    const tn_model *models[2] = {pair[0], pair[1]};
    tn_model *fused = NULL;
    assert_ok(tn_fuse(&fused, NULL, models, 2, probe, options, NULL, err));
    double accuracy = accuracy_of(fused, test);
    tn_model_free(fused);
    return accuracy;
}

static void mnist_perceptrons_keep_their_accuracy(void **state)
{
    (void)state;
    static const char *const paths[2] = {TN_TEST_SHARED "/models/mnist-mlp-0.pth",
                                         TN_TEST_SHARED "/models/mnist-mlp-1.pth"};
    require_file(paths[0]);
    tn_model *pair[2] = {load(paths[0], "mlp:784-400-200-100-10"),
                         load(paths[1], "mlp:784-400-200-100-10")};
    tn_dataset *probe =
        open_data("idx:" TN_TEST_SHARED "/data/mnist,split=train,limit=1200" MNIST);
    tn_dataset *test = open_data("idx:" TN_TEST_SHARED "/data/mnist,split=test" MNIST);
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.threads = 1;
    assert_true(fused_accuracy(pair, probe, &options, test) >= 0.980);
    options.recalibrate = TN_RECALIBRATE_NONE;
    assert_true(fused_accuracy(pair, probe, &options, test) >= 0.980);
    assert_true(fused_accuracy(pair, NULL, &options, test) >= 0.981);
    options.recalibrate = TN_RECALIBRATE_DATA_FREE;
    assert_true(fused_accuracy(pair, NULL, &options, test) >= 0.981);
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.descents = 3;
    assert_true(fused_accuracy(pair, NULL, &options, test) >= 0.984);
    options.descents = 0;
    options.align = false;
    assert_near(fused_accuracy(pair, NULL, &options, test), 0.9023, 1e-3);
    tn_dataset_free(probe);
    tn_dataset_free(test);
    tn_model_free(pair[0]);
    tn_model_free(pair[1]);
}

static void residual_networks_need_their_norms_reset(void **state)
{
    (void)state;
    static const char *const paths[2] = {
        TN_TEST_SHARED "/models/cifar10-jpeg-resnet20-0.pth",
        TN_TEST_SHARED "/models/cifar10-jpeg-resnet20-1.pth"};
    require_file(paths[0]);
    tn_model *pair[2] = {load(paths[0], "resnet20"), load(paths[1], "resnet20")};
    tn_dataset *all =
        open_data("tar:" TN_TEST_SHARED
                  "/data/cifar10-jpeg-test.tar.zst,split=test,limit=500" CIFAR);
    tn_dataset *probe = open_data("tar:" TN_TEST_SHARED
                                  "/data/cifar10-jpeg-test.tar.zst,split=test,skip=500,"
                                  "limit=400" CIFAR);
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.threads = 1;
    options.samples = 150;
    options.calibration = 250;
    assert_true(fused_accuracy(pair, probe, &options, all) >= 0.65);
    options.refit = TN_REFIT_LAYERS;
    options.recalibrate = TN_RECALIBRATE_AUTO;
    assert_true(fused_accuracy(pair, probe, &options, all) >= 0.78);
    options.refit = TN_REFIT_NONE;
    options.recalibrate = TN_RECALIBRATE_NONE;
    double bare = fused_accuracy(pair, probe, &options, all);
    assert_true(bare <= 0.35);
    options.recalibrate = TN_RECALIBRATE_DATA_FREE;
    assert_true(fused_accuracy(pair, probe, &options, all) >= bare + 0.1);
    tn_dataset_free(all);
    tn_dataset_free(probe);
    tn_model_free(pair[0]);
    tn_model_free(pair[1]);
}

static void halves_of_the_classes_make_more_than_either(void **state)
{
    (void)state;
    static const char *const paths[2] = {TN_TEST_SHARED "/models/mnist-mlp-noniid-0.pt",
                                         TN_TEST_SHARED
                                         "/models/mnist-mlp-noniid-1.pt"};
    require_file(paths[0]);
    tn_model *pair[2] = {load(paths[0], "mlp"), load(paths[1], "mlp")};
    tn_dataset *probe =
        open_data("idx:" TN_TEST_SHARED "/data/mnist,split=train,limit=1500" MNIST);
    tn_dataset *test = open_data("idx:" TN_TEST_SHARED "/data/mnist,split=test" MNIST);
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.threads = 1;
    options.method = TN_FUSE_AUTO;
    double found = fused_accuracy(pair, probe, &options, test);
    assert_true(found >= accuracy_of(pair[0], test) + 0.02);
    assert_true(found >= accuracy_of(pair[1], test) + 0.02);
    tn_dataset_free(probe);
    tn_dataset_free(test);
    tn_model_free(pair[0]);
    tn_model_free(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mnist_perceptrons_keep_their_accuracy),
        cmocka_unit_test(halves_of_the_classes_make_more_than_either),
        cmocka_unit_test(residual_networks_need_their_norms_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
