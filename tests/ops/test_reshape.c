/* test_reshape.c - Reshape, Flatten, Squeeze, Unsqueeze, and the coupling of reshapes.
 */
#include "ops_check.h"

static check reshape(int rank, const int64_t *from, size_t count, const int64_t *to)
{
    check c = check_start();
    check_parameter(&c, rank, from, NULL);
    check_list(&c, count, to);
    check_node(&c, "Reshape", 13, 1);
    return c;
}

static void targets_are_resolved(void **state)
{
    (void)state;
    static const struct {
        size_t count;
        int64_t to[4];
        int rank;
        int64_t dims[4];
    } cases[] = {
        {2, {6, 4}, 2, {6, 4}},
        {2, {0, -1}, 2, {2, 12}},
        {1, {-1}, 1, {24}},
        {3, {-1, 0, 2}, 3, {4, 3, 2}},
        {4, {0, 0, 1, 4}, 4, {2, 3, 1, 4}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = reshape(3, (int64_t[]){2, 3, 4}, cases[i].count, cases[i].to);
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, cases[i].rank, cases[i].dims);
        assert_memory_equal(tn__tensor_data(&c.out[0]), tn__tensor_data(&c.in[0]), 96);
        check_gradients(&c, 2e-3);
        check_end(&c);
    }
}

static void impossible_targets_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t count;
        int64_t to[4];
        const char *text;
    } cases[] = {
        {2, {5, 5}, "cannot reshape [2, 3, 4] to [5, 5]"},
        {2, {-1, -1}, "to [-1, -1]"},
        {2, {-1, 5}, "to [-1, 5]"},
        {2, {-2, 12}, "to [-2, 12]"},
        {4, {2, 3, 4, 0}, "to [2, 3, 4, 0]"},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = reshape(3, (int64_t[]){2, 3, 4}, cases[i].count, cases[i].to);
        assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, cases[i].text);
        check_end(&c);
    }
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, NULL);
    int64_t dims[1] = {2};
    assert_ok(tn__model_add_input(&c.inputs[1], c.model, "to", TN_I64, 1, dims, err));
    c.count = 2;
    check_node(&c, "Reshape", 13, 1);
    assert_fails(check_infer(&c, err), TN_ERROR_UNSUPPORTED,
                 "'shape' depends on the data, expected a constant");
    check_end(&c);
}

static void axes_are_squeezed_and_added(void **state)
{
    (void)state;
    for (int64_t opset = 11; opset <= 13; opset += 2) {
        check c = check_start();
        check_input(&c, 4, (int64_t[]){2, 3, 1, 1}, NULL);
        if (opset == 13)
            check_list(&c, 1, (int64_t[]){-1});
        check_node(&c, "Squeeze", opset, 1);
        if (opset == 11)
            check_ints(&c, "axes", 1, (int64_t[]){3});
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 3, (int64_t[]){2, 3, 1});
        check_end(&c);
        c = check_start();
        check_input(&c, 2, (int64_t[]){2, 3}, NULL);
        if (opset == 13)
            check_list(&c, 2, (int64_t[]){-1, 1});
        check_node(&c, "Unsqueeze", opset, 1);
        if (opset == 11)
            check_ints(&c, "axes", 2, (int64_t[]){1, 3});
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 4, (int64_t[]){2, 1, 3, 1});
        check_end(&c);
    }
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 1}, NULL);
    check_node(&c, "Squeeze", 13, 1);
    assert_ok(check_infer(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 3});
    check_ints(&c, "axes", 1, (int64_t[]){1});
    c.model->opsets[0].version = 11;
    tn__shapes_release(&c.shapes);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "cannot squeeze axis 1, whose extent is 3");
    check_end(&c);
}

static void flattening_merges_channels_and_positions(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 3, 2, 2}, NULL);
    check_node(&c, "Flatten", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){1, 12});
    const recorder *r = record(&c);
    assert_true(is_merged(r, TN__OUT(0), 1, 0, 1, 3));
    assert_int_equal(r->merge_count, 1);
    assert_int_equal(ties_of(r, 0, 1), 0);
    check_end(&c);
}

static void axes_of_one_do_not_matter(void **state)
{
    (void)state;
    check c = reshape(4, (int64_t[]){1, 5, 1, 1}, 2, (int64_t[]){1, 5});
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_int_equal(r->tie_count, 5);
    assert_true(is_tied(r, 0, 1, 4, TN__OUT(0), 1, 4));
    assert_int_equal(r->frozen_count, 1); /* the list of the target */
    check_end(&c);
}

static void a_cut_axis_is_a_merge_the_other_way_round(void **state)
{
    (void)state;
    check c = reshape(3, (int64_t[]){2, 5, 12}, 4, (int64_t[]){2, 5, 3, 4});
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 4, TN__OUT(0), 1, 4));
    assert_true(is_merged(r, 0, 2, TN__OUT(0), 2, 3));
    assert_int_equal(r->merge_count, 1);
    check_end(&c);
}

static void axes_that_do_not_correspond_are_frozen(void **state)
{
    (void)state;
    check c = reshape(3, (int64_t[]){7, 6, 4}, 3, (int64_t[]){7, 8, 3});
    assert_ok(check_infer(&c, err));
    const recorder *r = record(&c);
    assert_int_equal(ties_of(r, 0, 0), 7);
    assert_int_equal(ties_of(r, 0, 1) + ties_of(r, 0, 2), 0);
    for (int axis = 1; axis < 3; axis++)
        assert_true(is_frozen(r, 0, axis) && is_frozen(r, TN__OUT(0), axis));
    check_end(&c);
}

static void empty_axes_have_no_cells(void **state)
{
    (void)state;
    check c = reshape(2, (int64_t[]){0, 3}, 2, (int64_t[]){0, -1});
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "to [0, -1]");
    check_end(&c);
    c = check_start();
    check_parameter(&c, 3, (int64_t[]){2, 0, 3}, NULL);
    check_node(&c, "Flatten", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 0});
    assert_int_equal(ties_of(record(&c), TN__OUT(0), 1), 0);
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_resolved),
        cmocka_unit_test(impossible_targets_are_refused),
        cmocka_unit_test(axes_are_squeezed_and_added),
        cmocka_unit_test(flattening_merges_channels_and_positions),
        cmocka_unit_test(axes_of_one_do_not_matter),
        cmocka_unit_test(a_cut_axis_is_a_merge_the_other_way_round),
        cmocka_unit_test(axes_that_do_not_correspond_are_frozen),
        cmocka_unit_test(empty_axes_have_no_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
