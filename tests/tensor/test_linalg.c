/* Matrix products against a plain loop; symmetric solves. */
#include "test.h"

#include "base/rng.h"
#include "tensor/linalg.h"

static void fill(double *x, size_t n, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = tn__rng_normal(&rng);
}

static void products_equal_a_plain_loop(void **state)
{
    (void)state;
    enum { M = 5, N = 7, K = 3 };
    double a[M * K], b[K * N], c[M * N], start[M * N];
    float af[M * K], bf[K * N], cf[M * N];
    fill(a, M * K, 1);
    fill(b, K * N, 2);
    fill(start, M * N, 3);
    for (int flags = 0; flags < 4; flags++) {
        bool ta = flags & 1, tb = flags & 2;
        memcpy(c, start, sizeof c);
        for (size_t i = 0; i < M * K; i++)
            af[i] = (float)a[i];
        for (size_t i = 0; i < K * N; i++)
            bf[i] = (float)b[i];
        for (size_t i = 0; i < M * N; i++)
            cf[i] = (float)start[i];
        tn__gemm_f64(ta, tb, M, N, K, 2, a, ta ? M : K, b, tb ? K : N, 0.5, c, N);
        tn__gemm_f32(ta, tb, M, N, K, 2, af, ta ? M : K, bf, tb ? K : N, 0.5f, cf, N);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++) {
                double sum = 0.5 * start[i * N + j];
                for (size_t k = 0; k < K; k++)
                    sum += 2 * (ta ? a[k * M + i] : a[i * K + k]) *
                           (tb ? b[j * K + k] : b[k * N + j]);
                assert_near(c[i * N + j], sum, 1e-12);
                assert_near(cf[i * N + j], sum, 1e-5);
            }
    }
}

static void a_symmetric_system_is_solved(void **state)
{
    (void)state;
    enum { N = 6, K = 2 };
    double r[N * N], a[N * N], x[N * K], b[N * K];
    fill(r, N * N, 1);
    fill(x, N * K, 2);
    tn__gemm_f64(false, true, N, N, N, 1, r, N, r, N, 0, a, N);
    tn__gemm_f64(false, false, N, K, N, 1, a, N, x, K, 0, b, K);
    assert_ok(tn__solve_spd(a, b, N, K, err));
    for (size_t i = 0; i < N * K; i++)
        assert_near(b[i], x[i], 1e-8);
}

static void a_singular_system_is_regularised_and_a_negative_one_refused(void **state)
{
    (void)state;
    double singular[4] = {1, 1, 1, 1}, b[2] = {1, 1};
    assert_ok(tn__solve_spd(singular, b, 2, 1, err));
    assert_near(b[0] + b[1], 1, 1e-6);
    double negative[4] = {-1, 0, 0, -1};
    assert_fails(tn__solve_spd(negative, b, 2, 1, err), TN_ERROR_NUMERIC,
                 "not positive definite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_a_plain_loop),
        cmocka_unit_test(a_symmetric_system_is_solved),
        cmocka_unit_test(a_singular_system_is_regularised_and_a_negative_one_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
