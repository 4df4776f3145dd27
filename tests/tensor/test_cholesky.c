/* test_cholesky.c - tiled Cholesky factors and their equations. */
#include "test.h"

#include "base/rng.h"
#include "tensor/linalg.h"

enum { MAX = 600, ANSWERS = 70 };

static double a[MAX * MAX], factor[MAX * MAX], b[MAX * ANSWERS], x[MAX * ANSWERS];

/* A = B B^T / n + I, of random B */
static void make_spd(size_t n, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n * n; i++)
        factor[i] = tn__rng_normal(&rng);
    tn__gemm_f64(false, true, n, n, n, 1 / (double)n, factor, n, factor, n, 0, a, n);
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += 1;
}

static void factor_of(size_t n, tn__workers *workers)
{
    memcpy(factor, a, n * n * sizeof *a);
    assert_ok(tn__cholesky(factor, n, workers, err));
}

static void the_factor_times_its_transpose_is_the_matrix(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 5, 255, 256, 257, 600};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k];
        make_spd(n, k);
        factor_of(n, NULL);
        for (size_t i = 0; i < n; i += 1 + n / 20)
            for (size_t j = 0; j <= i; j++) {
                double sum = 0;
                for (size_t t = 0; t <= j; t++)
                    sum += factor[i * n + t] * factor[j * n + t];
                assert_near(sum, a[i * n + j], 1e-12);
            }
    }
}

static void equations_are_solved(void **state)
{
    (void)state;
    size_t n = 300;
    tn__rng rng;
    make_spd(n, 7);
    tn__rng_seed(&rng, 8, 0);
    for (size_t i = 0; i < n * ANSWERS; i++)
        x[i] = tn__rng_normal(&rng);
    tn__gemm_f64(false, false, n, ANSWERS, n, 1, a, n, x, ANSWERS, 0, b, ANSWERS);
    factor_of(n, NULL);
    assert_ok(tn__cholesky_solve(b, factor, n, ANSWERS, NULL, err));
    for (size_t i = 0; i < n * ANSWERS; i++)
        assert_near(b[i], x[i], 1e-11);
    assert_ok(tn__cholesky_solve(b, factor, n, 0, NULL, err));
}

static void workers_do_not_change_a_bit(void **state)
{
    (void)state;
    static double alone[MAX * MAX], answers[MAX * ANSWERS];
    size_t n = MAX;
    make_spd(n, 3);
    memcpy(x, a, n * ANSWERS * sizeof *x);
    for (size_t count = 1; count <= 3; count++) {
        tn__workers *workers = NULL;
        assert_ok(tn__workers_create(&workers, count, err));
        factor_of(n, workers);
        memcpy(b, x, n * ANSWERS * sizeof *x);
        assert_ok(tn__cholesky_solve(b, factor, n, ANSWERS, workers, err));
        tn__workers_free(workers);
        if (count == 1) {
            memcpy(alone, factor, n * n * sizeof *alone);
            memcpy(answers, b, sizeof answers);
        }
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(alone + i * n, factor + i * n, (i + 1) * sizeof *alone);
        assert_memory_equal(answers, b, n * ANSWERS * sizeof *b);
    }
}

static void a_matrix_that_is_not_positive_is_refused(void **state)
{
    (void)state;
    make_spd(400, 5);
    a[300 * 400 + 300] = -1;
    memcpy(factor, a, sizeof(double) * 400 * 400);
    assert_fails(tn__cholesky(factor, 400, NULL, err), TN_ERROR_NUMERIC,
                 "matrix of 400 rows is not positive definite (pivot 301)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_factor_times_its_transpose_is_the_matrix),
        cmocka_unit_test(equations_are_solved),
        cmocka_unit_test(workers_do_not_change_a_bit),
        cmocka_unit_test(a_matrix_that_is_not_positive_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
