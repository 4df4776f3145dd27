/* test_compare.c - tn_compare(). */
#include "nets.h"

#include "tenon/eval.h"

enum { K = 3 };

static const int64_t shape[] = {1, 2, 2};
static tn_dataset *data;

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x2x2,limit=100,classes=3");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    return 0;
}

static void a_model_agrees_with_itself(void **state)
{
    (void)state;
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    tn_compare_report report;
    assert_ok(tn_compare(&report, a, a, data, NULL, err));
    assert_int_equal(report.images, 100);
    assert_near(report.largest_difference, 0, 0);
    assert_near(report.agreement, 1, 0);
    assert_true(report.largest_output > 0);
    tn_model_free(a);
}

static void a_shifted_output_shows(void **state)
{
    (void)state;
    const float plain[K] = {0, 0, 0}, moved[K] = {0, 100, 0};
    tn_model *a = linear_model("a", shape, K, NULL, plain);
    tn_model *b = linear_model("b", shape, K, NULL, moved);
    tn_compare_report report;
    float x[400], y[300];
    double share = 0, largest = 0;
    assert_ok(tn_compare(&report, a, b, data, NULL, err));
    assert_ok(tn_dataset_read(x, NULL, data, NULL, 0, 100, err));
    assert_ok(tn_infer(y, a, x, 100, &(tn_eval_options){.threads = 1}, err));
    for (size_t i = 0; i < 300; i++) {
        largest = fmax(largest, fabs((double)y[i]));
        share += i % 3 == 1 && y[i] > y[i - 1] && y[i] > y[i + 1];
    }
    assert_near(report.largest_difference, 100, 1e-4);
    assert_near(report.largest_output, largest, 1e-6);
    assert_near(report.agreement, share / 100, 0); /* b always says 1 */
    tn_model_free(a);
    tn_model_free(b);
}

static void what_is_no_number_is_not_lost(void **state)
{
    (void)state;
    const float bad[K] = {0, (float)NAN, 0};
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    tn_model *b = linear_model("b", shape, K, NULL, bad);
    tn_compare_report report;
    assert_ok(tn_compare(&report, a, b, data, NULL, err));
    assert_true(isnan(report.largest_difference));
    tn_model_free(a);
    tn_model_free(b);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    tn_compare_report report;
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    tn_model *b = linear_model("b", shape, K + 1, NULL, NULL);
    tn_model *c = linear_model("c", (int64_t[]){1, 1, 2}, K, NULL, NULL);
    assert_fails(tn_compare(&report, a, b, data, NULL, err), TN_ERROR_MISMATCH,
                 "'a' has 3 outputs, 'b' has 4");
    assert_fails(tn_compare(&report, a, c, data, NULL, err), TN_ERROR_MISMATCH,
                 "'c' takes [1, 1, 2]");
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_agrees_with_itself),
        cmocka_unit_test(a_shifted_output_shows),
        cmocka_unit_test(what_is_no_number_is_not_lost),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
