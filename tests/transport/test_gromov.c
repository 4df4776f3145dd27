/* test_gromov.c - plans by the distances within each set: marginals, copies that are
 * permuted and turned, the objective by its definition, and that of POT. */
#include "ot_reference.h"

#include "base/base.h"

/* Owned distances [n, n] of points [n, d]. */
static double *distances_of(const double *points, size_t n, size_t d)
{
    double *x = calloc(n * n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            double sum = 0;
            for (size_t c = 0; c < d; c++)
                sum += pow(points[i * d + c] - points[k * d + c], 2);
            x[i * n + k] = sqrt(sum);
        }
    return x;
}

static double loss_of(tn_ot_gromov_loss loss, double a, double b)
{
    if (loss == TN_OT_GROMOV_SQUARE)
        return (a - b) * (a - b);
    return a * log((a + 1e-15) / (b + 1e-15)) - a + b;
}

/* The sum over all pairs of pairs. */
static double value_of(const double *plan, const double *x, const double *y, size_t n,
                       size_t m, tn_ot_gromov_loss loss)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            for (size_t k = 0; k < n; k++)
                for (size_t l = 0; l < m; l++)
                    sum += loss_of(loss, x[i * n + k], y[j * m + l]) * plan[i * m + j] *
                           plan[k * m + l];
    return sum;
}

static void plans_have_the_marginals_and_the_value(void **state)
{
    (void)state;
    enum { N = 9, M = 6 };
    double *points[2] = {random_costs(N, 3, 0, 1), random_costs(M, 3, 0, 2)};
    double *x = distances_of(points[0], N, 3), *y = distances_of(points[1], M, 3);
    double mu[N], nu[M], plan[N * M], value;
    for (size_t i = 0; i < N; i++)
        mu[i] = (double)(1 + i % 3) / 18;
    for (size_t j = 0; j < M; j++)
        nu[j] = 1.0 / M;
    tn_ot_sinkhorn_options sinkhorn = TN_OT_SINKHORN_OPTIONS_INIT;
    sinkhorn.regularization = 0.3;
    for (int loss = TN_OT_GROMOV_SQUARE; loss <= TN_OT_GROMOV_KL; loss++)
        for (int entropic = 0; entropic < 2; entropic++) {
            tn_ot_gromov_options options = {(tn_ot_gromov_loss)loss,
                                            entropic ? &sinkhorn : NULL};
            size_t iterations = 0;
            assert_ok(tn_ot_gromov(plan, &value, &iterations, mu, nu, x, y, N, M,
                                   &options, err));
            double off = 0;
            for (size_t i = 0; i < N; i++) {
                double row = -mu[i];
                for (size_t j = 0; j < M; j++)
                    row += plan[i * M + j];
                off += fabs(row);
            }
            for (size_t j = 0; j < M; j++) {
                double column = -nu[j];
                for (size_t i = 0; i < N; i++)
                    column += plan[i * M + j];
                off += fabs(column);
            }
            assert_true(off < 2e-6);
            assert_true(iterations > 0);
            assert_near(value, value_of(plan, x, y, N, M, options.loss),
                        entropic ? 1e-4 : 1e-9); /* it misses its marginals */
        }
    free(points[0]);
    free(points[1]);
    free(x);
    free(y);
}

static void a_permuted_and_turned_copy_is_found(void **state)
{
    (void)state;
    enum { N = 24 };
    double *points = random_costs(N, 2, 0, 5), copy[N * 2], plan[N * N], value;
    for (size_t j = 0; j < N; j++) {
        const double *from = points + (j * 7 + 3) % N * 2;
        copy[2 * j] = 0.6 * from[0] - 0.8 * from[1] + 4;
        copy[2 * j + 1] = 0.8 * from[0] + 0.6 * from[1] - 1;
    }
    double *x = distances_of(points, N, 2), *y = distances_of(copy, N, 2);
    for (int loss = TN_OT_GROMOV_SQUARE; loss <= TN_OT_GROMOV_KL; loss++) {
        tn_ot_gromov_options options = {(tn_ot_gromov_loss)loss, NULL};
        assert_ok(
            tn_ot_gromov(plan, &value, NULL, NULL, NULL, x, y, N, N, &options, err));
        assert_near(value, 0, 1e-9);
        for (size_t j = 0; j < N; j++)
            assert_near(plan[(j * 7 + 3) % N * N + j], 1.0 / N, 1e-12);
    }
    free(points);
    free(x);
    free(y);
}

/* ot.gromov.gromov_wasserstein of POT 0.8.2, whose start is that of independent masses,
 * for points sin(1.7 i + 2.3 k i + s) (1 + i / 10) with s of 0.3 and 1.1. */
static void the_value_is_not_above_that_of_a_peer(void **state)
{
    (void)state;
    static const struct {
        size_t n, m;
        tn_ot_gromov_loss loss;
        double peer;
    } cases[] = {{7, 7, TN_OT_GROMOV_SQUARE, 0.7625050789536553},
                 {8, 5, TN_OT_GROMOV_SQUARE, 0.8074166702593164},
                 {6, 6, TN_OT_GROMOV_KL, 0.12622248575545378}};
    for (size_t at = 0; at < TN__COUNT(cases); at++) {
        size_t n = cases[at].n, m = cases[at].m;
        double points[2][20], plan[64], value;
        for (size_t which = 0; which < 2; which++)
            for (size_t i = 0; i < (which ? m : n); i++)
                for (size_t k = 0; k < 2; k++)
                    points[which][2 * i + k] =
                        sin(1.7 * (double)i + 2.3 * (double)(k * i) +
                            (which ? 1.1 : 0.3)) *
                        (1 + 0.1 * (double)i);
        double *x = distances_of(points[0], n, 2), *y = distances_of(points[1], m, 2);
        tn_ot_gromov_options options = {cases[at].loss, NULL};
        assert_ok(
            tn_ot_gromov(plan, &value, NULL, NULL, NULL, x, y, n, m, &options, err));
        if (!(value <= cases[at].peer * (1 + 1e-6)))
            fail_msg("case %zu: %.9g against %.9g", at, value, cases[at].peer);
        assert_near(value, value_of(plan, x, y, n, m, options.loss), 1e-9);
        free(x);
        free(y);
    }
}

static void bad_input_is_named(void **state)
{
    (void)state;
    double x[4] = {0, 1, 1, 0}, y[4] = {0, -1, -1, 0}, plan[4] = {7, 7, 7, 7};
    double mu[2] = {0.5, 0.75};
    assert_fails(tn_ot_gromov(plan, NULL, NULL, NULL, NULL, x, y, 2, 2, NULL, err),
                 TN_ERROR_NUMERIC, "distance -1");
    y[1] = y[2] = 1;
    assert_fails(tn_ot_gromov(plan, NULL, NULL, NULL, NULL, x, y, 0, 2, NULL, err),
                 TN_ERROR_ARGUMENT, "wanted 1 or more");
    assert_fails(tn_ot_gromov(plan, NULL, NULL, mu, NULL, x, y, 2, 2, NULL, err),
                 TN_ERROR_ARGUMENT, "masses differ");
    assert_near(plan[0], 7, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_have_the_marginals_and_the_value),
        cmocka_unit_test(a_permuted_and_turned_copy_is_found),
        cmocka_unit_test(the_value_is_not_above_that_of_a_peer),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
