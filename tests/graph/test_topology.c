/* The graph: building, validation, order, links, cuts, edits and copies. */
#include "test.h"

#include "graph/model.h"

/* input -> Relu "a" -> {Relu "b", Relu "c"} -> Add "d" -> Relu "e" */
static tn_model *diamond(void)
{
    tn_model *m = NULL;
    size_t x, v[5], n;
    assert_ok(tn__model_create(&m, "diamond", err));
    assert_ok(tn__model_add_input(&x, m, "x", TN_F32, 2, (int64_t[]){-1, 4}, err));
    for (size_t k = 0; k < 5; k++) {
        const char *name = (const char *[]){"a", "b", "c", "d", "e"}[k];
        assert_ok(tn__model_add_value(&v[k], m, name, err));
    }
    assert_ok(tn__model_add_node(&n, m, "Relu", "e", 1, &v[3], 1, &v[4], err));
    assert_ok(tn__model_add_node(&n, m, "Add", "d", 2, (size_t[]){v[1], v[2]}, 1, &v[3],
                                 err));
    assert_ok(tn__model_add_node(&n, m, "Relu", "a", 1, &x, 1, &v[0], err));
    assert_ok(tn__model_add_node(&n, m, "Relu", "b", 1, &v[0], 1, &v[1], err));
    assert_ok(tn__model_add_node(&n, m, "Relu", "c", 1, &v[0], 1, &v[2], err));
    assert_ok(tn__model_add_output(m, v[4], err));
    return m;
}

static void nodes_are_put_in_order(void **state)
{
    (void)state;
    tn_model *m = diamond();
    assert_ok(tn__model_check(m, err));
    const char *expected[] = {"a", "b", "c", "d", "e"};
    for (size_t n = 0; n < 5; n++)
        assert_string_equal(m->nodes[n].name, expected[n]);
    tn__links links = {0};
    assert_ok(tn__links_create(&links, m, err));
    size_t a = tn__model_find_value(m, "a");
    assert_int_equal(links.producer[a], 0);
    assert_int_equal(links.first_use[a + 1] - links.first_use[a], 2);
    assert_int_equal(links.uses[links.first_use[a]].node, 1);
    assert_int_equal(links.uses[links.first_use[a] + 1].node, 2);
    assert_int_equal(links.producer[tn__model_find_value(m, "x")], TN__NONE);
    tn__links_release(&links);
    tn_model_free(m);
}

static void cuts_are_where_one_tensor_lives(void **state)
{
    (void)state;
    tn_model *m = diamond();
    size_t *cuts = NULL, count = 0;
    assert_ok(tn__model_check(m, err));
    assert_ok(tn__model_cuts(&cuts, &count, m, err));
    const char *expected[] = {"x", "a", "d", "e"};
    assert_int_equal(count, 4);
    for (size_t k = 0; k < count; k++)
        assert_string_equal(m->values[cuts[k]].name, expected[k]);
    tn__free(cuts);
    tn_model_free(m);
}

static void a_cycle_is_refused_by_name(void **state)
{
    (void)state;
    tn_model *m = diamond();
    m->nodes[2].inputs[0] = tn__model_find_value(m, "b");
    assert_fails(tn__model_check(m, err), TN_ERROR_FORMAT, "cycle through");
    tn_model_free(m);
}

static void undefined_and_doubly_defined_values_are_refused(void **state)
{
    (void)state;
    tn_model *m = diamond();
    size_t v;
    assert_ok(tn__model_add_value(&v, m, "ghost", err));
    m->nodes[2].inputs[0] = v;
    assert_fails(tn__model_check(m, err), TN_ERROR_FORMAT,
                 "'ghost', an input of Relu 'a', is not defined");
    tn_model_free(m);
    m = diamond();
    m->nodes[4].outputs[0] = tn__model_find_value(m, "b");
    assert_fails(tn__model_check(m, err), TN_ERROR_FORMAT, "defined twice");
    tn_model_free(m);
    m = diamond();
    m->output_count = 0;
    assert_fails(tn__model_check(m, err), TN_ERROR_FORMAT, "no output");
    tn_model_free(m);
}

static void unused_parts_are_dropped(void **state)
{
    (void)state;
    tn_model *m = diamond();
    assert_ok(tn__model_check(m, err));
    m->outputs[0] = tn__model_find_value(m, "b");
    assert_ok(tn__model_prune_unused(m, err));
    assert_int_equal(m->node_count, 2);
    assert_int_equal(m->value_count, 3);
    assert_ok(tn__model_check(m, err));
    assert_string_equal(m->values[m->outputs[0]].name, "b");
    tn_model_free(m);
}

static void readers_are_redirected_and_nodes_removed(void **state)
{
    (void)state;
    tn_model *m = diamond();
    assert_ok(tn__model_check(m, err));
    tn__model_redirect(m, tn__model_find_value(m, "b"), tn__model_find_value(m, "a"));
    tn__model_remove_nodes(m, (bool[]){false, true, false, false, false});
    assert_int_equal(m->node_count, 4);
    assert_ok(tn__model_check(m, err));
    assert_int_equal(m->nodes[2].inputs[0], tn__model_find_value(m, "a"));
    tn_model_free(m);
}

static void a_clone_is_deep_and_shares_parameters(void **state)
{
    (void)state;
    tn_model *m = diamond(), *copy = NULL;
    tn__tensor w = {0};
    size_t v;
    assert_ok(tn__tensor_create(&w, TN_F32, 1, (int64_t[]){4}, err));
    assert_ok(tn__model_add_parameter(&v, m, "w", &w, err));
    tn__tensor_release(&w);
    assert_ok(tn__node_set_ints(&m->nodes[0], "axes", 2, (int64_t[]){1, 2}, err));
    assert_ok(tn__node_set_string(&m->nodes[0], "mode", "zero", 4, err));
    assert_ok(tn__model_set_metadata(m, "key", "text", err));
    assert_ok(tn__model_set_metadata(m, "key", "new", err));
    assert_ok(tn_model_clone(&copy, m, err));
    assert_ptr_equal(tn__tensor_data(&copy->values[v].parameter),
                     tn__tensor_data(&m->values[v].parameter));
    tn_model_free(m);
    size_t count = 0;
    assert_int_equal(tn__node_ints(&copy->nodes[0], "axes", &count)[1], 2);
    assert_int_equal(count, 2);
    assert_string_equal(tn__node_string(&copy->nodes[0], "mode", ""), "zero");
    assert_string_equal(tn__model_metadata(copy, "key"), "new");
    assert_null(tn__model_metadata(copy, "other"));
    assert_int_equal(tn__node_int(&copy->nodes[0], "axes", 9), 9);
    tn_model_free(copy);
}

static void cloning_survives_any_failed_allocation(void **state)
{
    (void)state;
    tn_model *m = diamond();
    for (size_t k = 1;; k++) {
        tn_model *copy = NULL;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        tn_status status = tn_model_clone(&copy, m, &err);
        tn__alloc_fail_after(0);
        tn_model_free(copy);
        if (status == TN_OK)
            break;
        assert_int_equal(status, TN_ERROR_MEMORY);
        assert_null(copy);
    }
    tn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_put_in_order),
        cmocka_unit_test(cuts_are_where_one_tensor_lives),
        cmocka_unit_test(a_cycle_is_refused_by_name),
        cmocka_unit_test(undefined_and_doubly_defined_values_are_refused),
        cmocka_unit_test(unused_parts_are_dropped),
        cmocka_unit_test(readers_are_redirected_and_nodes_removed),
        cmocka_unit_test(a_clone_is_deep_and_shares_parameters),
        cmocka_unit_test(cloning_survives_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
