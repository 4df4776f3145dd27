/* test_groups.c - which neurons belong together, on networks made by hand. */
#include "toys.h"

#include "base/base.h"

static const tn__group_entry *entry(const tn_model *model, const tn__groups *groups,
                                    const char *group, const char *value, int axis)
{
    const tn__group *g = &groups->list[toy_find_group(groups, group)];
    return &g->entries[toy_find_entry(model, g, value, axis)];
}

static bool is_frozen(const tn_model *model, const tn__groups *groups,
                      const char *value, int axis, size_t cells, const char *reason)
{
    for (size_t k = 0; k < groups->frozen_count; k++) {
        const tn__frozen_axis *f = &groups->frozen[k];
        if (strcmp(model->values[f->value].name, value) == 0 && f->axis == axis)
            return f->cells == cells && strcmp(f->reason, reason) == 0;
    }
    return false;
}

static void each_hidden_layer_is_a_group(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 2);
    assert_string_equal(groups->list[0].name, "fc1.weight");
    assert_int_equal(groups->list[0].neurons, 5);
    assert_string_equal(groups->list[1].name, "fc2.weight");
    assert_int_equal(groups->list[1].neurons, 4);
    assert_int_equal(entry(model, groups, "fc1.weight", "fc1.weight", 0)->role,
                     TN__PRODUCER);
    assert_int_equal(entry(model, groups, "fc1.weight", "fc1.bias", 0)->role,
                     TN__PRODUCER);
    assert_int_equal(entry(model, groups, "fc1.weight", "fc2.weight", 1)->role,
                     TN__CONSUMER);
    assert_int_equal(entry(model, groups, "fc1.weight", "relu1_out", 1)->role,
                     TN__CARRIER);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void ends_of_the_network_are_frozen_with_a_reason(void **state)
{
    (void)state;
    tn_model *model = toy_mlp();
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->frozen_count, 3);
    assert_true(is_frozen(model, groups, "fc1.weight", 1, 6, "graph input"));
    assert_true(is_frozen(model, groups, "fc3.weight", 0, 3, "graph output"));
    assert_true(is_frozen(model, groups, "fc3.bias", 0, 3, "graph output"));
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_channel_is_a_block_of_columns_after_flatten(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 3, 3));
    x = toy_flatten(model,
                    toy_relu(model, "relu", toy_conv(model, "conv", x, 4, 2, 1)));
    toy_finish(model, toy_linear(model, "fc", x, 3, 36));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1);
    assert_int_equal(groups->list[0].neurons, 4);
    const tn__group_entry *columns =
        entry(model, groups, "conv.weight", "fc.weight", 1);
    assert_int_equal(columns->repeats, 9);
    assert_int_equal(columns->role, TN__CONSUMER);
    for (uint32_t i = 0; i < 36; i++)
        assert_int_equal(columns->index[i], i);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void both_branches_of_an_addition_share_a_group(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 5, 6));
    size_t b = toy_relu(model, "relu2", toy_linear(model, "fc2", a, 4, 5));
    size_t c = toy_linear(model, "fc3", b, 5, 4);
    size_t y = toy_node(model, "Add", "sum", VALUES(a, c));
    toy_finish(model, toy_linear(model, "head", y, 3, 5));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 2);
    assert_int_equal(groups->list[0].neurons, 5);
    assert_int_equal(entry(model, groups, "fc1.weight", "fc3.weight", 0)->role,
                     TN__PRODUCER);
    assert_int_equal(entry(model, groups, "fc1.weight", "head.weight", 1)->role,
                     TN__CONSUMER);
    assert_int_equal(groups->list[1].neurons, 4);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_padded_shortcut_carries_its_group_on_and_adds_one(void **state)
{
    (void)state;
    tn_model *model = toy_residual(4, 3, 2);
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 3);
    assert_string_equal(groups->list[0].name, "stem.weight");
    assert_string_equal(groups->list[1].name, "conv1.weight");
    assert_string_equal(groups->list[2].name, "conv2.weight");
    assert_int_equal(groups->list[0].neurons, 4);
    assert_int_equal(groups->list[1].neurons, 3);
    assert_int_equal(groups->list[2].neurons, 4);
    const tn__group_entry *old = entry(model, groups, "stem.weight", "conv2.weight", 0);
    const tn__group_entry *new =
        entry(model, groups, "conv2.weight", "conv2.weight", 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(old->index[i], i + 2);
    const uint32_t outside[] = {0, 1, 6, 7};
    assert_memory_equal(new->index, outside, sizeof outside);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_grouped_convolution_splits_its_neighbours_into_blocks(void **state)
{
    (void)state;
    tn_model *model = toy_grouped(3, 2);
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 5);
    assert_string_equal(groups->list[0].name, "conv1.weight/blocks");
    assert_string_equal(groups->list[1].name, "conv1.weight");
    assert_string_equal(groups->list[2].name, "conv1.weight:2");
    assert_string_equal(groups->list[3].name, "conv2.weight");
    assert_string_equal(groups->list[4].name, "conv2.weight:2");
    assert_int_equal(groups->list[0].neurons, 2);
    assert_int_equal(groups->list[0].kinds, 2);
    assert_int_equal(groups->list[0].inner[3], 4); /* of block 1 the second */
    assert_int_equal(groups->list[4].blocks, 0);
    assert_int_equal(groups->list[4].within, 1);
    assert_int_equal(groups->list[2].neurons, 3);
    assert_int_equal(groups->list[4].neurons, 2);
    const tn__group_entry *second =
        entry(model, groups, "conv1.weight:2", "conv2.weight", 4);
    assert_int_equal(second->role, TN__CONSUMER);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(second->index[i], 3 + i);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_depthwise_convolution_carries(void **state)
{
    (void)state;
    tn_model *model = toy_grouped(3, 2);
    tn__groups *groups = toy_groups(model);
    const tn__group_entry *depth =
        entry(model, groups, "conv2.weight", "depth.weight", 0);
    assert_int_equal(depth->role, TN__CARRIER);
    assert_int_equal(depth->repeats, 1);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void concatenated_groups_share_an_axis(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 3, 6));
    size_t b = toy_relu(model, "relu2", toy_linear(model, "fc2", x, 4, 6));
    size_t y = toy_node(model, "Concat", "concat", VALUES(a, b));
    toy_int(model, "axis", 1);
    toy_finish(model, toy_linear(model, "fc3", y, 2, 7));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 2);
    assert_int_equal(groups->list[0].neurons, 3);
    assert_int_equal(groups->list[1].neurons, 4);
    const tn__group_entry *late = entry(model, groups, "fc2.weight", "fc3.weight", 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(late->index[i], 3 + i);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_value_concatenated_twice_repeats_its_neurons(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 3, 6));
    size_t y = toy_node(model, "Concat", "concat", VALUES(a, a));
    toy_int(model, "axis", 1);
    toy_finish(model, toy_linear(model, "fc2", y, 2, 6));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1);
    const tn__group_entry *twice = entry(model, groups, "fc1.weight", "fc2.weight", 1);
    assert_int_equal(twice->repeats, 2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(twice->index[2 * i], i);
        assert_int_equal(twice->index[2 * i + 1], 3 + i);
    }
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_constant_mask_tells_neurons_apart(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 5, 6));
    size_t bits = toy_integers(model, "bits", DIMS(1, 2, 1, 2, 2));
    size_t mask = toy_node(model, "Cast", "mask", VALUES(bits));
    toy_int(model, "to", TN_F32);
    size_t y = toy_node(model, "Mul", "masked", VALUES(a, mask));
    toy_finish(model, toy_linear(model, "fc2", y, 2, 5));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 2);
    assert_int_equal(groups->list[0].neurons, 2);
    assert_int_equal(groups->list[1].neurons, 3);
    const tn__group_entry *ones = entry(model, groups, "fc1.weight", "fc1.weight", 0);
    assert_int_equal(ones->index[0], 0);
    assert_int_equal(ones->index[1], 2);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_learned_vector_is_carried(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 5, 6));
    size_t gain = toy_parameter(model, "gain", DIMS(5));
    size_t y = toy_node(model, "Mul", "scaled", VALUES(a, gain));
    toy_finish(model, toy_linear(model, "fc2", y, 2, 5));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1);
    assert_int_equal(entry(model, groups, "fc1.weight", "gain", 0)->role, TN__CARRIER);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void slices_are_groups_of_their_own(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 5, 6));
    size_t starts = toy_integers(model, "starts", DIMS(2));
    size_t ends = toy_integers(model, "ends", DIMS(5));
    size_t axes = toy_integers(model, "axes", DIMS(1));
    size_t y = toy_node(model, "Slice", "slice", VALUES(a, starts, ends, axes));
    toy_finish(model, toy_linear(model, "fc2", y, 2, 3));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 2);
    assert_int_equal(groups->list[0].neurons, 2); /* read by nobody */
    assert_int_equal(groups->list[1].neurons, 3);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void normalised_blocks_move_as_wholes(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_linear(model, "fc1", x, 12, 6);
    size_t split = toy_integers(model, "split", DIMS(-1, 3, 4));
    size_t join = toy_integers(model, "join", DIMS(-1, 12));
    size_t blocks = toy_node(model, "Reshape", "blocks", VALUES(a, split));
    size_t weights = toy_node(model, "Softmax", "softmax", VALUES(blocks));
    toy_int(model, "axis", 2);
    size_t y = toy_node(model, "Reshape", "rows", VALUES(weights, join));
    toy_finish(model, toy_linear(model, "fc2", y, 2, 12));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1);
    assert_int_equal(groups->list[0].neurons, 3);
    const tn__group_entry *rows = entry(model, groups, "fc1.weight", "fc1.weight", 0);
    assert_int_equal(rows->repeats, 4);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_transposed_weight_is_followed_to_the_parameter(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t w = toy_parameter(model, "w", DIMS(4, 6));
    size_t t = toy_node(model, "Transpose", "turn", VALUES(w));
    toy_ints(model, "perm", DIMS(1, 0));
    size_t y = toy_relu(model, "relu", toy_node(model, "MatMul", "mix", VALUES(x, t)));
    toy_finish(model, toy_linear(model, "fc2", y, 2, 4));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1);
    assert_int_equal(groups->list[0].neurons, 4);
    (void)entry(model, groups, groups->list[0].name, "w", 0);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void an_operator_without_a_rule_is_refused_by_name(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    size_t a = toy_linear(model, "fc1", x, 5, 6);
    toy_finish(model, toy_node(model, "Mystery", "enigma", VALUES(a)));
    tn__groups *groups = NULL;
    assert_fails(tn__groups_find(&groups, model, err), TN_ERROR_UNSUPPORTED, "enigma");
    assert_null(groups);
    tn_model_free(model);
}

static void lack_of_memory_is_reported_wherever_it_strikes(void **state)
{
    (void)state;
    tn_model *model = toy_residual(4, 3, 2);
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status != TN_OK; k++) {
        tn__groups *groups = NULL;
        tn__alloc_fail_after(k);
        tn_error err = {0};
        status = tn__groups_find(&groups, model, &err);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
        assert_true((groups != NULL) == (status == TN_OK));
        tn__groups_free(groups);
    }
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hidden_layer_is_a_group),
        cmocka_unit_test(ends_of_the_network_are_frozen_with_a_reason),
        cmocka_unit_test(a_channel_is_a_block_of_columns_after_flatten),
        cmocka_unit_test(both_branches_of_an_addition_share_a_group),
        cmocka_unit_test(a_padded_shortcut_carries_its_group_on_and_adds_one),
        cmocka_unit_test(a_grouped_convolution_splits_its_neighbours_into_blocks),
        cmocka_unit_test(a_depthwise_convolution_carries),
        cmocka_unit_test(concatenated_groups_share_an_axis),
        cmocka_unit_test(a_value_concatenated_twice_repeats_its_neurons),
        cmocka_unit_test(a_constant_mask_tells_neurons_apart),
        cmocka_unit_test(a_learned_vector_is_carried),
        cmocka_unit_test(slices_are_groups_of_their_own),
        cmocka_unit_test(normalised_blocks_move_as_wholes),
        cmocka_unit_test(a_transposed_weight_is_followed_to_the_parameter),
        cmocka_unit_test(an_operator_without_a_rule_is_refused_by_name),
        cmocka_unit_test(lack_of_memory_is_reported_wherever_it_strikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
