/* test_picks.c - operators that pick or place elements: Trilu, TopK, DepthToSpace,
 * SpaceToDepth, Tile. */
#include "ops_check.h"

static void triangles_pass_gradients_where_they_keep(void **state)
{
    (void)state;
    for (int upper = 0; upper < 2; upper++)
        for (int64_t k = -3; k <= 4; k++) {
            check c = check_start();
            check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
            check_parameter_of(&c, TN_I64, 0, NULL, &k);
            check_node(&c, "Trilu", 14, 1);
            check_int(&c, "upper", upper);
            assert_ok(check_run(&c, err));
            for (size_t n = 0; n < 24; n++) {
                int64_t j = (int64_t)n % 4, i = (int64_t)n / 4 % 3;
                bool kept = upper ? j - i >= k : j - i <= k;
                float x = tn__tensor_f32_const(&c.in[0])[n];
                assert_true(tn__tensor_f32_const(&c.out[0])[n] == (kept ? x : 0));
            }
            check_gradients(&c, 1e-3);
            check_end(&c);
        }
}

static void the_largest_come_first_and_get_the_gradient(void **state)
{
    (void)state;
    for (int largest = 0; largest < 2; largest++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 4}, (float[]){3, 1, 4, 1, -5, 9, 2, 6});
        check_list(&c, 1, (int64_t[]){2});
        check_node(&c, "TopK", 11, 2);
        check_int(&c, "largest", largest);
        assert_ok(check_run(&c, err));
        const float *y = tn__tensor_f32_const(&c.out[0]);
        const int64_t *at = tn__tensor_i64_const(&c.out[1]);
        static const float values[2][4] = {{1, 1, -5, 2}, {4, 3, 9, 6}};
        static const int64_t indices[2][4] = {{1, 3, 0, 2}, {2, 0, 1, 3}};
        assert_memory_equal(y, values[largest], sizeof values[0]);
        assert_memory_equal(at, indices[largest], sizeof indices[0]);
        tn__tensor dy = {0}, dx = {0};
        check_tensor(&dy, TN_F32, 2, (int64_t[]){2, 2}, (float[]){1, 2, 3, 4});
        check_tensor(&dx, TN_F32, 2, (int64_t[]){2, 4}, NULL);
        tn__tensor *din[2] = {&dx, NULL};
        const tn__tensor *dout[2] = {&dy, NULL};
        const tn__tensor *out[2] = {&c.out[0], &c.out[1]};
        assert_ok(c.op->backward(din, dout, c.in_at, out, &c.site, err));
        static const float wanted[2][8] = {{0, 1, 0, 2, 3, 0, 4, 0},
                                           {2, 0, 1, 0, 0, 3, 0, 4}};
        assert_memory_equal(tn__tensor_data(&dx), wanted[largest], sizeof wanted[0]);
        tn__tensor_release(&dy);
        tn__tensor_release(&dx);
        check_end(&c);
    }
}

static void more_than_there_are_cannot_be_picked(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 4}, NULL);
    check_list(&c, 1, (int64_t[]){5});
    check_node(&c, "TopK", 11, 2);
    assert_fails(check_run(&c, err), TN_ERROR_MISMATCH, "k is 5 on an axis of 4");
    check_end(&c);
}

static void space_and_depth_undo_each_other(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){2, 3, 4, 6}, NULL);
    check_node(&c, "SpaceToDepth", 13, 1);
    check_int(&c, "blocksize", 2);
    assert_ok(check_run(&c, err));
    check_gradients(&c, 1e-3);
    check d = check_start();
    check_input(&d, 4, (int64_t[]){2, 12, 2, 3}, tn__tensor_f32_const(&c.out[0]));
    check_node(&d, "DepthToSpace", 13, 1);
    check_int(&d, "blocksize", 2);
    assert_ok(check_run(&d, err));
    assert_memory_equal(tn__tensor_data(&d.out[0]), tn__tensor_data(&c.in[0]),
                        tn__tensor_bytes(&c.in[0]));
    check_gradients(&d, 1e-3);
    check_end(&c);
    check_end(&d);
}

static void blocks_of_channels_have_gradients_in_both_orders(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 18, 2, 1}, NULL);
    check_node(&c, "DepthToSpace", 13, 1);
    check_int(&c, "blocksize", 3);
    check_text(&c, "mode", "CRD");
    assert_ok(check_run(&c, err));
    assert_true(tn__tensor_f32_const(&c.out[0])[1] ==
                tn__tensor_f32_const(&c.in[0])[2]);
    check_gradients(&c, 1e-3);
    check_end(&c);
}

static void tiles_add_their_gradients(void **state)
{
    (void)state;
    static const int64_t repeats[][3] = {{1, 1, 1}, {2, 1, 3}, {1, 4, 1}, {3, 2, 2}};
    for (size_t k = 0; k < TN__COUNT(repeats); k++) {
        check c = check_start();
        check_input(&c, 3, (int64_t[]){2, 3, 2}, NULL);
        check_list(&c, 3, repeats[k]);
        check_node(&c, "Tile", 13, 1);
        assert_ok(check_run(&c, err));
        check_gradients(&c, 1e-3);
        check_end(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(triangles_pass_gradients_where_they_keep),
        cmocka_unit_test(the_largest_come_first_and_get_the_gradient),
        cmocka_unit_test(more_than_there_are_cannot_be_picked),
        cmocka_unit_test(space_and_depth_undo_each_other),
        cmocka_unit_test(blocks_of_channels_have_gradients_in_both_orders),
        cmocka_unit_test(tiles_add_their_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
