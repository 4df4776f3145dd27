/* test_resize_groups.c - a resized graph has the widths asked for, and what cannot
 * follow is named. */
#include "fuse/nets.h"

#include "neurons/resize_groups.h"

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
        assert_ok(tn__resize(&small, model, before, (const uint8_t *const *)kept, err));
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
    assert_ok(tn__resize(&same, model, groups, (const uint8_t *const *)kept, err));
    assert_true(distance(model, same) == 0);
    free(kept);
    tn__groups_free(groups);
    tn_model_free(model);
    tn_model_free(same);
}

/* Copies by turns: two, one, three of each third neuron of every group. */
static void groups_of_built_in_networks_grow(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "lenet5",
                                        "vgg11-bnx0.125",        "resnet20x0.5",
                                        "resnet20bx0.5",         "resnet18x0.125"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *model = make_net(archs[i], 1), *wide = NULL;
        tn__groups *before = groups_of(model);
        uint8_t **copies = calloc(before->count, sizeof *copies);
        for (size_t g = 0; g < before->count; g++) {
            copies[g] = calloc(before->list[g].neurons, 1);
            for (size_t k = 0; k < before->list[g].neurons; k++)
                copies[g][k] = (uint8_t[]){2, 1, 3}[k % 3];
        }
        assert_ok(
            tn__resize(&wide, model, before, (const uint8_t *const *)copies, err));
        tn__groups *after = groups_of(wide);
        assert_int_equal(after->count, before->count);
        for (size_t g = 0; g < before->count; g++) {
            size_t wanted = 0;
            for (size_t k = 0; k < before->list[g].neurons; k++)
                wanted += copies[g][k];
            assert_string_equal(after->list[g].name, before->list[g].name);
            assert_int_equal(after->list[g].neurons, wanted);
            free(copies[g]);
        }
        free(copies);
        tn__groups_free(before);
        tn__groups_free(after);
        tn_model_free(model);
        tn_model_free(wide);
    }
}

/* A neuron and its copy that share what they send are the neuron. */
static void a_doubled_network_carried_by_halves_is_the_same_function(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "lenet5"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *model = make_net(archs[i], 1), *wide = NULL;
        tn__groups *groups = groups_of(model);
        uint8_t **copies = calloc(groups->count, sizeof *copies);
        for (size_t g = 0; g < groups->count; g++) {
            copies[g] = malloc(groups->list[g].neurons);
            memset(copies[g], 2, groups->list[g].neurons);
        }
        assert_ok(
            tn__resize(&wide, model, groups, (const uint8_t *const *)copies, err));
        tn_model *filled = carried(model, wide, duplicate, NULL);
        float *images = random_images(8, 784, 3);
        assert_true(output_distance(model, filled, images, 8) < 1e-5);
        for (size_t g = 0; g < groups->count; g++)
            free(copies[g]);
        free(copies);
        free(images);
        tn__groups_free(groups);
        tn_model_free(model);
        tn_model_free(wide);
        tn_model_free(filled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_built_in_networks_halve),
        cmocka_unit_test(a_model_that_keeps_all_is_the_same),
        cmocka_unit_test(groups_of_built_in_networks_grow),
        cmocka_unit_test(a_doubled_network_carried_by_halves_is_the_same_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
