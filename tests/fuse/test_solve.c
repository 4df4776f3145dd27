/* test_solve.c - evidence to maps: permutations, marginals, scaling. */
#include "test.h"

#include "base/rng.h"
#include "fuse/fusion.h"

enum { N = 6 };

/* Evidence of x [n, d] against y [m, d]. */
static tn__evidence evidence_of(const double *x, const double *y, size_t n, size_t m,
                                size_t d)
{
    tn__evidence e;
    assert_ok(tn__evidence_create(&e, n, m, err));
    for (size_t k = 0; k < d; k++) {
        for (size_t i = 0; i < n; i++) {
            e.x[i] += x[i * d + k] * x[i * d + k];
            for (size_t j = 0; j < m; j++)
                e.dot[i * m + j] += x[i * d + k] * y[j * d + k];
        }
        for (size_t j = 0; j < m; j++)
            e.y[j] += y[j * d + k] * y[j * d + k];
    }
    return e;
}

static void fill(double *x, size_t count)
{
    tn__rng rng;
    tn__rng_seed(&rng, 11, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = tn__rng_normal(&rng);
}

/* Row j of the map, dense. */
static void row_of(double *out, double *in, const tn__map *map, size_t j)
{
    memset(out, 0, map->columns * sizeof *out);
    memset(in, 0, map->columns * sizeof *in);
    for (size_t e = map->first[j]; e < map->first[j + 1]; e++) {
        out[map->column[e]] = map->out[e];
        in[map->column[e]] = map->in[e];
    }
}

static void a_permutation_is_found_under_every_metric(void **state)
{
    (void)state;
    static const uint32_t order[N] = {3, 0, 5, 1, 4, 2};
    double x[N * 4], y[N * 4];
    fill(x, N * 4);
    for (size_t j = 0; j < N; j++)
        memcpy(y + j * 4, x + order[j] * 4, 4 * sizeof *y);
    for (int metric = TN_OT_EUCLIDEAN; metric <= TN_OT_COSINE; metric++) {
        tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
        tn__evidence e = evidence_of(x, y, N, N, 4);
        tn_fuse_group report = {0};
        tn__map map = {0};
        options.metric = (tn_ot_metric)metric;
        assert_ok(tn__solve(&map, &report, &e, NULL, NULL, &options, err));
        assert_non_null(map.select);
        assert_memory_equal(map.select, order, sizeof order);
        assert_near(report.cost, 0, 1e-7);
        assert_near(report.moved, 5.0 / 6, 1e-12);
        tn__map_release(&map);
        tn__evidence_release(&e);
    }
}

static void out_rows_are_convex_combinations(void **state)
{
    (void)state;
    double x[N * 3], out[N], in[N], whole[N] = {0};
    fill(x, N * 3);
    for (int solver = TN_SOLVER_EXACT; solver <= TN_SOLVER_SINKHORN; solver++) {
        tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
        tn__evidence e = evidence_of(x, x, N, 4, 3);
        tn_fuse_group report = {0};
        tn__map map = {0};
        options.solver = (tn_solver)solver;
        options.sinkhorn.regularization = 0.1;
        assert_ok(tn__solve(&map, &report, &e, NULL, NULL, &options, err));
        assert_int_equal(map.rows, 4);
        assert_int_equal(map.columns, N);
        memset(whole, 0, sizeof whole);
        for (size_t j = 0; j < 4; j++) {
            double sum = 0;
            row_of(out, in, &map, j);
            for (size_t i = 0; i < N; i++) {
                assert_true(out[i] >= 0);
                sum += out[i];
                whole[i] += in[i];
            }
            assert_near(sum, 1, 1e-12);
        }
        for (size_t i = 0; i < N; i++)
            assert_near(whole[i], 1, 1e-12);
        assert_true(report.marginal_error <= 1e-6);
        tn__map_release(&map);
        tn__evidence_release(&e);
    }
}

static void the_paper_scales_both_sides_alike(void **state)
{
    (void)state;
    double x[N * 3], out[N], in[N];
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    tn_fuse_group report = {0};
    tn__map map = {0};
    fill(x, N * 3);
    tn__evidence e = evidence_of(x, x, N, 3, 3);
    options.scaling = TN_SCALING_PAPER;
    assert_ok(tn__solve(&map, &report, &e, NULL, NULL, &options, err));
    for (size_t j = 0; j < 3; j++) {
        row_of(out, in, &map, j);
        assert_memory_equal(out, in, sizeof out);
    }
    tn__map_release(&map);
    tn__evidence_release(&e);
}

static void duplicates_are_gathered_where_they_came_from(void **state)
{
    (void)state;
    double y[3 * 4], x[6 * 4], out[6], in[6];
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    tn_fuse_group report = {0};
    tn__map map = {0};
    fill(y, 3 * 4);
    for (size_t i = 0; i < 6; i++)
        memcpy(x + i * 4, y + i / 2 * 4, 4 * sizeof *x);
    tn__evidence e = evidence_of(x, y, 6, 3, 4);
    assert_ok(tn__solve(&map, &report, &e, NULL, NULL, &options, err));
    for (size_t j = 0; j < 3; j++) {
        row_of(out, in, &map, j);
        for (size_t i = 0; i < 6; i++) {
            assert_near(out[i], i / 2 == j ? 0.5 : 0, 1e-12);
            assert_near(in[i], i / 2 == j ? 1 : 0, 1e-12);
        }
    }
    tn__map_release(&map);
    tn__evidence_release(&e);
}

static void masses_decide_how_much_is_moved(void **state)
{
    (void)state;
    /* One heavy source must serve both targets. */
    double x[2] = {0, 10}, y[2] = {0, 1}, mu[2] = {0.9, 0.1}, nu[2] = {0.5, 0.5};
    double out[2], in[2];
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    tn_fuse_group report = {0};
    tn__map map = {0};
    tn__evidence e = evidence_of(x, y, 2, 2, 1);
    assert_ok(tn__solve(&map, &report, &e, mu, nu, &options, err));
    row_of(out, in, &map, 1);
    assert_near(out[0], 0.8, 1e-9);
    assert_near(out[1], 0.2, 1e-9);
    assert_near(in[0], 0.4 / 0.9, 1e-9);
    assert_near(report.moved, 0.4, 1e-9);
    tn__map_release(&map);
    tn__evidence_release(&e);
}

static void unbalanced_plans_leave_no_target_empty(void **state)
{
    (void)state;
    double x[3] = {0, 1, 2}, y[3] = {0, 1, 1000}, out[3], in[3];
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    tn_fuse_group report = {0};
    tn__map map = {0};
    tn__evidence e = evidence_of(x, y, 3, 3, 1);
    options.solver = TN_SOLVER_SINKHORN;
    options.sinkhorn.relaxation = 1e-3;
    assert_ok(tn__solve(&map, &report, &e, NULL, NULL, &options, err));
    for (size_t j = 0; j < 3; j++) {
        double sum = 0;
        row_of(out, in, &map, j);
        for (size_t i = 0; i < 3; i++)
            sum += out[i];
        assert_near(sum, 1, 1e-9);
    }
    tn__map_release(&map);
    tn__evidence_release(&e);
}

static void costs_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    double x[2] = {0, HUGE_VAL}, y[2] = {0, 1};
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    tn_fuse_group report = {0};
    tn__map map = {0};
    tn__evidence e = evidence_of(x, y, 2, 2, 1);
    e.dot[3] = (double)NAN;
    options.metric = TN_OT_COSINE;
    assert_fails(tn__solve(&map, &report, &e, NULL, NULL, &options, err),
                 TN_ERROR_NUMERIC, "");
    assert_null(map.select);
    tn__evidence_release(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permutation_is_found_under_every_metric),
        cmocka_unit_test(out_rows_are_convex_combinations),
        cmocka_unit_test(the_paper_scales_both_sides_alike),
        cmocka_unit_test(duplicates_are_gathered_where_they_came_from),
        cmocka_unit_test(masses_decide_how_much_is_moved),
        cmocka_unit_test(unbalanced_plans_leave_no_target_empty),
        cmocka_unit_test(costs_that_are_not_finite_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
