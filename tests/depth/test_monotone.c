/* test_monotone.c - alignments are optimal: against all of them, on random instances.
 */
#include "test.h"

#include "base/rng.h"
#include "depth/monotone.h"

#define INSTANCES 10000
#define UNITS_MAX 8

static bool is_allowed(const tn__monotone *p, size_t l, size_t k)
{
    return !p->allowed || p->allowed[l * p->shallow + k];
}

/* All ways to take a slot for unit k onwards behind deep unit `from`. */
static double try_layers(const tn__monotone *p, size_t k, size_t from)
{
    double least = k == p->shallow ? 0 : HUGE_VAL;
    for (size_t l = from; k < p->shallow && l < p->deep; l++) {
        if (is_allowed(p, l, k))
            least =
                fmin(least, p->cost[l * p->shallow + k] + try_layers(p, k + 1, l + 1));
    }
    return least;
}

/* All ways to end segment k, which begins at deep unit `from`. */
static double try_segments(const tn__monotone *p, size_t k, size_t from)
{
    double sum = 0, least = HUGE_VAL;
    bool slot = false;
    for (size_t l = from; l < p->deep; l++) {
        sum += p->cost[l * p->shallow + k];
        slot = slot || is_allowed(p, l, k);
        if (slot && k + 1 < p->shallow)
            least = fmin(least, sum + try_segments(p, k + 1, l + 1));
    }
    return k + 1 == p->shallow && slot ? sum : least;
}

typedef struct instance {
    double cost[UNITS_MAX * UNITS_MAX];
    bool allowed[UNITS_MAX * UNITS_MAX];
} instance;

static tn__monotone draw(instance *i, tn__rng *rng, bool segments)
{
    size_t m = 1 + tn__rng_below(rng, UNITS_MAX), n = 1 + tn__rng_below(rng, m);
    bool masked = tn__rng_below(rng, 2), ties = tn__rng_below(rng, 4) == 0;
    for (size_t c = 0; c < m * n; c++) {
        double u = tn__rng_uniform(rng);
        i->cost[c] = ties ? floor(3 * u) : u - 0.2;
        i->allowed[c] = tn__rng_below(rng, 3) > 0;
    }
    return (tn__monotone){.deep = m,
                          .shallow = n,
                          .cost = i->cost,
                          .allowed = masked ? i->allowed : NULL,
                          .segments = segments};
}

static void expect_optimum(const tn__monotone *p, double least)
{
    size_t slot[UNITS_MAX];
    double total = 0, sum = 0;
    if (isinf(least)) {
        assert_fails(tn__monotone_solve(slot, &total, p, err), TN_ERROR_MISMATCH,
                     "have no place");
        return;
    }
    assert_ok(tn__monotone_solve(slot, &total, p, err));
    assert_near(total, least, 1e-12);
    for (size_t k = 0; k < p->shallow; k++) {
        assert_true(k == 0 || slot[k] > slot[k - 1]);
        assert_true(slot[k] < p->deep && is_allowed(p, slot[k], k));
        sum += p->cost[slot[k] * p->shallow + k];
    }
    if (!p->segments)
        assert_near(sum, least, 1e-12);
}

static void layers_are_optimal_against_brute_force(void **state)
{
    (void)state;
    tn__rng rng;
    tn__rng_seed(&rng, 1, 0);
    for (int i = 0; i < INSTANCES; i++) {
        instance drawn;
        tn__monotone p = draw(&drawn, &rng, false);
        expect_optimum(&p, try_layers(&p, 0, 0));
    }
}

static void segments_are_optimal_against_brute_force(void **state)
{
    (void)state;
    tn__rng rng;
    tn__rng_seed(&rng, 2, 0);
    for (int i = 0; i < INSTANCES; i++) {
        instance drawn;
        tn__monotone p = draw(&drawn, &rng, true);
        expect_optimum(&p, try_segments(&p, 0, 0));
    }
}

static void one_unit_takes_the_cheapest_slot(void **state)
{
    (void)state;
    const double cost[4] = {0.5, 0.3, 0.1, 0.4};
    size_t slot = 9;
    double total = 0;
    tn__monotone p = {.deep = 4, .shallow = 1, .cost = cost};
    assert_ok(tn__monotone_solve(&slot, &total, &p, err));
    assert_int_equal(slot, 2);
    p.segments = true;
    assert_ok(tn__monotone_solve(&slot, &total, &p, err));
    assert_int_equal(slot, 2);
    assert_near(total, 1.3, 1e-12);
}

static void planted_segments_come_back(void **state)
{
    (void)state;
    static const size_t of[7] = {0, 0, 0, 1, 2, 2, 2}; /* segment of each deep unit */
    double cost[7 * 3], total = 0;
    size_t slot[3];
    for (size_t l = 0; l < 7; l++) {
        for (size_t k = 0; k < 3; k++)
            cost[l * 3 + k] = of[l] == k ? 0.1 : 0.9;
    }
    cost[1 * 3] = 0.05; /* the unit of the first segment that is most alike */
    tn__monotone p = {.deep = 7, .shallow = 3, .cost = cost, .segments = true};
    assert_ok(tn__monotone_solve(slot, &total, &p, err));
    assert_int_equal(slot[0], 1);
    assert_int_equal(slot[1], 3);
    assert_int_equal(slot[2], 4);
    assert_near(total, 0.65, 1e-12);
}

static void more_shallow_units_than_deep_ones_are_refused(void **state)
{
    (void)state;
    const double cost[2] = {0, 0};
    size_t slot[2] = {7, 7};
    double total = 5;
    tn__monotone p = {.deep = 1, .shallow = 2, .cost = cost};
    assert_fails(tn__monotone_solve(slot, &total, &p, err), TN_ERROR_MISMATCH,
                 "2 units have no place among 1");
    assert_int_equal(slot[0], 7);
    assert_near(total, 5, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_optimal_against_brute_force),
        cmocka_unit_test(segments_are_optimal_against_brute_force),
        cmocka_unit_test(one_unit_takes_the_cheapest_slot),
        cmocka_unit_test(planted_segments_come_back),
        cmocka_unit_test(more_shallow_units_than_deep_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
