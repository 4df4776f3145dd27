/* test_absorb.c - maps of removed neurons: their sums, and who goes where. */
#include "test.h"

#include "prune/prune.h"

#define NEURONS 6
#define WIDTH 4

/* Neurons 3, 4, 5 are twins of 0, 1, 2. */
static tn__features twins(void)
{
    tn__features f = {.neurons = NEURONS, .width = WIDTH, .count = 1};
    f.rows = tn__alloc(NEURONS * WIDTH, sizeof *f.rows);
    f.first = tn__alloc(2, sizeof *f.first);
    f.first[1] = WIDTH;
    for (size_t i = 0; i < NEURONS; i++)
        for (size_t k = 0; k < WIDTH; k++)
            f.rows[i * WIDTH + k] = (double)((i % 3 * 7 + k * k * 3) % 11) - 4;
    return f;
}

static const bool first_three[NEURONS] = {true, true, true, false, false, false};

/* Column sums of `in` are 1, row sums of `out` are `rows`. */
static void expect_sums(const tn__map *map, double rows)
{
    double column[NEURONS] = {0};
    for (size_t j = 0; j < map->rows; j++) {
        double sum = 0;
        for (size_t e = map->first[j]; e < map->first[j + 1]; e++) {
            sum += map->out[e];
            column[map->column[e]] += map->in[e];
        }
        assert_near(sum, rows, 1e-9);
    }
    for (size_t i = 0; i < NEURONS; i++)
        assert_near(column[i], 1, 1e-9);
}

static void expect_twins_together(const tn__map *map)
{
    for (size_t j = 0; j < map->rows; j++) {
        assert_int_equal(map->first[j + 1] - map->first[j], 2);
        size_t e = map->first[j];
        assert_int_equal(map->column[e] + 3, map->column[e + 1]);
    }
}

static void twins_are_absorbed_by_each_other(void **state)
{
    (void)state;
    static const tn_prune_method methods[] = {TN_PRUNE_INTRA_FUSION, TN_PRUNE_NEAREST,
                                              TN_PRUNE_FOLD};
    for (size_t i = 0; i < TN__COUNT(methods); i++) {
        tn__features f = twins();
        tn__map map = {0};
        assert_ok(
            tn__prune_absorb(&map, &f, first_three, 3, methods[i], false, 1, err));
        expect_sums(&map, 1);
        expect_twins_together(&map);
        tn__map_release(&map);
        tn__features_release(&f);
    }
}

static void compat_sums_on_both_sides(void **state)
{
    (void)state;
    tn__features f = twins();
    tn__map map = {0};
    assert_ok(tn__prune_absorb(&map, &f, first_three, 3, TN_PRUNE_INTRA_FUSION, true, 1,
                               err));
    expect_sums(&map, 2);
    tn__map_release(&map);
    tn__features_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twins_are_absorbed_by_each_other),
        cmocka_unit_test(compat_sums_on_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
