/* test_metrics.c - accuracy, loss and calibration against sums made by hand. */
#include "test.h"

#include "base/base.h"
#include "eval/metrics.h"

static void log_softmax_is_the_log_of_softmax(void **state)
{
    (void)state;
    static const float logits[] = {1, -2, 0.5F};
    double out[3], sum = exp(1.0) + exp(-2.0) + exp(0.5);
    tn__log_softmax(out, logits, 3);
    for (size_t k = 0; k < 3; k++)
        assert_near(out[k], log(exp((double)logits[k]) / sum), 1e-15);
}

static void log_softmax_bears_large_outputs(void **state)
{
    (void)state;
    static const float logits[] = {1e6F, 0, -1e30F};
    double out[3];
    tn__log_softmax(out, logits, 3);
    assert_near(out[0], 0, 0);
    assert_near(out[1], -1e6, 0);
    assert_true(isfinite(out[2]));
}

static void the_first_of_equals_is_the_largest(void **state)
{
    (void)state;
    static const float x[] = {1, 3, 3, 2};
    assert_int_equal(tn__largest_f32(x, 4), 1);
    assert_int_equal(tn__largest_f32(x, 1), 0);
}

static void finiteness_is_seen_everywhere(void **state)
{
    (void)state;
    float x[] = {1, 2, 3};
    assert_true(tn__all_finite(x, 3));
    x[2] = (float)NAN;
    assert_false(tn__all_finite(x, 3));
    assert_true(tn__all_finite(x, 2));
    x[0] = (float)INFINITY;
    assert_false(tn__all_finite(x, 3));
}

static void add(tn__metrics *m, double p0, int32_t label)
{
    const double log_p[] = {log(p0), log(1 - p0)};
    tn__metrics_add(m, log_p, 2, label);
}

static void sums_are_those_made_by_hand(void **state)
{
    (void)state;
    tn__metrics m = {0};
    tn_eval_report report;
    add(&m, 0.92, 0); /* bin 13 of (13/15, 14/15], right */
    add(&m, 0.90, 1); /* the same bin, wrong */
    add(&m, 0.55, 0); /* bin 8, right */
    add(&m, 0.30, 1); /* bin 10 with confidence 0.7, right */
    tn__metrics_report(&report, &m);
    assert_int_equal(report.images, 4);
    assert_near(report.accuracy, 0.75, 0);
    assert_near(report.loss, -(log(0.92) + log(0.1) + log(0.55) + log(0.7)) / 4, 1e-14);
    assert_near(report.calibration_error,
                (fabs(1 - 0.92 - 0.90) + (1 - 0.55) + (1 - 0.7)) / 4, 1e-14);
}

static void sure_and_right_is_calibrated(void **state)
{
    (void)state;
    tn__metrics m = {0};
    tn_eval_report report;
    const double sure[] = {0, -(double)INFINITY};
    tn__metrics_add(&m, sure, 2, 0);
    tn__metrics_report(&report, &m);
    assert_near(report.calibration_error, 0, 0);
    assert_near(report.loss, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_softmax_is_the_log_of_softmax),
        cmocka_unit_test(log_softmax_bears_large_outputs),
        cmocka_unit_test(the_first_of_equals_is_the_largest),
        cmocka_unit_test(finiteness_is_seen_everywhere),
        cmocka_unit_test(sums_are_those_made_by_hand),
        cmocka_unit_test(sure_and_right_is_calibrated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
