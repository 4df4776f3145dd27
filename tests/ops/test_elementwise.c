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
        {"Abs", {2, 0.5f, 0.25f, 3}},
        {"Neg", {2, 0.5f, -0.25f, -3}},
        {"Sign", {-1, -1, 1, 1}},
        {"Exp", {0.13533528f, 0.60653067f, 1.2840254f, 20.085537f}},
        {"Reciprocal", {-0.5f, -2, 4, 0.33333334f}},
        {"Sin", {-0.90929741f, -0.47942555f, 0.24740396f, 0.14112f}},
        {"Cos", {-0.41614684f, 0.87758255f, 0.96891242f, -0.9899925f}},
        {"Erf", {-0.9953223f, -0.5204999f, 0.27632639f, 0.99997789f}},
        {"Elu", {-0.8646647f, -0.3934693f, 0.25f, 3}},
        {"Selu", {-1.5201664f, -0.6917582f, 0.2626753f, 3.1521032f}},
        {"Softplus", {0.126928f, 0.474077f, 0.8259395f, 3.0485873f}},
        {"Softsign", {-0.6666667f, -0.3333333f, 0.2f, 0.75f}},
        {"ThresholdedRelu", {0, 0, 0, 3}},
        {"HardSigmoid", {0.1f, 0.4f, 0.55f, 1}},
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

static void newer_functions_follow_their_formulas(void **state)
{
    (void)state;
    static const float x[4] = {-2, -0.5f, 0.25f, 2.5f};
    static const struct {
        const char *type, *form;
        float alpha;
        float y[4];
    } cases[] = {
        {"Gelu", "none", 0, {-0.0455003f, -0.1542688f, 0.1496766f, 2.4844761f}},
        {"Gelu", "tanh", 0, {-0.0454023f, -0.1542860f, 0.1496753f, 2.4849157f}},
        {"HardSwish", NULL, 0, {-0.3333333f, -0.2083333f, 0.1354167f, 2.2916667f}},
        {"Mish", NULL, 0, {-0.2525015f, -0.2207473f, 0.1695724f, 2.4713924f}},
        {"Celu", NULL, 0.5f, {-0.4908422f, -0.3160603f, 0.25f, 2.5f}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 2}, x);
        check_node(&c, cases[i].type, 20, 1);
        if (cases[i].form)
            check_text(&c, "approximate", cases[i].form);
        if (cases[i].alpha > 0)
            check_float(&c, "alpha", cases[i].alpha);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 4, cases[i].y, 1e-5);
        check_gradients(&c, 2e-3);
        check_end(&c);
    }
    check c = check_start();
    check_input(&c, 1, (int64_t[]){2}, NULL);
    check_node(&c, "Gelu", 20, 1);
    check_text(&c, "approximate", "fast");
    assert_fails(check_run(&c, err), TN_ERROR_FORMAT, "'approximate' is 'fast'");
    check_end(&c);
}

static void logarithms_and_roots_have_slopes(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 1, (int64_t[]){3}, (float[]){1, 2, 4});
    check_node(&c, "Log", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 3, (float[]){0, 0.6931472f, 1.3862944f}, 1e-6);
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void steps_round_as_named(void **state)
{
    (void)state;
    static const float x[4] = {-1.5f, -0.25f, 0.5f, 2.5f};
    static const struct {
        const char *type;
        float y[4];
    } cases[] = {
        {"Floor", {-2, -1, 0, 2}}, {"Ceil", {-1, 0, 1, 3}}, {"Round", {-2, 0, 0, 2}}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_input(&c, 1, (int64_t[]){4}, x);
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 4, cases[i].y, 0);
        check_end(&c);
    }
}

static void integers_keep_their_sign_rules(void **state)
{
    (void)state;
    static const int64_t x[3] = {-7, 0, 5};
    static const struct {
        const char *type;
        int64_t y[3];
    } cases[] = {{"Abs", {7, 0, 5}}, {"Neg", {7, 0, -5}}, {"Sign", {-1, 0, 1}}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_parameter_of(&c, TN_I64, 1, (int64_t[]){3}, x);
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_run(&c, err));
        assert_memory_equal(tn__tensor_data(&c.out[0]), cases[i].y, sizeof x);
        check_end(&c);
    }
}

static void remainders_take_the_sign_of_the_divisor(void **state)
{
    (void)state;
    for (int c_rule = 0; c_rule < 2; c_rule++) {
        check c = check_start();
        check_parameter_of(&c, TN_I64, 1, (int64_t[]){4}, (int64_t[]){-7, 7, -6, 5});
        check_parameter_of(&c, TN_I64, 1, (int64_t[]){4}, (int64_t[]){3, -3, 3, -1});
        check_node(&c, "Mod", 13, 1);
        check_int(&c, "fmod", c_rule);
        assert_ok(check_run(&c, err));
        const int64_t *y = tn__tensor_i64_const(&c.out[0]);
        assert_int_equal(y[0], c_rule ? -1 : 2);
        assert_int_equal(y[1], c_rule ? 1 : -2);
        assert_int_equal(y[2], 0);
        assert_int_equal(y[3], 0);
        check_end(&c);
    }
    check c = check_start();
    check_input(&c, 1, (int64_t[]){2}, (float[]){5.5f, -5.25f});
    check_input(&c, 1, (int64_t[]){2}, (float[]){2, 2});
    check_node(&c, "Mod", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, "'fmod' is 0");
    check_int(&c, "fmod", 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 2, (float[]){1.5f, -1.25f}, 0);
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void prelu_has_a_slope_a_channel(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 2}, NULL);
    check_parameter(&c, 2, (int64_t[]){3, 1}, (float[]){0.1f, 0.5f, -0.25f});
    check_node(&c, "PRelu", 16, 1);
    assert_ok(check_run(&c, err));
    for (size_t i = 0; i < 12; i++) {
        float x = tn__tensor_f32_const(&c.in[0])[i];
        float slope = tn__tensor_f32_const(&c.in[1])[i / 2 % 3];
        assert_near(tn__tensor_get_f64(&c.out[0], i), x < 0 ? slope * x : x, 1e-7);
    }
    check_gradients(&c, 2e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 1, 0, 2, TN__OUT(0), 1, 2));
    check_end(&c);
    c = check_start();
    check_input(&c, 2, (int64_t[]){2, 1}, NULL);
    check_parameter(&c, 1, (int64_t[]){3}, NULL);
    check_node(&c, "PRelu", 16, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "the slope is larger");
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
        cmocka_unit_test(newer_functions_follow_their_formulas),
        cmocka_unit_test(logarithms_and_roots_have_slopes),
        cmocka_unit_test(steps_round_as_named),
        cmocka_unit_test(integers_keep_their_sign_rules),
        cmocka_unit_test(remainders_take_the_sign_of_the_divisor),
        cmocka_unit_test(prelu_has_a_slope_a_channel),
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
