/* test_splice.c - pieces of one network put together again are that network; what
 * cannot be cut is refused. */
#include "zoos.h"

#include "assemble/splice.h"

#define IMAGES 5

/* Cuts `arch` at each of its places, alone and all together. */
static void expect_identity(const char *arch)
{
    tn_zoo *zoo = make_zoo(&arch, 1);
    const tn__member *m = &zoo->members[0];
    float *images = random_images(IMAGES, input_of(m->model), 3);
    float *before = outputs_on(m->model, images, IMAGES);
    tn_model_info wanted, got;
    assert_ok(tn_model_info_get(&wanted, m->model, err));
    assert_true(m->units >= 2);
    for (size_t cut = 1; cut <= m->units; cut++) {
        tn__splice splice = {0};
        tn_model *made = NULL;
        assert_ok(tn__splice_begin(&splice, m->model, err));
        assert_ok(tn__splice_append(&splice, m->model, m->cuts[0].value,
                                    m->cuts[cut].value, "a.", err));
        for (size_t u = cut; u < m->units; u++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "b%zu.", u);
            assert_ok(tn__splice_append(&splice, m->model, m->cuts[u].value,
                                        m->cuts[u + 1].value, prefix, err));
        }
        assert_ok(tn__splice_model(&made, &splice, err));
        float *after = outputs_on(made, images, IMAGES);
        assert_true(largest_gap(before, after, IMAGES * 10) <= 1e-6);
        assert_ok(tn_model_info_get(&got, made, err));
        assert_int_equal(got.parameters, wanted.parameters);
        assert_int_equal(got.macs, wanted.macs);
        free(after);
        tn_model_free(made);
        tn__splice_release(&splice);
    }
    free(before);
    free(images);
    tn_zoo_free(zoo);
}

static void pieces_of_a_network_are_the_network(void **state)
{
    (void)state;
    expect_identity("resnet20x0.25");
    expect_identity("vgg11x0.125");
    expect_identity("mlp:12-9-8-7-10");
    expect_identity("lenet5");
}

static void units_cost_what_the_network_costs(void **state)
{
    (void)state;
    const char *archs[] = {"resnet20x0.25", "vgg11x0.125", "mlp:12-9-8-7-10"};
    tn_zoo *zoo = make_zoo(archs, 3);
    for (size_t i = 0; i < 3; i++) {
        const tn__member *m = &zoo->members[i];
        tn_model_info info;
        tn__cost sum = {0}, whole;
        assert_ok(tn_model_info_get(&info, m->model, err));
        for (size_t u = 0; u < m->units; u++) {
            tn__cost cost;
            assert_ok(tn__member_cost(&cost, m, u, u, err));
            assert_true(cost.macs > 0); /* a unit holds at least one layer */
            sum.params += cost.params;
            sum.macs += cost.macs;
            sum.peak = TN__MAX(sum.peak, cost.peak);
        }
        assert_ok(tn__member_cost(&whole, m, 0, m->units - 1, err));
        assert_int_equal(sum.params, info.parameters);
        assert_int_equal(sum.macs, info.macs);
        assert_int_equal(whole.params, sum.params);
        assert_int_equal(whole.peak, sum.peak);
        assert_true(whole.peak > 0);
    }
    tn_zoo_free(zoo);
}

static void a_residual_branch_is_no_piece(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.25", 1);
    tn__splice splice = {0};
    size_t inside = TN__NONE; /* behind the first convolution of the first block */
    for (size_t n = 0; n < model->node_count; n++)
        if (!strcmp(model->nodes[n].type, "Conv") && inside == TN__NONE && n > 0)
            inside = model->nodes[n].outputs[0];
    assert_ok(tn__splice_begin(&splice, model, err));
    assert_fails(
        tn__splice_append(&splice, model, inside, model->outputs[0], "a.", err),
        TN_ERROR_UNSUPPORTED, "depends on more than");
    tn__splice_release(&splice);
    tn_model_free(model);
}

static void operator_sets_that_differ_in_meaning_are_not_mixed(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:12-9-10", 1), *b = make_net("mlp:12-9-10", 2);
    for (int64_t version = 12; version <= 14; version++) {
        tn__splice splice = {0};
        size_t *cuts = NULL, count = 0;
        b->opsets[0].version = version;
        assert_ok(tn__model_cuts(&cuts, &count, a, err));
        assert_ok(tn__splice_begin(&splice, a, err));
        assert_ok(tn__splice_append(&splice, a, cuts[0], cuts[1], "a.", err));
        if (version < 13)
            assert_fails(
                tn__splice_append(&splice, b, cuts[1], b->outputs[0], "b.", err),
                TN_ERROR_UNSUPPORTED, "cannot be mixed");
        else
            assert_ok(tn__splice_append(&splice, b, cuts[1], b->outputs[0], "b.", err));
        free(cuts);
        tn__splice_release(&splice);
    }
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_a_network_are_the_network),
        cmocka_unit_test(units_cost_what_the_network_costs),
        cmocka_unit_test(a_residual_branch_is_no_piece),
        cmocka_unit_test(operator_sets_that_differ_in_meaning_are_not_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
