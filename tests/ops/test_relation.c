/* test_relation.c - comparisons, logic, Where, and the largest and smallest of many. */
#include "ops_check.h"

static void compared(const char *type, const float *a, const float *b,
                     const unsigned char wanted[4])
{
    check c = check_start();
    check_input(&c, 1, (int64_t[]){4}, a);
    check_input(&c, 1, (int64_t[]){4}, b);
    check_node(&c, type, 13, 1);
    assert_ok(check_run(&c, err));
    assert_int_equal(c.out[0].dtype, TN_BOOL);
    assert_memory_equal(tn__tensor_data(&c.out[0]), wanted, 4);
    assert_true(is_tied(record(&c), 1, 0, 2, TN__OUT(0), 0, 2));
    check_end(&c);
}

static void relations_hold_as_written(void **state)
{
    (void)state;
    static const float a[4] = {1, 2, 3, NAN}, b[4] = {2, 2, 1, 1};
    compared("Equal", a, b, (unsigned char[]){0, 1, 0, 0});
    compared("Greater", a, b, (unsigned char[]){0, 0, 1, 0});
    compared("Less", a, b, (unsigned char[]){1, 0, 0, 0});
    compared("GreaterOrEqual", a, b, (unsigned char[]){0, 1, 1, 0});
    compared("LessOrEqual", a, b, (unsigned char[]){1, 1, 0, 0});
}

static void large_integers_are_told_apart(void **state)
{
    (void)state;
    check c = check_start();
    check_parameter_of(&c, TN_I64, 1, (int64_t[]){1}, (int64_t[]){INT64_MAX});
    check_parameter_of(&c, TN_I64, 1, (int64_t[]){1}, (int64_t[]){INT64_MAX - 1});
    check_node(&c, "Greater", 13, 1);
    assert_ok(check_run(&c, err));
    assert_int_equal(tn__tensor_get_i64(&c.out[0], 0), 1);
    check_end(&c);
}

static void logic_has_truth_tables(void **state)
{
    (void)state;
    static const unsigned char a[4] = {0, 0, 1, 1}, b[4] = {0, 1, 0, 1};
    static const struct {
        const char *type;
        unsigned char y[4];
    } cases[] = {{"And", {0, 0, 0, 1}}, {"Or", {0, 1, 1, 1}}, {"Xor", {0, 1, 1, 0}}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_parameter_of(&c, TN_BOOL, 1, (int64_t[]){4}, a);
        check_parameter_of(&c, TN_BOOL, 1, (int64_t[]){4}, b);
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_run(&c, err));
        assert_memory_equal(tn__tensor_data(&c.out[0]), cases[i].y, 4);
        check_end(&c);
    }
    check c = check_start();
    check_parameter_of(&c, TN_BOOL, 1, (int64_t[]){4}, b);
    check_node(&c, "Not", 13, 1);
    assert_ok(check_run(&c, err));
    assert_memory_equal(tn__tensor_data(&c.out[0]), ((unsigned char[]){1, 0, 1, 0}), 4);
    check_end(&c);
    c = check_start();
    check_input(&c, 1, (int64_t[]){4}, NULL);
    check_node(&c, "Not", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "expected bool");
    check_end(&c);
}

static void where_chooses_and_broadcasts(void **state)
{
    (void)state;
    check c = check_start();
    check_parameter_of(&c, TN_BOOL, 2, (int64_t[]){2, 1}, (unsigned char[]){1, 0});
    check_input(&c, 2, (int64_t[]){2, 3}, (float[]){1, 2, 3, 4, 5, 6});
    check_input(&c, 1, (int64_t[]){3}, (float[]){-1, -2, -3});
    check_node(&c, "Where", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 3});
    check_values(&c, 0, 6, (float[]){1, 2, 3, -1, -2, -3}, 0);
    check_gradients(&c, 1e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 1, 1, 2, TN__OUT(0), 1, 2));
    assert_true(is_tied(r, 2, 0, 2, TN__OUT(0), 1, 2));
    assert_int_equal(ties_of(r, 0, 1), 0);
    check_end(&c);
}

static void sums_and_extremes_of_many(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        float y[4];
    } cases[] = {{"Sum", {5.5f, 4.5f, 3.5f, 3.5f}},
                 {"Mean", {5.5f / 3, 1.5f, 3.5f / 3, 3.5f / 3}},
                 {"Max", {3, 2, 2, 3}},
                 {"Min", {1, 1, 0, -1}}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 2}, (float[]){1, 2, 0, 3});
        check_input(&c, 1, (int64_t[]){1}, (float[]){1.5f});
        check_input(&c, 2, (int64_t[]){2, 2}, (float[]){3, 1, 2, -1});
        check_node(&c, cases[i].type, 13, 1);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 4, cases[i].y, 1e-6);
        check_gradients(&c, 2e-3);
        assert_true(is_tied(record(&c), 2, 1, 1, TN__OUT(0), 1, 1));
        check_end(&c);
    }
}

static void an_extreme_shares_its_gradient(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 1, (int64_t[]){2}, (float[]){1, 5});
    check_input(&c, 1, (int64_t[]){2}, (float[]){1, 3});
    check_node(&c, "Max", 13, 1);
    assert_ok(check_run(&c, err));
    tn__tensor dy = {0}, da = {0};
    check_tensor(&dy, TN_F32, 1, (int64_t[]){2}, (float[]){1, 1});
    check_tensor(&da, TN_F32, 1, (int64_t[]){2}, NULL);
    const tn__tensor *dout = &dy, *out = &c.out[0];
    tn__tensor *din[2] = {&da, NULL};
    assert_ok(c.op->backward(din, &dout, c.in_at, &out, &c.site, err));
    assert_near(tn__tensor_get_f64(&da, 0), 0.5, 0);
    assert_near(tn__tensor_get_f64(&da, 1), 1, 0);
    tn__tensor_release(&dy);
    tn__tensor_release(&da);
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relations_hold_as_written),
        cmocka_unit_test(large_integers_are_told_apart),
        cmocka_unit_test(logic_has_truth_tables),
        cmocka_unit_test(where_chooses_and_broadcasts),
        cmocka_unit_test(sums_and_extremes_of_many),
        cmocka_unit_test(an_extreme_shares_its_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
