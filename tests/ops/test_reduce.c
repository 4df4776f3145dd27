/* test_reduce.c - sums over axes: ReduceMean, ReduceSum, Softmax, LogSoftmax. */
#include "ops_check.h"

static const float six[6] = {1, 2, 3, 4, 5, 9};

static void axes_come_as_attribute_or_input(void **state)
{
    (void)state;
    for (int64_t opset = 11; opset <= 18; opset += 7) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 3}, six);
        if (opset == 18)
            check_list(&c, 1, (int64_t[]){-1});
        check_node(&c, "ReduceMean", opset, 1);
        if (opset == 11)
            check_ints(&c, "axes", 1, (int64_t[]){-1});
        check_int(&c, "keepdims", 0);
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 1, (int64_t[]){2});
        check_values(&c, 0, 2, (float[]){2, 6}, 1e-6);
        check_gradients(&c, 2e-3);
        const recorder *r = record(&c);
        assert_true(is_tied(r, 0, 0, 1, TN__OUT(0), 0, 1));
        assert_int_equal(ties_of(r, 0, 1), 0);
        assert_false(is_frozen(r, 0, 1)); /* a mean does not mind the order */
        check_end(&c);
    }
}

static void without_axes_all_are_summed(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_node(&c, "ReduceSum", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){1, 1});
    check_values(&c, 0, 1, (float[]){24}, 0);
    check_gradients(&c, 2e-3);
    check_int(&c, "noop_with_empty_axes", 1);
    tn__shapes_release(&c.shapes);
    assert_ok(check_infer(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 3});
    check_end(&c);
}

static void inner_and_outer_axes_are_summed(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){2, 3, 2, 2}, NULL);
    check_list(&c, 2, (int64_t[]){0, 2});
    check_node(&c, "ReduceSum", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 4, (int64_t[]){1, 3, 1, 2});
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void softmax_sums_to_one_and_its_log_is_its_log(void **state)
{
    (void)state;
    float soft[2 * 3 * 4];
    for (int axis = 0; axis < 3; axis++) {
        check c = check_start();
        check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
        check_node(&c, "Softmax", 13, 1);
        check_int(&c, "axis", axis);
        assert_ok(check_run(&c, err));
        double sum = 0;
        for (size_t i = 0; i < TN__COUNT(soft); i++)
            sum += (double)(soft[i] = tn__tensor_f32_const(&c.out[0])[i]);
        assert_near(sum, 24 / (axis == 0 ? 2 : axis == 1 ? 3 : 4), 1e-5);
        check_gradients(&c, 2e-3);
        check_end(&c);
        c = check_start();
        check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
        check_node(&c, "LogSoftmax", 13, 1);
        check_int(&c, "axis", axis);
        assert_ok(check_run(&c, err));
        for (size_t i = 0; i < TN__COUNT(soft); i++)
            assert_near(exp(tn__tensor_get_f64(&c.out[0], i)), (double)soft[i], 1e-6);
        check_gradients(&c, 2e-3);
        check_end(&c);
    }
}

static void old_softmax_runs_over_all_further_axes(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
    check_node(&c, "Softmax", 11, 1);
    assert_ok(check_run(&c, err));
    double sum = 0;
    for (size_t i = 0; i < 12; i++)
        sum += tn__tensor_get_f64(&c.out[0], i);
    assert_near(sum, 1, 1e-6);
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void large_logits_do_not_overflow(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){1, 2}, (float[]){10000, 10001});
    check_node(&c, "Softmax", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 2, (float[]){0.26894143f, 0.7310586f}, 1e-6);
    check_end(&c);
}

static void bad_axes_are_refused(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_node(&c, "ReduceMean", 13, 1);
    check_ints(&c, "axes", 1, (int64_t[]){2});
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, "axis 2 is not in [-2, 2)");
    check_ints(&c, "axes", 2, (int64_t[]){1, -1});
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, "axis 1 occurs twice");
    check_end(&c);
}

/* Of {1, -2, 3}, {0.5, 2, 2} and {4, 0, -1}. */
static void reductions_collect_what_their_names_say(void **state)
{
    (void)state;
    static const float x[9] = {1, -2, 3, 0.5f, 2, 2, 4, 0, -1};
    static const struct {
        const char *type;
        float y[3];
    } cases[] = {{"ReduceMax", {3, 2, 4}},
                 {"ReduceMin", {-2, 0.5f, -1}},
                 {"ReduceProd", {-6, 2, 0}},
                 {"ReduceL1", {6, 4.5f, 5}},
                 {"ReduceL2", {3.7416574f, 2.8722813f, 4.1231056f}},
                 {"ReduceSumSquare", {14, 8.25f, 17}},
                 {"ReduceLogSum", {0.6931472f, 1.5040774f, 1.0986123f}},
                 {"ReduceLogSumExp", {3.1328452f, 2.7989162f, 4.0247449f}}};
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        bool kinked = i == 0 || i == 3; /* a tie at 2, |x| at 0: no differences there */
        check c = check_start();
        check_input(&c, 2, (int64_t[]){3, 3}, x);
        check_node(&c, cases[i].type, 13, 1);
        check_ints(&c, "axes", 1, (int64_t[]){1});
        check_int(&c, "keepdims", 0);
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 3, cases[i].y, 1e-5);
        if (!kinked)
            check_gradients(&c, 5e-3);
        check_end(&c);
    }
}

static void the_largest_share_a_gradient(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){1, 3}, (float[]){0.5f, 2, 2});
    check_node(&c, "ReduceMax", 13, 1);
    assert_ok(check_run(&c, err));
    tn__tensor dy = {0}, dx = {0};
    check_tensor(&dy, TN_F32, 2, (int64_t[]){1, 1}, (float[]){1});
    check_tensor(&dx, TN_F32, 2, (int64_t[]){1, 3}, NULL);
    const tn__tensor *dout = &dy, *out = &c.out[0];
    tn__tensor *din = &dx;
    assert_ok(c.op->backward(&din, &dout, c.in_at, &out, &c.site, err));
    assert_near(tn__tensor_get_f64(&dx, 0), 0, 0);
    assert_near(tn__tensor_get_f64(&dx, 1), 0.5, 0);
    assert_near(tn__tensor_get_f64(&dx, 2), 0.5, 0);
    tn__tensor_release(&dy);
    tn__tensor_release(&dx);
    check_end(&c);
}

static void arg_max_names_the_first_or_last(void **state)
{
    (void)state;
    static const float x[6] = {3, 3, 1, 0, -1, -1};
    for (int last = 0; last < 2; last++)
        for (int least = 0; least < 2; least++) {
            check c = check_start();
            check_input(&c, 2, (int64_t[]){2, 3}, x);
            check_node(&c, least ? "ArgMin" : "ArgMax", 13, 1);
            check_int(&c, "axis", 1);
            check_int(&c, "select_last_index", last);
            assert_ok(check_run(&c, err));
            check_shape(&c, 0, 2, (int64_t[]){2, 1});
            const int64_t *y = tn__tensor_i64_const(&c.out[0]);
            assert_int_equal(y[0], least ? 2 : last);
            assert_int_equal(y[1], least ? 1 + last : 0);
            assert_true(is_frozen(record(&c), 0, 1));
            check_end(&c);
        }
}

static void tiles_repeat_each_axis(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 2}, (float[]){1, 2, 3, 4});
    check_list(&c, 2, (int64_t[]){1, 2});
    check_node(&c, "Tile", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 8, (float[]){1, 2, 1, 2, 3, 4, 3, 4}, 0);
    check_gradients(&c, 1e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 1, TN__OUT(0), 1, 3));
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_come_as_attribute_or_input),
        cmocka_unit_test(without_axes_all_are_summed),
        cmocka_unit_test(inner_and_outer_axes_are_summed),
        cmocka_unit_test(softmax_sums_to_one_and_its_log_is_its_log),
        cmocka_unit_test(old_softmax_runs_over_all_further_axes),
        cmocka_unit_test(large_logits_do_not_overflow),
        cmocka_unit_test(bad_axes_are_refused),
        cmocka_unit_test(reductions_collect_what_their_names_say),
        cmocka_unit_test(the_largest_share_a_gradient),
        cmocka_unit_test(arg_max_names_the_first_or_last),
        cmocka_unit_test(tiles_repeat_each_axis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
