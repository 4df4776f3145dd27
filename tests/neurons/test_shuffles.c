/* test_shuffles.c - shuffled channels as gathers: the function stays, any channel may
 * go, and what is no shuffle is left alone. */
#include "toys.h"

#include "neurons/resize_groups.h"
#include "neurons/shuffles.h"

static size_t sliced(tn_model *model, const char *name, size_t x, int64_t from,
                     int64_t to)
{
    char text[3][64];
    const char *const parts[] = {"start", "end", "axis"};
    const int64_t bounds[] = {from, to, 1};
    size_t inputs[4] = {x};
    for (int k = 0; k < 3; k++) {
        snprintf(text[k], sizeof text[k], "%s.%s", name, parts[k]);
        inputs[k + 1] = toy_integers(model, text[k], &bounds[k], 1);
    }
    return toy_node(model, "Slice", name, inputs, 4);
}

static size_t numbered(tn_model *model, const char *what, int number, size_t x,
                       int64_t channels)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d", what, number);
    if (!strcmp(what, "cut"))
        return toy_reshape(model, name, x, DIMS(-1, 2, channels / 2, 4, 4));
    if (!strcmp(what, "turn"))
        return toy_turn(model, name, x, DIMS(0, 2, 1, 3, 4));
    if (!strcmp(what, "join"))
        return toy_reshape(model, name, x, DIMS(-1, channels, 4, 4));
    if (!strcmp(what, "conv"))
        return toy_conv(model, name, x, channels, channels, 1);
    return toy_relu(model, name, x);
}

/* As ShuffleNetV2 is made: half of the channels goes by, the other half through a
 * convolution, and both are shuffled; `blocks` times. */
static tn_model *shuffle_net(int64_t channels, int blocks)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 4, 4));
    x = toy_relu(model, "relu", toy_conv(model, "stem", x, channels, 2, 1));
    for (int k = 0; k < blocks; k++) {
        char name[2][32];
        snprintf(name[0], sizeof name[0], "left%d", k);
        snprintf(name[1], sizeof name[1], "right%d", k);
        size_t left = sliced(model, name[0], x, 0, channels / 2);
        size_t right = sliced(model, name[1], x, channels / 2, channels);
        right = numbered(model, "conv", k, right, channels / 2);
        right = numbered(model, "relu", k, right, 0);
        snprintf(name[0], sizeof name[0], "both%d", k);
        x = toy_node(model, "Concat", name[0], VALUES(left, right));
        toy_int(model, "axis", 1);
        x = numbered(model, "cut", k, x, channels);
        x = numbered(model, "turn", k, x, 0);
        x = numbered(model, "join", k, x, channels);
    }
    return toy_finish(model, toy_conv(model, "head", x, 3, channels, 1));
}

static size_t nodes_of(const tn_model *model, const char *type)
{
    size_t count = 0;
    for (size_t n = 0; n < model->node_count; n++)
        count += !strcmp(model->nodes[n].type, type);
    return count;
}

static tn_model *gathered(const tn_model *model)
{
    tn_model *out = NULL;
    assert_ok(tn__shuffles_gather(&out, model, err));
    assert_non_null(out);
    return out;
}

static void shuffles_become_gathers_of_the_same_function(void **state)
{
    (void)state;
    tn_model *model = shuffle_net(12, 3), *out = gathered(model);
    assert_int_equal(nodes_of(out, "Gather"), 3);
    assert_int_equal(nodes_of(out, "Reshape") + nodes_of(out, "Transpose"), 0);
    assert_true(toy_distance(model, out) == 0);
    tn__groups *before = toy_groups(model), *after = toy_groups(out);
    assert_int_equal(before->count, after->count);
    for (size_t g = 0; g < before->count; g++) {
        assert_string_equal(before->list[g].name, after->list[g].name);
        assert_int_equal(before->list[g].neurons, after->list[g].neurons);
    }
    tn__groups_free(before);
    tn__groups_free(after);
    tn_model_free(out);
    tn_model_free(model);
}

/* Silences neuron i of a group: everything that makes it becomes 0. */
static void silence(tn_model *model, const tn__group *group, size_t i)
{
    for (size_t e = 0; e < group->entry_count; e++) {
        const tn__group_entry *entry = &group->entries[e];
        tn__tensor *tensor = &model->values[entry->value].parameter;
        void *data;
        if (tensor->dtype != TN_F32 || entry->role != TN__PRODUCER || entry->axis != 0)
            continue;
        size_t row = tn__tensor_count(tensor) / (size_t)tensor->shape.dims[0];
        assert_ok(tn__tensor_write(tensor, &data, err));
        for (size_t k = 0; k < entry->repeats; k++)
            memset((float *)data + entry->index[i * entry->repeats + k] * row, 0,
                   row * sizeof(float));
    }
}

/* Of group g the neurons whose number is a multiple of 2 or 3 go, by turns, so that no
 * two blocks lose as many. */
static void silent_channels_of_any_block_go(void **state)
{
    (void)state;
    tn_model *original = shuffle_net(24, 3), *model = gathered(original), *small = NULL;
    tn__groups *groups = toy_groups(model);
    uint8_t **kept = calloc(groups->count, sizeof *kept);
    size_t gone = 0;
    for (size_t g = 0; g < groups->count; g++) {
        const tn__group *group = &groups->list[g];
        kept[g] = malloc(group->neurons);
        for (size_t i = 0; i < group->neurons; i++) {
            kept[g][i] = i < 2 || i % (2 + g % 2) != 0;
            if (!kept[g][i])
                silence(model, group, i);
            gone += !kept[g][i];
        }
    }
    assert_true(gone > 8);
    assert_ok(tn__resize(&small, model, groups, (const uint8_t *const *)kept, err));
    assert_true(toy_distance(model, small) < 1e-6);
    tn__groups *after = toy_groups(small);
    assert_int_equal(after->count, groups->count);
    for (size_t g = 0; g < groups->count; g++)
        free(kept[g]);
    free(kept);
    tn__groups_free(after);
    tn__groups_free(groups);
    tn_model_free(small);
    tn_model_free(model);
    tn_model_free(original);
}

static void nothing_is_gathered(tn_model *model)
{
    tn_model *out = NULL;
    assert_ok(tn__shuffles_gather(&out, model, err));
    assert_null(out);
    tn_model_free(model);
}

/* Pixels that change places with channels, and images of the batch among each other. */
static void what_is_no_shuffle_stays(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 4, 2, 2));
    x = toy_reshape(model, "cut", x, DIMS(-1, 4, 4));
    x = toy_turn(model, "turn", x, DIMS(0, 2, 1));
    nothing_is_gathered(
        toy_finish(model, toy_reshape(model, "join", x, DIMS(-1, 4, 2, 2))));
    model = toy_create();
    x = toy_input(model, DIMS(-1, 4));
    x = toy_reshape(model, "cut", x, DIMS(2, -1, 4));
    x = toy_turn(model, "turn", x, DIMS(1, 0, 2));
    nothing_is_gathered(toy_finish(model, toy_reshape(model, "join", x, DIMS(-1, 4))));
}

/* What another node reads too must stay as it is. */
static void a_shuffle_that_is_read_on_the_way_stays(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 4));
    x = toy_reshape(model, "cut", x, DIMS(-1, 2, 2));
    size_t y = toy_turn(model, "turn", x, DIMS(0, 2, 1));
    x = toy_reshape(model, "join", y, DIMS(-1, 4));
    assert_ok(tn__model_add_output(model, y, err));
    nothing_is_gathered(toy_finish(model, x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles_become_gathers_of_the_same_function),
        cmocka_unit_test(silent_channels_of_any_block_go),
        cmocka_unit_test(what_is_no_shuffle_stays),
        cmocka_unit_test(a_shuffle_that_is_read_on_the_way_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
