/* test_ridge.c - streamed least squares against what it must satisfy. */
#include "test.h"

#include "base/rng.h"
#include "stats/ridge.h"

enum { D = 7, O = 3, ROWS = 200, BLOCK = 64 };

static void make_rows(float *rows, const double *w, double noise, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < ROWS; i++) {
        float *x = rows + i * (D + O), *y = x + D;
        for (size_t k = 0; k < D; k++)
            x[k] = (float)(tn__rng_normal(&rng) + 0.3 * (double)k);
        for (size_t o = 0; o < O; o++) {
            double sum = 2 + (double)o + noise * tn__rng_normal(&rng);
            for (size_t k = 0; k < D; k++)
                sum += (double)x[k] * w[k * O + o];
            y[o] = (float)sum;
        }
    }
}

static void random_weights(double *w, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < D * O; i++)
        w[i] = tn__rng_normal(&rng);
}

static tn__ridge sums_of(const float *rows, tn__workers *workers)
{
    tn__ridge sums = {0};
    assert_ok(tn__ridge_create(&sums, D, O, BLOCK, workers, err));
    for (size_t i = 0; i < ROWS; i += BLOCK) {
        size_t n = ROWS - i < BLOCK ? ROWS - i : BLOCK;
        memcpy(sums.block, rows + i * (D + O), n * (D + O) * sizeof *rows);
        assert_ok(tn__ridge_add(&sums, n, err));
    }
    return sums;
}

static void weights_and_constant_are_found_where_there_is_no_noise(void **state)
{
    (void)state;
    float rows[ROWS * (D + O)];
    double w[D * O], found[D * O] = {0}, constant[O];
    tn__workers *workers = NULL;
    random_weights(w, 1);
    make_rows(rows, w, 0, 2);
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__ridge sums = sums_of(rows, workers);
    assert_ok(tn__ridge_solve(found, constant, &sums, 0, err));
    for (size_t i = 0; i < D * O; i++)
        assert_near(found[i], w[i], 1e-4);
    for (size_t o = 0; o < O; o++)
        assert_near(constant[o], 2 + (double)o, 1e-3);
    tn__ridge_release(&sums);
    tn__workers_free(workers);
}

/* |x w + c - y|^2 / rows + lambda |w - w0|^2 with lambda absolute. */
static double objective(const float *rows, const double *w, const double *c,
                        const double *start, double lambda)
{
    double sum = 0, ridge = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t o = 0; o < O; o++) {
            const float *x = rows + i * (D + O);
            double e = (c ? c[o] : 0) - (double)x[D + o];
            for (size_t k = 0; k < D; k++)
                e += (double)x[k] * w[k * O + o];
            sum += e * e;
        }
    for (size_t i = 0; i < D * O; i++)
        ridge += (w[i] - start[i]) * (w[i] - start[i]);
    return sum / ROWS + lambda * ridge;
}

/* Mean diagonal of the second moments of x, about its mean or about zero. */
static double mean_diagonal(const float *rows, bool centred)
{
    double total = 0;
    for (size_t k = 0; k < D; k++) {
        double first = 0, second = 0;
        for (size_t i = 0; i < ROWS; i++) {
            double x = (double)rows[i * (D + O) + k];
            first += x / ROWS;
            second += x * x / ROWS;
        }
        total += (second - (centred ? first * first : 0)) / D;
    }
    return total;
}

static void no_step_from_the_solution_is_better(void **state)
{
    (void)state;
    float rows[ROWS * (D + O)];
    double w[D * O], start[D * O], found[D * O], constant[O];
    tn__workers *workers = NULL;
    random_weights(w, 1);
    random_weights(start, 3);
    make_rows(rows, w, 0.5, 2);
    assert_ok(tn__workers_create(&workers, 1, err));
    for (int centred = 0; centred < 2; centred++) {
        double *c = centred ? constant : NULL;
        double lambda = 0.1 * mean_diagonal(rows, centred);
        tn__ridge sums = sums_of(rows, workers);
        memcpy(found, start, sizeof found);
        assert_ok(tn__ridge_solve(found, c, &sums, 0.1, err));
        double least = objective(rows, found, c, start, lambda);
        for (size_t i = 0; i < D * O; i++)
            for (int way = -1; way <= 1; way += 2) {
                double kept = found[i];
                found[i] += 0.01 * way;
                assert_true(objective(rows, found, c, start, lambda) > least);
                found[i] = kept;
            }
        tn__ridge_release(&sums);
    }
    tn__workers_free(workers);
}

static void a_large_ridge_keeps_the_weights(void **state)
{
    (void)state;
    float rows[ROWS * (D + O)];
    double w[D * O], start[D * O], found[D * O];
    tn__workers *workers = NULL;
    random_weights(w, 1);
    random_weights(start, 3);
    make_rows(rows, w, 0.5, 2);
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__ridge sums = sums_of(rows, workers);
    memcpy(found, start, sizeof found);
    assert_ok(tn__ridge_solve(found, NULL, &sums, 1e9, err));
    for (size_t i = 0; i < D * O; i++)
        assert_near(found[i], start[i], 1e-6);
    double constant[O], best[O];
    assert_ok(tn__ridge_solve(found, constant, &sums, 1e9, err));
    tn__ridge_constant(best, &sums, start);
    for (size_t o = 0; o < O; o++)
        assert_near(best[o], constant[o], 1e-6);
    tn__ridge_release(&sums);
    tn__workers_free(workers);
}

static void the_residual_is_the_sum_of_squares(void **state)
{
    (void)state;
    float rows[ROWS * (D + O)];
    double w[D * O], zero[D * O] = {0}, constant[O] = {1, 2, 3}, found = 0;
    tn__workers *workers = NULL;
    random_weights(w, 1);
    make_rows(rows, w, 0.5, 2);
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__ridge sums = sums_of(rows, workers);
    memcpy(sums.block, rows, BLOCK * (D + O) * sizeof *rows);
    assert_ok(tn__ridge_residual(&found, &sums, w, constant, BLOCK, err));
    double expected = 0;
    for (size_t i = 0; i < BLOCK; i++)
        for (size_t o = 0; o < O; o++) {
            const float *x = rows + i * (D + O);
            double e = constant[o] - (double)x[D + o];
            for (size_t k = 0; k < D; k++)
                e += (double)x[k] * w[k * O + o];
            expected += e * e;
        }
    assert_near(found, expected, 1e-4 * expected);
    assert_true(objective(rows, w, constant, zero, 0) > 0);
    tn__ridge_release(&sums);
    tn__workers_free(workers);
}

static void answers_may_be_mixed_after_they_were_summed(void **state)
{
    (void)state;
    enum { MIXED = 2 };
    static const double m[O * MIXED] = {1, 0.5, -2, 0, 0.25, 3}, added[MIXED] = {4, -1};
    float rows[ROWS * (D + O)];
    double w[D * O], of_all[D * O] = {0}, of_mixed[D * MIXED] = {0};
    double constant[O], mixed_constant[MIXED];
    tn__workers *workers = NULL;
    random_weights(w, 1);
    make_rows(rows, w, 0.5, 2);
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__ridge sums = sums_of(rows, workers);
    assert_ok(tn__ridge_solve(of_all, constant, &sums, 1e-2, err));
    assert_ok(tn__ridge_mix(&sums, m, added, MIXED, err));
    assert_ok(tn__ridge_solve(of_mixed, mixed_constant, &sums, 1e-2, err));
    for (size_t c = 0; c < MIXED; c++) { /* least squares are linear in the answers */
        double expected = added[c];
        for (size_t o = 0; o < O; o++)
            expected += constant[o] * m[o * MIXED + c];
        assert_near(mixed_constant[c], expected, 1e-5);
        for (size_t k = 0; k < D; k++) {
            expected = 0;
            for (size_t o = 0; o < O; o++)
                expected += of_all[k * O + o] * m[o * MIXED + c];
            assert_near(of_mixed[k * MIXED + c], expected, 1e-6);
        }
    }
    tn__ridge_release(&sums);
    tn__workers_free(workers);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    float rows[ROWS * (D + O)];
    double w[D * O], found[2][D * O] = {{0}}, constant[2][O];
    random_weights(w, 1);
    make_rows(rows, w, 0.5, 2);
    for (size_t k = 0; k < 2; k++) {
        tn__workers *workers = NULL;
        assert_ok(tn__workers_create(&workers, k + 1, err));
        tn__ridge sums = sums_of(rows, workers);
        assert_ok(tn__ridge_solve(found[k], constant[k], &sums, 1e-3, err));
        tn__ridge_release(&sums);
        tn__workers_free(workers);
    }
    assert_memory_equal(found[0], found[1], sizeof found[0]);
    assert_memory_equal(constant[0], constant[1], sizeof constant[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_and_constant_are_found_where_there_is_no_noise),
        cmocka_unit_test(no_step_from_the_solution_is_better),
        cmocka_unit_test(a_large_ridge_keeps_the_weights),
        cmocka_unit_test(the_residual_is_the_sum_of_squares),
        cmocka_unit_test(answers_may_be_mixed_after_they_were_summed),
        cmocka_unit_test(threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
