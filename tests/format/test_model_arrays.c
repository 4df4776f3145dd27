/* test_model_arrays.c - models out of arrays in memory: copied, or lent and given back
 * exactly once. */
#include "test.h"

#include "tenon/arrays.h"

static float first[4 * 6], second[3 * 4];

static void fill(tn_array arrays[2])
{
    for (size_t i = 0; i < 24; i++)
        first[i] = (float)i - 11;
    for (size_t i = 0; i < 12; i++)
        second[i] = 1 / (1 + (float)i);
    arrays[0] = (tn_array){"fc1.weight", TN_F32, 2, {4, 6}, first};
    arrays[1] = (tn_array){"fc2.weight", TN_F32, 2, {3, 4}, second};
}

static void count_release(void *user)
{
    ++*(int *)user;
}

static void copied_arrays_are_the_weights(void **state)
{
    (void)state;
    tn_array arrays[2], found;
    tn_load_options options = {.arch = "mlp"};
    tn_model *model = NULL;
    fill(arrays);
    assert_ok(tn_model_from_arrays(&model, arrays, 2, NULL, &options, err));
    assert_int_equal(tn_model_array_count(model), 2);
    tn_model_array_get(&found, model, 1);
    assert_string_equal(found.name, "fc2.weight");
    assert_int_equal(found.rank, 2);
    assert_int_equal(found.shape[0], 3);
    assert_ptr_not_equal(found.data, second);
    assert_memory_equal(found.data, second, sizeof second);
    tn_model_free(model);
}

static void lent_arrays_are_used_where_they_lie_and_given_back_once(void **state)
{
    (void)state;
    tn_array arrays[2], found;
    tn_load_options options = {.arch = "mlp"};
    int released = 0;
    tn_array_owner owner = {count_release, &released};
    tn_model *model = NULL, *clone = NULL;
    fill(arrays);
    assert_ok(tn_model_from_arrays(&model, arrays, 2, &owner, &options, err));
    tn_model_array_get(&found, model, 0);
    assert_ptr_equal(found.data, first);
    assert_ok(tn_model_clone(&clone, model, err));
    tn_model_free(model);
    assert_int_equal(released, 0); /* the clone shares them */
    tn_model_free(clone);
    assert_int_equal(released, 1);
}

static void a_failure_gives_lent_arrays_back(void **state)
{
    (void)state;
    tn_array arrays[2];
    tn_load_options options = {.arch = "mlp:6-5-3"};
    int released = 0;
    tn_array_owner owner = {count_release, &released};
    tn_model *model = NULL;
    fill(arrays);
    assert_fails(
        tn_model_from_arrays(&model, arrays, 2, &owner, &options, err),
        TN_ERROR_MISMATCH,
        "tensor 'fc1.weight' of 'the given arrays' is [4, 6], expected [5, 6]");
    assert_int_equal(released, 1);
    assert_fails(tn_model_from_arrays(&model, arrays, 2, &owner, NULL, err),
                 TN_ERROR_ARGUMENT, "these fit: mlp:6-4-3");
    arrays[1].name = "fc1.weight";
    assert_fails(tn_model_from_arrays(&model, arrays, 2, &owner, &options, err),
                 TN_ERROR_FORMAT, "tensor 'fc1.weight' occurs twice");
    arrays[1].shape[0] = -1;
    assert_fails(tn_model_from_arrays(&model, arrays, 2, &owner, &options, err),
                 TN_ERROR_ARGUMENT, "axis 0 of array 'fc1.weight' has -1");
    assert_int_equal(released, 4);
    assert_null(model);
}

static void names_are_found_back_whatever_the_shapes(void **state)
{
    (void)state;
    tn_array arrays[2];
    tn_load_options options = {.arch = "mlp"};
    size_t index[3];
    tn_model *model = NULL;
    fill(arrays);
    assert_ok(tn_model_from_arrays(&model, arrays, 2, NULL, &options, err));
    tn_array others[3] = {{"module.fc2.weight", TN_F32, 2, {3, 9}, NULL},
                          {"module.fc1.weight", TN_F32, 2, {9, 6}, NULL},
                          {"module.steps", TN_I64, 0, {0}, NULL}};
    assert_ok(tn_model_match_arrays(index, model, others, 3, err));
    assert_int_equal(index[0], 1);
    assert_int_equal(index[1], 0);
    assert_true(index[2] == SIZE_MAX);
    tn_array renamed[2] = {arrays[0], arrays[1]};
    renamed[0].name = "net.0.weight";
    renamed[1].name = "net.2.weight";
    assert_ok(tn_model_match_arrays(index, model, renamed, 2, err));
    assert_int_equal(index[0], 0);
    assert_int_equal(index[1], 1);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copied_arrays_are_the_weights),
        cmocka_unit_test(lent_arrays_are_used_where_they_lie_and_given_back_once),
        cmocka_unit_test(a_failure_gives_lent_arrays_back),
        cmocka_unit_test(names_are_found_back_whatever_the_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
