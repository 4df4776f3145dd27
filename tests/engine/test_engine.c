/* Inference: the fast kernels, alone and fused, against the plain C of the operators.
 */
#include "nets.h"

#include "ops/operand.h"

#define ENGINE(...) ((tn__engine_options){__VA_ARGS__})

static size_t image_count(const tn_model *model)
{
    size_t count = 1;
    const tn__value *input = &model->values[model->inputs[0]];
    for (int i = 1; i < input->rank; i++)
        count *= (size_t)input->dims[i];
    return count;
}

/* Takes the model. */
static void check_inference(tn_model *model, size_t n, int64_t shard)
{
    size_t count, plain_count;
    float *images = random_floats(n * image_count(model), 3);
    float *fast = infer_all(model, ENGINE(.shard = shard), images, n, &count);
    float *plain = infer_all(model, ENGINE(.shard = shard, .reference = true), images,
                             n, &plain_count);
    assert_int_equal(count, plain_count);
    assert_near(distance(fast, plain, count), 0, 1e-5);
    free(images);
    free(fast);
    free(plain);
    tn_model_free(model);
}

static void networks_infer_as_their_operators(void **state)
{
    (void)state;
    check_inference(net_mlp(), 11, 4);
    check_inference(net_lenet(), 5, 4);
    check_inference(net_transformer(), 5, 2);
    check_inference(net_vgg(), 6, 4);
    check_inference(net_resnet(16, 12), 5, 4);
    check_inference(net_resnet(5, 9), 3, 2); /* widths that fill no vector */
    check_inference(net_shared(), 5, 2);
    check_inference(net_parts(), 5, 2);
}

static void convolutions_of_all_classes_infer(void **state)
{
    static const conv_shape shapes[] = {
        {16, 3, 1, 1, 1, 1, true},  {7, 3, 2, 1, 1, 1, false},
        {32, 1, 1, 0, 1, 1, true},  {16, 5, 1, 2, 1, 1, false},
        {16, 3, 1, 2, 1, 2, true},  {16, 3, 1, 1, 16, 1, true},
        {32, 3, 2, 1, 4, 1, false}, {16, 4, 4, 0, 1, 1, true},
    };
    (void)state;
    for (size_t i = 0; i < TN__COUNT(shapes); i++) {
        net t;
        size_t x;
        net_begin(&t, &x, 4, (int64_t[]){-1, 16, 12, 12});
        check_inference(net_end(&t, net_conv(&t, x, shapes[i])), 3, 2);
    }
}

static void pools_of_all_classes_infer(void **state)
{
    static const char *const types[] = {"MaxPool", "AveragePool"};
    (void)state;
    for (size_t i = 0; i < TN__COUNT(types); i++)
        for (int ceil = 0; ceil < 2; ceil++)
            for (int include = 0; include < 2; include++) {
                net t;
                size_t x;
                net_begin(&t, &x, 4, (int64_t[]){-1, 20, 11, 10});
                x = net_pool(&t, types[i], x, 3, 2, 1);
                net_int(&t, "ceil_mode", ceil);
                if (i)
                    net_int(&t, "count_include_pad", include);
                check_inference(net_end(&t, x), 3, 2);
            }
}

static void operators_without_kernels_run_between_fast_ones(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 4, (int64_t[]){-1, 16, 8, 8});
    x = net_conv(&t, x, (conv_shape){20, 3, 1, 1, 1, 1, true});
    x = net_unary(&t, "Sigmoid", x);
    x = net_norm(&t, net_conv(&t, x, (conv_shape){16, 3, 1, 1, 1, 1, true}));
    x = net_unary(&t, "Tanh", x);
    check_inference(net_end(&t, x), 5, 2);
}

static void an_addition_in_place_spares_values_with_other_readers(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 4, (int64_t[]){-1, 16, 8, 8});
    size_t a =
        net_unary(&t, "Relu", net_conv(&t, x, (conv_shape){16, 3, 1, 1, 1, 1, 1}));
    size_t b = net_add(&t, net_conv(&t, a, (conv_shape){16, 3, 1, 1, 1, 1, true}), a);
    size_t c = net_add(&t, net_conv(&t, b, (conv_shape){16, 1, 1, 0, 1, 1, true}), a);
    size_t d = net_add(&t, net_conv(&t, c, (conv_shape){16, 1, 1, 0, 1, 1, true}), c);
    check_inference(net_end(&t, net_unary(&t, "Relu", d)), 3, 2);
}

static void a_value_added_to_itself_doubles(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 4, (int64_t[]){-1, 16, 8, 8});
    x = net_conv(&t, x, (conv_shape){16, 3, 1, 1, 1, 1, true});
    check_inference(net_end(&t, net_add(&t, x, x)), 3, 2);
}

static void results_do_not_depend_on_workers_or_the_last_shard(void **state)
{
    (void)state;
    tn_model *model = net_resnet(16, 8);
    tn__workers *two = NULL;
    assert_ok(tn__workers_create(&two, 2, err));
    size_t n = 11, count;
    float *images = random_floats(n * 3 * 64, 5);
    float *a = infer_all(model, ENGINE(.shard = 4), images, n, &count);
    float *b = infer_all(model, ENGINE(.shard = 4, .workers = two), images, n, &count);
    float *c = infer_all(model, ENGINE(.shard = 4), images, n - 2, &count);
    assert_memory_equal(a, b, n * 10 * sizeof *a);
    assert_memory_equal(a, c, (n - 2) * 10 * sizeof *a);
    free(images);
    free(a);
    free(b);
    free(c);
    tn__workers_free(two);
    tn_model_free(model);
}

static void folded_batch_norm_follows_its_parameters(void **state)
{
    (void)state;
    tn_model *model = net_vgg();
    size_t n = 4, count;
    float *images = random_floats(n * 3 * 256, 6);
    tn__engine *engine = engine_of(model, ENGINE(.shard = 4));
    float *before = malloc(n * 10 * sizeof *before),
          *after = malloc(n * 10 * sizeof *after);
    assert_ok(tn__engine_infer(engine, before, images, n, err));
    for (size_t v = 0; v < model->value_count; v++) {
        float *p = tn__engine_parameter(engine, v);
        for (size_t i = 0; p && i < tn__engine_parameter_count(engine, v); i++)
            p[i] *= 1.25f;
    }
    tn__engine_touch(engine);
    assert_ok(tn__engine_infer(engine, after, images, n, err));
    assert_true(distance(after, before, n * 10) > 1e-3);
    assert_ok(tn__engine_store(engine, model, err));
    float *stored =
        infer_all(model, ENGINE(.shard = 4, .reference = true), images, n, &count);
    assert_near(distance(after, stored, count), 0, 1e-5);
    tn__engine_free(engine);
    free(images);
    free(before);
    free(after);
    free(stored);
    tn_model_free(model);
}

static void an_engine_outlives_its_model(void **state)
{
    (void)state;
    tn_model *model = net_mlp();
    float *images = random_floats(40, 8), out[10];
    tn__engine *engine = engine_of(model, ENGINE(0));
    tn_model_free(model);
    assert_ok(tn__engine_infer(engine, out, images, 2, err));
    assert_int_equal(tn__engine_shard(engine), 64);
    assert_int_equal(tn__engine_input_shape(engine)->dims[0], 1);
    assert_int_equal(tn__engine_output_count(engine), 5);
    tn__engine_free(engine);
    free(images);
}

/* Every parameter of another float type, and back. */
static void convert_parameters(tn_model *model, tn_dtype dtype)
{
    for (size_t v = 0; v < model->value_count; v++) {
        tn__tensor *p = &model->values[v].parameter, converted;
        if (!tn__dtype_is_float(p->dtype))
            continue;
        assert_ok(tn__tensor_convert(&converted, p, dtype, err));
        tn__tensor_release(p);
        *p = converted;
        model->values[v].dtype = dtype;
    }
}

/* As exporters write it where the whole network was made half: inputs, parameters, a
 * constant and a cast. */
static void a_network_of_halves_is_computed_in_f32(void **state)
{
    (void)state;
    static const tn_dtype types[] = {TN_F16, TN_BF16, TN_F64};
    float *images = random_floats(3 * 20, 5);
    for (size_t k = 0; k < TN__COUNT(types); k++) {
        tn_model *half = net_mlp(), *rounded = net_mlp();
        size_t constant = 0, cast = 0, sum = 0, n = 0, y = half->outputs[0], count;
        convert_parameters(half, types[k]);
        convert_parameters(rounded, types[k]);
        convert_parameters(rounded, TN_F32);
        half->values[half->inputs[0]].dtype = types[k];
        assert_ok(tn__model_add_value(&constant, half, "zero", err));
        assert_ok(
            tn__model_add_node(&n, half, "Constant", "c", 0, NULL, 1, &constant, err));
        tn__attr *attr = NULL;
        assert_ok(
            tn__node_add_attr(&attr, &half->nodes[n], "value", TN__ATTR_TENSOR, err));
        assert_ok(tn__tensor_create(&attr->tensor, types[k], 0, NULL, err));
        assert_ok(tn__model_add_value(&cast, half, "cast", err));
        assert_ok(tn__model_add_node(&n, half, "Cast", "t", 1, &y, 1, &cast, err));
        assert_ok(tn__node_set_int(&half->nodes[n], "to", types[k], err));
        assert_ok(tn__model_add_value(&sum, half, "sum", err));
        assert_ok(tn__model_add_node(&n, half, "Add", "s", 2,
                                     (size_t[]){cast, constant}, 1, &sum, err));
        half->outputs[0] = sum;
        float *a = infer_all(half, ENGINE(0), images, 3, &count);
        float *b = infer_all(rounded, ENGINE(0), images, 3, &count);
        assert_true(distance(a, b, count) == 0);
        free(a);
        free(b);
        tn_model_free(half);
        tn_model_free(rounded);
    }
    free(images);
}

static void half_precision_parameters_are_stored_as_such(void **state)
{
    (void)state;
    tn_model *model = net_mlp();
    convert_parameters(model, TN_F16);
    tn__engine *engine = engine_of(model, ENGINE(0));
    assert_ok(tn__engine_store(engine, model, err));
    for (size_t v = 0; v < model->value_count; v++)
        if (tn__engine_parameter(engine, v))
            assert_int_equal(model->values[v].parameter.dtype, TN_F16);
    tn__engine_free(engine);
    tn_model_free(model);
}

static void what_cannot_be_run_is_refused_by_name(void **state)
{
    net t;
    size_t x;
    (void)state;
    net_begin(&t, &x, 2, (int64_t[]){-1, 4});
    tn_model *model = net_end(&t, net_unary(&t, "Frobnicate", x));
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    assert_fails(tn__engine_create(&engine, model, &options, err), TN_ERROR_UNSUPPORTED,
                 "Frobnicate");
    assert_null(engine);
    tn_model_free(model);
    model = net_mlp();
    tn_model *other = net_vgg();
    engine = engine_of(model, options);
    assert_fails(tn__engine_store(engine, other, err), TN_ERROR_MISMATCH, "values");
    double loss;
    assert_fails(tn__engine_step(engine, &loss, NULL, 64, NULL, NULL, 0, err),
                 TN_ERROR_ARGUMENT, "training");
    tn__engine_free(engine);
    tn_model_free(model);
    tn_model_free(other);
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    tn_model *model = net_mlp();
    tn__engine_options options = {.shard = 2, .training = true};
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status == TN_ERROR_MEMORY; k++) {
        tn__engine *engine = NULL;
        tn_error error = {0};
        tn__alloc_fail_after(k);
        status = tn__engine_create(&engine, model, &options, &error);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
        tn__engine_free(engine);
    }
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_infer_as_their_operators),
        cmocka_unit_test(convolutions_of_all_classes_infer),
        cmocka_unit_test(pools_of_all_classes_infer),
        cmocka_unit_test(operators_without_kernels_run_between_fast_ones),
        cmocka_unit_test(an_addition_in_place_spares_values_with_other_readers),
        cmocka_unit_test(a_value_added_to_itself_doubles),
        cmocka_unit_test(results_do_not_depend_on_workers_or_the_last_shard),
        cmocka_unit_test(folded_batch_norm_follows_its_parameters),
        cmocka_unit_test(an_engine_outlives_its_model),
        cmocka_unit_test(a_network_of_halves_is_computed_in_f32),
        cmocka_unit_test(half_precision_parameters_are_stored_as_such),
        cmocka_unit_test(what_cannot_be_run_is_refused_by_name),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
