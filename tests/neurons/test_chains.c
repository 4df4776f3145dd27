/* test_chains.c - why two axes are one neuron's. */
#include "toys.h"

#include "neurons/chains.h"

/* Each entry of each group is reached, by nodes that follow each other: neighbours have
 * a value in common. */
static bool touch(const tn_model *model, size_t a, size_t b)
{
    const tn__node *x = &model->nodes[a], *y = &model->nodes[b];
    for (size_t i = 0; i < x->input_count + x->output_count; i++) {
        size_t u = i < x->input_count ? x->inputs[i] : x->outputs[i - x->input_count];
        for (size_t k = 0; k < y->input_count + y->output_count; k++) {
            size_t v =
                k < y->input_count ? y->inputs[k] : y->outputs[k - y->input_count];
            if (u == v)
                return true;
        }
    }
    return false;
}

static void check_all(tn_model *model)
{
    tn__groups *groups = NULL;
    tn__chains *chains = NULL;
    size_t nodes[64];
    assert_ok(tn__chains_create(&chains, &groups, model, err));
    assert_true(model->node_count <= 64 && groups->count > 0);
    for (size_t g = 0; g < groups->count; g++) {
        tn__chains_from(chains, g);
        for (size_t e = 0; e < groups->list[g].entry_count; e++) {
            bool linked;
            size_t n = tn__chains_to(&linked, chains, g, e, nodes);
            assert_true(linked);
            assert_true(e == groups->list[g].leading ? n == 0 : n > 0);
            for (size_t k = 1; k < n; k++)
                assert_true(touch(model, nodes[k - 1], nodes[k]));
        }
    }
    for (size_t k = 0; k < groups->frozen_count; k++) {
        size_t value, node, n;
        n = tn__chains_frozen(&value, &node, chains, k, nodes);
        if (strncmp(groups->frozen[k].reason, "graph", 5) == 0) {
            assert_true(n > 0 && node == TN__NONE);
            assert_true(value == model->inputs[0] || value == model->outputs[0]);
        }
    }
    tn__chains_free(chains);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void every_entry_of_every_group_is_reached(void **state)
{
    (void)state;
    check_all(toy_mlp());
    check_all(toy_residual(3, 4, 2));
    check_all(toy_grouped(3, 4));
}

/* Heads: [n, t, 6] is cut into [n, t, 2, 3], turned, and closed again. */
static tn_model *toy_heads(void)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 4, 5));
    size_t v = toy_parameter(model, "v", DIMS(5, 6));
    size_t q = toy_parameter(model, "q", DIMS(5, 6));
    size_t o = toy_parameter(model, "o", DIMS(6, 5));
    size_t cut = toy_integers(model, "cut", DIMS(0, 0, 2, 3));
    size_t closed = toy_integers(model, "closed", DIMS(0, 0, 6));
    size_t list[2];
    for (int k = 0; k < 2; k++) {
        list[k] = toy_node(model, "MatMul", k ? "read" : "ask", VALUES(x, k ? v : q));
        list[k] =
            toy_node(model, "Reshape", k ? "cut_v" : "cut_q", VALUES(list[k], cut));
        list[k] =
            toy_node(model, "Transpose", k ? "turn_v" : "turn_q", VALUES(list[k]));
        toy_ints(model, "perm", DIMS(0, 2, 1, 3));
    }
    size_t keys = toy_node(model, "Transpose", "keys", VALUES(list[0]));
    toy_ints(model, "perm", DIMS(0, 1, 3, 2));
    size_t score = toy_node(model, "MatMul", "score", VALUES(list[0], keys));
    score = toy_node(model, "Softmax", "softmax", VALUES(score));
    toy_int(model, "axis", -1);
    size_t y = toy_node(model, "MatMul", "mix", VALUES(score, list[1]));
    y = toy_node(model, "Transpose", "back", VALUES(y));
    toy_ints(model, "perm", DIMS(0, 2, 1, 3));
    y = toy_node(model, "Reshape", "close", VALUES(y, closed));
    return toy_finish(model, toy_node(model, "MatMul", "out", VALUES(y, o)));
}

static void heads_are_tied_through_their_blocks(void **state)
{
    (void)state;
    tn_model *model = toy_heads();
    tn__groups *groups = toy_groups(model);
    size_t blocks = 0;
    for (size_t g = 0; g < groups->count; g++)
        blocks += groups->list[g].kinds > 0;
    assert_int_equal(blocks, 1);
    tn__groups_free(groups);
    check_all(model);
}

static void lack_of_memory_is_reported(void **state)
{
    (void)state;
    tn_model *model = toy_grouped(2, 3);
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status; k++) {
        tn__groups *groups = NULL;
        tn__chains *chains = NULL;
        tn_error error = {0};
        tn__alloc_fail_after(k);
        status = tn__chains_create(&chains, &groups, model, &error);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
        assert_int_equal(status == TN_OK, chains != NULL);
        assert_int_equal(status == TN_OK, groups != NULL);
        tn__chains_free(chains);
        tn__groups_free(groups);
    }
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_of_every_group_is_reached),
        cmocka_unit_test(heads_are_tied_through_their_blocks),
        cmocka_unit_test(lack_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
