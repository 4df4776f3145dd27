/* test_batch_norm.c - BatchNormalization at inference. */
#include "ops_check.h"

static check start(int rank, const int64_t *x, int64_t channels, int64_t opset,
                   size_t outputs)
{
    check c = check_start();
    check_input(&c, rank, x, NULL);
    for (int k = 0; k < 4; k++)
        check_parameter(&c, 1, &channels, NULL);
    check_node(&c, "BatchNormalization", opset, outputs);
    return c;
}

static void values_follow_the_definition(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){1, 2, 2}, (float[]){1, 2, 3, 4});
    check_parameter(&c, 1, (int64_t[]){2}, (float[]){2, 1}); /* scale */
    check_parameter(&c, 1, (int64_t[]){2}, (float[]){1, 0}); /* bias */
    check_parameter(&c, 1, (int64_t[]){2}, (float[]){1, 3}); /* mean */
    check_parameter(&c, 1, (int64_t[]){2}, (float[]){3, 0}); /* variance */
    check_node(&c, "BatchNormalization", 9, 1);
    check_float(&c, "epsilon", 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){1, 2, 0, 1}, 1e-6);
    check_end(&c);
}

static void gradients_are_central_differences(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){2, 3, 2, 2}, NULL);
    for (int k = 0; k < 3; k++)
        check_parameter(&c, 1, (int64_t[]){3}, NULL);
    check_parameter(&c, 1, (int64_t[]){3}, (float[]){0.5f, 1, 2});
    check_node(&c, "BatchNormalization", 15, 1);
    assert_ok(check_run(&c, err));
    check_gradients(&c, 2e-3);
    check_end(&c);
}

static void vectors_carry_the_channels(void **state)
{
    (void)state;
    check c = start(4, (int64_t[]){1, 3, 2, 2}, 3, 15, 1);
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    for (int k = 1; k <= 4; k++)
        assert_true(is_tied(r, 0, 1, 2, k, 0, 2) && role_of(r, k, 0) == TN__CARRIER);
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
    assert_true(is_tied(r, 0, 3, 1, TN__OUT(0), 3, 1));
    check_end(&c);
}

static void the_training_form_is_refused(void **state)
{
    (void)state;
    check c = start(2, (int64_t[]){4, 3}, 3, 15, 1);
    check_int(&c, "training_mode", 1);
    assert_fails(check_infer(&c, err), TN_ERROR_UNSUPPORTED, "'training_mode' is set");
    check_end(&c);
    c = start(2, (int64_t[]){4, 3}, 3, 9, 5);
    assert_fails(check_infer(&c, err), TN_ERROR_UNSUPPORTED, "output 1 ('y1') is read");
    c.model->output_count = 1; /* now nobody reads the others */
    assert_ok(check_infer(&c, err));
    check_end(&c);
    c = start(2, (int64_t[]){4, 3}, 3, 7, 1);
    check_int(&c, "spatial", 0);
    assert_fails(check_infer(&c, err), TN_ERROR_UNSUPPORTED, "'spatial' is 0");
    check_end(&c);
}

static void vectors_of_another_length_are_refused(void **state)
{
    (void)state;
    check c = start(2, (int64_t[]){4, 64}, 32, 15, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "input 1 is [32], expected 64 channels");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_follow_the_definition),
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(vectors_carry_the_channels),
        cmocka_unit_test(the_training_form_is_refused),
        cmocka_unit_test(vectors_of_another_length_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
