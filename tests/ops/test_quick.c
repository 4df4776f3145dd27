/* test_quick.c - the functions of vector loops against double. */
#include "test.h"

#include "ops/quick.h"

static void exponentials_are_right_to_an_ulp(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i <= 400000; i++) {
        float x = (float)(-87.3 + 175.3 * i / 400000);
        worst = fmax(worst, fabs((double)tn__quick_exp(x) / exp((double)x) - 1));
    }
    assert_true(worst < 1e-7);
    assert_true(tn__quick_exp(0) == 1);
    assert_true(tn__quick_exp(-1000) > 0 && tn__quick_exp(-1000) < 1.3e-38f);
    assert_true(isfinite(tn__quick_exp(1000)));
}

static void error_functions_are_right_to_their_bound(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = -300000; i <= 300000; i++) {
        float x = (float)i / 50000;
        worst = fmax(worst, fabs((double)tn__quick_erf(x) - erf((double)x)));
    }
    assert_true(worst < 5e-7);
    assert_true(tn__quick_erf(0) == 0);
}

static void gates_are_right_to_a_few_ulps(void **state)
{
    (void)state;
    double sigmoid = 0, tangent = 0;
    for (int i = -200000; i <= 200000; i++) {
        float x = (float)i / 10000;
        sigmoid = fmax(sigmoid,
                       fabs((double)tn__quick_sigmoid(x) - 1 / (1 + exp(-(double)x))));
        tangent = fmax(tangent, fabs((double)tn__quick_tanh(x) - tanh((double)x)));
    }
    assert_true(sigmoid < 2e-7);
    assert_true(tangent < 2e-7);
}

static void sums_are_those_of_doubles(void **state)
{
    (void)state;
    float x[1000], y[1000];
    for (size_t n = 0; n < 1000; n += 37) {
        double sum = 0, dot = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = 1.0f / (float)(i + 1);
            y[i] = (float)(i % 7) - 3;
            sum += (double)x[i];
            dot += (double)x[i] * (double)y[i];
        }
        assert_true(fabs(tn__quick_sum(x, n) - sum) < 1e-13 * (1 + sum));
        assert_true(fabs(tn__quick_dot(x, y, n) - dot) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_are_right_to_an_ulp),
        cmocka_unit_test(error_functions_are_right_to_their_bound),
        cmocka_unit_test(gates_are_right_to_a_few_ulps),
        cmocka_unit_test(sums_are_those_of_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
