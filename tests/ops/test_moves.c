/* test_moves.c - operators that move elements: Transpose, Pad, Slice, Concat, Split,
 * Gather, Cast. */
#include "ops/view.h"
#include "ops_check.h"

static const float six[6] = {1, 2, 3, 4, 5, 6};

static void axes_are_permuted(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_node(&c, "Transpose", 13, 1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 6, (float[]){1, 4, 2, 5, 3, 6}, 0);
    check_end(&c);
    c = check_start();
    check_input(&c, 4, (int64_t[]){2, 3, 4, 5}, NULL);
    check_node(&c, "Transpose", 13, 1);
    check_ints(&c, "perm", 4, (int64_t[]){0, 2, 3, 1});
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 4, (int64_t[]){2, 4, 5, 3});
    check_gradients(&c, 2e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 3, 2));
    assert_true(is_tied(r, 0, 3, 4, TN__OUT(0), 2, 4));
    check_end(&c);
}

/* Whole tiles, parts of them, and rows that lie apart; elements of every size. */
static void planes_are_turned(void **state)
{
    (void)state;
    static const int64_t extents[][3] = {{2, 16, 32}, {3, 37, 21}, {1, 5, 70}};
    enum { MOST = 3 * 40 * 80 };
    for (size_t size = 1; size <= 8; size *= 2)
        for (size_t e = 0; e < TN__COUNT(extents); e++) {
            static uint8_t from[MOST * 8], to[MOST * 8];
            int64_t n = extents[e][0], h = extents[e][1], w = extents[e][2];
            tn__shape extent = {.rank = 3, .dims = {n, h, w}};
            tn__view there = {.stride = {h * (w + 3), w + 3, 1}};
            tn__view here = {.offset = 1, .stride = {1 + h * w, 1, h}};
            for (size_t i = 0; i < sizeof from; i++)
                from[i] = (uint8_t)(i * 2654435761u >> 13);
            memset(to, 0, sizeof to);
            tn__view_copy(to, &there, from, &here, &extent, size);
            for (int64_t k = 0; k < n; k++)
                for (int64_t i = 0; i < h; i++)
                    for (int64_t j = 0; j < w; j++) {
                        size_t at = (size_t)(1 + k * (1 + h * w) + i + j * h);
                        size_t put = (size_t)(k * h * (w + 3) + i * (w + 3) + j);
                        assert_memory_equal(to + put * size, from + at * size, size);
                    }
            for (int64_t i = 0; i < n * h; i++) /* nothing between the rows */
                for (size_t b = 0; b < 3 * size; b++)
                    assert_int_equal(to[(size_t)(i * (w + 3) + w) * size + b], 0);
        }
}

static void padding_adds_constants_and_crops(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_list(&c, 4, (int64_t[]){1, -1, 0, 2});
    check_parameter_of(&c, TN_F32, 0, NULL, (float[]){9});
    check_node(&c, "Pad", 13, 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){3, 4});
    check_values(&c, 0, 12, (float[]){9, 9, 9, 9, 2, 3, 9, 9, 5, 6, 9, 9}, 0);
    check_end(&c);
    c = check_start();
    check_input(&c, 4, (int64_t[]){1, 2, 2, 2}, NULL);
    check_node(&c, "Pad", 10, 1);
    check_ints(&c, "pads", 8, (int64_t[]){0, 2, 0, 0, 0, 2, 0, 0});
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 4, (int64_t[]){1, 6, 2, 2});
    check_gradients(&c, 2e-3);
    const recorder *r = record(&c);
    assert_int_equal(ties_of(r, TN__OUT(0), 1), 2);
    assert_true(is_tied(r, 0, 1, 1, TN__OUT(0), 1, 3));
    check_end(&c);
}

static void padding_repeats_the_input(void **state)
{
    (void)state;
    static const struct {
        const char *mode;
        float row[8];
    } modes[] = {{"edge", {1, 1, 1, 2, 3, 3, 3, 3}},
                 {"reflect", {3, 2, 1, 2, 3, 2, 1, 2}},
                 {"wrap", {2, 3, 1, 2, 3, 1, 2, 3}}};
    for (size_t k = 0; k < TN__COUNT(modes); k++) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 3}, six);
        check_list(&c, 4, (int64_t[]){0, 2, 0, 3});
        check_node(&c, "Pad", 13, 1);
        check_text(&c, "mode", modes[k].mode);
        assert_ok(check_run(&c, err));
        float wanted[16];
        for (size_t i = 0; i < 8; i++) {
            wanted[i] = modes[k].row[i];
            wanted[8 + i] = modes[k].row[i] + 3;
        }
        check_values(&c, 0, 16, wanted, 0);
        check_gradients(&c, 2e-3);
        const recorder *r = record(&c);
        assert_int_equal(ties_of(r, TN__OUT(0), 0), 2);
        assert_int_equal(ties_of(r, TN__OUT(0), 1), 0);
        check_end(&c);
    }
}

static check slice(const int64_t *start, const int64_t *end, const int64_t *step)
{
    check c = check_start();
    check_input(&c, 2, (int64_t[]){3, 5},
                (float[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
    check_list(&c, 1, start);
    check_list(&c, 1, end);
    check_list(&c, 1, (int64_t[]){-1});
    check_list(&c, 1, step);
    check_node(&c, "Slice", 13, 1);
    return c;
}

static void slices_follow_their_bounds(void **state)
{
    (void)state;
    static const struct {
        int64_t start, end, step, count;
        float first[4]; /* of row 0 */
    } cases[] = {
        {1, 4, 1, 3, {1, 2, 3}},
        {0, INT64_MAX, 2, 3, {0, 2, 4}},
        {-2, INT64_MAX, 1, 2, {3, 4}},
        {4, 1, -2, 2, {4, 2}},
        {-1, INT64_MIN, -2, 3, {4, 2, 0}},
        {100, -100, -3, 2, {4, 1}},
        {3, 2, 1, 0, {0}},
        {0, -1, INT64_MAX, 1, {0}},
    };
    for (size_t i = 0; i < TN__COUNT(cases); i++) {
        check c = slice(&cases[i].start, &cases[i].end, &cases[i].step);
        assert_ok(check_run(&c, err));
        check_shape(&c, 0, 2, (int64_t[]){3, cases[i].count});
        const recorder *r = record(&c);
        for (int64_t k = 0; k < cases[i].count; k++) {
            assert_near(tn__tensor_get_f64(&c.out[0], (size_t)k),
                        (double)cases[i].first[k], 0);
            assert_true(
                is_tied(r, 0, 1, (size_t)cases[i].first[k], TN__OUT(0), 1, (size_t)k));
        }
        if (cases[i].count)
            check_gradients(&c, 1e-2);
        check_end(&c);
    }
    check c = slice((int64_t[]){0}, (int64_t[]){1}, (int64_t[]){0});
    assert_fails(check_infer(&c, err), TN_ERROR_FORMAT, "the step on axis 1 is 0");
    check_end(&c);
}

static void old_slices_have_attributes(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_node(&c, "Slice", 9, 1);
    check_ints(&c, "starts", 2, (int64_t[]){1, -2});
    check_ints(&c, "ends", 2, (int64_t[]){2, 1000});
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 2, (float[]){5, 6}, 0);
    check_end(&c);
}

static void parts_are_joined(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_parameter(&c, 2, (int64_t[]){2, 1}, (float[]){7, 8});
    check_node(&c, "Concat", 13, 1);
    check_int(&c, "axis", -1);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 8, (float[]){1, 2, 3, 7, 4, 5, 6, 8}, 0);
    check_gradients(&c, 2e-3);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
    assert_true(is_tied(r, 1, 1, 0, TN__OUT(0), 1, 3));
    assert_true(is_tied(r, 1, 0, 1, TN__OUT(0), 0, 1));
    check_int(&c, "axis", 0);
    tn__shapes_release(&c.shapes);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "input 1 is [2, 1], which does not join [2, 3] on axis 0");
    check_end(&c);
}

static void parts_are_split(void **state)
{
    (void)state;
    for (int64_t opset = 11; opset <= 13; opset += 2) {
        check c = check_start();
        check_input(&c, 2, (int64_t[]){2, 3}, six);
        if (opset == 13)
            check_list(&c, 2, (int64_t[]){1, 2});
        check_node(&c, "Split", opset, 2);
        check_int(&c, "axis", 1);
        if (opset == 11)
            check_ints(&c, "split", 2, (int64_t[]){1, 2});
        assert_ok(check_run(&c, err));
        check_values(&c, 0, 2, (float[]){1, 4}, 0);
        check_values(&c, 1, 4, (float[]){2, 3, 5, 6}, 0);
        check_gradients(&c, 1e-2);
        const recorder *r = record(&c);
        assert_true(is_tied(r, 0, 1, 0, TN__OUT(0), 1, 0));
        assert_true(is_tied(r, 0, 1, 2, TN__OUT(1), 1, 1));
        check_end(&c);
    }
    check c = check_start();
    check_input(&c, 1, (int64_t[]){5}, NULL);
    check_node(&c, "Split", 18, 2);
    check_int(&c, "num_outputs", 2);
    assert_ok(check_infer(&c, err));
    check_shape(&c, 0, 1, (int64_t[]){3});
    check_shape(&c, 1, 1, (int64_t[]){2});
    c.model->opsets[0].version = 13;
    tn__shapes_release(&c.shapes);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH,
                 "cannot split 5 into 2 parts");
    check_end(&c);
}

static void rows_are_gathered(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, six);
    check_list(&c, 4, (int64_t[]){2, 0, -1, 2});
    check_node(&c, "Gather", 13, 1);
    check_int(&c, "axis", 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 4});
    check_values(&c, 0, 8, (float[]){3, 1, 3, 3, 6, 4, 6, 6}, 0);
    check_gradients(&c, 1e-2);
    const recorder *r = record(&c);
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 0));
    assert_true(is_tied(r, 0, 1, 0, TN__OUT(0), 1, 1));
    assert_true(is_tied(r, 0, 1, 2, TN__OUT(0), 1, 2));
    assert_true(is_tied(r, 0, 0, 1, TN__OUT(0), 0, 1));
    check_end(&c);
}

static void a_scalar_index_singles_a_cell_out(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 3, (int64_t[]){2, 3, 4}, NULL);
    check_parameter_of(&c, TN_I64, 0, NULL, (int64_t[]){1});
    check_node(&c, "Gather", 13, 1);
    check_int(&c, "axis", 1);
    assert_ok(check_run(&c, err));
    check_shape(&c, 0, 2, (int64_t[]){2, 4});
    const recorder *r = record(&c);
    assert_true(is_frozen(r, 0, 1));
    assert_true(is_tied(r, 0, 2, 3, TN__OUT(0), 1, 3));
    check_end(&c);
    c = check_start();
    check_input(&c, 2, (int64_t[]){2, 3}, NULL);
    check_parameter_of(&c, TN_I64, 0, NULL, (int64_t[]){3});
    check_node(&c, "Gather", 13, 1);
    check_int(&c, "axis", 1);
    assert_fails(check_infer(&c, err), TN_ERROR_MISMATCH, "index 3 is not in [-3, 3)");
    check_end(&c);
}

static void casts_cut_towards_zero(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 1, (int64_t[]){4}, (float[]){-1.7f, 0, 0.5f, 2.9f});
    check_node(&c, "Cast", 13, 1);
    check_int(&c, "to", TN_I64);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){-1, 0, 0, 2}, 0);
    check_end(&c);
    c = check_start();
    check_input(&c, 1, (int64_t[]){4}, (float[]){-1.7f, 0, 0.5f, 2.9f});
    check_node(&c, "Cast", 13, 1);
    check_int(&c, "to", TN_BOOL);
    assert_ok(check_run(&c, err));
    check_values(&c, 0, 4, (float[]){1, 0, 1, 1}, 0);
    check_int(&c, "to", 8); /* strings */
    tn__shapes_release(&c.shapes);
    assert_fails(check_infer(&c, err), TN_ERROR_UNSUPPORTED,
                 "element type 8 is not known");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_are_permuted),
        cmocka_unit_test(planes_are_turned),
        cmocka_unit_test(padding_adds_constants_and_crops),
        cmocka_unit_test(padding_repeats_the_input),
        cmocka_unit_test(slices_follow_their_bounds),
        cmocka_unit_test(old_slices_have_attributes),
        cmocka_unit_test(parts_are_joined),
        cmocka_unit_test(parts_are_split),
        cmocka_unit_test(rows_are_gathered),
        cmocka_unit_test(a_scalar_index_singles_a_cell_out),
        cmocka_unit_test(casts_cut_towards_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
