/* test_inference.c - tn_infer(). */
#include "nets.h"

#include "tenon/eval.h"

enum { N = 65, IMAGE = 12, K = 3 };

static const int64_t shape[] = {3, 2, 2};

static void outputs_are_the_model_of_the_inputs(void **state)
{
    (void)state;
    static float x[N * IMAGE], y[N * K], again[N * K];
    tn_model *model = linear_model("net", shape, K, NULL, NULL);
    const float *w = weights_of(model, "w"), *b = weights_of(model, "b");
    for (size_t k = 0; k < N * IMAGE; k++)
        x[k] = (float)((double)(k * 37 % 101) / 50 - 1);
    assert_ok(tn_infer(y, model, x, N, &(tn_eval_options){.threads = 1}, err));
    assert_ok(tn_infer(again, model, x, N, &(tn_eval_options){.threads = 3}, err));
    assert_memory_equal(y, again, sizeof y);
    for (size_t i = 0; i < N * K; i++) {
        double sum = (double)b[i % K];
        for (size_t j = 0; j < IMAGE; j++)
            sum += (double)w[i % K * IMAGE + j] * (double)x[i / K * IMAGE + j];
        assert_near(y[i], sum, 1e-5);
    }
    tn_model_free(model);
}

static void no_images_give_no_outputs(void **state)
{
    (void)state;
    float y = 5;
    tn_model *model = linear_model("net", shape, K, NULL, NULL);
    assert_ok(tn_infer(&y, model, &y, 0, &(tn_eval_options){.threads = 1}, err));
    assert_true(y == 5);
    assert_fails(
        tn_infer(&y, model, &y, SIZE_MAX / 2, &(tn_eval_options){.threads = 1}, err),
        TN_ERROR_MEMORY, "memory");
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_the_model_of_the_inputs),
        cmocka_unit_test(no_images_give_no_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
