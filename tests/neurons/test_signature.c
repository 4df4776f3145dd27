/* test_signature.c - classes and what tells one from another. */
#include "toys.h"

#include "neurons/cells.h"
#include "neurons/signature.h"

typedef struct fixture {
    tn_model *model;
    tn__shapes shapes;
    tn__cells cells;
    tn__classes classes;
} fixture;

static fixture begin(tn_model *model)
{
    fixture f = {.model = model};
    assert_ok(tn__shapes_infer(&f.shapes, model, 1, err));
    assert_ok(tn__cells_create(&f.cells, model, &f.shapes, err));
    assert_ok(tn__classes_create(&f.classes, &f.cells, &f.shapes, err));
    return f;
}

static void end(fixture *f)
{
    tn__classes_release(&f->classes);
    tn__cells_release(&f->cells);
    tn__shapes_release(&f->shapes);
    tn_model_free(f->model);
}

static uint32_t class_of(const fixture *f, const char *name, int axis, uint32_t index)
{
    size_t v = tn__model_find_value(f->model, name);
    size_t slot = f->cells.first_slot[v] + (size_t)axis;
    return f->classes.of[f->cells.first_cell[slot] + index];
}

static bool equal(const fixture *f, uint32_t a, uint32_t b)
{
    return tn__signature_compare(&f->classes.signature[a], &f->classes.signature[b]) ==
           0;
}

static void classes_partition_the_cells(void **state)
{
    (void)state;
    fixture f = begin(toy_mlp());
    const tn__classes *c = &f.classes;
    assert_int_equal(c->first[0], 0);
    assert_int_equal(c->first[c->count], f.cells.count);
    for (size_t k = 0; k < c->count; k++) {
        assert_true(c->first[k] < c->first[k + 1]);
        for (size_t i = c->first[k]; i < c->first[k + 1]; i++) {
            assert_int_equal(c->of[c->cell[i]], k);
            assert_true(i == c->first[k] || c->cell[i - 1] < c->cell[i]);
        }
    }
    end(&f);
}

static void neurons_of_one_layer_are_alike_and_of_two_are_not(void **state)
{
    (void)state;
    fixture f = begin(toy_mlp());
    uint32_t a = class_of(&f, "fc1.weight", 0, 0), b = class_of(&f, "fc1.weight", 0, 4);
    uint32_t c = class_of(&f, "fc2.weight", 0, 0);
    assert_true(equal(&f, a, b));
    assert_false(equal(&f, a, c));
    end(&f);
}

static void blocks_that_cannot_move_differ(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 4, 4));
    x = toy_relu(model, "relu", toy_conv(model, "conv1", x, 6, 2, 1));
    toy_finish(model, toy_conv(model, "conv2", x, 4, 6, 2));
    fixture f = begin(model);
    uint32_t a = class_of(&f, "conv1.weight", 0, 0),
             b = class_of(&f, "conv1.weight", 0, 2);
    uint32_t c = class_of(&f, "conv1.weight", 0, 3);
    assert_true(equal(&f, a, b));
    assert_false(equal(&f, a, c));
    assert_int_equal(f.classes.block[a], UINT32_MAX);
    end(&f);
}

/* Neuron i lies on columns i and (2 - i) + 3 of fc2: the offset tells which. */
static void cells_at_other_offsets_differ(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu", toy_linear(model, "fc1", x, 3, 6));
    size_t order = toy_integers(model, "order", DIMS(2, 1, 0));
    size_t b = toy_node(model, "Gather", "gather", VALUES(a, order));
    toy_int(model, "axis", 1);
    size_t y = toy_node(model, "Concat", "concat", VALUES(a, b));
    toy_int(model, "axis", 1);
    toy_finish(model, toy_linear(model, "fc2", y, 2, 6));
    fixture f = begin(model);
    assert_false(
        equal(&f, class_of(&f, "fc1.weight", 0, 0), class_of(&f, "fc1.weight", 0, 1)));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_partition_the_cells),
        cmocka_unit_test(neurons_of_one_layer_are_alike_and_of_two_are_not),
        cmocka_unit_test(blocks_that_cannot_move_differ),
        cmocka_unit_test(cells_at_other_offsets_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
