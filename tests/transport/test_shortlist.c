/* test_shortlist.c - short lists hold every column below their bound. */
#include "test.h"

#include "base/rng.h"
#include "transport/shortlist.h"

/* Refreshes the list of one row of m costs below `values` (0: real numbers) and checks
 * it against the definition. */
static void check_row(size_t m, uint64_t values, uint64_t seed)
{
    double *cost = calloc(m, sizeof *cost), *v = calloc(m, sizeof *v);
    bool *listed = calloc(m, sizeof *listed);
    tn__rng rng;
    tn__rng_seed(&rng, seed, m);
    for (size_t j = 0; j < m; j++) {
        cost[j] = values ? (double)tn__rng_below(&rng, values) : tn__rng_normal(&rng);
        v[j] = values ? 0 : tn__rng_normal(&rng);
    }
    tn__shortlist list;
    assert_ok(tn__shortlist_create(&list, cost, 1, m, err));
    assert_true(list.bound[0] == -HUGE_VAL);
    tn__shortlist_refresh(&list, 0, v);
    assert_true(list.count[0] >= (m < 2 ? m : 2));
    assert_true(list.count[0] <= list.capacity);
    for (size_t e = 0; e < list.count[0]; e++) {
        size_t j = list.column[e];
        assert_true(j < m && !listed[j]);
        listed[j] = true;
        assert_true(list.value[e] == cost[j]);
        assert_true(cost[j] - v[j] <= list.bound[0]);
    }
    for (size_t j = 0; j < m; j++)
        assert_true(listed[j] || cost[j] - v[j] >= list.bound[0]);
    tn__shortlist_release(&list);
    free(cost);
    free(v);
    free(listed);
}

static void lists_hold_every_column_below_their_bound(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 1, 2, 20, 1000};
    for (size_t m = 1; m < 600; m += m < 100 ? 1 : 37)
        for (size_t k = 0; k < TN__COUNT(values); k++)
            check_row(m, values[k], 11 + k);
}

static void short_rows_are_listed_whole(void **state)
{
    (void)state;
    const double cost[] = {3, 1, 2}, v[] = {0, 0, 0};
    tn__shortlist list;
    assert_ok(tn__shortlist_create(&list, cost, 1, 3, err));
    tn__shortlist_refresh(&list, 0, v);
    assert_int_equal(list.count[0], 3);
    assert_true(list.bound[0] == HUGE_VAL);
    tn__shortlist_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_hold_every_column_below_their_bound),
        cmocka_unit_test(short_rows_are_listed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
