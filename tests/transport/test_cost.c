/* test_cost.c - costs by one product against costs by definition. */
#include "test.h"

#include "base/base.h"
#include "base/rng.h"
#include "tenon/transport.h"

enum { N = 7, M = 5, D = 9 };

typedef struct {
    double x[N * D], y[M * D];
} points;

static points random_points(void)
{
    points p;
    tn__rng rng;
    tn__rng_seed(&rng, 5, 0);
    for (size_t k = 0; k < (size_t)N * D; k++)
        p.x[k] = tn__rng_normal(&rng);
    for (size_t k = 0; k < (size_t)M * D; k++)
        p.y[k] = tn__rng_normal(&rng);
    return p;
}

static void distances_equal_their_definition(void **state)
{
    (void)state;
    points p = random_points();
    double cost[N * M], square[N * M];
    assert_ok(tn_ot_cost(cost, p.x, p.y, N, M, D, TN_OT_EUCLIDEAN, err));
    assert_ok(tn_ot_cost(square, p.x, p.y, N, M, D, TN_OT_SQUARED_EUCLIDEAN, err));
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < M; j++) {
            double sum = 0;
            for (size_t k = 0; k < D; k++)
                sum += pow(p.x[i * D + k] - p.y[j * D + k], 2);
            assert_near(square[i * M + j], sum, 1e-12);
            assert_near(cost[i * M + j], sqrt(sum), 1e-12);
        }
    }
}

static void cosine_ignores_lengths_and_is_one_at_zero(void **state)
{
    (void)state;
    const double x[] = {3, 0, 0, 2, -1, 0, 0, 0}, y[] = {5, 0, 1, 1};
    double cost[8];
    assert_ok(tn_ot_cost(cost, x, y, 4, 2, 2, TN_OT_COSINE, err));
    const double expected[] = {0, 1 - sqrt(0.5), 1, 1 - sqrt(0.5),
                               2, 1 + sqrt(0.5), 1, 1};
    for (size_t k = 0; k < 8; k++)
        assert_near(cost[k], expected[k], 1e-15);
}

static void equal_points_are_never_below_zero_apart(void **state)
{
    (void)state;
    points p = random_points();
    double cost[N * N];
    assert_ok(tn_ot_cost(cost, p.x, p.x, N, N, D, TN_OT_SQUARED_EUCLIDEAN, err));
    for (size_t i = 0; i < N; i++)
        assert_true(cost[i * N + i] >= 0 && cost[i * N + i] < 1e-13);
}

static void points_without_coordinates_coincide(void **state)
{
    (void)state;
    double cost[2] = {5, 5}, x = 0;
    assert_ok(tn_ot_cost(cost, &x, &x, 1, 2, 0, TN_OT_EUCLIDEAN, err));
    assert_true(cost[0] == 0 && cost[1] == 0);
}

static void bad_points_fail_and_leave_the_cost_alone(void **state)
{
    (void)state;
    double cost[4] = {9, 9, 9, 9}, x[] = {0, 1};
    const double y[] = {(double)NAN, 1}, huge[] = {1, 1e200};
    assert_fails(tn_ot_cost(cost, x, y, 2, 2, 1, TN_OT_EUCLIDEAN, err),
                 TN_ERROR_NUMERIC, "point 0 of y");
    assert_fails(tn_ot_cost(cost, huge, x, 2, 2, 1, TN_OT_COSINE, err),
                 TN_ERROR_NUMERIC, "point 1 of x");
    assert_fails(tn_ot_cost(cost, x, x, 0, 2, 1, TN_OT_EUCLIDEAN, err),
                 TN_ERROR_ARGUMENT, "0 sources");
    assert_fails(tn_ot_cost(cost, x, x, 2, 2, 1, (tn_ot_metric)9, err),
                 TN_ERROR_ARGUMENT, "metric 9");
    tn__alloc_fail_after(1);
    assert_fails(tn_ot_cost(cost, x, x, 2, 2, 1, TN_OT_COSINE, err), TN_ERROR_MEMORY,
                 "");
    tn__alloc_fail_after(0);
    for (size_t k = 0; k < 4; k++)
        assert_true(cost[k] == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_equal_their_definition),
        cmocka_unit_test(cosine_ignores_lengths_and_is_one_at_zero),
        cmocka_unit_test(equal_points_are_never_below_zero_apart),
        cmocka_unit_test(points_without_coordinates_coincide),
        cmocka_unit_test(bad_points_fail_and_leave_the_cost_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
