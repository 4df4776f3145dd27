/* test_interpolate.c - neurons matched by what their fits miss: the costs are those of
 * least squares done by hand, copies find each other, no cluster is empty; and fusions
 * refitted that way. */
#include "nets.h"

#include "fuse/interpolate.h"
#include "stats/ridge.h"
#include "tensor/linalg.h"

#define COLOUR "random:3x32x32,limit=48"
#define GREY "random:1x28x28,limit=96"

enum { ROWS = 40, D = 5, N = 6, ALL = 2 * N };

static const size_t first[3] = {0, N, ALL};

typedef struct world {
    double x[ROWS * D], a[ROWS * ALL], w[D * ALL];
    double q[ALL * ALL], r[ALL * ALL], energy[ALL], score[ALL];
} world;

static void centre(double *x, size_t columns)
{
    for (size_t c = 0; c < columns; c++) {
        double mean = 0;
        for (size_t i = 0; i < ROWS; i++)
            mean += x[i * columns + c] / ROWS;
        for (size_t i = 0; i < ROWS; i++)
            x[i * columns + c] -= mean;
    }
}

/* Inputs, answers and all that is made of them; `copies`: neuron N + k answers as
 * neuron N - 1 - k does. */
static tn__interpolation make_world(world *v, bool copies, tn__workers *workers)
{
    tn__rng rng;
    tn__ridge sums = {0};
    double constant[ALL];
    tn__rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < (size_t)ROWS * D; i++)
        v->x[i] = tn__rng_normal(&rng);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < ALL; k++)
            v->a[i * ALL + k] =
                k >= N && copies
                    ? v->a[i * ALL + ALL - 1 - k]
                    : v->x[i * D + k % D] * (double)(1 + k) + tn__rng_normal(&rng) + 3;
    centre(v->x, D);
    centre(v->a, ALL);
    assert_ok(tn__ridge_create(&sums, D, ALL, ROWS, workers, err));
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < D; k++)
            sums.block[i * (D + ALL) + k] = (float)v->x[i * D + k];
        for (size_t k = 0; k < ALL; k++)
            sums.block[i * (D + ALL) + D + k] = (float)v->a[i * ALL + k];
    }
    assert_ok(tn__ridge_add(&sums, ROWS, err));
    memset(v->w, 0, sizeof v->w);
    assert_ok(tn__ridge_solve(v->w, constant, &sums, 1e-9, err));
    assert_ok(tn__ridge_products(v->q, v->r, &sums, v->w, 1e-9, err));
    tn__ridge_release(&sums);
    for (size_t k = 0; k < ALL; k++) {
        v->energy[k] = 0;
        v->score[k] = 1 + (double)(k % 3);
        for (size_t i = 0; i < ROWS; i++)
            v->energy[k] += v->a[i * ALL + k] * v->a[i * ALL + k] / ROWS;
    }
    return (tn__interpolation){2, first, v->q, v->r, v->energy, v->score};
}

/* Sum over neurons of score times the mean square that its cluster's mean fit misses;
 * `rooted`: of its root. */
static double cost_by_hand(const world *v, const uint32_t *cluster, bool rooted)
{
    double sum = 0;
    for (size_t k = 0; k < ALL; k++) {
        double w[D] = {0}, whole = 0, missed = 0;
        for (size_t j = 0; j < ALL; j++) {
            if (cluster[j] != cluster[k])
                continue;
            whole += v->score[j];
            for (size_t c = 0; c < D; c++)
                w[c] += v->score[j] * v->w[c * ALL + j];
        }
        for (size_t i = 0; i < ROWS; i++) {
            double d = -v->a[i * ALL + k];
            for (size_t c = 0; c < D; c++)
                d += v->x[i * D + c] * w[c] / whole;
            missed += d * d / ROWS;
        }
        sum += v->score[k] * (rooted ? sqrt(missed) : missed);
    }
    return sum;
}

static void costs_are_those_of_least_squares(void **state)
{
    (void)state;
    world v;
    tn__workers *workers = NULL;
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__interpolation from = make_world(&v, false, workers);
    static const uint32_t cluster[ALL] = {0, 1, 2, 3, 4, 5, 1, 1, 0, 5, 2, 3};
    double cost = 0;
    assert_ok(tn__interpolate_cost(&cost, cluster, &from, N, err));
    assert_near(cost, cost_by_hand(&v, cluster, false), 1e-5 * cost);
    tn__workers_free(workers);
}

/* The least over all ways of pairing, by hand. */
static double least_pairing(const world *v, uint32_t *cluster, bool *taken, size_t at)
{
    double least = HUGE_VAL;
    if (at == N)
        return cost_by_hand(v, cluster, true);
    for (uint32_t k = 0; k < N; k++) {
        if (taken[k])
            continue;
        taken[k] = true;
        cluster[N + at] = k;
        least = TN__MIN(least, least_pairing(v, cluster, taken, at + 1));
        taken[k] = false;
    }
    return least;
}

static void pairs_are_the_best_of_all(void **state)
{
    (void)state;
    world v;
    tn__workers *workers = NULL;
    uint32_t cluster[ALL], tried[ALL] = {0, 1, 2, 3, 4, 5};
    bool taken[N] = {false};
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__interpolation from = make_world(&v, false, workers);
    for (size_t order = 0; order < 2; order++) {
        assert_ok(tn__interpolate_pairs(cluster, &from, order, err));
        double found = cost_by_hand(&v, cluster, true);
        assert_near(found, least_pairing(&v, tried, taken, 0), 1e-5 * found);
        for (uint32_t i = 0; i < N; i++)
            assert_int_equal(cluster[order * N + i], i);
    }
    tn__workers_free(workers);
}

static void copies_find_each_other(void **state)
{
    (void)state;
    world v;
    tn__workers *workers = NULL;
    uint32_t pairs[ALL], clusters[ALL];
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__interpolation from = make_world(&v, true, workers);
    for (uint32_t i = 0; i < ALL; i++)
        clusters[i] = i % N;
    assert_ok(tn__interpolate_pairs(pairs, &from, 0, err));
    assert_ok(tn__interpolate_clusters(clusters, &from, N, 1, err));
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(pairs[i], pairs[ALL - 1 - i]);
        assert_int_equal(clusters[i], clusters[ALL - 1 - i]);
    }
    tn__workers_free(workers);
}

static void clusters_are_not_worse_than_where_they_start_and_not_empty(void **state)
{
    (void)state;
    world v;
    tn__workers *workers = NULL;
    assert_ok(tn__workers_create(&workers, 1, err));
    tn__interpolation from = make_world(&v, false, workers);
    for (size_t n = 1; n <= N; n++) {
        uint32_t cluster[ALL];
        size_t members[N] = {0};
        double before = 0, after = 0;
        for (uint32_t i = 0; i < ALL; i++)
            cluster[i] = i % (uint32_t)n;
        assert_ok(tn__interpolate_cost(&before, cluster, &from, n, err));
        assert_ok(tn__interpolate_clusters(cluster, &from, n, 1, err));
        assert_ok(tn__interpolate_cost(&after, cluster, &from, n, err));
        assert_true(after <= before * (1 + 1e-12));
        for (size_t i = 0; i < ALL; i++)
            members[cluster[i]]++;
        for (size_t c = 0; c < n; c++)
            assert_true(members[c] > 0);
    }
    tn__workers_free(workers);
}

static tn_fuse_options options_of(tn_refit refit, tn_scores scores)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.refit = refit;
    options.scores = scores;
    options.samples = 48;
    options.calibration = 48;
    options.threads = 1;
    return options;
}

static void permuted_copies_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *arch, *data;
        size_t pixels;
    } nets[] = {{"mlp:784-16-12-10:bias", GREY, 784}, {"resnet20x0.25", COLOUR, 3072}};
    for (size_t i = 0; i < TN__COUNT(nets); i++)
        for (int refit = TN_REFIT_PAIRS; refit <= TN_REFIT_CLUSTERS; refit++)
            for (int scores = TN_SCORES_UNIFORM; scores <= TN_SCORES_ENERGY; scores++) {
                tn_model *a = make_net(nets[i].arch, 1), *b = permuted(a, 2), *c = NULL;
                const tn_model *models[2] = {a, b};
                tn_dataset *data = open_data(nets[i].data);
                float *images = random_images(8, nets[i].pixels, 4);
                tn_fuse_options options =
                    options_of((tn_refit)refit, (tn_scores)scores);
                assert_ok(tn_fuse(&c, NULL, models, 2, data, &options, NULL, err));
                double found = output_distance(a, c, images, 8);
                if (!(found < 1e-2))
                    fail_msg("%s, refit %d, scores %d: off by %g", nets[i].arch, refit,
                             scores, found);
                free(images);
                tn_dataset_free(data);
                tn_model_free(a);
                tn_model_free(b);
                tn_model_free(c);
            }
}

static void clusters_take_any_number_and_width(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-16-12-10", 1), *b = make_net("mlp:784-20-10-10", 2);
    tn_model *c = make_net("mlp:784-16-12-10", 3), *fused = NULL;
    const tn_model *models[3] = {a, b, c};
    tn_dataset *data = open_data(GREY);
    tn_fuse_options options = options_of(TN_REFIT_CLUSTERS, TN_SCORES_ENERGY);
    assert_ok(tn_fuse(&fused, NULL, models, 3, data, &options, NULL, err));
    for (size_t v = 0; v < fused->value_count; v++)
        if (is_float_parameter(&fused->values[v]))
            assert_ok(tn__tensor_check_finite(&fused->values[v].parameter, "it", err));
    tn_model_free(fused);
    fused = NULL;
    options.refit = TN_REFIT_PAIRS;
    assert_fails(tn_fuse(&fused, NULL, models, 3, data, &options, NULL, err),
                 TN_ERROR_UNSUPPORTED, "two models of equal widths");
    assert_null(fused);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_those_of_least_squares),
        cmocka_unit_test(pairs_are_the_best_of_all),
        cmocka_unit_test(copies_find_each_other),
        cmocka_unit_test(clusters_are_not_worse_than_where_they_start_and_not_empty),
        cmocka_unit_test(permuted_copies_come_back),
        cmocka_unit_test(clusters_take_any_number_and_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
