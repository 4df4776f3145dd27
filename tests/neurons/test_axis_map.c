/* test_axis_map.c - several groups and frozen cells on one axis. */
#include "toys.h"

#include "neurons/axis_map.h"

/* conv2.weight of toy_residual(3, 2, 1): axis 0 is fresh, stem 0 to 2, fresh. */
static void groups_that_share_an_axis_are_joined(void **state)
{
    (void)state;
    tn_model *source = toy_residual(3, 2, 1), *target = toy_residual(2, 2, 2);
    tn__groups *from = toy_groups(source), *to = toy_groups(target);
    tn__map maps[3] = {{0}};
    const double out[] = {0.25, 0.75, 1, 0, 0, 1, 0.5, 0.5},
                 in[8] = {1, 0, 0, 0, 0, 0, 0, 0};
    assert_ok(tn__map_select(&maps[toy_find_group(from, "stem.weight")], 2, 3,
                             (const uint32_t[]){2, 0}, err));
    assert_ok(
        tn__map_dense(&maps[toy_find_group(from, "conv2.weight")], 4, 2, out, in, err));
    tn__transport t = {source, target, from, to, NULL, maps, .skip = TN__NONE};
    assert_ok(tn__transport_check(&t, err));
    tn__axis_map map = {0};
    size_t v = tn__model_find_value(target, "conv2.weight");
    assert_ok(tn__axis_map_create(&map, &t, v, 0, err));
    assert_int_equal(map.rows, 6);
    assert_int_equal(map.columns, 5);
    assert_false(map.gather);
    /* target: fresh 0, 1, stem 0, 1, fresh 2, 3; source: fresh 0, stem 0 - 2, fresh 1
     */
    const size_t first[] = {0, 2, 3, 4, 5, 6, 8};
    const uint32_t column[] = {0, 4, 0, 3, 1, 4, 0, 4};
    const double weight[] = {0.25, 0.75, 1, 1, 1, 1, 0.5, 0.5};
    assert_memory_equal(map.first, first, sizeof first);
    assert_memory_equal(map.column, column, sizeof column);
    for (size_t e = 0; e < TN__COUNT(weight); e++)
        assert_true(map.weight[e] == weight[e]);
    tn__axis_map_release(&map);
    for (size_t g = 0; g < 3; g++)
        tn__map_release(&maps[g]);
    tn__groups_free(from);
    tn__groups_free(to);
    tn_model_free(source);
    tn_model_free(target);
}

static void cells_of_a_group_left_alone_come_first(void **state)
{
    (void)state;
    tn_model *model = toy_residual(3, 2, 1);
    tn__groups *groups = toy_groups(model);
    tn__map maps[3] = {{0}};
    tn__transport t = {model,
                       model,
                       groups,
                       groups,
                       NULL,
                       maps,
                       .skip = toy_find_group(groups, "stem.weight")};
    assert_ok(tn__transport_check(&t, err));
    tn__axis_map map = {0};
    size_t v = tn__model_find_value(model, "conv2.weight");
    assert_ok(tn__axis_map_create(&map, &t, v, 0, err));
    const uint32_t column[] = {1, 2, 3, 0, 4};
    assert_true(map.gather);
    assert_int_equal(map.rows, 5);
    assert_memory_equal(map.column, column, sizeof column);
    tn__axis_map_release(&map);
    tn__groups_free(groups);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_that_share_an_axis_are_joined),
        cmocka_unit_test(cells_of_a_group_left_alone_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
