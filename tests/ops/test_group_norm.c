/* test_group_norm.c - InstanceNormalization and GroupNormalization. */
#include "ops_check.h"

static void a_group_of_all_channels_has_mean_0_and_variance_1(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){2, 4, 2, 3}, NULL);
    check_parameter(&c, 1, (int64_t[]){4}, (float[]){1, 1, 1, 1});
    check_parameter(&c, 1, (int64_t[]){4}, (float[]){0, 0, 0, 0});
    check_node(&c, "GroupNormalization", 21, 1);
    check_int(&c, "num_groups", 1);
    assert_ok(check_run(&c, err));
    for (size_t n = 0; n < 2; n++) {
        double sum = 0, squares = 0;
        for (size_t i = n * 24; i < n * 24 + 24; i++) {
            sum += tn__tensor_get_f64(&c.out[0], i);
            squares += pow(tn__tensor_get_f64(&c.out[0], i), 2);
        }
        assert_near(sum, 0, 1e-5);
        assert_near(squares / 24, 1, 1e-3);
    }
    check_end(&c);
}

static void gradients_equal_differences(void **state)
{
    (void)state;
    for (int64_t opset = 18; opset <= 21; opset += 3) {
        int64_t extent = opset < 21 ? 2 : 4;
        check c = check_start();
        check_input(&c, 4, (int64_t[]){2, 4, 2, 2}, NULL);
        check_parameter(&c, 1, &extent, NULL);
        check_parameter(&c, 1, &extent, NULL);
        check_node(&c, "GroupNormalization", opset, 1);
        check_int(&c, "num_groups", 2);
        assert_ok(check_run(&c, err));
        check_gradients(&c, 5e-3);
        assert_true(is_frozen(record(&c), 0, 1));
        check_end(&c);
    }
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
    check_parameter(&c, 1, (int64_t[]){3}, NULL);
    check_parameter(&c, 1, (int64_t[]){3}, NULL);
    check_node(&c, "InstanceNormalization", 13, 1);
    assert_ok(check_run(&c, err));
    check_gradients(&c, 5e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 2, 1, 0, 2));
    assert_true(is_tied(r, 0, 1, 2, 2, 0, 2));
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
    assert_int_equal(r->frozen_count, 0);
    check_end(&c);
}

static void channels_that_fill_no_groups_are_refused(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 5, 4}, NULL);
    check_parameter(&c, 1, (int64_t[]){5}, NULL);
    check_parameter(&c, 1, (int64_t[]){5}, NULL);
    check_node(&c, "GroupNormalization", 21, 1);
    check_int(&c, "num_groups", 2);
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT,
                 "cannot cut 5 channels into 2 groups");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_of_all_channels_has_mean_0_and_variance_1),
        cmocka_unit_test(gradients_equal_differences),
        cmocka_unit_test(channels_that_fill_no_groups_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
