/* test_eval.c - tn_eval() against probabilities computed here. */
#include "nets.h"

#include "tenon/eval.h"

enum { N = 150, IMAGE = 6, K = 4 };

static const int64_t shape[] = {1, 2, 3};
static tn_dataset *data;

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x2x3,limit=150,classes=4,seed=4");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    return 0;
}

/* softmax probabilities [N, K] of a linear model */
static void probabilities(double *p, const tn_model *model)
{
    static float x[N * IMAGE];
    const float *w = weights_of(model, "w"), *b = weights_of(model, "b");
    assert_ok(tn_dataset_read(x, NULL, data, NULL, 0, N, err));
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++) {
            double y = (double)b[k];
            for (size_t j = 0; j < IMAGE; j++)
                y += (double)w[k * IMAGE + j] * (double)x[i * IMAGE + j];
            sum += p[i * K + k] = exp(y);
        }
        for (size_t k = 0; k < K; k++)
            p[i * K + k] /= sum;
    }
}

static void check_report(const tn_eval_report *report, const double *p)
{
    int32_t labels[N];
    double loss = 0, correct = 0;
    assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, N, err));
    for (size_t i = 0; i < N; i++) {
        size_t best = 0;
        for (size_t k = 1; k < K; k++)
            best = p[i * K + k] > p[i * K + best] ? k : best;
        correct += best == (size_t)labels[i];
        loss -= log(p[i * K + (size_t)labels[i]]);
    }
    assert_int_equal(report->images, N);
    assert_near(report->accuracy, correct / N, 1e-12);
    assert_near(report->loss, loss / N, 1e-5);
    assert_true(report->calibration_error > 0 && report->calibration_error < 1);
    assert_true(report->seconds > 0);
}

static void models_and_their_ensemble_are_measured(void **state)
{
    (void)state;
    static double p[N * K], q[N * K];
    float other[K * IMAGE];
    for (size_t k = 0; k < K * IMAGE; k++)
        other[k] = (float)(k % 5) * 0.5F - 1;
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    tn_model *b = linear_model("b", shape, K, other, NULL);
    const tn_model *models[] = {a, b};
    tn_eval_report report[2], ensemble;
    assert_ok(tn_eval(report, &ensemble, models, 2, data, NULL, NULL, err));
    probabilities(p, a);
    probabilities(q, b);
    check_report(&report[0], p);
    check_report(&report[1], q);
    for (size_t k = 0; k < N * K; k++)
        p[k] = (p[k] + q[k]) / 2;
    check_report(&ensemble, p);
    tn_model_free(a);
    tn_model_free(b);
}

static void an_ensemble_of_one_is_the_model(void **state)
{
    (void)state;
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    const tn_model *models[] = {a, a};
    tn_eval_report report[2], ensemble;
    for (size_t count = 1; count <= 2; count++) {
        assert_ok(tn_eval(report, &ensemble, models, count, data, NULL, NULL, err));
        assert_near(ensemble.accuracy, report[0].accuracy, 0);
        assert_near(ensemble.loss, report[0].loss, 1e-12);
        assert_near(ensemble.calibration_error, report[0].calibration_error, 1e-12);
    }
    tn_model_free(a);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    const tn_model *models[] = {a};
    tn_eval_report report[3];
    for (size_t k = 0; k < 3; k++) {
        tn_eval_options options = {.threads = k + 1};
        assert_ok(tn_eval(&report[k], NULL, models, 1, data, &options, NULL, err));
        report[k].seconds = 0;
        assert_memory_equal(&report[k], &report[0], sizeof report[k]);
    }
    tn_model_free(a);
}

static void a_larger_model_may_have_idle_outputs(void **state)
{
    (void)state;
    tn_model *a = linear_model("a", shape, K + 3, NULL, NULL);
    const tn_model *models[] = {a};
    tn_eval_report report;
    assert_ok(tn_eval(&report, NULL, models, 1, data, NULL, NULL, err));
    assert_int_equal(report.images, N);
    tn_model_free(a);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    tn_eval_report report[2] = {{.images = 77}};
    tn_model *a = linear_model("a", shape, K, NULL, NULL);
    tn_model *b = linear_model("b", shape, K + 1, NULL, NULL);
    tn_model *c = linear_model("c", (int64_t[]){1, 3, 2}, K, NULL, NULL);
    tn_model *d = linear_model("d", shape, K - 1, NULL, NULL);
    const tn_model *models[] = {a, b};
    assert_fails(tn_eval(report, NULL, models, 2, data, NULL, NULL, err),
                 TN_ERROR_MISMATCH, "'a' has 4 outputs, 'b' has 5");
    models[1] = c;
    assert_fails(tn_eval(report, NULL, models, 2, data, NULL, NULL, err),
                 TN_ERROR_MISMATCH, "'c' takes [1, 3, 2], data is [1, 2, 3]");
    models[1] = d;
    assert_fails(tn_eval(report, NULL, models, 2, data, NULL, NULL, err),
                 TN_ERROR_MISMATCH, "'d' has 3 outputs, data has 4 classes");
    assert_fails(tn_eval(report, NULL, models, 0, data, NULL, NULL, err),
                 TN_ERROR_ARGUMENT, "no model");
    assert_int_equal(report[0].images, 77);
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(c);
    tn_model_free(d);
}

static void outputs_that_are_no_numbers_are_an_error(void **state)
{
    (void)state;
    const float bias[K] = {0, (float)NAN, 0, 0};
    tn_model *a = linear_model("bad", shape, K, NULL, bias);
    const tn_model *models[] = {a};
    tn_eval_report report;
    assert_fails(tn_eval(&report, NULL, models, 1, data, NULL, NULL, err),
                 TN_ERROR_NUMERIC, "an output of 'bad' on image 0 is not finite");
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_and_their_ensemble_are_measured),
        cmocka_unit_test(an_ensemble_of_one_is_the_model),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(a_larger_model_may_have_idle_outputs),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(outputs_that_are_no_numbers_are_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
