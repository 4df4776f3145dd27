/* test_meetings.c - the list of where groups meet parameters, against looking through
 * all entries of all groups. */
#include "toys.h"

static size_t entries_on(const tn__groups *groups, size_t g, size_t value, int axis,
                         size_t *last)
{
    size_t found = 0;
    for (size_t e = 0; e < groups->list[g].entry_count; e++) {
        const tn__group_entry *entry = &groups->list[g].entries[e];
        if (entry->value == value && entry->axis == axis) {
            found++;
            *last = e;
        }
    }
    return found;
}

static void expect_all_meetings(tn_model *model)
{
    tn__groups *groups = toy_groups(model);
    size_t all = 0;
    for (size_t v = 0; v < model->value_count; v++) {
        for (int axis = 0; axis < TN__MAX_RANK + 2; axis++) {
            size_t count, k = 0, entry = 0;
            const tn__meeting *met = tn__groups_on(&count, groups, v, axis);
            for (size_t g = 0; g < groups->count; g++) {
                if (!tn__value_is_parameter(&model->values[v]) ||
                    !entries_on(groups, g, v, axis, &entry))
                    continue;
                assert_true(k < count);
                assert_int_equal(met[k].value, v);
                assert_int_equal(met[k].axis, axis);
                assert_int_equal(met[k].group, g);
                assert_int_equal(met[k++].entry, entry);
            }
            assert_int_equal(k, count);
            all += count;
        }
    }
    assert_true(all > 0);
    assert_int_equal(all, groups->meeting_count);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void groups_are_found_on_every_axis_of_a_parameter(void **state)
{
    (void)state;
    expect_all_meetings(toy_mlp());
    expect_all_meetings(toy_residual(3, 2, 1));
}

/* Of a grouped convolution the columns of each block are a group of their own. */
static void groups_that_share_an_axis_are_in_order(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 4, 4));
    x = toy_relu(model, "relu1", toy_conv(model, "conv1", x, 12, 2, 1));
    x = toy_relu(model, "relu2", toy_conv(model, "conv2", x, 12, 12, 3));
    (void)toy_finish(model, toy_conv(model, "conv3", x, 2, 12, 1));
    expect_all_meetings(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_found_on_every_axis_of_a_parameter),
        cmocka_unit_test(groups_that_share_an_axis_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
