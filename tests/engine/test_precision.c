/* Networks computed in bf16: near those in f32, and as deterministic. */
#include "nets.h"
#include "ops/onednn.h"

#define ENGINE(...) ((tn__engine_options){__VA_ARGS__})

/* Rounding to 8 bits, a dozen times. */
#define NEAR 4e-2

#define require_bf16()                                                                 \
    do {                                                                               \
        if (!tn__dnnl_has_bf16()) {                                                    \
            print_message("skipped: this CPU has no bf16\n");                          \
            skip();                                                                    \
        }                                                                              \
    } while (0)

static void auto_is_what_the_cpu_has(void **state)
{
    tn_dtype type = TN_UNDEFINED;
    (void)state;
    assert_ok(tn__precision_resolve(&type, TN_PRECISION_AUTO, err));
    assert_int_equal(type, tn__dnnl_has_bf16() ? TN_BF16 : TN_F32);
    assert_ok(tn__precision_resolve(&type, TN_PRECISION_F32, err));
    assert_int_equal(type, TN_F32);
    assert_fails(tn__precision_resolve(&type, (tn_precision)7, err), TN_ERROR_ARGUMENT,
                 "precision = 7");
    if (tn__dnnl_has_bf16())
        assert_ok(tn__precision_resolve(&type, TN_PRECISION_BF16, err));
    else
        assert_fails(tn__precision_resolve(&type, TN_PRECISION_BF16, err),
                     TN_ERROR_UNSUPPORTED, "this CPU");
}

/* Takes the model. */
static void check_outputs(tn_model *model, size_t image)
{
    enum { N = 10 };
    size_t count = 0;
    float *images = random_floats(N * image, 5);
    float *full = infer_all(model, ENGINE(.shard = 4), images, N, &count);
    float *half = infer_all(model, ENGINE(.shard = 4, .precision = TN_PRECISION_BF16),
                            images, N, &count);
    double off = distance(half, full, count);
    if (!(off > 0 && off < NEAR))
        fail_msg("outputs are off by %g", off);
    free(images);
    free(full);
    free(half);
    tn_model_free(model);
}

static void outputs_in_bf16_are_near_those_in_f32(void **state)
{
    (void)state;
    require_bf16();
    check_outputs(net_mlp(), 20);
    check_outputs(net_lenet(), 256);
    check_outputs(net_vgg(), 768);
    check_outputs(net_resnet(16, 8), 192);
    check_outputs(net_resnet(5, 8), 192);
}

/* Cosine of the angle between two gradients, over all parameters together. */
static double agreement(tn__engine *a, tn__engine *b, const tn_model *model)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t v = 0; v < model->value_count; v++) {
        const float *g = tn__engine_gradient(a, v), *h = tn__engine_gradient(b, v);
        for (size_t i = 0; g && i < tn__engine_parameter_count(a, v); i++) {
            ab += (double)g[i] * (double)h[i];
            aa += (double)g[i] * (double)g[i];
            bb += (double)h[i] * (double)h[i];
        }
    }
    assert_true(aa > 0 && bb > 0);
    return ab / sqrt(aa * bb);
}

/* Takes the model. Gradients turn by little; statistics move as in f32. */
static void check_gradients(tn_model *model, size_t image)
{
    enum { N = 16, SHARD = 8 };
    float *images = random_floats(N * image, 11);
    tn__engine *half = engine_of(model, ENGINE(.shard = SHARD, .training = true,
                                               .precision = TN_PRECISION_BF16));
    tn__engine *full = engine_of(model, ENGINE(.shard = SHARD, .training = true));
    double a = step_of(half, images, N), b = step_of(full, images, N);
    assert_near(a, b, NEAR * b);
    double cosine = agreement(half, full, model);
    if (!(cosine > 0.98))
        fail_msg("gradients agree by %g", cosine);
    for (size_t v = 0; v < model->value_count; v++)
        if (!tn__engine_gradient(full, v) && tn__engine_parameter(full, v))
            assert_near(distance(tn__engine_parameter(half, v),
                                 tn__engine_parameter(full, v),
                                 tn__engine_parameter_count(full, v)),
                        0, NEAR);
    tn__engine_free(half);
    tn__engine_free(full);
    free(images);
    tn_model_free(model);
}

static void gradients_in_bf16_are_near_those_in_f32(void **state)
{
    (void)state;
    require_bf16();
    check_gradients(net_mlp(), 20);
    check_gradients(net_lenet(), 256);
    check_gradients(net_vgg(), 768);
    check_gradients(net_resnet(16, 8), 192);
    check_gradients(net_resnet(5, 8), 192);
    check_gradients(net_transformer(), 48);
}

/* Convolutions of 1x1: dense, whose gradients are products, strided, padded, grouped,
 * and of channels that fill no register. */
static void gradients_of_points_in_bf16_are_near_those_in_f32(void **state)
{
    (void)state;
    require_bf16();
    for (int64_t c = 5; c <= 64; c += 59)
        for (int relu = 0; relu < 2; relu++) {
            net t;
            size_t x;
            net_begin(&t, &x, 4, (int64_t[]){-1, 3, 4, 4});
            x = net_conv(&t, x, (conv_shape){c, 3, 1, 1, 1, 1, false});
            x = net_conv(&t, x, (conv_shape){2 * c, 1, 1, 0, 1, 1, false});
            if (relu)
                x = net_unary(&t, "Relu", net_norm(&t, x));
            x = net_conv(&t, x, (conv_shape){c, 1, 1, 0, 1, 1, false});
            if (relu)
                x = net_unary(&t, "Relu", x);
            x = net_conv(&t, x, (conv_shape){c, 1, 1, 0, 1, 1, true});
            x = net_conv(&t, x, (conv_shape){c, 1, 1, 1, c, 1, false});
            x = net_conv(&t, x, (conv_shape){c, 1, 2, 0, 1, 1, false});
            x = net_flatten(&t, x, 9 * c);
            check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 48);
        }
}

/* Maps of 4x4 and less, forward and backward by columns. */
static void gradients_on_small_maps_in_bf16_are_near_those_in_f32(void **state)
{
    (void)state;
    require_bf16();
    for (int64_t c = 5; c <= 64; c += 59)
        for (int relu = 0; relu < 2; relu++) {
            net t;
            size_t x;
            net_begin(&t, &x, 4, (int64_t[]){-1, 3, 8, 8});
            x = net_conv(&t, x, (conv_shape){c, 3, 2, 1, 1, 1, false});
            x = net_conv(&t, x, (conv_shape){2 * c, 3, 1, 1, 1, 1, true});
            if (relu)
                x = net_unary(&t, "Relu", x);
            x = net_conv(&t, x, (conv_shape){c, 3, 1, 2, 1, 2, false});
            if (relu)
                x = net_unary(&t, "Relu", net_norm(&t, x));
            x = net_conv(&t, x, (conv_shape){c, 1, 2, 0, 1, 1, true});
            x = net_conv(&t, x, (conv_shape){c, 2, 1, 0, 1, 1, false});
            x = net_flatten(&t, x, c);
            check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 192);
        }
}

/* Operators in plain C between kernels in bf16, one value read by three of them. */
static void plain_operators_convert(void **state)
{
    net t;
    size_t x;
    (void)state;
    require_bf16();
    net_begin(&t, &x, 4, (int64_t[]){-1, 3, 8, 8});
    x = net_conv(&t, x, (conv_shape){16, 3, 1, 1, 1, 1, true});
    size_t y = net_unary(&t, "Tanh", x);
    y = net_add(&t, net_add(&t, y, x), x);
    x = net_conv(&t, net_unary(&t, "Sigmoid", y), (conv_shape){8, 3, 2, 1, 8, 1, true});
    x = net_flatten(&t, x, 128);
    check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 192);
}

static size_t mix(net *t, const char *type, size_t a, size_t b)
{
    return net_node(t, type, 2, (size_t[]){a, b}, t->channels[a]);
}

/* By a scalar, a vector, a value of its own shape and a gate of each image; parts of a
 * projection, and planes of more and of less than a tile that are turned. */
static void elementwise_gradients_in_bf16_are_near_those_in_f32(void **state)
{
    (void)state;
    require_bf16();
    for (int64_t c = 8; c <= 40; c += 32) {
        net t;
        size_t x;
        net_begin(&t, &x, 3, (int64_t[]){-1, 20, 8});
        t.channels[x] = 8;
        x = net_matmul(&t, x, c);
        size_t q = net_slice(&t, x, 0, 10, 1), k = net_slice(&t, x, 10, 20, 1);
        q = mix(&t, "Div", q, net_parameter(&t, 0, NULL, 0, 2.5));
        k = mix(&t, "Mul", k, net_positive(&t, c));
        size_t v = mix(&t, "Sub", q, mix(&t, "Mul", k, q));
        v = net_unary(&t, "Transpose", v);
        net_ints(&t, "perm", 3, (int64_t[]){0, 2, 1});
        x = net_flatten(&t, net_matmul(&t, v, 16), 16 * c);
        check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 160);
        net_begin(&t, &x, 4, (int64_t[]){-1, 3, 8, 8});
        x = net_conv(&t, x, (conv_shape){c, 3, 1, 1, 1, 1, true});
        size_t gate = net_unary(&t, "GlobalAveragePool", x);
        gate = net_conv(&t, gate, (conv_shape){c, 1, 1, 0, 1, 1, true});
        gate = net_unary(&t, "Sigmoid", gate);
        x = c == 8 ? mix(&t, "Mul", gate, x) : mix(&t, "Mul", x, gate);
        x = net_conv(&t, x, (conv_shape){8, 3, 2, 1, 1, 1, true});
        x = net_flatten(&t, x, 128);
        check_gradients(net_end(&t, net_gemm(&t, x, 3, true, true)), 192);
    }
}

static void a_step_in_bf16_has_the_same_bytes_for_any_workers(void **state)
{
    enum { N = 24 };
    tn_model *model = net_resnet(16, 8);
    float *images = random_floats(N * 192, 3), *first = NULL;
    size_t v = 0;
    (void)state;
    require_bf16();
    while (model->values[v].parameter.shape.rank != 4) /* a convolution's */
        v++;
    for (size_t threads = 1; threads <= 3; threads++) {
        tn__workers *workers = NULL;
        assert_ok(tn__workers_create(&workers, threads, err));
        tn__engine *engine =
            engine_of(model, ENGINE(.workers = workers, .shard = 4, .training = true,
                                    .precision = TN_PRECISION_BF16));
        step_of(engine, images, N);
        size_t count = tn__engine_parameter_count(engine, v);
        if (!first) {
            first = malloc(count * sizeof *first);
            assert_non_null(first);
            memcpy(first, tn__engine_gradient(engine, v), count * sizeof *first);
        }
        assert_memory_equal(first, tn__engine_gradient(engine, v),
                            count * sizeof *first);
        tn__engine_free(engine);
        tn__workers_free(workers);
    }
    free(first);
    free(images);
    tn_model_free(model);
}

static void descent_in_bf16_follows_descent_in_f32(void **state)
{
    enum { N = 32, STEPS = 12 };
    tn_model *model = net_vgg();
    float *images = random_floats(N * 768, 3);
    double loss[2] = {0};
    (void)state;
    require_bf16();
    for (int k = 0; k < 2; k++) {
        tn__engine *engine = engine_of(
            model, ENGINE(.shard = 16, .training = true,
                          .precision = k ? TN_PRECISION_BF16 : TN_PRECISION_F32));
        double begun = step_of(engine, images, N);
        for (int step = 0; step < STEPS; step++) {
            for (size_t v = 0; v < model->value_count; v++) {
                const float *g = tn__engine_gradient(engine, v);
                float *w = tn__engine_parameter(engine, v);
                for (size_t i = 0; g && i < tn__engine_parameter_count(engine, v); i++)
                    w[i] -= 0.02f * g[i];
            }
            tn__engine_touch(engine);
            loss[k] = step_of(engine, images, N);
        }
        assert_true(loss[k] < 0.7 * begun);
        tn__engine_free(engine);
    }
    assert_near(loss[1], loss[0], 0.1 * loss[0]);
    free(images);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_is_what_the_cpu_has),
        cmocka_unit_test(outputs_in_bf16_are_near_those_in_f32),
        cmocka_unit_test(gradients_in_bf16_are_near_those_in_f32),
        cmocka_unit_test(gradients_of_points_in_bf16_are_near_those_in_f32),
        cmocka_unit_test(gradients_on_small_maps_in_bf16_are_near_those_in_f32),
        cmocka_unit_test(plain_operators_convert),
        cmocka_unit_test(elementwise_gradients_in_bf16_are_near_those_in_f32),
        cmocka_unit_test(a_step_in_bf16_has_the_same_bytes_for_any_workers),
        cmocka_unit_test(descent_in_bf16_follows_descent_in_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
