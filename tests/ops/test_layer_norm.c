/* test_layer_norm.c - rows normalised by their own statistics. */
#include "ops_check.h"

static void rows_have_mean_0_and_variance_1(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 8}, NULL);
    check_parameter(&c, 1, (int64_t[]){8}, (float[]){1, 1, 1, 1, 1, 1, 1, 1});
    check_node(&c, "LayerNormalization", 17, 3);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 3, (int64_t[]){2, 3, 8});
    check_shape(&c, 1, 3, (int64_t[]){2, 3, 1});
    const float *x = tn__tensor_f32_const(&c.in[0]);
    for (size_t r = 0; r < 6; r++) {
        double sum = 0, squares = 0, before = 0;
        for (size_t i = 0; i < 8; i++) {
            double y = tn__tensor_get_f64(&c.out[0], r * 8 + i);
            sum += y;
            squares += y * y;
            before += (double)x[r * 8 + i];
        }
        assert_near(sum, 0, 1e-5);
        assert_near(squares / 8, 1, 1e-3);
        assert_near(tn__tensor_get_f64(&c.out[1], r), before / 8, 1e-6);
    }
    check_end(&c);
}

static void gradients_equal_differences(void **state)
{
    (void)state;
    for (int axis = 1; axis < 3; axis++) {
        int64_t dims[3] = {2, 3, 4};
        check c = check_start();
        check_input(&c, 3, dims, NULL);
        check_parameter(&c, 3 - axis, dims + axis, NULL);
        check_parameter(&c, 3 - axis, dims + axis, NULL);
        check_node(&c, "LayerNormalization", 17, 1);
        check_int(&c, "axis", axis - 3);
        assert_ok(check_run(&c, err));
        check_gradients(&c, 5e-3);
        const recorder *r = record(&c);
        assert_true(is_tied(r, 0, 2, 3, TN__OUT(0), 2, 3));
        assert_true(is_tied(r, 0, 2, 3, 1, 2 - axis, 3));
        assert_true(is_tied(r, 0, 2, 3, 2, 2 - axis, 3));
        assert_true(is_tied(r, 0, 0, 1, TN__OUT(0), 0, 1));
        check_end(&c);
    }
}

static void a_scale_of_another_shape_is_refused(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 4}, NULL);
    check_parameter(&c, 1, (int64_t[]){3}, NULL);
    check_node(&c, "LayerNormalization", 17, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "input 1 is [3], expected [4]");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_mean_0_and_variance_1),
        cmocka_unit_test(gradients_equal_differences),
        cmocka_unit_test(a_scale_of_another_shape_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
