/* test_cka.c - CKA against its definitions. */
#include "test.h"

#include "base/rng.h"
#include "similarity/cka.h"

enum { N = 12, D = 7, E = 5 };

static void fill(float *x, size_t count, uint64_t stream)
{
    tn__rng rng;
    tn__rng_seed(&rng, 3, stream);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)tn__rng_normal(&rng);
}

static void grams(double *k, double *l)
{
    float x[N * D], y[N * E];
    fill(x, N * D, 0);
    fill(y, N * E, 1);
    assert_ok(tn__gram_linear(k, x, N, D, err));
    assert_ok(tn__gram_linear(l, y, N, E, err));
}

static void the_linear_gram_holds_centred_products(void **state)
{
    (void)state;
    float x[N * D];
    double gram[N * N];
    fill(x, N * D, 0);
    for (size_t i = 0; i < N * D; i++)
        x[i] += 100;
    assert_ok(tn__gram_linear(gram, x, N, D, err));
    for (size_t i = 0; i < N; i++) {
        double row = 0, sum = 0;
        for (size_t j = 0; j < N; j++)
            row += gram[i * N + j];
        assert_near(row, 0, 1e-3);
        for (size_t k = 0; k < D; k++) {
            double mean = 0;
            for (size_t j = 0; j < N; j++)
                mean += (double)x[j * D + k] / N;
            sum += ((double)x[i * D + k] - mean) * ((double)x[i * D + k] - mean);
        }
        assert_near(gram[i * N + i], sum, 1e-4 * sum);
    }
}

/* tr(K H L H) by plain matrix products. */
static double trace_khlh(const double *k, const double *l)
{
    double h[N * N], kh[N * N] = {0}, lh[N * N] = {0}, trace = 0;
    for (size_t i = 0; i < N * N; i++)
        h[i] = (i / N == i % N) - 1.0 / N;
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            for (size_t m = 0; m < N; m++) {
                kh[i * N + j] += k[i * N + m] * h[m * N + j];
                lh[i * N + j] += l[i * N + m] * h[m * N + j];
            }
        }
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++)
            trace += kh[i * N + j] * lh[j * N + i];
    }
    return trace;
}

static void biased_hsic_is_the_centred_trace(void **state)
{
    (void)state;
    double k[N * N], l[N * N];
    grams(k, l);
    for (size_t i = 0; i < N * N; i++)
        k[i] += 2; /* not centred: HSIC has to do it */
    assert_near(tn__hsic_biased(k, l, N), trace_khlh(k, l) / ((N - 1) * (N - 1)), 1e-9);
}

/* Song et al. 2012 as a mean over four different images: the U-statistic itself. */
static double hsic_u_statistic(const double *k, const double *l)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            for (size_t q = 0; q < N; q++)
                for (size_t r = 0; r < N; r++)
                    if (i != j && i != q && i != r && j != q && j != r && q != r)
                        sum += k[i * N + j] *
                               (l[i * N + j] + l[q * N + r] - 2 * l[i * N + q]);
    return sum / (N * (N - 1.0) * (N - 2) * (N - 3));
}

static void unbiased_hsic_is_the_u_statistic(void **state)
{
    (void)state;
    double k[N * N], l[N * N];
    grams(k, l);
    assert_near(tn__hsic_unbiased(k, l, N), hsic_u_statistic(k, l), 1e-9);
    assert_near(tn__hsic_unbiased(k, k, N), hsic_u_statistic(k, k), 1e-9);
}

static void cka_of_features_with_themselves_is_one(void **state)
{
    (void)state;
    double k[N * N], l[N * N];
    grams(k, l);
    assert_near(tn__cka(tn__hsic_biased, k, k, N), 1, 1e-12);
    assert_near(tn__cka(tn__hsic_unbiased, l, l, N), 1, 1e-12);
    assert_true(fabs(tn__cka(tn__hsic_biased, k, l, N)) < 1);
    memset(k, 0, sizeof k);
    assert_near(tn__cka(tn__hsic_biased, k, l, N), 0, 0);
}

static void cka_ignores_rotation_and_scale(void **state)
{
    (void)state;
    float x[N * D], y[N * D];
    double k[N * N], l[N * N], turn = 0.7;
    fill(x, N * D, 0);
    for (size_t i = 0; i < N; i++) {
        const float *from = x + i * D;
        float *to = y + i * D;
        for (size_t d = 0; d < D; d++)
            to[d] = 3 * from[d];
        to[0] =
            (float)(3 * (cos(turn) * (double)from[0] - sin(turn) * (double)from[1]));
        to[1] =
            (float)(3 * (sin(turn) * (double)from[0] + cos(turn) * (double)from[1]));
    }
    assert_ok(tn__gram_linear(k, x, N, D, err));
    assert_ok(tn__gram_linear(l, y, N, D, err));
    assert_near(tn__cka(tn__hsic_unbiased, k, l, N), 1, 1e-5);
}

static void the_rbf_bandwidth_is_the_median_distance(void **state)
{
    (void)state;
    /* Three images on a line at 0, 1, 3: distances 1, 2, 3, median 2. */
    float x[3] = {0, 1, 3};
    double k[9];
    assert_ok(tn__gram_linear(k, x, 3, 1, err));
    assert_ok(tn__gram_rbf(k, 3, 1, err));
    assert_near(k[0], 1, 0);
    assert_near(k[1 * 3 + 2], exp(-0.5), 1e-6);
    assert_near(k[0 * 3 + 1], exp(-0.125), 1e-6);
    assert_near(k[2 * 3 + 0], exp(-9.0 / 8), 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_linear_gram_holds_centred_products),
        cmocka_unit_test(biased_hsic_is_the_centred_trace),
        cmocka_unit_test(unbiased_hsic_is_the_u_statistic),
        cmocka_unit_test(cka_of_features_with_themselves_is_one),
        cmocka_unit_test(cka_ignores_rotation_and_scale),
        cmocka_unit_test(the_rbf_bandwidth_is_the_median_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
