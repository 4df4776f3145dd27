/* Training: gradients of the fast kernels against plain C, of those against
 * differences, sums over shards, running statistics. */
#include "nets.h"

#define ENGINE(...) ((tn__engine_options){__VA_ARGS__})
#define ROUGH 1e-3 /* where rounding may move a value across a ReLU's zero */
#define SMOOTH 2e-5

/* Some gradients are zero but for rounding: those of a bias before a batch norm. */
static void check_close(const float *g, const float *h, size_t count, double tolerance,
                        const char *name)
{
    double largest = 0, farthest = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)h[i]));
        farthest = fmax(farthest, fabs((double)g[i] - (double)h[i]));
    }
    if (!(farthest <= tolerance * largest + 1e-6))
        fail_msg("gradient of '%s' is off by %g of %g", name, farthest, largest);
}

/* Gradients of all trained parameters of both engines after one step. Takes the model.
 */
static void check_gradients(tn_model *model, size_t image, size_t n, int64_t shard,
                            double tolerance)
{
    float *images = random_floats(n * image, 11);
    tn__engine *fast = engine_of(model, ENGINE(.shard = shard, .training = true));
    tn__engine *plain =
        engine_of(model, ENGINE(.shard = shard, .training = true, .reference = true));
    double a = step_of(fast, images, n), b = step_of(plain, images, n);
    assert_near(a, b, 1e-5 * fabs(b));
    size_t compared = 0;
    for (size_t v = 0; v < model->value_count; v++) {
        const float *g = tn__engine_gradient(fast, v),
                    *h = tn__engine_gradient(plain, v);
        size_t count = tn__engine_parameter_count(fast, v);
        assert_true((g == NULL) == (h == NULL));
        if (g) {
            check_close(g, h, count, tolerance, model->values[v].name);
            compared++;
        } else if (tn__engine_parameter(fast, v)) { /* running statistics */
            assert_near(distance(tn__engine_parameter(fast, v),
                                 tn__engine_parameter(plain, v), count),
                        0, 1e-5);
        }
    }
    assert_true(compared > 0);
    tn__engine_free(fast);
    tn__engine_free(plain);
    free(images);
    tn_model_free(model);
}

static void gradients_are_those_of_the_operators(void **state)
{
    (void)state;
    check_gradients(net_mlp(), 20, 8, 4, ROUGH);
    check_gradients(net_lenet(), 256, 4, 2, ROUGH);
    check_gradients(net_transformer(), 48, 6, 3, SMOOTH);
    check_gradients(net_vgg(), 768, 8, 4, ROUGH);
    check_gradients(net_resnet(16, 8), 192, 8, 4, ROUGH);
    check_gradients(net_resnet(5, 8), 192, 8, 4, ROUGH);
    check_gradients(net_shared(), 12, 6, 3, SMOOTH);
    check_gradients(net_parts(), 12, 6, 3, SMOOTH);
}

static void gradients_pass_operators_without_kernels(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 4, (int64_t[]){-1, 3, 6, 6});
    x = net_conv(&t, x, (conv_shape){16, 3, 1, 1, 1, 1, true});
    x = net_unary(&t, "Sigmoid", x);
    x = net_unary(&t, "Tanh", net_conv(&t, x, (conv_shape){8, 3, 2, 1, 8, 1, true}));
    x = net_flatten(&t, x, 72);
    check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 108, 4, 2, ROUGH);
}

/* Depthwise convolutions that oneDNN has no kernel for the weights of, with a bias. */
static void gradients_of_wide_depthwise_windows(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        net t;
        size_t x;
        net_begin(&t, &x, 4, (int64_t[]){-1, 3, 8, 8});
        x = net_conv(&t, x, (conv_shape){32, 3, 1, 1, 1, 1, true});
        x = net_conv(&t, x, (conv_shape){32, 7, 1, 3, 32, 1, bias});
        x = net_conv(&t, x, (conv_shape){32, 5, 2, 2, 32, 1, bias});
        x = net_flatten(&t, net_unary(&t, "Tanh", x), 512);
        check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 192, 4, 2, SMOOTH);
    }
}

/* One value read three times, one of them twice by the same addition. */
static void gradients_of_all_readers_are_added(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 4, (int64_t[]){-1, 3, 6, 6});
    size_t a = net_conv(&t, x, (conv_shape){16, 3, 1, 1, 1, 1, true});
    size_t b = net_unary(&t, "Relu", net_add(&t, a, a));
    size_t c = net_add(&t, net_conv(&t, b, (conv_shape){16, 3, 1, 1, 1, 1, true}), b);
    size_t d = net_add(&t, net_unary(&t, "Relu", c), net_unary(&t, "Sigmoid", c));
    size_t e = net_unary(&t, "Relu", net_add(&t, net_add(&t, d, b), a));
    x = net_flatten(&t, net_unary(&t, "GlobalAveragePool", e), 16);
    check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 108, 4, 2, ROUGH);
}

static void gradients_of_shared_parameters_are_added(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 2, (int64_t[]){-1, 6});
    size_t w = net_parameter(&t, 2, (int64_t[]){6, 6}, 0.5, 0);
    for (int i = 0; i < 3; i++) {
        x = net_node(&t, "Gemm", 2, (size_t[]){x, w}, 6);
        x = net_unary(&t, "Tanh", x);
    }
    check_gradients(net_end(&t, x), 6, 6, 2, ROUGH);
}

/* Smooth, so that differences mean something. */
static tn_model *net_smooth(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 4, (int64_t[]){-1, 3, 6, 6});
    x = net_conv(&t, x, (conv_shape){4, 3, 1, 1, 1, 1, false});
    x = net_unary(&t, "Tanh", net_norm(&t, x));
    size_t y = net_norm(&t, net_conv(&t, x, (conv_shape){4, 3, 1, 1, 1, 1, true}));
    x = net_unary(&t, "Tanh", net_add(&t, x, y));
    x = net_pool(&t, "AveragePool", x, 2, 2, 0);
    return net_end(&t, net_gemm(&t, net_flatten(&t, x, 36), 3, true, true));
}

static void gradients_of_smooth_networks_are_close(void **state)
{
    (void)state;
    check_gradients(net_smooth(), 108, 6, 3, SMOOTH);
}

/* dL/dp = (L(p + e) - L(p - e)) / 2 e for the first element of every parameter. */
static void gradients_equal_central_differences(void **state)
{
    (void)state;
    tn_model *model = net_smooth();
    size_t n = 6;
    float *images = random_floats(n * 108, 13);
    tn__engine *engine =
        engine_of(model, ENGINE(.shard = 3, .training = true, .reference = true));
    (void)step_of(engine, images, n);
    for (size_t v = 0; v < model->value_count; v++) {
        const float *gradient = tn__engine_gradient(engine, v);
        float *p = tn__engine_parameter(engine, v);
        if (!gradient)
            continue;
        float expected = gradient[0], kept = p[0], e = 1e-3f;
        p[0] = kept + e;
        tn__engine_touch(engine);
        double up = step_of(engine, images, n);
        p[0] = kept - e;
        tn__engine_touch(engine);
        double down = step_of(engine, images, n);
        p[0] = kept;
        tn__engine_touch(engine);
        assert_near((up - down) / 2e-3, (double)expected,
                    1e-3 + 0.01 * fabs((double)expected));
    }
    tn__engine_free(engine);
    free(images);
    tn_model_free(model);
}

static void a_step_does_not_depend_on_the_number_of_workers(void **state)
{
    (void)state;
    tn_model *model = net_resnet(16, 8);
    tn__workers *two = NULL;
    assert_ok(tn__workers_create(&two, 2, err));
    size_t n = 12;
    float *images = random_floats(n * 192, 17);
    tn__engine *a = engine_of(model, ENGINE(.shard = 4, .training = true));
    tn__engine *b =
        engine_of(model, ENGINE(.shard = 4, .training = true, .workers = two));
    for (int i = 0; i < 2; i++)
        assert_true(step_of(a, images, n) == step_of(b, images, n));
    for (size_t v = 0; v < model->value_count; v++) {
        size_t bytes = tn__engine_parameter_count(a, v) * sizeof(float);
        if (tn__engine_gradient(a, v))
            assert_memory_equal(tn__engine_gradient(a, v), tn__engine_gradient(b, v),
                                bytes);
        if (bytes)
            assert_memory_equal(tn__engine_parameter(a, v), tn__engine_parameter(b, v),
                                bytes);
    }
    tn__engine_free(a);
    tn__engine_free(b);
    tn__workers_free(two);
    free(images);
    tn_model_free(model);
}

static void gradient_descent_lowers_the_loss(void **state)
{
    (void)state;
    tn_model *model = net_resnet(16, 8);
    size_t n = 8;
    float *images = random_floats(n * 192, 19);
    tn__engine *engine = engine_of(model, ENGINE(.shard = 4, .training = true));
    double first = step_of(engine, images, n), last = first;
    for (int i = 0; i < 12; i++) {
        for (size_t v = 0; v < model->value_count; v++) {
            const float *g = tn__engine_gradient(engine, v);
            float *p = tn__engine_parameter(engine, v);
            for (size_t k = 0; g && k < tn__engine_parameter_count(engine, v); k++)
                p[k] -= 0.02f * g[k];
        }
        tn__engine_touch(engine);
        last = step_of(engine, images, n);
    }
    assert_true(last < 0.5 * first);
    tn__engine_free(engine);
    free(images);
    tn_model_free(model);
}

/* x [4, 1] through one batch norm: shards {1, 3} and {5, 9} have means 2 and 7 and
 * unbiased variances 2 and 8. */
static void running_statistics_move_by_momentum(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 2, (int64_t[]){-1, 1});
    size_t scale = net_positive(&t, 1), shift = net_positive(&t, 1);
    size_t mean = net_positive(&t, 1), variance = net_positive(&t, 1);
    x = net_node(&t, "BatchNormalization", 5,
                 (size_t[]){x, scale, shift, mean, variance}, 1);
    tn_model *model = net_end(&t, x);
    float images[4] = {1, 3, 5, 9};
    for (int reference = 0; reference < 2; reference++) {
        tn__engine *engine = engine_of(
            model, ENGINE(.shard = 2, .training = true, .reference = reference));
        double m = (double)tn__engine_parameter(engine, mean)[0];
        double v = (double)tn__engine_parameter(engine, variance)[0];
        (void)step_of(engine, images, 4);
        assert_near(tn__engine_parameter(engine, mean)[0], 0.9 * m + 0.1 * 4.5, 1e-6);
        assert_near(tn__engine_parameter(engine, variance)[0], 0.9 * v + 0.1 * 5, 1e-6);
        assert_null(tn__engine_gradient(engine, mean));
        assert_non_null(tn__engine_gradient(engine, scale));
        tn__engine_free(engine);
    }
    tn_model_free(model);
}

static tn_status failing_loss(void *user, float *dlogits, double *loss,
                              const float *logits, size_t first, size_t n,
                              tn_error *err)
{
    (void)user, (void)dlogits, (void)logits, (void)n;
    *loss = 0;
    return first >= 4 ? tn__fail(err, TN_ERROR_NUMERIC, "shard at %zu", first) : TN_OK;
}

static void a_failing_loss_ends_the_step(void **state)
{
    (void)state;
    tn_model *model = net_mlp();
    tn__workers *two = NULL;
    assert_ok(tn__workers_create(&two, 2, err));
    float *images = random_floats(20 * 20, 23);
    tn__engine *engine =
        engine_of(model, ENGINE(.shard = 2, .training = true, .workers = two));
    double loss = -1;
    assert_fails(
        tn__engine_step(engine, &loss, images, 20, failing_loss, NULL, 0.1, err),
        TN_ERROR_NUMERIC, "shard at 4");
    assert_true(loss == -1);
    assert_fails(
        tn__engine_step(engine, &loss, images, 5, failing_loss, NULL, 0.1, err),
        TN_ERROR_ARGUMENT, "multiple of the shard");
    tn__engine_free(engine);
    tn__workers_free(two);
    free(images);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_operators),
        cmocka_unit_test(gradients_pass_operators_without_kernels),
        cmocka_unit_test(gradients_of_wide_depthwise_windows),
        cmocka_unit_test(gradients_of_all_readers_are_added),
        cmocka_unit_test(gradients_of_shared_parameters_are_added),
        cmocka_unit_test(gradients_of_smooth_networks_are_close),
        cmocka_unit_test(gradients_equal_central_differences),
        cmocka_unit_test(a_step_does_not_depend_on_the_number_of_workers),
        cmocka_unit_test(gradient_descent_lowers_the_loss),
        cmocka_unit_test(running_statistics_move_by_momentum),
        cmocka_unit_test(a_failing_loss_ends_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
