/* test_conv.c - Conv: shapes, values, gradients, cost and coupling. */
#include "ops_check.h"

static const int64_t image[] = {2, 4, 5, 6};

static void a_centre_tap_is_the_identity(void **state)
{
    (void)state;
    float w[4 * 4 * 9] = {0};
    for (int c = 0; c < 4; c++)
        w[(c * 4 + c) * 9 + 4] = 1;
    check c = check_start();
    check_input(&c, 4, image, NULL);
    check_parameter(&c, 4, (int64_t[]){4, 4, 3, 3}, w);
    check_node(&c, "Conv", 11, 1);
    check_ints(&c, "pads", 4, (int64_t[]){1, 1, 1, 1});
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 4, image);
    assert_memory_equal(tn__tensor_data(&c.out[0]), tn__tensor_data(&c.in[0]),
                        tn__tensor_bytes(&c.in[0]));
    check_end(&c);
}

/* x is 0 .. 15 in 4 x 4; two taps, dilated by 2, pads 1 above and 0 below. */
static void values_follow_the_definition(void **state)
{
    (void)state;
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (float)i;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 1, 4, 4}, x);
    check_parameter(&c, 4, (int64_t[]){1, 1, 2, 1}, (float[]){1, 10});
    check_parameter(&c, 1, (int64_t[]){1}, (float[]){0.5f});
    check_node(&c, "Conv", 11, 1);
    check_ints(&c, "dilations", 2, (int64_t[]){2, 1});
    check_ints(&c, "strides", 2, (int64_t[]){1, 2});
    check_ints(&c, "pads", 4, (int64_t[]){1, 0, 0, 0});
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 4, (int64_t[]){1, 1, 3, 2});
    check_values(&c, 0, 6, (float[]){40.5f, 60.5f, 80.5f, 102.5f, 124.5f, 146.5f},
                 1e-5);
    check_end(&c);
}

static void same_padding_is_resolved(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 1, 2, 2}, (float[]){1, 2, 3, 4});
    check_parameter(&c, 4, (int64_t[]){1, 1, 2, 2}, (float[]){1, 1, 1, 1});
    check_node(&c, "Conv", 11, 1);
    check_text(&c, "auto_pad", "SAME_UPPER");
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){10, 6, 7, 4}, 0);
    check_text(&c, "auto_pad", "SAME_LOWER");
    tn__shapes_release(&c.shapes);
    tn__tensor_release(&c.out[0]);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){1, 3, 4, 10}, 0);
    check_end(&c);
}

static void gradients_are_central_differences(void **state)
{
    (void)state;
    static const int64_t groups[] = {1, 2, 4};
    for (size_t i = 0; i < TN__COUNT(groups); i++) {
        check c = check_start();
        check_input(&c, 4, image, NULL);
        check_parameter(&c, 4, (int64_t[]){8, 4 / groups[i], 3, 2}, NULL);
        check_parameter(&c, 1, (int64_t[]){8}, NULL);
        check_node(&c, "Conv", 11, 1);
        check_int(&c, "group", groups[i]);
        check_ints(&c, "strides", 2, (int64_t[]){2, 1});
        check_ints(&c, "dilations", 2, (int64_t[]){1, 2});
        check_ints(&c, "pads", 4, (int64_t[]){1, 2, 0, 1});
        assert_ok(check_run(&c, err));
        check_gradients(&c, 2e-3);
        check_end(&c);
    }
}

static void one_and_three_spatial_axes_work(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 2, 7}, NULL);
    check_parameter(&c, 3, (int64_t[]){3, 2, 3}, NULL);
    check_node(&c, "Conv", 11, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 3, (int64_t[]){2, 3, 5});
    check_gradients(&c, 2e-3);
    check_end(&c);
    c = check_start();
    check_input(&c, 5, (int64_t[]){1, 2, 3, 4, 3}, NULL);
    check_parameter(&c, 5, (int64_t[]){2, 2, 2, 2, 3}, NULL);
    check_node(&c, "Conv", 11, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 5, (int64_t[]){1, 2, 2, 3, 1});
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void macs_are_outputs_times_taps(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, image, NULL);
    check_parameter(&c, 4, (int64_t[]){8, 2, 3, 3}, NULL);
    check_node(&c, "Conv", 11, 1);
    check_int(&c, "group", 2);
    assert_ok(check_infer(&c, err));
    assert_int_equal(c.op->macs(&c.site), 2 * 8 * 3 * 4 * 2 * 9);
    check_end(&c);
}

static check grouped(int64_t outputs, int64_t group)
{
    check c = check_start();
    check_input(&c, 4, image, NULL);
    check_parameter(&c, 4, (int64_t[]){outputs, 4 / group, 3, 3}, NULL);
    check_parameter(&c, 1, &outputs, NULL);
    check_node(&c, "Conv", 11, 1);
    check_int(&c, "group", group);
    assert_ok(check_infer(&c, err));
    return c;
}

static void channels_are_tied_and_pixels_frozen(void **state)
{
    (void)state;
    check c = grouped(8, 1);
    const recorder *r = record(&c);
    for (size_t i = 0; i < 8; i++) {
        assert_true(i >= 4 || is_tied(r, 0, 1, i, 1, 1, i));
        assert_true(is_tied(r, 1, 0, i, TN__OUT(0), 1, i));
        assert_true(is_tied(r, 1, 0, i, 2, 0, i));
    }
    assert_int_equal(ties_of(r, 0, 1), 4);
    assert_true(is_tied(r, 0, 0, 1, TN__OUT(0), 0, 1));
    assert_int_equal(role_of(r, 1, 0), TN__PRODUCER);
    assert_int_equal(role_of(r, 2, 0), TN__PRODUCER);
    assert_int_equal(role_of(r, 1, 1), TN__CONSUMER);
    for (int axis = 2; axis < 4; axis++)
        assert_true(is_frozen(r, 0, axis) && is_frozen(r, 1, axis) &&
                    is_frozen(r, TN__OUT(0), axis));
    check_end(&c);
}

static void groups_lie_on_the_virtual_axis(void **state)
{
    (void)state;
    check c = grouped(8, 2);
    const recorder *r = record(&c);
    for (size_t i = 0; i < 4; i++)
        assert_true(is_tied(r, 0, 1, i, 1, 4, i));
    assert_int_equal(ties_of(r, 1, 1), 0);
    assert_int_equal(role_of(r, 1, 4), TN__CONSUMER);
    check_end(&c);
}

static void depthwise_channels_carry_their_outputs(void **state)
{
    (void)state;
    check c = grouped(8, 4);
    const recorder *r = record(&c);
    for (size_t o = 0; o < 8; o++)
        assert_true(is_tied(r, 0, 1, o / 2, 1, 0, o) &&
                    is_tied(r, 1, 0, o, TN__OUT(0), 1, o));
    assert_int_equal(role_of(r, 1, 0), TN__CARRIER);
    check_end(&c);
}

static tn_status infer_with(const int64_t *weight, int64_t group, const char *list,
                            const int64_t *values, tn_error *err)
{
    check c = check_start();
    check_input(&c, 4, image, NULL);
    check_parameter(&c, 4, weight, NULL);
    check_node(&c, "Conv", 11, 1);
    check_int(&c, "group", group);
    if (list)
        check_ints(&c, list, strcmp(list, "pads") == 0 ? 4 : 2, values);
    tn_status status = check_infer(&c, err);
    check_end(&c);
    return status;
}

static void bad_nodes_are_refused(void **state)
{
    (void)state;
    const int64_t w[] = {8, 4, 3, 3}, narrow[] = {8, 3, 3, 3}, huge[] = {8, 4, 9, 3};
    assert_fails(infer_with(narrow, 1, NULL, NULL, err), TN_ERROR_MISMATCH,
                 "Conv 'node': expected 3 input channels in 1 groups, found 4");
    assert_fails(infer_with(w, 3, NULL, NULL, err), TN_ERROR_MISMATCH,
                 "8 output channels do not divide into 3 groups");
    assert_fails(infer_with(w, 0, NULL, NULL, err), TN_ERROR_FORMAT, "'group' is 0");
    assert_fails(infer_with(huge, 1, NULL, NULL, err), TN_ERROR_MISMATCH,
                 "a window of 9 does not fit an input of 5");
    assert_fails(infer_with(w, 1, "strides", (int64_t[]){0, 1}, err), TN_ERROR_FORMAT,
                 "'strides' holds 0, expected at least 1");
    assert_fails(infer_with(w, 1, "pads", (int64_t[]){0, 0, -1, 0}, err),
                 TN_ERROR_FORMAT, "'pads' holds -1");
    assert_fails(infer_with(w, 1, "kernel_shape", (int64_t[]){3, 5}, err),
                 TN_ERROR_MISMATCH, "'kernel_shape' is 5 on axis 1, the weight's is 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_centre_tap_is_the_identity),
        cmocka_unit_test(values_follow_the_definition),
        cmocka_unit_test(same_padding_is_resolved),
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(one_and_three_spatial_axes_work),
        cmocka_unit_test(macs_are_outputs_times_taps),
        cmocka_unit_test(channels_are_tied_and_pixels_frozen),
        cmocka_unit_test(groups_lie_on_the_virtual_axis),
        cmocka_unit_test(depthwise_channels_carry_their_outputs),
        cmocka_unit_test(bad_nodes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
