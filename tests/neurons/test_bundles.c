/* test_bundles.c - axes that are cut and joined: attention, shuffled and grouped
 * channels. What is found is held against the function. */
#include "toys.h"

#include "neurons/check.h"
#include "neurons/resize_groups.h"

#define HEADS 2
#define WIDTH 4 /* of a head */
#define ALL (HEADS * WIDTH)

static size_t scalar(tn_model *model, const char *name, int64_t i)
{
    tn__tensor tensor = {0};
    size_t value;
    void *data;
    assert_ok(tn__tensor_create(&tensor, TN_I64, 0, NULL, err));
    assert_ok(tn__tensor_write(&tensor, &data, err));
    memcpy(data, &i, sizeof i);
    assert_ok(tn__model_add_parameter(&value, model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

/* softmax(q k^T) v of [N, heads, 5, width], heads joined and read by 3 outputs. */
static tn_model *attend(tn_model *model, size_t q, size_t k, size_t v)
{
    size_t kt = toy_turn(model, "turn_k", k, DIMS(0, 1, 3, 2));
    size_t a = toy_node(model, "MatMul", "scores", VALUES(q, kt));
    a = toy_node(model, "Softmax", "softmax", VALUES(a));
    toy_int(model, "axis", -1);
    size_t y = toy_node(model, "MatMul", "mix", VALUES(a, v));
    y = toy_reshape(model, "join", toy_turn(model, "turn_y", y, DIMS(0, 2, 1, 3)),
                    DIMS(-1, 5, ALL));
    size_t out = toy_parameter(model, "out.weight", DIMS(ALL, 3));
    return toy_finish(model, toy_node(model, "MatMul", "out", VALUES(y, out)));
}

/* One projection onto queries, keys and values, as torchvision and timm have it. */
static tn_model *fused_attention(void)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 5, 6));
    size_t w = toy_parameter(model, "qkv.weight", DIMS(6, 3 * ALL));
    size_t b = toy_parameter(model, "qkv.bias", DIMS(3 * ALL));
    x = toy_node(model, "MatMul", "qkv", VALUES(x, w));
    x = toy_node(model, "Add", "biased", VALUES(b, x));
    x = toy_reshape(model, "cut", x, DIMS(-1, 5, 3, HEADS, WIDTH));
    x = toy_turn(model, "turn", x, DIMS(2, 0, 3, 1, 4));
    static const char *const parts[] = {"query", "key", "value"};
    size_t part[3];
    for (int k = 0; k < 3; k++) {
        char text[32];
        snprintf(text, sizeof text, "%s.index", parts[k]);
        size_t index = scalar(model, text, k);
        part[k] = toy_node(model, "Gather", parts[k], VALUES(x, index));
        toy_int(model, "axis", 0);
    }
    return attend(model, part[0], part[1], part[2]);
}

/* Projections of their own, as in BERT. */
static tn_model *separate_attention(void)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 5, 6)), part[3];
    static const char *const names[] = {"query", "key", "value"};
    for (int k = 0; k < 3; k++) {
        char text[32];
        snprintf(text, sizeof text, "%s.weight", names[k]);
        size_t w = toy_parameter(model, text, DIMS(6, ALL));
        part[k] = toy_node(model, "MatMul", names[k], VALUES(x, w));
        snprintf(text, sizeof text, "cut_%s", names[k]);
        part[k] = toy_reshape(model, text, part[k], DIMS(-1, 5, HEADS, WIDTH));
        snprintf(text, sizeof text, "turn_%s", names[k]);
        part[k] = toy_turn(model, text, part[k], DIMS(0, 2, 1, 3));
    }
    return attend(model, part[0], part[1], part[2]);
}

static tn_check_report measure(const tn_model *model, const tn__groups *groups)
{
    tn_check_report report;
    const tn_check_options options = {1, 2, 2, 1e-5, 1};
    assert_ok(tn__groups_check(&report, model, groups, &options, true, NULL, err));
    return report;
}

static void expect_heads(tn_model *model)
{
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1 + 2 * HEADS);
    const tn__group *heads = &groups->list[0];
    assert_int_equal(heads->neurons, HEADS);
    assert_int_equal(heads->kinds, 2);
    for (size_t i = 0; i < heads->neurons * heads->kinds; i++) {
        const tn__group *inner = &groups->list[heads->inner[i]];
        assert_int_equal(inner->neurons, WIDTH);
        assert_int_equal(inner->blocks, 0);
        assert_int_equal(inner->within, i / heads->kinds);
        assert_int_equal(inner->kind, i % heads->kinds);
    }
    tn_check_report report = measure(model, groups);
    assert_int_equal(report.failed, 0);
    assert_true(report.largest <= 1e-5);
    tn__groups_free(groups);
    tn_model_free(model);
}

static void heads_of_a_fused_projection_are_blocks(void **state)
{
    (void)state;
    expect_heads(fused_attention());
}

static void heads_of_separate_projections_are_blocks(void **state)
{
    (void)state;
    expect_heads(separate_attention());
}

/* Queries that move without their keys. */
static void a_tie_that_is_missing_is_detected(void **state)
{
    (void)state;
    tn_model *model = separate_attention();
    tn__groups *groups = toy_groups(model);
    tn__group *inner = &groups->list[groups->list[0].inner[0]];
    toy_forget_entry(groups, model, inner, "key.weight", 1);
    tn_check_report report = measure(model, groups);
    assert_true(report.failed > 0);
    tn__groups_free(groups);
    tn_model_free(model);
}

/* Head by head another half of the neurons goes, and every shape stays a box. */
static void heads_become_narrower(void **state)
{
    (void)state;
    tn_model *model = fused_attention(), *small = NULL;
    tn__groups *groups = toy_groups(model);
    const uint8_t even[WIDTH] = {1, 0, 1, 0}, odd[WIDTH] = {0, 1, 0, 1};
    const uint8_t *copies[1 + 2 * HEADS] = {NULL};
    for (size_t g = 1; g < groups->count; g++)
        copies[g] = groups->list[g].within ? odd : even;
    assert_ok(tn__resize(&small, model, groups, copies, err));
    size_t w = tn__model_find_value(small, "qkv.weight");
    assert_int_equal(small->values[w].parameter.shape.dims[1], 3 * ALL / 2);
    float *out;
    assert_int_equal(toy_run(&out, small), 15);
    free(out);
    tn_model_free(small);
    small = NULL;
    copies[2] = NULL; /* one head keeps more: no box */
    assert_fails(tn__resize(&small, model, groups, copies, err), TN_ERROR_UNSUPPORTED,
                 "different numbers");
    tn__groups_free(groups);
    tn_model_free(model);
}

static void a_head_goes_as_a_whole(void **state)
{
    (void)state;
    tn_model *model = separate_attention(), *small = NULL;
    tn__groups *groups = toy_groups(model);
    const uint8_t second[HEADS] = {0, 1};
    const uint8_t *copies[1 + 2 * HEADS] = {second};
    assert_ok(tn__resize(&small, model, groups, copies, err));
    size_t w = tn__model_find_value(small, "out.weight");
    assert_int_equal(small->values[w].parameter.shape.dims[0], WIDTH);
    tn_model_free(small);
    tn__groups_free(groups);
    tn_model_free(model);
}

/* ShuffleNet: channels of two groups interleaved between grouped convolutions. */
static void shuffled_channels_are_followed(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 4, 4));
    x = toy_relu(model, "relu1", toy_conv(model, "conv1", x, 8, 2, 1));
    x = toy_relu(model, "relu2", toy_conv(model, "conv2", x, 8, 8, 2));
    x = toy_reshape(model, "cut", x, DIMS(-1, 2, 4, 4, 4));
    x = toy_reshape(model, "join", toy_turn(model, "turn", x, DIMS(0, 2, 1, 3, 4)),
                    DIMS(-1, 8, 4, 4));
    x = toy_relu(model, "relu3", toy_conv(model, "depth", x, 8, 8, 8));
    x = toy_relu(model, "relu4", toy_conv(model, "conv3", x, 6, 8, 2));
    toy_finish(model, toy_conv(model, "conv4", x, 3, 6, 1));
    tn__groups *groups = toy_groups(model);
    assert_true(groups->count >= 4);
    assert_int_equal(measure(model, groups).failed, 0);
    tn__groups_free(groups);
    tn_model_free(model);
}

/* Blocks of a grouped convolution change places with everything inside. */
static void groups_of_a_convolution_change_places(void **state)
{
    (void)state;
    tn_model *model = toy_grouped(3, 2);
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->list[0].kinds, 2);
    assert_int_equal(measure(model, groups).failed, 0);
    tn__groups_free(groups);
    tn_model_free(model);
}

/* Pixels that a generator is made of are positions: only channels move. */
static void channels_made_by_a_reshape_move_with_their_pixels(void **state)
{
    (void)state;
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    x = toy_relu(model, "relu", toy_linear(model, "fc", x, 5 * 4, 6));
    x = toy_reshape(model, "image", x, DIMS(-1, 5, 2, 2));
    toy_finish(model, toy_conv(model, "conv", x, 3, 5, 1));
    tn__groups *groups = toy_groups(model);
    assert_int_equal(groups->count, 1);
    assert_int_equal(groups->list[0].neurons, 5);
    assert_int_equal(measure(model, groups).failed, 0);
    tn__groups_free(groups);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_a_fused_projection_are_blocks),
        cmocka_unit_test(heads_of_separate_projections_are_blocks),
        cmocka_unit_test(a_tie_that_is_missing_is_detected),
        cmocka_unit_test(heads_become_narrower),
        cmocka_unit_test(a_head_goes_as_a_whole),
        cmocka_unit_test(shuffled_channels_are_followed),
        cmocka_unit_test(groups_of_a_convolution_change_places),
        cmocka_unit_test(channels_made_by_a_reshape_move_with_their_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
