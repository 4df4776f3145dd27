/* test_assign.c - assignments against brute force, and the properties of hard ones. */
#include "ot_reference.h"

#include "base/base.h"

/* Solves, checks that the answer is a permutation with its total and no gap. */
static double solve(const double *cost, size_t n, uint32_t *column)
{
    double total = 0, gap = 1, sum = 0;
    bool *taken = calloc(n, sizeof *taken);
    assert_ok(tn_ot_assign(column, &total, &gap, cost, n, err));
    for (size_t i = 0; i < n; i++) {
        assert_true(column[i] < n && !taken[column[i]]);
        taken[column[i]] = true;
        sum += cost[i * n + column[i]];
    }
    free(taken);
    assert_near(total, sum, 1e-9 * fmax(1, fabs(sum)));
    assert_near(gap, 0, 1e-12);
    return total;
}

static void small_assignments_equal_brute_force(void **state)
{
    (void)state;
    const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    const uint64_t values[] = {0, 1, 2, 5, 100};
    uint32_t column[8];
    for (size_t n = 1; n <= 7; n++) {
        for (uint64_t k = 0; k < 5 * (n < 7 ? 20 : 2); k++) {
            double *cost = random_costs(n, n, values[k % 5], k);
            assert_near(solve(cost, n, column), brute_force(cost, ones, ones, n, n),
                        1e-12);
            free(cost);
        }
    }
    double *cost = random_costs(8, 8, 0, 77);
    assert_near(solve(cost, 8, column), brute_force(cost, ones, ones, 8, 8), 1e-12);
    free(cost);
}

static void hard_costs_have_no_gap(void **state)
{
    (void)state;
    enum { N = 150 };
    uint32_t column[N];
    double *cost = calloc((size_t)N * N, sizeof *cost);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            cost[i * N + j] = (double)(i + 1) * (double)(j + 1);
    double expected = 0;
    for (size_t i = 0; i < N; i++)
        expected += (double)(i + 1) * (double)(N - i);
    assert_true(solve(cost, N, column) == expected);
    free(cost);
    const uint64_t values[] = {0, 1, 2, 10, 1000};
    for (size_t k = 0; k < TN__COUNT(values); k++) {
        cost = random_costs(N, N, values[k], k);
        solve(cost, N, column);
        free(cost);
        cost = point_costs(N, N, k + 1, k);
        solve(cost, N, column);
        free(cost);
    }
}

static void the_identity_is_found_and_a_permutation_recovered(void **state)
{
    (void)state;
    enum { N = 200, D = 6 };
    double *x = random_costs(N, D, 0, 3), *y = calloc((size_t)N * D, sizeof *y);
    double *cost = calloc((size_t)N * N, sizeof *cost);
    uint32_t order[N], column[N];
    tn__rng rng;
    tn__rng_seed(&rng, 9, 0);
    tn__rng_permutation(&rng, order, N);
    for (size_t i = 0; i < N; i++)
        memcpy(y + order[i] * (size_t)D, x + i * D, D * sizeof *y);
    assert_ok(tn_ot_cost(cost, x, y, N, N, D, TN_OT_EUCLIDEAN, err));
    solve(cost, N, column);
    assert_memory_equal(column, order, sizeof order);
    assert_ok(tn_ot_cost(cost, x, x, N, N, D, TN_OT_SQUARED_EUCLIDEAN, err));
    solve(cost, N, column);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(column[i], i);
    free(x);
    free(y);
    free(cost);
}

static void two_runs_give_the_same_answer(void **state)
{
    (void)state;
    enum { N = 120 };
    for (uint64_t values = 0; values < 4; values++) {
        uint32_t first[N], second[N];
        double *cost = random_costs(N, N, values, 5);
        solve(cost, N, first);
        solve(cost, N, second);
        assert_memory_equal(first, second, sizeof first);
        free(cost);
    }
}

static void bad_costs_fail(void **state)
{
    (void)state;
    uint32_t column[2] = {7, 7};
    const double nan_cost[] = {1, 2, 3, (double)NAN};
    const double infinite[] = {1, HUGE_VAL, 3, 4};
    assert_fails(tn_ot_assign(column, NULL, NULL, nan_cost, 2, err), TN_ERROR_NUMERIC,
                 "cost [1, 1]");
    assert_fails(tn_ot_assign(column, NULL, NULL, infinite, 2, err), TN_ERROR_NUMERIC,
                 "cost [0, 1]");
    assert_fails(tn_ot_assign(column, NULL, NULL, infinite, 0, err), TN_ERROR_ARGUMENT,
                 "n is 0");
    assert_true(column[0] == 7 && column[1] == 7);
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    enum { N = 64 };
    uint32_t column[N];
    double total = -1, gap = -1, *cost = point_costs(N, N, 3, 1);
    memset(column, 0xab, sizeof column);
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status != TN_OK; k++) {
        tn_error err = {0};
        assert_true(total == -1 && gap == -1 && column[0] == 0xabababab);
        tn__alloc_fail_after(k);
        status = tn_ot_assign(column, &total, &gap, cost, N, &err);
        tn__alloc_fail_after(0);
        if (status)
            assert_int_equal(status, TN_ERROR_MEMORY);
        assert_true(k < 100);
    }
    free(cost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_assignments_equal_brute_force),
        cmocka_unit_test(hard_costs_have_no_gap),
        cmocka_unit_test(the_identity_is_found_and_a_permutation_recovered),
        cmocka_unit_test(two_runs_give_the_same_answer),
        cmocka_unit_test(bad_costs_fail),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
