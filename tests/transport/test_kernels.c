/* test_kernels.c - the vector loops of transport against plain loops. */
#include "test.h"

#include "base/rng.h"
#include "transport/kernels.h"

enum { MOST = 70 };

typedef struct {
    double c[MOST], v[MOST];
} rows;

static rows random_rows(uint64_t seed)
{
    rows r;
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t j = 0; j < MOST; j++) {
        r.c[j] = tn__rng_normal(&rng);
        r.v[j] = tn__rng_normal(&rng);
    }
    return r;
}

static void minima_equal_a_plain_loop_at_every_length(void **state)
{
    (void)state;
    rows r = random_rows(1);
    double reduced[MOST], block[MOST / TN__ROW_BLOCK + 1];
    for (size_t m = 1; m <= MOST; m++) {
        double low = HUGE_VAL, largest = 0, of_blocks = HUGE_VAL;
        for (size_t j = 0; j < m; j++) {
            low = fmin(low, r.c[j] - r.v[j]);
            largest = fmax(largest, fabs(r.c[j]));
        }
        assert_true(tn__row_min(r.c, r.v, m) == low);
        assert_true(tn__row_largest(r.c, m) == largest);
        tn__row_reduce(reduced, block, r.c, r.v, m);
        for (size_t j = 0; j < m; j++) {
            assert_true(reduced[j] == r.c[j] - r.v[j]);
            assert_true(block[j / TN__ROW_BLOCK] <= reduced[j]);
            of_blocks = fmin(of_blocks, block[j / TN__ROW_BLOCK]);
        }
        assert_true(of_blocks == low);
    }
}

static void relaxing_keeps_the_nearest_row(void **state)
{
    (void)state;
    for (size_t m = 1; m <= MOST; m++) {
        double distance[MOST], block[MOST / TN__ROW_BLOCK + 1], expected[MOST];
        uint32_t from[MOST] = {0}, nearest[MOST] = {0};
        for (size_t j = 0; j < m; j++)
            expected[j] = distance[j] = HUGE_VAL;
        for (uint32_t i = 1; i < 6; i++) {
            rows r = random_rows(i);
            double least = tn__row_relax(distance, from, block, r.c, r.v, 0.5, i, m);
            double low = HUGE_VAL;
            for (size_t j = 0; j < m; j++) {
                double reached = r.c[j] - r.v[j] - 0.5;
                nearest[j] = reached < expected[j] ? i : nearest[j];
                expected[j] = fmin(expected[j], reached);
                low = fmin(low, expected[j]);
                assert_true(distance[j] == expected[j]);
                assert_int_equal(from[j], nearest[j]);
                assert_true(block[j / TN__ROW_BLOCK] <= distance[j]);
            }
            assert_true(least == low);
        }
    }
}

static void column_reduction_finds_what_is_not_finite(void **state)
{
    (void)state;
    for (size_t m = 1; m <= MOST; m++) {
        double v[MOST];
        uint32_t row[MOST] = {0};
        rows r = random_rows(m);
        for (size_t j = 0; j < m; j++)
            v[j] = HUGE_VAL;
        assert_true(tn__column_reduce(v, row, r.c, 7, m));
        for (size_t j = 0; j < m; j++) {
            assert_true(v[j] == r.c[j]);
            assert_int_equal(row[j], 7);
        }
        r.c[m - 1] = m % 2 ? HUGE_VAL : (double)NAN;
        assert_false(tn__column_reduce(v, row, r.c, 8, m));
    }
}

static void exp_is_good_to_the_last_places(void **state)
{
    (void)state;
    const double one = 1, zero = 0;
    for (double x = -599.9; x < 700; x += 0.0137) {
        double y;
        tn__row_exp(&y, &one, &zero, &zero, 1, x, 1, 1);
        assert_near(y / exp(x), 1, 5e-16);
        assert_true(tn__row_exp_sum(&one, &zero, &zero, x, 1, 1) == y);
    }
    double y;
    tn__row_exp(&y, &one, &zero, &zero, 1, -1e300, 1, 1);
    assert_near(y, 0, 1e-250);
}

static void sums_of_exponentials_and_products_equal_plain_loops(void **state)
{
    (void)state;
    rows r = random_rows(3), w = random_rows(4);
    for (size_t m = 1; m <= MOST; m++) {
        double sum = 0, dot = 0, p[MOST], out[MOST];
        for (size_t j = 0; j < m; j++) {
            sum += w.c[j] * exp((r.v[j] - r.c[j] + 0.25) * 2);
            dot += r.v[j] * r.c[j];
        }
        assert_near(tn__row_exp_sum(w.c, r.v, r.c, 0.25, 2, m), sum, 1e-11);
        assert_near(tn__row_dot(r.v, r.c, m), dot, 1e-13);
        tn__row_exp(p, w.c, r.v, r.c, 3, 0.25, 2, m);
        memcpy(out, r.c, sizeof out);
        tn__row_add(out, r.v, 2, m);
        for (size_t j = 0; j < m; j++) {
            double expected = 3 * w.c[j] * exp((r.v[j] - r.c[j] + 0.25) * 2);
            assert_near(p[j], expected, 1e-14 * fabs(expected));
            assert_true(out[j] == r.c[j] + 2 * r.v[j]);
        }
    }
}

static void distances_equal_plain_loops_and_are_zero_between_equal_rows(void **state)
{
    (void)state;
    rows r = random_rows(5);
    for (size_t m = 1; m <= MOST; m++) {
        double plain = 0, squared = 0;
        for (size_t j = 0; j < m; j++) {
            plain += fabs(r.v[j] - r.c[j]);
            squared += (r.v[j] - r.c[j]) * (r.v[j] - r.c[j]);
        }
        assert_near(tn__row_distance(r.v, r.c, m), plain, 1e-13 * plain);
        assert_near(tn__row_distance_squared(r.v, r.c, m), squared, 1e-13 * squared);
        assert_true(tn__row_distance(r.c, r.c, m) == 0);
        assert_true(tn__row_distance_squared(r.c, r.c, m) == 0);
    }
}

static void a_sum_keeps_what_rounding_loses(void **state)
{
    (void)state;
    tn__sum s = {0};
    tn__sum_add(&s, 1e16);
    for (size_t k = 0; k < 1000; k++)
        tn__sum_add(&s, 1);
    tn__sum_add(&s, -1e16);
    assert_true(s.sum + s.lost == 1000);
}

static void transposing_twice_is_nothing(void **state)
{
    (void)state;
    enum { N = 37, M = 21 };
    double a[N * M], b[N * M], c[N * M];
    for (size_t k = 0; k < (size_t)N * M; k++)
        a[k] = (double)k;
    tn__transpose(b, a, N, M);
    assert_true(b[5 * N + 3] == a[3 * M + 5]);
    tn__transpose(c, b, M, N);
    assert_memory_equal(a, c, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minima_equal_a_plain_loop_at_every_length),
        cmocka_unit_test(relaxing_keeps_the_nearest_row),
        cmocka_unit_test(column_reduction_finds_what_is_not_finite),
        cmocka_unit_test(exp_is_good_to_the_last_places),
        cmocka_unit_test(sums_of_exponentials_and_products_equal_plain_loops),
        cmocka_unit_test(distances_equal_plain_loops_and_are_zero_between_equal_rows),
        cmocka_unit_test(a_sum_keeps_what_rounding_loses),
        cmocka_unit_test(transposing_twice_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
