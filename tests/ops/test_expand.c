/* test_expand.c - Expand, Range and ScatterND. */
#include "ops_check.h"

static void expand_stretches_by_broadcasting(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 1, 3}, NULL);
    check_list(&c, 3, (int64_t[]){1, 4, 1});
    check_node(&c, "Expand", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 3, (int64_t[]){2, 4, 3});
    for (size_t i = 0; i < 24; i++)
        assert_near(tn__tensor_get_f64(&c.out[0], i),
                    tn__tensor_get_f64(&c.in[0], i / 12 * 3 + i % 3), 0);
    check_gradients(&c, 1e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 2, 1, TN__OUT(0), 2, 1));
    assert_true(is_frozen(r, TN__OUT(0), 1));
    assert_false(is_frozen(r, TN__OUT(0), 2));
    check_end(&c);
}

static void expand_to_what_does_not_broadcast_fails(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, NULL);
    check_list(&c, 1, (int64_t[]){4});
    check_node(&c, "Expand", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "cannot broadcast [2, 3]");
    check_end(&c);
}

static void ranges_count_up_and_down(void **state)
{
    (void)state;
    static const struct {
        int64_t start, limit, delta, count, last;
    } cases[] = {{0, 5, 1, 5, 4}, {10, 4, -3, 2, 7}, {3, 3, 1, 0, 0}, {1, 8, 3, 3, 7}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_parameter_of(&c, TN_I64, 0, NULL, &cases[i].start);
        check_parameter_of(&c, TN_I64, 0, NULL, &cases[i].limit);
        check_parameter_of(&c, TN_I64, 0, NULL, &cases[i].delta);
        check_node(&c, "Range", 13, 1);
        assert_ok(check_run(&c, err));
        assert_int_equal(tn__tensor_count(&c.out[0]), cases[i].count);
        if (cases[i].count)
            assert_int_equal(tn__tensor_get_i64(&c.out[0], (size_t)cases[i].count - 1),
                             cases[i].last);
        assert_true(is_frozen(record(&c), TN__OUT(0), 0));
        check_end(&c);
    }
}

static void a_range_without_end_is_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t limit, delta;
        const char *text;
    } cases[] = {{INT64_MAX, 1, "a range from"}, {5, 0, "the step is 0"}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_parameter_of(&c, TN_I64, 0, NULL, (int64_t[]){INT64_MIN});
        check_parameter_of(&c, TN_I64, 0, NULL, &cases[i].limit);
        check_parameter_of(&c, TN_I64, 0, NULL, &cases[i].delta);
        check_node(&c, "Range", 13, 1);
        assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, cases[i].text);
        check_end(&c);
    }
}

static void scatter_replaces_the_named_rows(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){3, 2}, (float[]){1, 2, 3, 4, 5, 6});
    check_parameter_of(&c, TN_I64, 2, (int64_t[]){3, 1}, (int64_t[]){-1, 0, 2});
    check_parameter(&c, 2, (int64_t[]){3, 2}, (float[]){7, 8, 9, 10, 11, 12});
    check_node(&c, "ScatterND", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 6, (float[]){9, 10, 3, 4, 11, 12}, 0);
    check_gradients(&c, 1e-3); /* row 2 is named twice: its first update has none */
    const recorder *r = record(&c);
    assert_true(is_frozen(r, 0, 0) && is_frozen(r, TN__OUT(0), 1));
    check_end(&c);
}

static void scatter_outside_of_the_data_fails(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 1, (int64_t[]){3}, NULL);
    check_parameter_of(&c, TN_I64, 2, (int64_t[]){1, 1}, (int64_t[]){3});
    check_parameter(&c, 1, (int64_t[]){1}, NULL);
    check_node(&c, "ScatterND", 13, 1);
    assert_fails(check_run(&c, err), TN_ERROR_MISMATCH, "index 3 is not in [-3, 3)");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expand_stretches_by_broadcasting),
        cmocka_unit_test(expand_to_what_does_not_broadcast_fails),
        cmocka_unit_test(ranges_count_up_and_down),
        cmocka_unit_test(a_range_without_end_is_refused),
        cmocka_unit_test(scatter_replaces_the_named_rows),
        cmocka_unit_test(scatter_outside_of_the_data_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
