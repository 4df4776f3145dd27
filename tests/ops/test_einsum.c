/* test_einsum.c - sums of products told by letters. */
#include "ops_check.h"

/* A check of one equation on random operands [rank[k]] of dims. */
static check start(const char *equation, size_t count, const int *rank,
                   int64_t (*dims)[4])
{
    check c = check_start();
    for (size_t k = 0; k < count; k++)
        check_input(&c, rank[k], dims[k], NULL);
    check_node(&c, "Einsum", 12, 1);
    check_text(&c, "equation", equation);
    return c;
}

static void a_product_of_matrices_is_one(void **state)
{
    (void)state;
    check c = start("ij, jk -> ik", 2, (int[]){2, 2}, (int64_t[][4]){{2, 3}, {3, 4}});
    assert_ok(check_run(&c, err));
    assert_int_equal(c.op->macs(&c.site), 2 * 3 * 4);
    const float *a = tn__tensor_f32_const(&c.in[0]),
                *b = tn__tensor_f32_const(&c.in[1]);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) {
            double sum = 0;
            for (int j = 0; j < 3; j++)
                sum += (double)a[i * 3 + j] * (double)b[j * 4 + k];
            assert_near(tn__tensor_f32_const(&c.out[0])[i * 4 + k], sum, 1e-6);
        }
    check_gradients(&c, 1e-3);
    check_end(&c);
}

static void an_equation_without_arrow_keeps_what_occurs_once(void **state)
{
    (void)state;
    check c = start("ba,bc", 2, (int[]){2, 2}, (int64_t[][4]){{2, 3}, {2, 4}});
    assert_ok(check_run(&c, err));
    assert_int_equal(c.out[0].shape.rank, 2);
    assert_int_equal(c.out[0].shape.dims[0], 3);
    assert_int_equal(c.out[0].shape.dims[1], 4);
    check_gradients(&c, 1e-3);
    check_end(&c);
}

static void diagonals_are_read_and_get_gradients(void **state)
{
    (void)state;
    check c = start("...ii->...i", 1, (int[]){3}, (int64_t[][4]){{2, 3, 3}});
    assert_ok(check_run(&c, err));
    for (int n = 0; n < 2; n++)
        for (int i = 0; i < 3; i++)
            assert_true(tn__tensor_f32_const(&c.out[0])[n * 3 + i] ==
                        tn__tensor_f32_const(&c.in[0])[n * 9 + i * 4]);
    check_gradients(&c, 1e-3);
    check_end(&c);
}

static void leading_axes_are_stretched(void **state)
{
    (void)state;
    check c = start("...ij,...jk->...ik", 2, (int[]){4, 3},
                    (int64_t[][4]){{2, 1, 3, 2}, {5, 2, 4}});
    assert_ok(check_run(&c, err));
    assert_int_equal(c.out[0].shape.rank, 4);
    assert_int_equal(c.out[0].shape.dims[1], 5);
    check_gradients(&c, 1e-3);
    check_end(&c);
}

static void products_of_three_are_summed(void **state)
{
    (void)state;
    check c = start("i,ij,j->", 3, (int[]){1, 2, 1}, (int64_t[][4]){{3}, {3, 2}, {2}});
    assert_ok(check_run(&c, err));
    assert_int_equal(c.out[0].shape.rank, 0);
    check_gradients(&c, 1e-3);
    check_end(&c);
}

static void broken_equations_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *equation;
        tn_status status;
        const char *message;
    } bad[] = {{"ij,j1->i", TN_ERROR_FORMAT, "cannot read the equation"},
               {"ij", TN_ERROR_FORMAT, "2 inputs, the equation has 1"},
               {"ijk,jk->i", TN_ERROR_MISMATCH, "input 0 has 2 axes"},
               {"ij,ij->i", TN_ERROR_MISMATCH, "has extent 3, expected 2"},
               {"..ij,jk->ik", TN_ERROR_FORMAT, "cannot read the equation"}};
    for (size_t k = 0; k < TN__COUNT(bad); k++) {
        check c =
            start(bad[k].equation, 2, (int[]){2, 2}, (int64_t[][4]){{2, 3}, {3, 4}});
        assert_fails(check_run(&c, err), bad[k].status, bad[k].message);
        check_end(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_of_matrices_is_one),
        cmocka_unit_test(an_equation_without_arrow_keeps_what_occurs_once),
        cmocka_unit_test(diagonals_are_read_and_get_gradients),
        cmocka_unit_test(leading_axes_are_stretched),
        cmocka_unit_test(products_of_three_are_summed),
        cmocka_unit_test(broken_equations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
