/* test_matmul.c - MatMul: ranks, values, gradients, cost, coupling. */
#include "ops_check.h"

static void values_follow_the_definition(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 2}, (float[]){1, 2, 3, 4});
    check_parameter(&c, 2, (int64_t[]){2, 1}, (float[]){10, 1});
    check_node(&c, "MatMul", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 1});
    check_values(&c, 0, 2, (float[]){12, 34}, 0);
    assert_int_equal(c.op->macs(&c.site), 4);
    check_end(&c);
}

static void batches_broadcast_and_vectors_lose_their_axis(void **state)
{
    (void)state;
    static const struct {
        int a_rank, b_rank, y_rank;
        int64_t a[4], b[4], y[4];
    } cases[] = {
        {2, 2, 2, {2, 3}, {3, 4}, {2, 4}},
        {1, 2, 1, {3}, {3, 4}, {4}},
        {2, 1, 1, {2, 3}, {3}, {2}},
        {1, 1, 0, {3}, {3}, {0}},
        {3, 2, 3, {2, 3, 4}, {4, 2}, {2, 3, 2}},
        {4, 3, 4, {2, 1, 2, 3}, {2, 3, 2}, {2, 2, 2, 2}},
        {3, 4, 4, {3, 2, 2}, {2, 1, 2, 1}, {2, 3, 2, 1}},
        {3, 1, 2, {2, 3, 4}, {4}, {2, 3}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = check_start();
        check_parameter(&c, cases[i].a_rank, cases[i].a, NULL);
        check_parameter(&c, cases[i].b_rank, cases[i].b, NULL);
        check_node(&c, "MatMul", 13, 1);
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, cases[i].y_rank, cases[i].y);
        check_gradients(&c, 1e-3);
        check_end(&c);
    }
}

static void a_parameter_on_the_right_makes_neurons(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
    check_parameter(&c, 2, (int64_t[]){4, 5}, NULL);
    check_node(&c, "MatMul", 13, 1);
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 2, 3, 1, 0, 3));
    assert_true(is_tied(r, 1, 1, 4, TN__OUT(0), 2, 4));
    assert_true(is_tied(r, 0, 0, 1, TN__OUT(0), 0, 1));
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
    assert_int_equal(role_of(r, 1, 1), TN__PRODUCER);
    assert_int_equal(role_of(r, 1, 0), TN__CONSUMER);
    check_end(&c);
}

static void a_parameter_on_the_left_makes_neurons(void **state)
{
    (void)state;
    check c = check_start();
    check_parameter(&c, 2, (int64_t[]){5, 3}, NULL);
    check_input(&c, 3, (int64_t[]){1, 3, 4}, NULL);
    check_node(&c, "MatMul", 13, 1);
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 2, 1, 1, 2));
    assert_true(is_tied(r, 0, 0, 4, TN__OUT(0), 1, 4));
    assert_int_equal(role_of(r, 0, 0), TN__PRODUCER);
    assert_int_equal(role_of(r, 0, 1), TN__CONSUMER);
    check_end(&c);
}

static void activations_carry_and_stretched_axes_are_free(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
    check_input(&c, 3, (int64_t[]){1, 4, 5}, NULL);
    check_node(&c, "MatMul", 13, 1);
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_int_equal(r->role_count, 0);
    assert_int_equal(ties_of(r, 1, 0), 0);
    assert_int_equal(ties_of(r, 0, 0), 2);
    check_end(&c);
}

static void unequal_inner_extents_are_refused(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 32}, NULL);
    check_parameter(&c, 2, (int64_t[]){64, 5}, NULL);
    check_node(&c, "MatMul", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "expected 64 input features, found 32");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_follow_the_definition),
        cmocka_unit_test(batches_broadcast_and_vectors_lose_their_axis),
        cmocka_unit_test(a_parameter_on_the_right_makes_neurons),
        cmocka_unit_test(a_parameter_on_the_left_makes_neurons),
        cmocka_unit_test(activations_carry_and_stretched_axes_are_free),
        cmocka_unit_test(unequal_inner_extents_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
