/* test_axis_product.c - a tensor times an axis map, against three plain loops. */
#include "toys.h"

#include "base/base.h"
#include "neurons/axis_map.h"

#define ROWS 6
#define COLUMNS 4

/* A map with about `share` of its entries, as rows. */
static tn__axis_map random_map(double share, double dense[ROWS * COLUMNS])
{
    tn__axis_map map = {.rows = ROWS, .columns = COLUMNS, .run = 1};
    tn__rng rng;
    tn__rng_seed(&rng, 11, 0);
    map.first = tn__alloc(ROWS + 1, sizeof *map.first);
    map.column = tn__alloc(ROWS * COLUMNS, sizeof *map.column);
    map.weight = tn__alloc(ROWS * COLUMNS, sizeof *map.weight);
    for (size_t j = 0; j < ROWS; j++) {
        map.first[j + 1] = map.first[j];
        for (size_t i = 0; i < COLUMNS; i++) {
            dense[j * COLUMNS + i] = 0;
            if (tn__rng_uniform(&rng) >= share)
                continue;
            map.column[map.first[j + 1]] = (uint32_t)i;
            map.weight[map.first[j + 1]++] = dense[j * COLUMNS + i] =
                tn__rng_normal(&rng);
        }
    }
    return map;
}

static tn__tensor random_tensor(const int64_t dims[3])
{
    tn__tensor tensor = {0};
    tn__rng rng;
    void *data;
    tn__rng_seed(&rng, 12, 0);
    assert_ok(tn__tensor_create(&tensor, TN_F64, 3, dims, err));
    assert_ok(tn__tensor_write(&tensor, &data, err));
    for (size_t i = 0; i < tn__tensor_count(&tensor); i++)
        ((double *)data)[i] = tn__rng_normal(&rng);
    return tensor;
}

static void check_axis(int axis, double share)
{
    int64_t dims[3] = {3, 2, 5};
    dims[axis] = COLUMNS;
    double dense[ROWS * COLUMNS];
    tn__axis_map map = random_map(share, dense);
    tn__tensor before = random_tensor(dims), after = tn__tensor_ref(&before);
    assert_ok(tn__axis_map_apply(&after, &map, axis, 1, err));
    assert_int_equal(after.shape.dims[axis], ROWS);
    size_t inner = 1;
    for (int a = axis + 1; a < 3; a++)
        inner *= (size_t)dims[a];
    for (size_t k = 0; k < tn__tensor_count(&after); k++) {
        size_t s = k % inner, j = k / inner % ROWS, o = k / inner / ROWS;
        double sum = 0;
        for (size_t i = 0; i < COLUMNS; i++)
            sum += dense[j * COLUMNS + i] *
                   tn__tensor_get_f64(&before, (o * COLUMNS + i) * inner + s);
        assert_near(tn__tensor_get_f64(&after, k), sum, 1e-12);
    }
    tn__tensor_release(&before);
    tn__tensor_release(&after);
    tn__axis_map_release(&map);
}

static void sparse_and_dense_maps_equal_plain_loops(void **state)
{
    (void)state;
    for (int axis = 0; axis < 3; axis++) {
        check_axis(axis, 0.08);
        check_axis(axis, 1);
    }
}

static void a_gather_moves_bytes_of_any_type(void **state)
{
    (void)state;
    const uint16_t bits[] = {0x7e01, 1, 0xfc00, 3, 4, 0x8000}; /* NaN, -inf, -0 */
    tn__tensor tensor = {0};
    void *data;
    assert_ok(tn__tensor_create(&tensor, TN_F16, 2, (const int64_t[]){2, 3}, err));
    assert_ok(tn__tensor_write(&tensor, &data, err));
    memcpy(data, bits, sizeof bits);
    const tn__group_entry entry = {.repeats = 1, .index = (uint32_t[]){2, 0}};
    tn__axis_map map = {0};
    assert_ok(tn__axis_map_entry(&map, &entry, 2, 3, err));
    assert_ok(tn__axis_map_apply(&tensor, &map, 1, 1, err));
    const uint16_t expected[] = {0xfc00, 0x7e01, 0x8000, 3};
    assert_memory_equal(tn__tensor_data(&tensor), expected, sizeof expected);
    tn__tensor_release(&tensor);
    tn__axis_map_release(&map);
}

static void the_identity_does_nothing(void **state)
{
    (void)state;
    const int64_t dims[3] = {2, 3, 2};
    tn__tensor tensor = random_tensor(dims);
    const void *data = tn__tensor_data(&tensor);
    const tn__group_entry entry = {.repeats = 1, .index = (uint32_t[]){0, 1, 2}};
    tn__axis_map map = {0};
    assert_ok(tn__axis_map_entry(&map, &entry, 3, 3, err));
    assert_null(map.first);
    assert_ok(tn__axis_map_apply(&tensor, &map, 1, 1, err));
    assert_ptr_equal(tn__tensor_data(&tensor), data);
    tn__tensor_release(&tensor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparse_and_dense_maps_equal_plain_loops),
        cmocka_unit_test(a_gather_moves_bytes_of_any_type),
        cmocka_unit_test(the_identity_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
