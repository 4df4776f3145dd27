/* test_shrink.c - a shrunk graph has the widths asked for, and what cannot shrink is
 * named. */
#include "fuse/nets.h"

#include "neurons/shrink.h"

/* Keeps every other neuron of every group. */
static bool **every_other(const tn__groups *groups)
{
    bool **kept = calloc(groups->count, sizeof *kept);
    for (size_t g = 0; g < groups->count; g++) {
        kept[g] = calloc(groups->list[g].neurons, sizeof **kept);
        for (size_t i = 0; i < groups->list[g].neurons; i += 2)
            kept[g][i] = true;
    }
    return kept;
}

static void kept_free(bool **kept, size_t count)
{
    for (size_t g = 0; g < count; g++)
        free(kept[g]);
    free(kept);
}

static void groups_of_built_in_networks_halve(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "lenet5",
                                        "vgg11-bnx0.125", "resnet20x0.5",
                                        "resnet18x0.125"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *model = make_net(archs[i], 1), *small = NULL;
        tn__groups *before = groups_of(model);
        bool **kept = every_other(before);
        assert_ok(tn__shrink(&small, model, before, (const bool *const *)kept, err));
        tn__groups *after = groups_of(small);
        assert_int_equal(after->count, before->count);
        for (size_t g = 0; g < before->count; g++) {
            assert_string_equal(after->list[g].name, before->list[g].name);
            assert_int_equal(after->list[g].neurons, (before->list[g].neurons + 1) / 2);
        }
        kept_free(kept, before->count);
        tn__groups_free(before);
        tn__groups_free(after);
        tn_model_free(model);
        tn_model_free(small);
    }
}

static void a_model_that_keeps_all_is_the_same(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.25", 1), *same = NULL;
    tn__groups *groups = groups_of(model);
    bool **kept = calloc(groups->count, sizeof *kept);
    assert_ok(tn__shrink(&same, model, groups, (const bool *const *)kept, err));
    assert_true(distance(model, same) == 0);
    free(kept);
    tn__groups_free(groups);
    tn_model_free(model);
    tn_model_free(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_built_in_networks_halve),
        cmocka_unit_test(a_model_that_keeps_all_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
