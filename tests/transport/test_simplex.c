/* test_simplex.c - the network simplex against the assignment solver. */
#include "ot_reference.h"

#include "transport/simplex.h"

/* Cost of the flow; checks its marginals, that potentials price every arc at 0 or more
 * and that they price what carries mass at 0. */
static double solve(const double *cost, size_t n, size_t m, const int64_t *mass)
{
    tn__simplex s;
    assert_ok(tn__simplex_create(&s, cost, n, m, err));
    memcpy(s.mass, mass, (n + m) * sizeof *mass);
    assert_ok(tn__simplex_solve(&s, err));
    tn__flow *flow = calloc(n + m, sizeof *flow);
    int64_t *left = calloc(n + m, sizeof *left);
    memcpy(left, mass, (n + m) * sizeof *left);
    double total = 0;
    size_t count = tn__simplex_flow(&s, flow);
    assert_true(count < n + m);
    for (size_t e = 0; e < count; e++) {
        assert_true(flow[e].mass > 0);
        left[flow[e].row] -= flow[e].mass;
        left[n + flow[e].column] -= flow[e].mass;
        double c = cost[flow[e].row * m + flow[e].column];
        assert_near(c + s.potential[flow[e].row] - s.potential[n + flow[e].column], 0,
                    1e-9);
        total += (double)flow[e].mass * c;
    }
    for (size_t k = 0; k < n + m; k++)
        assert_true(left[k] == 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            assert_true(cost[i * m + j] + s.potential[i] - s.potential[n + j] > -1e-9);
    free(left);
    free(flow);
    tn__simplex_release(&s);
    return total;
}

static void unit_masses_agree_with_the_assignment(void **state)
{
    (void)state;
    enum { N = 90 };
    int64_t ones[2 * N];
    uint32_t column[N];
    for (size_t k = 0; k < (size_t)2 * N; k++)
        ones[k] = 1;
    for (uint64_t k = 0; k < 12; k++) {
        double total, *cost = k % 2 ? point_costs(N, N, 1 + k / 2, k)
                                    : random_costs(N, N, k * k, k);
        assert_ok(tn_ot_assign(column, &total, NULL, cost, N, err));
        assert_near(solve(cost, N, N, ones), total, 1e-9 * fmax(1, fabs(total)));
        free(cost);
    }
}

static void masses_with_zeros_and_ties_are_carried(void **state)
{
    (void)state;
    tn__rng rng;
    tn__rng_seed(&rng, 4, 0);
    for (size_t k = 0; k < 60; k++) {
        size_t n = 1 + tn__rng_below(&rng, 40), m = 1 + tn__rng_below(&rng, 70);
        int64_t *mass = calloc(n + m, sizeof *mass), sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += mass[i] = (int64_t)tn__rng_below(&rng, 4);
        for (; sum > 0; sum--)
            mass[n + tn__rng_below(&rng, m)]++;
        double *cost = random_costs(n, m, k % 4, k);
        solve(cost, n, m, mass);
        free(cost);
        free(mass);
    }
}

static void costs_that_are_not_finite_fail(void **state)
{
    (void)state;
    const double cost[] = {1, HUGE_VAL};
    tn__simplex s;
    assert_ok(tn__simplex_create(&s, cost, 1, 2, err));
    s.mass[0] = 2;
    s.mass[1] = s.mass[2] = 1;
    assert_fails(tn__simplex_solve(&s, err), TN_ERROR_NUMERIC, "cost [0, 1]");
    tn__simplex_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unit_masses_agree_with_the_assignment),
        cmocka_unit_test(masses_with_zeros_and_ties_are_carried),
        cmocka_unit_test(costs_that_are_not_finite_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
