/* test_gemm.c - Gemm: values, gradients, cost, coupling. */
#include "ops_check.h"

static void values_follow_the_definition(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){1, 2}, (float[]){1, 2});
    check_parameter(&c, 2, (int64_t[]){3, 2}, (float[]){1, 0, 0, 1, 3, 4});
    check_parameter(&c, 1, (int64_t[]){3}, (float[]){10, 20, 30});
    check_node(&c, "Gemm", 13, 1);
    check_int(&c, "transB", 1);
    check_float(&c, "alpha", 2);
    check_float(&c, "beta", 0.5f);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 3, (float[]){7, 14, 37}, 0);
    assert_int_equal(c.op->macs(&c.site), 6);
    check_end(&c);
}

/* A [4, 3], B [3, 5] in all four storage orders, C in all shapes that broadcast. */
static void gradients_are_central_differences(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t dims[2];
    } biases[] = {{1, {5}}, {2, {4, 5}}, {2, {4, 1}}, {0, {0}}};
    for (int i = 0; i < 4; i++) {
        bool ta = i & 1, tb = i & 2;
        check c = check_start();
        check_input(&c, 2, ta ? (int64_t[]){3, 4} : (int64_t[]){4, 3}, NULL);
        check_parameter(&c, 2, tb ? (int64_t[]){5, 3} : (int64_t[]){3, 5}, NULL);
        check_parameter(&c, biases[i].rank, biases[i].dims, NULL);
        check_node(&c, "Gemm", 13, 1);
        check_int(&c, "transA", ta);
        check_int(&c, "transB", tb);
        check_float(&c, "alpha", 0.7f);
        check_float(&c, "beta", -1.5f);
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 2, (int64_t[]){4, 5});
        check_gradients(&c, 1e-3);
        check_end(&c);
    }
}

static void rows_produce_and_columns_consume(void **state)
{
    (void)state;
    for (int tb = 0; tb < 2; tb++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){4, 3}, NULL);
        check_parameter(&c, 2, tb ? (int64_t[]){5, 3} : (int64_t[]){3, 5}, NULL);
        check_parameter(&c, 1, (int64_t[]){5}, NULL);
        check_node(&c, "Gemm", 13, 1);
        check_int(&c, "transB", tb);
        assert_ok(check_infer(&c, err));
        const recorder *r = record(&c);
        assert_true(is_tied(r, 0, 1, 2, 1, tb, 2));
        assert_true(is_tied(r, 1, 1 - tb, 4, TN__OUT(0), 1, 4));
        assert_true(is_tied(r, 2, 0, 4, TN__OUT(0), 1, 4));
        assert_true(is_tied(r, 0, 0, 3, TN__OUT(0), 0, 3));
        assert_int_equal(role_of(r, 1, 1 - tb), TN__PRODUCER);
        assert_int_equal(role_of(r, 1, tb), TN__CONSUMER);
        assert_int_equal(role_of(r, 2, 0), TN__PRODUCER);
        check_end(&c);
    }
}

static tn_status infer_with(int64_t columns, int64_t bias, tn_error *err)
{
    check c = check_start();
    check_input(&c, 2, (int64_t[]){4, 3}, NULL);
    check_parameter(&c, 2, (int64_t[]){columns, 5}, NULL);
    check_parameter(&c, 1, &bias, NULL);
    check_node(&c, "Gemm", 13, 1);
    tn_status status = check_infer(&c, err);
    check_end(&c);
    return status;
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    assert_fails(infer_with(32, 5, err), TN_ERROR_MISMATCH,
                 "Gemm 'node': expected 32 input features, found 3");
    assert_fails(infer_with(3, 4, err), TN_ERROR_MISMATCH,
                 "cannot broadcast [4] with [4, 5]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_follow_the_definition),
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(rows_produce_and_columns_consume),
        cmocka_unit_test(bad_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
