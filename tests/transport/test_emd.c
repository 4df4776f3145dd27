/* test_emd.c - exact plans against brute force, and their marginals, gap and order. */
#include "ot_reference.h"

#include "base/base.h"

static double solve(const double *mu, const double *nu, const double *cost, size_t n,
                    size_t m)
{
    tn_ot_plan plan;
    assert_ok(tn_ot_emd(&plan, mu, nu, cost, n, m, err));
    assert_true(plan.n == n && plan.m == m);
    check_plan(&plan, mu, nu, cost);
    double total = plan.cost;
    tn_ot_plan_release(&plan);
    assert_null(plan.mass);
    return total;
}

static void small_integer_masses_equal_brute_force(void **state)
{
    (void)state;
    tn__rng rng;
    tn__rng_seed(&rng, 8, 0);
    for (uint64_t k = 0; k < 150; k++) {
        size_t n = 1 + tn__rng_below(&rng, 5), m = 1 + tn__rng_below(&rng, 5);
        size_t sum = 1 + tn__rng_below(&rng, 6);
        double mu[5] = {0}, nu[5] = {0}, *cost = random_costs(n, m, k % 4, k);
        for (size_t unit = 0; unit < sum; unit++) {
            mu[tn__rng_below(&rng, n)]++;
            nu[tn__rng_below(&rng, m)]++;
        }
        assert_near(solve(mu, nu, cost, n, m), brute_force(cost, mu, nu, n, m), 1e-12);
        free(cost);
    }
}

static void uniform_masses_of_unequal_sizes_equal_brute_force(void **state)
{
    (void)state;
    const size_t sizes[][2] = {{1, 6}, {6, 1}, {2, 4}, {4, 2},
                               {2, 6}, {6, 3}, {2, 3}, {3, 2}};
    for (size_t s = 0; s < TN__COUNT(sizes); s++) {
        size_t n = sizes[s][0], m = sizes[s][1],
               units = n % m && m % n ? n * m : TN__MAX(n, m);
        double mu[6], nu[6];
        for (size_t i = 0; i < n; i++)
            mu[i] = (double)(units / n);
        for (size_t j = 0; j < m; j++)
            nu[j] = (double)(units / m);
        for (uint64_t k = 0; k < 10; k++) {
            double *cost = random_costs(n, m, k % 3, k);
            double expected = brute_force(cost, mu, nu, n, m) / (double)units;
            assert_near(solve(NULL, NULL, cost, n, m), expected, 1e-12);
            free(cost);
        }
    }
}

static void plan_has_the_marginals(void **state)
{
    (void)state;
    const size_t sizes[][2] = {{100, 100}, {100, 50}, {50, 100}, {100, 99},
                               {99, 100},  {1, 70},   {70, 1},   {1, 1}};
    for (size_t s = 0; s < TN__COUNT(sizes); s++) {
        size_t n = sizes[s][0], m = sizes[s][1];
        double *cost = point_costs(n, m, 4, s), *mu = random_costs(n, 1, 0, s),
               *nu = random_costs(m, 1, 0, s + 50), mu_sum = 0, nu_sum = 0;
        solve(NULL, NULL, cost, n, m);
        for (size_t i = 0; i < n; i++)
            mu_sum += mu[i] = i % 5 == 4 ? 0 : exp(3 * mu[i]);
        for (size_t j = 0; j < m; j++)
            nu_sum += nu[j] = j % 7 == 6 ? 0 : nu[j] * nu[j];
        for (size_t j = 0; j < m; j++)
            nu[j] *= mu_sum / nu_sum;
        solve(mu, nu, cost, n, m);
        for (size_t i = 0; i < n; i++)
            mu[i] /= mu_sum;
        solve(mu, NULL, cost, n, m);
        free(cost);
        free(mu);
        free(nu);
    }
}

static void square_uniform_plans_are_the_assignment(void **state)
{
    (void)state;
    enum { N = 80 };
    uint32_t column[N];
    double *cost = point_costs(N, N, 8, 2), total, three[N];
    for (size_t i = 0; i < N; i++)
        three[i] = 3;
    assert_ok(tn_ot_assign(column, &total, NULL, cost, N, err));
    tn_ot_plan plan;
    assert_ok(tn_ot_emd(&plan, three, three, cost, N, N, err));
    assert_int_equal(plan.count, N);
    for (size_t e = 0; e < N; e++) {
        assert_int_equal(plan.source[e], e);
        assert_int_equal(plan.target[e], column[e]);
        assert_near(plan.mass[e], 3, 1e-15);
    }
    assert_near(plan.cost, 3 * total, 1e-10);
    tn_ot_plan_release(&plan);
    free(cost);
}

static void transport_is_symmetric(void **state)
{
    (void)state;
    enum { N = 60, M = 43 };
    double *cost = point_costs(N, M, 3, 6), transposed[N * M];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < M; j++)
            transposed[j * N + i] = cost[i * M + j];
    assert_near(solve(NULL, NULL, cost, N, M), solve(NULL, NULL, transposed, M, N),
                1e-13);
    free(cost);
}

static void two_runs_give_the_same_bytes(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 3};
    for (size_t k = 0; k < 2; k++) {
        double *cost = random_costs(70, 45, values[k], k);
        tn_ot_plan a, b;
        assert_ok(tn_ot_emd(&a, NULL, NULL, cost, 70, 45, err));
        assert_ok(tn_ot_emd(&b, NULL, NULL, cost, 70, 45, err));
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.source, b.source, a.count * sizeof *a.source);
        assert_memory_equal(a.target, b.target, a.count * sizeof *a.target);
        assert_memory_equal(a.mass, b.mass, a.count * sizeof *a.mass);
        assert_true(a.cost == b.cost && a.gap == b.gap);
        tn_ot_plan_release(&a);
        tn_ot_plan_release(&b);
        free(cost);
    }
}

static void bad_input_fails_and_leaves_the_plan_alone(void **state)
{
    (void)state;
    tn_ot_plan plan = {.count = 77};
    const double cost[] = {0, 1, 1, 0}, bad[] = {0, 1, (double)NAN, 0};
    const double negative[] = {2, -1}, unequal[] = {1, 0.5}, none[] = {0, 0},
                 infinite[] = {1, HUGE_VAL};
    assert_fails(tn_ot_emd(&plan, negative, NULL, cost, 2, 2, err), TN_ERROR_ARGUMENT,
                 "mu[1] is -1");
    assert_fails(tn_ot_emd(&plan, NULL, infinite, cost, 2, 2, err), TN_ERROR_ARGUMENT,
                 "nu[1] is inf");
    assert_fails(tn_ot_emd(&plan, NULL, unequal, cost, 2, 2, err), TN_ERROR_ARGUMENT,
                 "masses differ");
    assert_fails(tn_ot_emd(&plan, none, none, cost, 2, 2, err), TN_ERROR_ARGUMENT,
                 "sum to 0");
    assert_fails(tn_ot_emd(&plan, NULL, NULL, cost, 0, 2, err), TN_ERROR_ARGUMENT,
                 "0 sources");
    assert_fails(tn_ot_emd(&plan, NULL, NULL, cost, 2, 0, err), TN_ERROR_ARGUMENT,
                 "0 targets");
    assert_fails(tn_ot_emd(&plan, NULL, NULL, bad, 2, 2, err), TN_ERROR_NUMERIC,
                 "not a finite number");
    assert_int_equal(plan.count, 77);
    tn_ot_plan_release(NULL);
}

/* Runs with the k-th allocation failing, for every k until none does. */
static void fail_every_allocation(const double *mu, size_t n, size_t m)
{
    double *cost = point_costs(n, m, 3, 1);
    tn_ot_plan plan = {.count = 77};
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status != TN_OK; k++) {
        tn_error err = {0};
        assert_int_equal(plan.count, 77);
        tn__alloc_fail_after(k);
        status = tn_ot_emd(&plan, mu, NULL, cost, n, m, &err);
        tn__alloc_fail_after(0);
        if (status)
            assert_int_equal(status, TN_ERROR_MEMORY);
        assert_true(k < 100);
    }
    tn_ot_plan_release(&plan);
    free(cost);
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    const double mu[] = {0.5, 0.25, 0.25};
    fail_every_allocation(NULL, 64, 64);
    fail_every_allocation(NULL, 64, 32);
    fail_every_allocation(NULL, 64, 63);
    fail_every_allocation(mu, 3, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_integer_masses_equal_brute_force),
        cmocka_unit_test(uniform_masses_of_unequal_sizes_equal_brute_force),
        cmocka_unit_test(plan_has_the_marginals),
        cmocka_unit_test(square_uniform_plans_are_the_assignment),
        cmocka_unit_test(transport_is_symmetric),
        cmocka_unit_test(two_runs_give_the_same_bytes),
        cmocka_unit_test(bad_input_fails_and_leaves_the_plan_alone),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
