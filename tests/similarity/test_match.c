/* test_match.c - structure, and nothing but structure, decides what corresponds. */
#include "test.h"

#include "similarity/match.h"

/* A chain of Gemm and Relu: widths[0] - widths[1] - ... - widths[layers]. */
typedef struct spec {
    const char *prefix; /* of every name */
    const int64_t *widths;
    size_t layers;
    const char *activation;
    bool untidy; /* attributes at their defaults are written out */
} spec;

static size_t add_weight(tn_model *model, const char *name, int64_t rows,
                         int64_t columns)
{
    tn__tensor tensor = {0};
    size_t value;
    assert_ok(tn__tensor_create(&tensor, TN_F32, 2, (int64_t[]){rows, columns}, err));
    tn__tensor_f32(&tensor)[0] = (float)rows;
    assert_ok(tn__model_add_parameter(&value, model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

static tn_model *chain(const spec *s)
{
    tn_model *model = NULL;
    char name[64];
    size_t at, next, node;
    assert_ok(tn__model_create(&model, s->prefix, err));
    assert_ok(tn__model_add_input(&at, model, "x", TN_F32, 2,
                                  (int64_t[]){-1, s->widths[0]}, err));
    for (size_t l = 0; l < s->layers; l++) {
        snprintf(name, sizeof name, "%s%zu.weight", s->prefix, l);
        size_t inputs[2] = {at,
                            add_weight(model, name, s->widths[l + 1], s->widths[l])};
        snprintf(name, sizeof name, "%s%zu", s->prefix, l);
        assert_ok(tn__model_add_value(&next, model, name, err));
        assert_ok(
            tn__model_add_node(&node, model, "Gemm", name, 2, inputs, 1, &next, err));
        assert_ok(tn__node_set_int(&model->nodes[node], "transB", 1, err));
        if (s->untidy)
            assert_ok(tn__node_set_float(&model->nodes[node], "alpha", 1, err));
        at = next;
        if (l + 1 == s->layers)
            break;
        snprintf(name, sizeof name, "%s%zu.act", s->prefix, l);
        assert_ok(tn__model_add_value(&next, model, name, err));
        assert_ok(tn__model_add_node(&node, model, s->activation, name, 1, &at, 1,
                                     &next, err));
        at = next;
    }
    assert_ok(tn__model_add_output(model, at, err));
    assert_ok(tn__model_check(model, err));
    return model;
}

static const int64_t narrow[] = {8, 6, 4, 3};
static const int64_t wide[] = {8, 12, 5, 3};

static void names_and_widths_do_not_matter(void **state)
{
    (void)state;
    tn_model *a = chain(&(spec){"a", narrow, 3, "Relu", false});
    tn_model *b = chain(&(spec){"other", wide, 3, "Relu", true});
    size_t *value_of = NULL;
    assert_ok(tn__match_values(&value_of, a, b, err));
    assert_string_equal(a->values[value_of[tn__model_find_value(b, "other1.act")]].name,
                        "a1.act");
    assert_string_equal(
        a->values[value_of[tn__model_find_value(b, "other2.weight")]].name,
        "a2.weight");
    free(value_of);
    tn_model_free(a);
    tn_model_free(b);
}

static void another_operator_is_named(void **state)
{
    (void)state;
    tn_model *a = chain(&(spec){"a", narrow, 3, "Relu", false});
    tn_model *b = chain(&(spec){"b", narrow, 3, "Tanh", false});
    size_t *value_of = NULL;
    assert_fails(tn__match_values(&value_of, a, b, err), TN_ERROR_MISMATCH,
                 "Relu 'a0.act' against Tanh 'b0.act'");
    assert_null(value_of);
    tn_model_free(a);
    tn_model_free(b);
}

static void another_attribute_is_named(void **state)
{
    (void)state;
    tn_model *a = chain(&(spec){"a", narrow, 3, "Relu", false});
    tn_model *b = chain(&(spec){"b", narrow, 3, "Relu", false});
    size_t *value_of = NULL;
    assert_ok(tn__node_set_float(&b->nodes[2], "alpha", 0.5F, err));
    assert_fails(tn__match_values(&value_of, a, b, err), TN_ERROR_MISMATCH, "'alpha'");
    tn_model_free(a);
    tn_model_free(b);
}

static void another_depth_names_what_is_left(void **state)
{
    (void)state;
    static const int64_t deep[] = {8, 6, 6, 4, 3};
    tn_model *a = chain(&(spec){"a", narrow, 3, "Relu", false});
    tn_model *b = chain(&(spec){"b", deep, 4, "Relu", false});
    size_t *value_of = NULL;
    assert_fails(tn__match_values(&value_of, a, b, err), TN_ERROR_MISMATCH,
                 "nothing corresponds to Relu 'b2.act'");
    assert_fails(tn__match_values(&value_of, b, a, err), TN_ERROR_MISMATCH, "b2.act");
    tn_model_free(a);
    tn_model_free(b);
}

/* y = first + second where first = relu(x w0), second = relu(x w1); in the file either
 * may come first. */
static tn_model *fork_join(bool swapped, bool shared)
{
    tn_model *model = NULL;
    size_t x, node, sum, gemm[2], relu[2], weight[2];
    const char *names[2][2] = {{"u", "ur"}, {"v", "vr"}};
    assert_ok(tn__model_create(&model, "fork", err));
    assert_ok(tn__model_add_input(&x, model, "x", TN_F32, 2, (int64_t[]){-1, 4}, err));
    weight[0] = add_weight(model, "w0", 4, 4);
    weight[1] = shared ? weight[0] : add_weight(model, "w1", 4, 4);
    for (int k = 0; k < 2; k++) {
        int branch = swapped ? 1 - k : k;
        size_t inputs[2] = {x, weight[branch]};
        assert_ok(tn__model_add_value(&gemm[branch], model, names[branch][0], err));
        assert_ok(tn__model_add_node(&node, model, "Gemm", names[branch][0], 2, inputs,
                                     1, &gemm[branch], err));
        assert_ok(tn__model_add_value(&relu[branch], model, names[branch][1], err));
        assert_ok(tn__model_add_node(&node, model, "Relu", names[branch][1], 1,
                                     &gemm[branch], 1, &relu[branch], err));
    }
    assert_ok(tn__model_add_value(&sum, model, "y", err));
    assert_ok(tn__model_add_node(&node, model, "Add", "sum", 2, relu, 1, &sum, err));
    assert_ok(tn__model_add_output(model, sum, err));
    assert_ok(tn__model_check(model, err));
    return model;
}

static void the_order_of_nodes_in_the_file_does_not_matter(void **state)
{
    (void)state;
    tn_model *a = fork_join(false, false), *b = fork_join(true, false);
    size_t *value_of = NULL;
    assert_ok(tn__match_values(&value_of, a, b, err));
    for (size_t v = 0; v < b->value_count; v++)
        assert_string_equal(a->values[value_of[v]].name, b->values[v].name);
    free(value_of);
    tn_model_free(a);
    tn_model_free(b);
}

static void shared_and_separate_weights_differ(void **state)
{
    (void)state;
    tn_model *a = fork_join(false, false), *b = fork_join(false, true);
    size_t *value_of = NULL;
    assert_fails(tn__match_values(&value_of, a, b, err), TN_ERROR_MISMATCH,
                 "they read different values");
    assert_fails(tn__match_values(&value_of, b, a, err), TN_ERROR_MISMATCH,
                 "they read different values");
    tn_model_free(a);
    tn_model_free(b);
}

static void an_adopted_network_shares_its_parameters(void **state)
{
    (void)state;
    tn_model *a = chain(&(spec){"a", wide, 3, "Relu", false});
    tn_model *b = chain(&(spec){"b", narrow, 3, "Relu", false});
    tn_model *over = NULL;
    assert_ok(tn__match_adopt(&over, a, b, err));
    const tn__tensor *from = &a->values[tn__model_find_value(a, "a1.weight")].parameter;
    const tn__tensor *to =
        &over->values[tn__model_find_value(b, "b1.weight")].parameter;
    assert_ptr_equal(tn__tensor_data(from), tn__tensor_data(to));
    assert_int_equal(to->shape.dims[1], 12);
    tn_model_free(over);
    tn_model_free(a);
    tn_model_free(b);
}

static tn__groups *groups_of(const tn_model *model)
{
    tn__groups *groups = NULL;
    assert_ok(tn__groups_find(&groups, model, err));
    return groups;
}

static void groups_correspond_whatever_their_widths(void **state)
{
    (void)state;
    static const int64_t more_classes[] = {8, 6, 4, 5};
    tn_model *b = chain(&(spec){"b", narrow, 3, "Relu", false});
    tn_model *a = chain(&(spec){"a", wide, 3, "Relu", false}), *over = NULL;
    tn__groups *target = groups_of(b), *source;
    assert_ok(tn__match_adopt(&over, a, b, err));
    source = groups_of(over);
    assert_ok(tn__match_groups(source, target, b, err));
    assert_int_equal(source->list[0].neurons, 12);
    tn__groups_free(source);
    tn_model_free(over);
    tn_model_free(a);

    a = chain(&(spec){"a", more_classes, 3, "Relu", false});
    assert_ok(tn__match_adopt(&over, a, b, err));
    source = groups_of(over);
    assert_fails(tn__match_groups(source, target, b, err), TN_ERROR_MISMATCH,
                 "b2.weight");
    tn__groups_free(source);
    tn__groups_free(target);
    tn_model_free(over);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_widths_do_not_matter),
        cmocka_unit_test(another_operator_is_named),
        cmocka_unit_test(another_attribute_is_named),
        cmocka_unit_test(another_depth_names_what_is_left),
        cmocka_unit_test(the_order_of_nodes_in_the_file_does_not_matter),
        cmocka_unit_test(shared_and_separate_weights_differ),
        cmocka_unit_test(an_adopted_network_shares_its_parameters),
        cmocka_unit_test(groups_correspond_whatever_their_widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
