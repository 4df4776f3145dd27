/* test_cells.c - numbering, ties, freezing. */
#include "toys.h"

#include "neurons/cells.h"

static void find_cells(tn__cells *cells, tn__shapes *shapes, const tn_model *model)
{
    assert_ok(tn__shapes_infer(shapes, model, 1, err));
    assert_ok(tn__cells_create(cells, model, shapes, err));
}

static uint32_t cell_of(const tn__cells *cells, const tn_model *model, const char *name,
                        int axis, uint32_t index)
{
    size_t v = tn__model_find_value(model, name);
    assert_true(v != TN__NONE);
    return cells->first_cell[cells->first_slot[v] + (size_t)axis] + index;
}

static void neurons_are_tied_from_row_to_column(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn__shapes shapes;
    tn__cells cells;
    find_cells(&cells, &shapes, model);
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t root =
            tn__cells_find(&cells, cell_of(&cells, model, "fc1.weight", 0, i));
        assert_int_equal(
            root, tn__cells_find(&cells, cell_of(&cells, model, "fc1.bias", 0, i)));
        assert_int_equal(
            root, tn__cells_find(&cells, cell_of(&cells, model, "relu1_out", 1, i)));
        assert_int_equal(
            root, tn__cells_find(&cells, cell_of(&cells, model, "fc2.weight", 1, i)));
        assert_null(tn__cells_reason(&cells, root));
        assert_int_equal(cells.size[root], 5);
    }
    tn__cells_release(&cells);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void inputs_and_outputs_are_frozen(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn__shapes shapes;
    tn__cells cells;
    find_cells(&cells, &shapes, model);
    uint32_t in = cell_of(&cells, model, "fc1.weight", 1, 3);
    uint32_t out = cell_of(&cells, model, "fc3.bias", 0, 2);
    assert_string_equal(tn__cells_reason(&cells, in), "graph input");
    assert_string_equal(tn__cells_reason(&cells, out), "graph output");
    tn__cells_release(&cells);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void natures_are_told_apart(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t w = toy_parameter(model, "w", DIMS(4, 6));
    size_t t = toy_node(model, "Transpose", "turn", VALUES(w));
    toy_ints(model, "perm", DIMS(1, 0));
    size_t y = toy_node(model, "MatMul", "mix", VALUES(x, t));
    size_t s = toy_node(model, "Shape", "shape", VALUES(y));
    toy_finish(model, toy_node(model, "Reshape", "same", VALUES(y, s)));
    tn__shapes shapes;
    tn__cells cells;
    find_cells(&cells, &shapes, model);
    assert_int_equal(cells.nature[x], TN__ACTIVATION);
    assert_int_equal(cells.nature[w], TN__LEARNED);
    assert_int_equal(cells.nature[t], TN__LEARNED);
    assert_int_equal(cells.nature[y], TN__ACTIVATION);
    assert_int_equal(cells.nature[s], TN__FIXED);
    tn__cells_release(&cells);
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

static void a_weight_read_with_two_groupings_is_refused(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 4, 5, 5));
    size_t a = toy_conv(model, "a", x, 4, 4, 2);
    size_t w = tn__model_find_value(model, "a.weight");
    size_t half = toy_conv(model, "half", x, 2, 4, 1);
    size_t b = toy_node(model, "Conv", "b", VALUES(half, w));
    toy_ints(model, "pads", DIMS(1, 1, 1, 1));
    toy_finish(model, toy_node(model, "Add", "sum", VALUES(a, b)));
    tn__shapes shapes;
    tn__cells cells;
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    assert_fails(tn__cells_create(&cells, model, &shapes, err), TN_ERROR_UNSUPPORTED,
                 "'a.weight' is read with 2 groups and with 1");
    tn__shapes_release(&shapes);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neurons_are_tied_from_row_to_column),
        cmocka_unit_test(inputs_and_outputs_are_frozen),
        cmocka_unit_test(natures_are_told_apart),
        cmocka_unit_test(a_weight_read_with_two_groupings_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
