/* test_sinkhorn.c - entropic plans: marginals, limits, and what happens when they fail.
 */
#include "ot_reference.h"

#include "base/base.h"

enum { N = 30, M = 20 };

static void balanced_plans_have_the_marginals(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 3, 1), mu[N], nu[M], plan[N * M], cost, error;
    size_t iterations;
    double mu_sum = 0;
    for (size_t i = 0; i < N; i++)
        mu_sum += mu[i] = i == 4 ? 0 : 1 + (double)(i % 3);
    for (size_t j = 0; j < M; j++)
        nu[j] = j == 0 ? 0 : mu_sum / (M - 1);
    assert_ok(tn_ot_sinkhorn(plan, &cost, &error, &iterations, mu, nu, costs, N, M,
                             NULL, err));
    double sum = 0, off = 0;
    for (size_t i = 0; i < N; i++) {
        double row = 0;
        for (size_t j = 0; j < M; j++) {
            row += plan[i * M + j];
            sum += plan[i * M + j] * costs[i * M + j];
        }
        off += fabs(row - mu[i]);
    }
    for (size_t j = 0; j < M; j++) {
        double column = 0;
        for (size_t i = 0; i < N; i++)
            column += plan[i * M + j];
        off += fabs(column - nu[j]);
    }
    assert_true(off <= 1.01e-6 * mu_sum);
    assert_near(error, off, 1e-12);
    assert_near(cost, sum, 1e-9);
    assert_true(iterations > 0);
    free(costs);
}

static void cost_falls_to_the_exact_one(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 2, 7), plan[N * M], before = HUGE_VAL, cost;
    tn_ot_plan exact;
    assert_ok(tn_ot_emd(&exact, NULL, NULL, costs, N, M, err));
    const double weights[] = {1, 0.1, 0.01, 0.001};
    for (size_t k = 0; k < TN__COUNT(weights); k++) {
        tn_ot_sinkhorn_options options = TN_OT_SINKHORN_OPTIONS_INIT;
        options.regularization = weights[k];
        options.iterations = 200000;
        assert_ok(tn_ot_sinkhorn(plan, &cost, NULL, NULL, NULL, NULL, costs, N, M,
                                 &options, err));
        assert_true(cost < before && cost >= exact.cost - 1e-5);
        before = cost;
    }
    assert_near(before, exact.cost, 1e-3 * exact.cost);
    tn_ot_plan_release(&exact);
    free(costs);
}

static void units_of_cost_do_not_matter(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 3, 5), plan[N * M], scaled[N * M];
    assert_ok(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, N, M, NULL, err));
    for (size_t k = 0; k < (size_t)N * M; k++)
        costs[k] *= 1e6;
    assert_ok(
        tn_ot_sinkhorn(scaled, NULL, NULL, NULL, NULL, NULL, costs, N, M, NULL, err));
    for (size_t k = 0; k < (size_t)N * M; k++)
        assert_near(plan[k], scaled[k], 1e-9);
    free(costs);
}

static void equal_costs_give_the_product(void **state)
{
    (void)state;
    double costs[N * M] = {0}, plan[N * M];
    assert_ok(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, N, M, NULL, err));
    for (size_t k = 0; k < (size_t)N * M; k++)
        assert_near(plan[k], 1 / (double)(N * M), 1e-15);
}

/* The optimality of an unbalanced plan: eps log(P / (mu nu)) + C = f + g, where
 * f = -rho log(row sum / mu) and g likewise. */
static void unbalanced_plans_are_stationary(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 3, 2), mu[N], nu[M], plan[N * M];
    double rows[N] = {0}, columns[M] = {0}, mean = 0;
    tn_ot_sinkhorn_options options = {0.1, 1e-10, 10000, 0.5};
    for (size_t i = 0; i < N; i++)
        mu[i] = 0.02 * (double)(1 + i % 4);
    for (size_t j = 0; j < M; j++)
        nu[j] = 0.05;
    assert_ok(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, mu, nu, costs, N, M, &options, err));
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < M; j++) {
            rows[i] += plan[i * M + j];
            columns[j] += plan[i * M + j];
            mean += costs[i * M + j] / (N * M);
        }
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < M; j++) {
            double left = 0.1 * mean * log(plan[i * M + j] / (mu[i] * nu[j])),
                   right =
                       -0.5 * mean * (log(rows[i] / mu[i]) + log(columns[j] / nu[j]));
            assert_near(left + costs[i * M + j], right, 1e-7);
        }
    }
    free(costs);
}

/* Largest difference of an entry from the balanced plan. */
static double distance_from_balance(const double *costs, const double *balanced,
                                    double relaxation)
{
    double plan[N * M], largest = 0;
    tn_ot_sinkhorn_options options = {0.1, 1e-9, 100000, relaxation};
    assert_ok(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, N, M, &options, err));
    for (size_t k = 0; k < (size_t)N * M; k++)
        largest = fmax(largest, fabs(plan[k] - balanced[k]));
    return largest;
}

/* The penalty gives way to first order in 1 / relaxation. */
static void unbalanced_plans_approach_the_balanced_one(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 3, 4), balanced[N * M];
    tn_ot_sinkhorn_options options = {0.1, 1e-9, 100000, 0};
    assert_ok(tn_ot_sinkhorn(balanced, NULL, NULL, NULL, NULL, NULL, costs, N, M,
                             &options, err));
    double near = distance_from_balance(costs, balanced, 100);
    double nearer = distance_from_balance(costs, balanced, 1000);
    assert_true(near > 0);
    assert_near(nearer / near, 0.1, 0.01);
    free(costs);
}

static void small_weights_do_not_underflow(void **state)
{
    (void)state;
    double *costs = point_costs(N, N, 3, 9), plan[N * N], error, cost;
    for (size_t i = 0; i < N; i++)
        costs[i * N + i] = 0;
    tn_ot_sinkhorn_options options = {1e-5, 1e-6, 100000, 0};
    assert_ok(tn_ot_sinkhorn(plan, &cost, &error, NULL, NULL, NULL, costs, N, N,
                             &options, err));
    assert_near(error, 0, 1e-6);
    assert_near(cost, 0, 1e-6);
    for (size_t i = 0; i < N; i++)
        assert_near(plan[i * N + i], 1.0 / N, 1e-6);
    free(costs);
}

static void what_does_not_converge_leaves_the_plan_alone(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 3, 3), plan[N * M] = {42}, cost = 42;
    tn_ot_sinkhorn_options options = {0.001, 1e-12, 20, 0};
    assert_fails(
        tn_ot_sinkhorn(plan, &cost, NULL, NULL, NULL, NULL, costs, N, M, &options, err),
        TN_ERROR_NUMERIC, "no convergence");
    assert_true(plan[0] == 42 && cost == 42);
    free(costs);
}

static void bad_input_fails(void **state)
{
    (void)state;
    double plan[4];
    const double costs[] = {0, 1, 1, 0}, bad[] = {0, 1, 1, -HUGE_VAL};
    const double negative[] = {2, -1}, unequal[] = {1, 0.5};
    tn_ot_sinkhorn_options options = TN_OT_SINKHORN_OPTIONS_INIT;
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, bad, 2, 2, NULL, err),
        TN_ERROR_NUMERIC, "cost [1, 1]");
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, negative, NULL, costs, 2, 2, NULL, err),
        TN_ERROR_ARGUMENT, "mu[1]");
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, unequal, NULL, costs, 2, 2, NULL, err),
        TN_ERROR_ARGUMENT, "masses differ");
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, 2, 0, NULL, err),
        TN_ERROR_ARGUMENT, "0 targets");
    options.regularization = 0;
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, 2, 2, &options, err),
        TN_ERROR_ARGUMENT, "regularization");
    options.regularization = 1;
    options.relaxation = -1;
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, 2, 2, &options, err),
        TN_ERROR_ARGUMENT, "relaxation");
    options = (tn_ot_sinkhorn_options){1, 0, 10, 0};
    assert_fails(
        tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, 2, 2, &options, err),
        TN_ERROR_ARGUMENT, "tolerance");
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    double *costs = point_costs(N, M, 3, 3), plan[N * M] = {42};
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status != TN_OK; k++) {
        tn_error err = {0};
        assert_true(plan[0] == 42 && k < 20);
        tn__alloc_fail_after(k);
        status =
            tn_ot_sinkhorn(plan, NULL, NULL, NULL, NULL, NULL, costs, N, M, NULL, &err);
        tn__alloc_fail_after(0);
    }
    free(costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balanced_plans_have_the_marginals),
        cmocka_unit_test(cost_falls_to_the_exact_one),
        cmocka_unit_test(units_of_cost_do_not_matter),
        cmocka_unit_test(equal_costs_give_the_product),
        cmocka_unit_test(unbalanced_plans_are_stationary),
        cmocka_unit_test(unbalanced_plans_approach_the_balanced_one),
        cmocka_unit_test(small_weights_do_not_underflow),
        cmocka_unit_test(what_does_not_converge_leaves_the_plan_alone),
        cmocka_unit_test(bad_input_fails),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
