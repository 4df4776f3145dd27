/* test_units.c - networks fall into layers, residual blocks and stages. */
#include "fuse/nets.h"

#include "depth/units.h"

static tn__units units_of(const tn_model *model)
{
    tn__units units = {0};
    assert_ok(tn__units_find(&units, model, err));
    return units;
}

/* counts: units of each stage, ends at 0. */
static void expect_stages(const char *arch, const size_t *counts)
{
    tn_model *model = make_net(arch, 1);
    tn__units units = units_of(model);
    size_t u = 0, stage = 0;
    for (; counts[stage]; stage++) {
        for (size_t i = 0; i < counts[stage]; i++, u++) {
            assert_true(u < units.count);
            assert_int_equal(units.list[u].stage, stage);
        }
    }
    assert_int_equal(units.count, u);
    assert_int_equal(units.stage_count, stage);
    for (size_t i = 1; i < units.count; i++)
        assert_int_equal(units.list[i].input, units.list[i - 1].end);
    assert_int_equal(units.list[u - 1].end, model->outputs[0]);
    tn__units_release(&units);
    tn_model_free(model);
}

static void stages_end_at_pools_and_resolutions(void **state)
{
    (void)state;
    expect_stages("mlp:784-32-16-10", (const size_t[]){3, 0});
    expect_stages("vgg11x0.125", (const size_t[]){1, 1, 2, 2, 2, 1, 0});
    expect_stages("vgg13-bnx0.125", (const size_t[]){2, 2, 2, 2, 2, 1, 0});
    expect_stages("resnet20x0.5", (const size_t[]){4, 3, 3, 1, 0});
    expect_stages("resnet20bx0.5", (const size_t[]){4, 3, 3, 1, 0});
    expect_stages("resnet34x0.125", (const size_t[]){4, 4, 6, 3, 1, 0});
}

static void blocks_and_layers_are_told_apart(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20bx0.5", 1);
    tn__units units = units_of(model);
    assert_int_equal(units.list[0].kind, TN__UNIT_PLAIN);
    assert_int_equal(units.list[1].kind, TN__UNIT_RESIDUAL);
    assert_true(units.list[1].level);
    assert_int_equal(units.list[4].kind, TN__UNIT_OTHER); /* a projection */
    assert_false(units.list[4].level);
    assert_string_equal(tn__unit_name(&units, 1), "layer1.0.conv1");
    tn__units_release(&units);
    tn_model_free(model);
}

static void alike_is_structure_whatever_the_widths(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = make_net("resnet56", 2);
    tn__units x = units_of(a), y = units_of(b);
    assert_true(tn__units_alike(&x, 0, &y, 0));
    assert_true(tn__units_alike(&x, 1, &y, 9));
    assert_true(tn__units_alike(&x, 4, &y, 10)); /* what opens the second stage */
    assert_false(tn__units_alike(&x, 0, &y, 1));
    assert_false(tn__units_alike(&x, 4, &y, 11));
    tn__units_release(&x);
    tn__units_release(&y);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_end_at_pools_and_resolutions),
        cmocka_unit_test(blocks_and_layers_are_told_apart),
        cmocka_unit_test(alike_is_structure_whatever_the_widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
