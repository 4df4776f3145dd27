/* test_allocate.c - the order in which groups lose neurons: greedy on convex curves,
 * and what it makes of a network. */
#include "fuse/nets.h"

#include "prune/prune.h"

static void neurons_go_where_they_cost_least(void **state)
{
    (void)state;
    /* per neuron: 1, 1, 4 (after the hull of 0 2 2 6) and 0.5, 3 */
    double a[] = {0, 2, 2, 6}, b[] = {0, 0.5, 3.5}, saving[] = {1, 1, 1};
    double *loss[] = {a, b, NULL};
    size_t least[] = {1, 1, 7}, most[] = {4, 3, 7};
    bool chosen[] = {true, true, false};
    tn__limits limits = {.chosen = chosen, .least = least, .most = most};
    tn__removals order = {0};
    const size_t wanted[] = {1, 0, 0, 1, 0};
    assert_ok(tn__prune_allocate(&order, loss, saving, &limits, 3, err));
    assert_int_equal(order.count, TN__COUNT(wanted));
    assert_memory_equal(order.group, wanted, sizeof wanted);
    tn__removals_release(&order);
}

static void what_saves_more_goes_first(void **state)
{
    (void)state;
    double a[] = {0, 1, 2}, b[] = {0, 1, 2}, saving[] = {1, 10};
    double *loss[] = {a, b};
    size_t least[] = {1, 1}, most[] = {3, 3};
    bool chosen[] = {true, true};
    tn__limits limits = {.chosen = chosen, .least = least, .most = most};
    tn__removals order = {0};
    const size_t wanted[] = {1, 1, 0, 0};
    assert_ok(tn__prune_allocate(&order, loss, saving, &limits, 2, err));
    assert_memory_equal(order.group, wanted, sizeof wanted);
    tn__removals_release(&order);
}

static void losses_are_sorted_sums(void **state)
{
    (void)state;
    double score[] = {3, 1, 2}, loss[4];
    assert_ok(tn__prune_losses(loss, score, 3, 2, err));
    assert_true(loss[0] == 0 && loss[1] == 0.5 && loss[2] == 1.5 && loss[3] == 3);
    score[1] = (double)NAN;
    assert_fails(tn__prune_losses(loss, score, 3, 2, err), TN_ERROR_NUMERIC,
                 "neuron 1 are not finite");
}

/* fc2 of 16 neurons, of which the last eight are copies of the first. */
static tn_model *half_redundant(void)
{
    tn_model *model = make_net("mlp:784-16-16-10", 1);
    for (size_t v = 0; v < model->value_count; v++) {
        if (strcmp(model->values[v].name, "fc2.weight"))
            continue;
        float *w = parameter_of(model, v);
        memcpy(w + 8 * 16, w, 8 * 16 * sizeof *w);
    }
    return model;
}

static void redundant_groups_lose_more(void **state)
{
    (void)state;
    tn_model *model = half_redundant(), *out = NULL;
    tn_dataset *data = open_data("random:1x28x28,limit=200");
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_prune_report report = {0};
    options.sparsity = 0.25;
    options.allocate = TN_PRUNE_ALLOCATE_ERROR;
    options.method = TN_PRUNE_REFIT;
    options.threads = 1;
    assert_ok(tn_prune(&out, &report, model, data, &options, NULL, err));
    assert_int_equal(report.group_count, 1);
    assert_string_equal(report.groups[0].name, "fc2.weight");
    assert_int_equal(report.groups[0].left, 8);
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_dataset_free(data);
    tn_model_free(model);
}

static void limits_hold(void **state)
{
    (void)state;
    tn_model *model = make_net("vgg11-bnx0.125", 1), *out = NULL;
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_prune_report report = {0};
    options.sparsity = 0.9;
    options.allocate = TN_PRUNE_ALLOCATE_RANK;
    options.method = TN_PRUNE_DELETE;
    options.repair = TN_PRUNE_REPAIR_NONE;
    options.groups = "all";
    options.min_share = 0.25;
    options.threads = 1;
    assert_ok(tn_prune(&out, &report, model, NULL, &options, NULL, err));
    assert_true(report.group_count > 6);
    for (size_t g = 0; g < report.group_count; g++)
        assert_true(4 * report.groups[g].left >= report.groups[g].neurons);
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neurons_go_where_they_cost_least),
        cmocka_unit_test(what_saves_more_goes_first),
        cmocka_unit_test(losses_are_sorted_sums),
        cmocka_unit_test(redundant_groups_lose_more),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
