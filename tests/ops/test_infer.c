/* test_infer.c - shapes of whole models: batches, folding, and what is refused. */
#include "ops_check.h"

static size_t add(tn_model *model, const char *type, const char *name, size_t count,
                  const size_t *inputs)
{
    size_t value, node;
    assert_ok(tn__model_add_value(&value, model, name, err));
    assert_ok(
        tn__model_add_node(&node, model, type, name, count, inputs, 1, &value, err));
    return value;
}

static tn__node *last(tn_model *model)
{
    return &model->nodes[model->node_count - 1];
}

static size_t list(tn_model *model, const char *name, size_t count, const int64_t *v)
{
    tn__tensor tensor = {0};
    size_t value;
    check_tensor(&tensor, TN_I64, 1, (int64_t[]){(int64_t)count}, v);
    assert_ok(tn__model_add_parameter(&value, model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

static tn_model *start(size_t *input, int rank, const int64_t *dims)
{
    tn_model *model = NULL;
    assert_ok(tn__model_create(&model, "test", err));
    assert_ok(tn__model_add_input(input, model, "x", TN_F32, rank, dims, err));
    return model;
}

static void what_follows_from_shapes_is_folded(void **state)
{
    (void)state;
    /* Reshape(x, Concat(Gather(Shape(x), 0), -1)), as exporters write a flatten. */
    size_t x;
    tn_model *model = start(&x, 4, (int64_t[]){-1, 3, 2, 2});
    size_t shape = add(model, "Shape", "shape", 1, &x);
    size_t zero = list(model, "zero", 1, (int64_t[]){0});
    size_t n = add(model, "Gather", "n", 2, (size_t[]){shape, zero});
    size_t rest = list(model, "rest", 1, (int64_t[]){-1});
    size_t to = add(model, "Concat", "to", 2, (size_t[]){n, rest});
    assert_ok(tn__node_set_int(last(model), "axis", 0, err));
    size_t y = add(model, "Reshape", "y", 2, (size_t[]){x, to});
    assert_ok(tn__model_add_output(model, y, err));
    for (int64_t batch = 1; batch < 4; batch++) {
        tn__shapes shapes;
        assert_ok(tn__shapes_infer(&shapes, model, batch, err));
        assert_int_equal(shapes.batch, batch);
        assert_int_equal(shapes.shape[y].rank, 2);
        assert_int_equal(shapes.shape[y].dims[0], batch);
        assert_int_equal(shapes.shape[y].dims[1], 12);
        assert_int_equal(tn__tensor_get_i64(&shapes.constant[to], 0), batch);
        assert_int_equal(shapes.constant[y].dtype, TN_UNDEFINED);
        tn__shapes_release(&shapes);
    }
    tn_model_free(model);
}

static void constants_are_known(void **state)
{
    (void)state;
    size_t x;
    tn_model *model = start(&x, 2, (int64_t[]){-1, 3});
    size_t value = add(model, "Constant", "c", 0, NULL);
    assert_ok(tn__node_set_ints(last(model), "value_ints", 2, (int64_t[]){2, 3}, err));
    size_t filled = add(model, "ConstantOfShape", "f", 1, &value);
    tn__attr *attr;
    assert_ok(tn__node_add_attr(&attr, last(model), "value", TN__ATTR_TENSOR, err));
    check_tensor(&attr->tensor, TN_F32, 1, (int64_t[]){1}, (float[]){4});
    size_t zeros = add(model, "ConstantOfShape", "z", 1, &value);
    size_t half = add(model, "Constant", "h", 0, NULL);
    assert_ok(tn__node_set_float(last(model), "value_float", 0.5f, err));
    size_t scaled = add(model, "Mul", "s", 2, (size_t[]){filled, half});
    tn__shapes shapes;
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    assert_int_equal(shapes.shape[scaled].rank, 2);
    assert_near(tn__tensor_get_f64(&shapes.constant[scaled], 5), 2, 0);
    assert_near(tn__tensor_get_f64(&shapes.constant[zeros], 5), 0, 0);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void large_values_are_not_folded(void **state)
{
    (void)state;
    size_t x;
    tn_model *model = start(&x, 1, (int64_t[]){-1});
    size_t to = list(model, "to", 2, (int64_t[]){1200, 1200});
    size_t y = add(model, "ConstantOfShape", "y", 1, &to);
    tn__shapes shapes;
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    assert_true(shapes.known[y]);
    assert_int_equal(shapes.constant[y].dtype, TN_UNDEFINED);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void half_floats_have_shapes_but_are_not_folded(void **state)
{
    (void)state;
    size_t x, h;
    tn_model *model = start(&x, 1, (int64_t[]){-1});
    tn__tensor half = {0};
    check_tensor(&half, TN_F16, 1, (int64_t[]){2}, NULL);
    assert_ok(tn__model_add_parameter(&h, model, "h", &half, err));
    tn__tensor_release(&half);
    size_t y = add(model, "Relu", "y", 1, &h);
    tn__shapes shapes;
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    assert_int_equal(shapes.dtype[y], TN_F16);
    assert_int_equal(shapes.constant[y].dtype, TN_UNDEFINED);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void a_batch_of_one_gives_way_to_another(void **state)
{
    (void)state;
    size_t x, other;
    tn_model *model = start(&x, 2, (int64_t[]){1, 3});
    int64_t dims[2] = {1, 3};
    assert_ok(tn__model_add_input(&other, model, "o", TN_F32, 2, dims, err));
    size_t y = add(model, "Add", "y", 2, (size_t[]){x, other});
    tn__shapes shapes;
    assert_ok(tn__shapes_infer(&shapes, model, 5, err));
    assert_int_equal(shapes.shape[x].dims[0], 5);
    assert_int_equal(shapes.shape[other].dims[0], 1);
    assert_int_equal(shapes.shape[y].dims[0], 5);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void bad_models_are_refused(void **state)
{
    (void)state;
    size_t x;
    tn__shapes shapes;
    tn_model *model = start(&x, 2, (int64_t[]){8, 3});
    assert_fails(tn__shapes_infer(&shapes, model, 1, err), TN_ERROR_MISMATCH,
                 "input 'x' has a fixed batch of 8, not 1");
    assert_fails(tn__shapes_infer(&shapes, model, 0, err), TN_ERROR_ARGUMENT,
                 "batch is 0");
    model->values[x].dims[1] = -1;
    assert_fails(tn__shapes_infer(&shapes, model, 8, err), TN_ERROR_UNSUPPORTED,
                 "input 'x' has no fixed extent on axis 1");
    model->values[x].dims[1] = INT64_MAX;
    assert_fails(tn__shapes_infer(&shapes, model, 8, err), TN_ERROR_FORMAT,
                 "input 'x' is too large");
    model->values[x].dims[1] = 3;
    add(model, "Frobnicate", "y", 1, &x);
    assert_fails(tn__shapes_infer(&shapes, model, 8, err), TN_ERROR_UNSUPPORTED,
                 "operator 'Frobnicate' is not known");
    model->opsets[0].version = 6;
    assert_fails(tn__shapes_infer(&shapes, model, 8, err), TN_ERROR_UNSUPPORTED,
                 "operator set 6 is too old, expected 7 or later");
    tn_model_free(model);
}

static void unread_outputs_stay_unknown(void **state)
{
    (void)state;
    size_t x, values[2], node;
    tn_model *model = start(&x, 2, (int64_t[]){-1, 3});
    assert_ok(tn__model_add_value(&values[0], model, "y", err));
    assert_ok(tn__model_add_value(&values[1], model, "mask", err));
    assert_ok(tn__model_add_node(&node, model, "Dropout", "d", 1, &x, 2, values, err));
    assert_ok(tn__model_add_output(model, values[0], err));
    tn__shapes shapes;
    assert_ok(tn__shapes_infer(&shapes, model, 2, err));
    assert_true(shapes.known[values[0]]);
    assert_false(shapes.known[values[1]]);
    tn__shapes_release(&shapes);
    add(model, "Identity", "z", 1, &values[1]);
    assert_fails(tn__shapes_infer(&shapes, model, 2, err), TN_ERROR_UNSUPPORTED,
                 "Dropout 'd': output 1 ('mask') is read");
    tn_model_free(model);
}

static void every_operator_is_found_and_complete(void **state)
{
    (void)state;
    static const char *const types[] = {"Conv",
                                        "Gemm",
                                        "MatMul",
                                        "BatchNormalization",
                                        "Relu",
                                        "Add",
                                        "Sub",
                                        "Mul",
                                        "Div",
                                        "MaxPool",
                                        "AveragePool",
                                        "GlobalAveragePool",
                                        "Flatten",
                                        "Reshape",
                                        "Transpose",
                                        "Pad",
                                        "Slice",
                                        "Concat",
                                        "Split",
                                        "Squeeze",
                                        "Unsqueeze",
                                        "Gather",
                                        "Shape",
                                        "Constant",
                                        "ConstantOfShape",
                                        "Identity",
                                        "Dropout",
                                        "Cast",
                                        "Softmax",
                                        "LogSoftmax",
                                        "Clip",
                                        "Sigmoid",
                                        "Tanh",
                                        "LeakyRelu",
                                        "Sqrt",
                                        "Pow",
                                        "ReduceMean",
                                        "ReduceSum"};
    for (size_t i = 0; i < TN__COUNT(types); i++) {
        const tn__op *op = tn__op_find("", types[i]);
        assert_non_null(op);
        assert_string_equal(op->type, types[i]);
        assert_non_null(op->infer);
        assert_non_null(op->couple);
        assert_non_null(op->forward);
        assert_ptr_equal(tn__op_find("ai.onnx", types[i]), op);
    }
    assert_null(tn__op_find("com.example", "Conv"));
    assert_null(tn__op_find("", "conv"));
}

/* One node of each kind of infer(), with memory failing at every allocation. */
static void memory_can_run_out_anywhere(void **state)
{
    (void)state;
    size_t x;
    tn_model *model = start(&x, 4, (int64_t[]){-1, 3, 4, 4});
    size_t shape = add(model, "Shape", "shape", 1, &x);
    size_t pool = add(model, "GlobalAveragePool", "pool", 1, &x);
    add(model, "Reshape", "y", 2, (size_t[]){x, shape});
    add(model, "Flatten", "z", 1, &pool);
    for (size_t k = 1;; k++) {
        tn__shapes shapes;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        tn_status status = tn__shapes_infer(&shapes, model, 2, &err);
        tn__alloc_fail_after(0);
        if (status == TN_OK) {
            tn__shapes_release(&shapes);
            break;
        }
        assert_int_equal(status, TN_ERROR_MEMORY);
    }
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_from_shapes_is_folded),
        cmocka_unit_test(constants_are_known),
        cmocka_unit_test(large_values_are_not_folded),
        cmocka_unit_test(half_floats_have_shapes_but_are_not_folded),
        cmocka_unit_test(a_batch_of_one_gives_way_to_another),
        cmocka_unit_test(bad_models_are_refused),
        cmocka_unit_test(unread_outputs_stay_unknown),
        cmocka_unit_test(every_operator_is_found_and_complete),
        cmocka_unit_test(memory_can_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
