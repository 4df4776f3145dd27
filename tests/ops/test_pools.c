/* test_pools.c - MaxPool, AveragePool and GlobalAveragePool, and the windows they share
 * with Conv. */
#include "ops_check.h"

static const float ramp[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static check pool(const char *type, int64_t kernel, int64_t stride, int64_t pad)
{
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 1, 4, 4}, ramp);
    check_node(&c, type, 11, 1);
    check_ints(&c, "kernel_shape", 2, (int64_t[]){kernel, kernel});
    check_ints(&c, "strides", 2, (int64_t[]){stride, stride});
    check_ints(&c, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    return c;
}

static void the_largest_of_each_window(void **state)
{
    (void)state;
    check c = pool("MaxPool", 2, 2, 0);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){5, 7, 13, 15}, 0);
    check_end(&c);
    c = pool("MaxPool", 3, 3, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){5, 7, 13, 15}, 0);
    check_end(&c);
}

static void padding_never_wins(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){1, 1, 2}, (float[]){-5, -7});
    check_node(&c, "MaxPool", 12, 1);
    check_ints(&c, "kernel_shape", 1, (int64_t[]){2});
    check_ints(&c, "pads", 2, (int64_t[]){1, 1});
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 3, (float[]){-5, -5, -7}, 0);
    check_end(&c);
}

static void the_first_of_equals_takes_the_gradient(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){1, 1, 4}, (float[]){2, 2, 1, 1});
    check_node(&c, "MaxPool", 12, 1);
    check_ints(&c, "kernel_shape", 1, (int64_t[]){2});
    check_ints(&c, "strides", 1, (int64_t[]){2});
    assert_ok(check_run(&c, err));
    tn__tensor dx = {0}, dy = {0};
    check_tensor(&dx, TN_F32, 3, (int64_t[]){1, 1, 4}, NULL);
    check_tensor(&dy, TN_F32, 3, (int64_t[]){1, 1, 2}, (float[]){3, 4});
    assert_ok(c.op->backward((tn__tensor *[]){&dx}, (const tn__tensor *[]){&dy},
                             c.in_at, (const tn__tensor *[]){&c.out[0]}, &c.site, err));
    static const float expected[4] = {3, 0, 4, 0};
    assert_memory_equal(tn__tensor_data(&dx), expected, sizeof expected);
    tn__tensor_release(&dx);
    tn__tensor_release(&dy);
    check_end(&c);
}

static void averages_leave_padding_out_or_take_it_in(void **state)
{
    (void)state;
    check c = pool("AveragePool", 2, 2, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 9, (float[]){0, 1.5f, 3, 6, 7.5f, 9, 12, 13.5f, 15}, 1e-6);
    check_end(&c);
    c = pool("AveragePool", 2, 2, 1);
    check_int(&c, "count_include_pad", 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 9, (float[]){0, 0.75f, 0.75f, 3, 7.5f, 4.5f, 3, 6.75f, 3.75f},
                 1e-6);
    check_end(&c);
}

/* 4 wide, kernel 3, stride 2: one window fits, ceil_mode adds one that is cut. */
static void ceil_mode_adds_a_cut_window(void **state)
{
    (void)state;
    for (int include = 0; include < 2; include++) {
        check c = pool("AveragePool", 3, 2, 0);
        check_int(&c, "ceil_mode", 1);
        check_int(&c, "count_include_pad", include);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 4, (float[]){5, 6.5f, 11, 12.5f}, 1e-6);
        check_end(&c);
    }
    /* A last window that would start in the end padding is dropped. */
    check c = pool("MaxPool", 1, 3, 0);
    check_int(&c, "ceil_mode", 1);
    assert_ok(check_infer(&c, err));
    check_shape(&c, 0, 4, (int64_t[]){1, 1, 2, 2});
    check_end(&c);
    c = check_start();
    check_input(&c, 3, (int64_t[]){1, 1, 2}, NULL);
    check_node(&c, "MaxPool", 12, 1);
    check_ints(&c, "kernel_shape", 1, (int64_t[]){1});
    check_ints(&c, "strides", 1, (int64_t[]){2});
    check_int(&c, "ceil_mode", 1);
    assert_ok(check_infer(&c, err));
    check_shape(&c, 0, 3, (int64_t[]){1, 1, 1});
    check_end(&c);
}

static void global_means_are_means(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 2, 2, 4}, ramp);
    check_node(&c, "GlobalAveragePool", 1 + 7, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 4, (int64_t[]){1, 2, 1, 1});
    check_values(&c, 0, 2, (float[]){3.5f, 11.5f}, 0);
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void gradients_are_central_differences(void **state)
{
    (void)state;
    static const char *const types[] = {"MaxPool", "AveragePool"};
    for (int i = 0; i < 8; i++) {
        check c = check_start();
        /* Distances between elements beyond the step of the differences. */
        float x[2 * 2 * 5 * 4];
        for (size_t k = 0; k < TN__COUNT(x); k++)
            x[k] = (float)((k * 37) % TN__COUNT(x)) / 20;
        check_input(&c, 4, (int64_t[]){2, 2, 5, 4}, x);
        check_node(&c, types[i & 1], 19, 1);
        check_ints(&c, "kernel_shape", 2, (int64_t[]){3, 2});
        check_ints(&c, "strides", 2, (int64_t[]){2, 1});
        check_ints(&c, "pads", 4, (int64_t[]){1, 1, 0, 1});
        check_ints(&c, "dilations", 2, (int64_t[]){1, i & 2 ? 2 : 1});
        check_int(&c, "ceil_mode", 1);
        if (i & 4 && i & 1)
            check_int(&c, "count_include_pad", 1);
        assert_ok(check_run(&c, err));
        check_gradients(&c, 2e-3);
        check_end(&c);
    }
}

static void channels_are_tied_and_pixels_frozen(void **state)
{
    (void)state;
    static const char *const types[] = {"MaxPool", "AveragePool", "GlobalAveragePool"};
    for (size_t i = 0; i < TN__COUNT(types); i++) {
        check c = check_start();
        check_input(&c, 4, (int64_t[]){1, 3, 4, 4}, NULL);
        check_node(&c, types[i], 11, 1);
        if (i < 2)
            check_ints(&c, "kernel_shape", 2, (int64_t[]){2, 2});
        assert_ok(check_infer(&c, err));
        const recorder *r = record(&c);
        assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
        assert_true(is_tied(r, 0, 0, 0, TN__OUT(0), 0, 0));
        for (int axis = 2; axis < 4; axis++)
            assert_true(is_frozen(r, 0, axis) && is_frozen(r, TN__OUT(0), axis));
        check_end(&c);
    }
}

static void bad_windows_are_refused(void **state)
{
    (void)state;
    check c = pool("MaxPool", 2, 1, 2);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "lies in padding alone");
    check_end(&c);
    c = pool("MaxPool", 5, 1, 0);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "a window of 5 does not fit an input of 4");
    check_end(&c);
    c = pool("AveragePool", 2, 1, 0);
    check_text(&c, "auto_pad", "SOME");
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, "auto_pad 'SOME' is not known");
    check_end(&c);
    c = check_start();
    check_input(&c, 4, (int64_t[]){1, 1, 4, 4}, NULL);
    check_node(&c, "MaxPool", 12, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, "'kernel_shape' is missing");
    check_ints(&c, "kernel_shape", 1, (int64_t[]){2});
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT,
                 "'kernel_shape' has 1 elements, expected 2");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_of_each_window),
        cmocka_unit_test(padding_never_wins),
        cmocka_unit_test(the_first_of_equals_takes_the_gradient),
        cmocka_unit_test(averages_leave_padding_out_or_take_it_in),
        cmocka_unit_test(ceil_mode_adds_a_cut_window),
        cmocka_unit_test(global_means_are_means),
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(channels_are_tied_and_pixels_frozen),
        cmocka_unit_test(bad_windows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
