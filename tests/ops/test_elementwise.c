/* test_elementwise.c - functions of one tensor, and of two broadcast ones. */
#include "ops_check.h"

/* The formulas at -2, -0.5, 0.25 and 3. */
static void unary_values_follow_their_formulas(void **state)
{
    (void)state;
    static const float x[4] = {-2, -0.5f, 0.25f, 3};
    static const struct {
        const char *type;
        float y[4];
    } cases[] = {
        {"Relu", {0, 0, 0.25f, 3}},
        {"LeakyRelu", {-0.02f, -0.005f, 0.25f, 3}},
        {"Sigmoid", {0.11920292f, 0.37754067f, 0.5621765f, 0.95257413f}},
        {"Tanh", {-0.9640276f, -0.46211716f, 0.24491866f, 0.9950548f}},
        {"Clip", {-2, -0.5f, 0.25f, 3}},
        {"Identity", {-2, -0.5f, 0.25f, 3}},
        {"Dropout", {-2, -0.5f, 0.25f, 3}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 2}, x);
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 4, cases[i].y, 1e-6);
        check_gradients(&c, 2e-3);
        const recorder *r = record(&c);
        assert_true(is_tied(r, 0, 1, 1, TN__OUT(0), 1, 1));
        assert_int_equal(r->frozen_count, 0);
        check_end(&c);
    }
}

static void square_roots(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 1, (int64_t[]){3}, (float[]){1, 4, 6.25f});
    check_node(&c, "Sqrt", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 3, (float[]){1, 2, 2.5f}, 1e-6);
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void not_a_number_passes_through_relu(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 1, (int64_t[]){1}, (float[]){NAN});
    check_node(&c, "Relu", 13, 1);
    assert_ok(check_run(&c, err));
    assert_true(isnan(tn__tensor_f32_const(&c.out[0])[0]));
    check_end(&c);
}

static void clip_takes_attributes_and_inputs(void **state)
{
    (void)state;
    static const float x[4] = {-2, -0.5f, 0.25f, 3};
    check c = check_start();
    check_input(&c, 1, (int64_t[]){4}, x);
    check_node(&c, "Clip", 6 + 1, 1);
    check_float(&c, "min", -1);
    check_float(&c, "max", 0.125f);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){-1, -0.5f, 0.125f, 0.125f}, 0);
    check_gradients(&c, 2e-3);
    check_end(&c);
    c = check_start();
    check_input(&c, 1, (int64_t[]){4}, x);
    check_left_out(&c);
    check_parameter_of(&c, TN_F32, 0, NULL, (float[]){1});
    check_node(&c, "Clip", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){-2, -0.5f, 0.25f, 1}, 0);
    check_end(&c);
}

static void binary_values_follow_their_formulas(void **state)
{
    (void)state;
    static const float a[4] = {1, 2, 3, 4}, b[2] = {2, 0.5f};
    static const struct {
        const char *type;
        float y[4];
    } cases[] = {
        {"Add", {3, 2.5f, 5, 4.5f}},    {"Sub", {-1, 1.5f, 1, 3.5f}},
        {"Mul", {2, 1, 6, 2}},          {"Div", {0.5f, 4, 1.5f, 8}},
        {"Pow", {1, 1.4142135f, 9, 2}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 2}, a);
        check_parameter(&c, 1, (int64_t[]){2}, b);
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 4, cases[i].y, 1e-6);
        check_gradients(&c, 5e-3);
        check_end(&c);
    }
}

static void broadcast_gradients_are_summed(void **state)
{
    (void)state;
    static const struct {
        int a_rank, b_rank;
        int64_t a[4], b[4], y[4];
    } cases[] = {
        {4, 3, {2, 3, 2, 2}, {3, 1, 1}, {2, 3, 2, 2}},
        {4, 0, {2, 3, 2, 2}, {0}, {2, 3, 2, 2}},
        {2, 4, {3, 1}, {2, 1, 1, 4}, {2, 1, 3, 4}},
        {4, 4, {1, 3, 1, 2}, {2, 1, 2, 1}, {2, 3, 2, 2}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_parameter(&c, cases[i].a_rank, cases[i].a, NULL);
        check_parameter(&c, cases[i].b_rank, cases[i].b, NULL);
        check_node(&c, "Mul", 13, 1);
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 4, cases[i].y);
        check_gradients(&c, 2e-3);
        check_end(&c);
    }
}

static void integers_are_computed_as_such(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t y[2];
    } cases[] = {
        {"Add", {-5, 5}}, {"Sub", {-9, 1}}, {"Mul", {-14, 6}}, {"Div", {-3, 1}}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_list(&c, 2, (int64_t[]){-7, 3});
        check_list(&c, 2, (int64_t[]){2, 2});
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_infer(&c, err));
        const tn__tensor *y = &c.shapes.constant[c.node->outputs[0]]; /* folded */
        assert_int_equal(y->dtype, TN_I64);
        assert_memory_equal(tn__tensor_data(y), cases[i].y, sizeof cases[i].y);
        check_end(&c);
    }
    check c = check_start();
    check_list(&c, 1, (int64_t[]){1});
    check_list(&c, 1, (int64_t[]){0});
    check_node(&c, "Div", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_NUMERIC,
                 "Div 'node': integer division by 0");
    check_end(&c);
}

static void stretched_axes_are_not_tied(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){2, 3, 4, 4}, NULL);
    check_parameter(&c, 3, (int64_t[]){3, 1, 1}, NULL);
    check_node(&c, "Add", 13, 1);
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
    assert_true(is_tied(r, 1, 0, 2, TN__OUT(0), 1, 2));
    assert_int_equal(ties_of(r, 1, 1) + ties_of(r, 1, 2), 0);
    check_end(&c);
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, NULL);
    check_parameter(&c, 1, (int64_t[]){4}, NULL);
    check_node(&c, "Add", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "cannot broadcast [2, 3] with [4]");
    check_end(&c);
    c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, NULL);
    check_list(&c, 3, (int64_t[]){1, 2, 3});
    check_node(&c, "Add", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "input 1 is i64, expected f32 as input 0");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_values_follow_their_formulas),
        cmocka_unit_test(square_roots),
        cmocka_unit_test(not_a_number_passes_through_relu),
        cmocka_unit_test(clip_takes_attributes_and_inputs),
        cmocka_unit_test(binary_values_follow_their_formulas),
        cmocka_unit_test(broadcast_gradients_are_summed),
        cmocka_unit_test(integers_are_computed_as_such),
        cmocka_unit_test(stretched_axes_are_not_tied),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
