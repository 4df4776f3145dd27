/* test_conv_transpose.c - the adjoint of a convolution. */
#include "ops_check.h"

static void a_tap_is_spread_by_the_stride(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){1, 1, 3}, (float[]){1, 2, 3});
    check_parameter(&c, 3, (int64_t[]){1, 1, 2}, (float[]){10, 1});
    check_parameter(&c, 1, (int64_t[]){1}, (float[]){0.5f});
    check_node(&c, "ConvTranspose", 11, 1);
    check_ints(&c, "strides", 1, (int64_t[]){2});
    check_ints(&c, "output_padding", 1, (int64_t[]){1});
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 3, (int64_t[]){1, 1, 7});
    check_values(&c, 0, 7, (float[]){10.5f, 1.5f, 20.5f, 2.5f, 30.5f, 3.5f, 0.5f},
                 1e-6);
    check_end(&c);
}

static void gradients_equal_differences(void **state)
{
    (void)state;
    for (int64_t groups = 1; groups <= 2; groups++) {
        check c = check_start();
        check_input(&c, 4, (int64_t[]){2, 4, 3, 2}, NULL);
        check_parameter(&c, 4, (int64_t[]){4, 3, 3, 2}, NULL);
        check_parameter(&c, 1, (int64_t[]){3 * groups}, NULL);
        check_node(&c, "ConvTranspose", 11, 1);
        check_int(&c, "group", groups);
        check_ints(&c, "strides", 2, (int64_t[]){2, 1});
        check_ints(&c, "dilations", 2, (int64_t[]){1, 2});
        check_ints(&c, "pads", 4, (int64_t[]){1, 0, 0, 1});
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 4, (int64_t[]){2, 3 * groups, 6, 3});
        check_gradients(&c, 2e-3);
        const recorder *r = record(&c);
        if (groups == 1) {
            assert_true(is_tied(r, 0, 1, 3, 1, 0, 3));
            assert_true(is_tied(r, 1, 1, 2, TN__OUT(0), 1, 2));
            assert_true(is_tied(r, 2, 0, 2, TN__OUT(0), 1, 2));
            assert_true(is_frozen(r, 1, 2));
            assert_int_equal(role_of(r, 1, 1), TN__PRODUCER);
        } else {
            assert_true(is_frozen(r, 0, 1) && is_frozen(r, TN__OUT(0), 1));
        }
        check_end(&c);
    }
}

static void pads_follow_from_the_wanted_shape(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){1, 1, 3}, (float[]){1, 2, 3});
    check_parameter(&c, 3, (int64_t[]){1, 1, 3}, (float[]){1, 1, 1});
    check_node(&c, "ConvTranspose", 11, 1);
    check_ints(&c, "strides", 1, (int64_t[]){2});
    check_text(&c, "auto_pad", "SAME_UPPER");
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 6, (float[]){1, 1, 3, 2, 5, 3}, 1e-6);
    check_end(&c);
}

static void channels_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){1, 2, 3}, NULL);
    check_parameter(&c, 3, (int64_t[]){3, 1, 2}, NULL);
    check_node(&c, "ConvTranspose", 11, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "the weight has 3");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tap_is_spread_by_the_stride),
        cmocka_unit_test(gradients_equal_differences),
        cmocka_unit_test(pads_follow_from_the_wanted_shape),
        cmocka_unit_test(channels_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
