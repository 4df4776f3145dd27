/* test_map.c - making maps. */
#include "test.h"

#include "base/base.h"
#include "neurons/map.h"

static void a_selection_is_kept_as_indices(void **state)
{
    (void)state;
    tn__map map = {0};
    assert_ok(tn__map_select(&map, 2, 4, (const uint32_t[]){3, 1}, err));
    assert_int_equal(map.rows, 2);
    assert_int_equal(map.columns, 4);
    assert_int_equal(map.select[0], 3);
    assert_int_equal(map.select[1], 1);
    assert_null(map.first);
    tn__map_release(&map);
}

static void a_selection_beyond_the_columns_is_refused(void **state)
{
    (void)state;
    tn__map map = {0};
    assert_fails(tn__map_select(&map, 2, 4, (const uint32_t[]){3, 4}, err),
                 TN_ERROR_ARGUMENT, "row 1 selects neuron 4 of 4");
    assert_null(map.select);
}

static void a_dense_map_keeps_what_is_not_zero_on_either_side(void **state)
{
    (void)state;
    tn__map map = {0};
    const double out[] = {1, 0, 0, 0, 0.5, 0}, in[] = {1, 0, 0, 0.25, 0, 0};
    assert_ok(tn__map_dense(&map, 2, 3, out, in, err));
    assert_int_equal(map.first[1], 1);
    assert_int_equal(map.first[2], 3);
    assert_int_equal(map.column[1], 0);
    assert_int_equal(map.column[2], 1);
    assert_true(map.out[1] == 0 && map.in[1] == 0.25);
    assert_true(map.out[2] == 0.5 && map.in[2] == 0);
    tn__map_release(&map);
}

static void lack_of_memory_is_reported(void **state)
{
    (void)state;
    const double one[] = {1};
    for (size_t k = 1; k <= 4; k++) {
        tn__map map = {0};
        tn__alloc_fail_after(k);
        tn_error err = {0};
        tn_status status = tn__map_dense(&map, 1, 1, one, one, &err);
        tn__alloc_fail_after(0);
        assert_int_equal(status, TN_ERROR_MEMORY);
        assert_null(map.first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_selection_is_kept_as_indices),
        cmocka_unit_test(a_selection_beyond_the_columns_is_refused),
        cmocka_unit_test(a_dense_map_keeps_what_is_not_zero_on_either_side),
        cmocka_unit_test(lack_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
