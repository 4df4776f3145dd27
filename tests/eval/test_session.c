/* test_session.c - tn_session, and tn_infer(), which is one run of one. */
#include "nets.h"

#include "tenon/eval.h"

enum { N = 65, IMAGE = 12, K = 3 };

static const int64_t shape[] = {3, 2, 2};

static const tn_eval_options one = {.threads = 1}, three = {.threads = 3};

static void fill(float *x, size_t count)
{
    for (size_t k = 0; k < count; k++)
        x[k] = (float)((double)(k * 37 % 101) / 50 - 1);
}

static void outputs_are_the_model_of_the_inputs(void **state)
{
    (void)state;
    static float x[N * IMAGE], y[N * K], again[N * K];
    tn_model *model = linear_model("net", shape, K, NULL, NULL);
    const float *w = weights_of(model, "w"), *b = weights_of(model, "b");
    fill(x, N * IMAGE);
    assert_ok(tn_infer(y, model, x, N, &one, err));
    assert_ok(tn_infer(again, model, x, N, &three, err));
    assert_memory_equal(y, again, sizeof y);
    for (size_t i = 0; i < N * K; i++) {
        double sum = (double)b[i % K];
        for (size_t j = 0; j < IMAGE; j++)
            sum += (double)w[i % K * IMAGE + j] * (double)x[i / K * IMAGE + j];
        assert_near(y[i], sum, 1e-5);
    }
    tn_model_free(model);
}

static void a_session_runs_any_number_of_images_at_any_time(void **state)
{
    (void)state;
    static float x[N * IMAGE], y[N * K], all[N * K];
    static const size_t counts[] = {1, 7, 20, 65, 2};
    tn_model *model = linear_model("net", shape, K, NULL, NULL);
    tn_session *session = NULL, *threaded = NULL;
    fill(x, N * IMAGE);
    assert_ok(tn_infer(all, model, x, N, &one, err));
    assert_ok(tn_session_create(&session, model, 20, &one, err));
    assert_ok(tn_session_create(&threaded, model, 20, &three, err));
    tn_model_free(model);
    for (size_t k = 0; k < TN__COUNT(counts); k++) {
        float other[N * K] = {0};
        memset(y, 0, sizeof y);
        assert_ok(tn_session_run(session, y, x, counts[k], err));
        assert_ok(tn_session_run(threaded, other, x, counts[k], err));
        assert_memory_equal(y, other, sizeof y);
        for (size_t i = 0; i < N * K; i++)
            assert_near(y[i], i < counts[k] * K ? all[i] : 0, 1e-6);
    }
    tn_session_free(session);
    tn_session_free(threaded);
    tn_session_free(NULL);
}

static void no_images_give_no_outputs(void **state)
{
    (void)state;
    float y = 5;
    tn_model *model = linear_model("net", shape, K, NULL, NULL);
    assert_ok(tn_infer(&y, model, &y, 0, &one, err));
    assert_true(y == 5);
    assert_fails(tn_infer(&y, model, &y, SIZE_MAX / 2, &one, err), TN_ERROR_MEMORY,
                 "memory");
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_the_model_of_the_inputs),
        cmocka_unit_test(a_session_runs_any_number_of_images_at_any_time),
        cmocka_unit_test(no_images_give_no_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
