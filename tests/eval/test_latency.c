/* test_latency.c - tn_latency(); what a time is, no test can say. */
#include "nets.h"

#include "tenon/eval.h"

static void a_pass_takes_time(void **state)
{
    (void)state;
    tn_model *model = linear_model("net", (int64_t[]){1, 4, 4}, 5, NULL, NULL);
    for (size_t runs = 1; runs < 5; runs++) {
        double seconds = 0;
        assert_ok(tn_latency(&seconds, model, 3, runs, err));
        assert_true(seconds > 0);
    }
    tn_model_free(model);
}

static void no_runs_and_no_batch_are_refused(void **state)
{
    (void)state;
    double seconds = 7;
    tn_model *model = linear_model("net", (int64_t[]){1, 4, 4}, 5, NULL, NULL);
    assert_fails(tn_latency(&seconds, model, 1, 0, err), TN_ERROR_ARGUMENT, "runs = 0");
    assert_fails(tn_latency(&seconds, model, 0, 1, err), TN_ERROR_ARGUMENT,
                 "batch = 0");
    assert_fails(tn_latency(&seconds, model, SIZE_MAX, 1, err), TN_ERROR_ARGUMENT,
                 "expected a batch from 1");
    assert_near(seconds, 7, 0);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_takes_time),
        cmocka_unit_test(no_runs_and_no_batch_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
