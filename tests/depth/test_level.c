/* test_level.c - networks made equally deep keep their function, or say how far not. */
#include "parents.h"

static const char *const pairs[][2] = {
    /* deep, shallow */
    {"mlp:784-32-24-16-12-8-10", "mlp:784-32-24-16-10"},
    {"mlp:784-20-10-8-10:bias", "mlp:784-24-10:bias"},
    {"vgg13x0.125", "vgg11x0.125"},
    {"vgg13x0.125:bias", "vgg11x0.0625:bias"},
    {"vgg13-bnx0.125", "vgg11-bnx0.125"},
    {"resnet20x0.5", "resnet8x0.5"},
    {"resnet20bx0.5", "resnet8bx0.5"},
    {"resnet14x0.5", "resnet8x0.25"},
    {"resnet34x0.125", "resnet18x0.0625"},
};

static void added_units_leave_the_function_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        parents p = parents_make(pairs[i][0], pairs[i][1]);
        for (int with = 0; with < 2; with++) {
            tn_model *out = NULL;
            tn_alignment a =
                level(&out, p.models[0], p.models[1], with ? p.data : NULL, NULL);
            double moved = output_distance(p.models[1], out, p.images, TEST_IMAGES);
            if (!(moved < 2e-5) || !(a.error < 2e-5))
                fail_msg("%s moved by %g, %g", p.name, moved, a.error);
            assert_int_equal(out->node_count, p.models[0]->node_count);
            tn_alignment_release(&a);
            tn_model_free(out);
        }
        parents_release(&p);
    }
}

static void every_cost_finds_a_network_in_its_deeper_copy(void **state)
{
    (void)state;
    parents p = parents_make("resnet20x0.5", "resnet8x0.5");
    tn_model *deeper = NULL, *out = NULL;
    tn_alignment first = level(&deeper, p.models[0], p.models[1], p.data, NULL);
    for (int cost = TN_LAYER_COST_CKA; cost <= TN_LAYER_COST_REGRESSION; cost++) {
        tn_depth_options options = {.cost = (tn_layer_cost)cost};
        tn_alignment found = level(&out, deeper, p.models[1], p.data, &options);
        for (size_t k = 0; k < found.count; k++) {
            double c = found.cost[found.slot[k] * found.count + k];
            assert_true(c >= 0);
            if (!(c < (cost == TN_LAYER_COST_REGRESSION ? 0.2 : 1e-5)))
                fail_msg("cost %d of unit %zu is %g", cost, k, c);
        }
        tn_alignment_release(&found);
        tn_model_free(out);
    }
    tn_alignment_release(&first);
    tn_model_free(deeper);
    parents_release(&p);
}

static void expect_slots(const tn_model *deep, const tn_model *shallow,
                         const tn_depth_options *options, const size_t *slots)
{
    tn_model *out = NULL;
    tn_alignment a = level(&out, deep, shallow, NULL, options);
    for (size_t k = 0; k < a.count; k++)
        assert_int_equal(a.slot[k], slots[k]);
    tn_alignment_release(&a);
    tn_model_free(out);
}

static void maps_keep_both_ends(void **state)
{
    (void)state;
    tn_model *deep = make_net("mlp:784-12-11-9-8-6-10", 1);
    tn_model *shallow = make_net("mlp:784-12-8-10", 2);
    const size_t given[3] = {0, 2, 5};
    const size_t *both[2] = {NULL, given};
    tn_depth_options options = TN_DEPTH_OPTIONS_INIT;
    expect_slots(deep, shallow, &options, (const size_t[]){0, 2, 5}); /* by index */
    options.map = TN_LAYER_MAP_CHAIN;
    expect_slots(deep, shallow, &options, (const size_t[]){0, 1, 5});
    options.map = TN_LAYER_MAP_LAYERS;
    options.cost = TN_LAYER_COST_NEURONS;
    expect_slots(deep, shallow, &options, (const size_t[]){0, 3, 5});
    options.given = both;
    expect_slots(deep, shallow, &options, given);
    options.given = NULL;
    options.map = TN_LAYER_MAP_RANDOM;
    tn_model *once = NULL, *twice = NULL;
    tn_alignment a = level(&once, deep, shallow, NULL, &options);
    tn_alignment b = level(&twice, deep, shallow, NULL, &options);
    assert_memory_equal(a.slot, b.slot, 3 * sizeof *a.slot);
    assert_int_equal(a.slot[0], 0);
    assert_int_equal(a.slot[2], 5);
    tn_alignment_release(&a);
    tn_alignment_release(&b);
    tn_model_free(once);
    tn_model_free(twice);
    tn_model_free(deep);
    tn_model_free(shallow);
}

/* Makes every ReLU another activation. */
static void replace_relu(tn_model *model, const char *type, float alpha)
{
    for (size_t n = 0; n < model->node_count; n++) {
        tn__node *node = &model->nodes[n];
        if (strcmp(node->type, "Relu") != 0)
            continue;
        tn__free(node->type);
        node->type = tn__strdup(type);
        if (strcmp(type, "LeakyRelu") == 0)
            assert_ok(tn__node_set_float(node, "alpha", alpha, err));
    }
}

static void what_does_not_repeat_is_measured_or_refused(void **state)
{
    (void)state;
    parents p = parents_make("mlp:784-16-12-8-10", "mlp:784-16-8-10");
    tn_model *out = NULL, *none[2] = {NULL, NULL};
    for (size_t k = 0; k < 2; k++)
        replace_relu(p.models[k], "LeakyRelu", 0.1F);
    const tn_model *models[2] = {p.models[0], p.models[1]};
    tn_level_request request = {models, 2, NULL, 0, 1, 1};
    assert_fails(tn_level(none, NULL, &request, NULL, err), TN_ERROR_UNSUPPORTED,
                 "activations do not repeat");
    assert_null(none[0]);
    tn_alignment a = level(&out, p.models[0], p.models[1], p.data, NULL);
    assert_true(a.error > 1e-3 && a.error < 1);
    tn_alignment_release(&a);
    tn_model_free(out);
    parents_release(&p);
}

/* Folds the deep one of {deep, shallow}, returns how far its outputs moved. */
static double fold(const tn_model *deep, const parents *p)
{
    tn_depth_options options = {.depth = TN_DEPTH_SHALLOW};
    tn_model *out = NULL;
    tn_alignment a = level(&out, deep, p->models[1], p->data, &options);
    double error = a.error;
    assert_int_equal(out->node_count, p->models[1]->node_count);
    tn_alignment_release(&a);
    tn_model_free(out);
    return error;
}

static void folding_linear_layers_is_exact(void **state)
{
    (void)state;
    static const char *const linear[][2] = {
        {"mlp:784-16-12-9-8-10", "mlp:784-16-8-10"},
        {"mlp:784-16-12-8-10:bias", "mlp:784-8-10:bias"}};
    for (size_t i = 0; i < TN__COUNT(linear); i++) {
        parents p = parents_make(linear[i][0], linear[i][1]);
        for (size_t k = 0; k < 2; k++)
            replace_relu(p.models[k], "LeakyRelu", 1);
        assert_true(fold(p.models[0], &p) < 1e-5);
        parents_release(&p);
    }
}

static void folding_added_units_gives_the_network_back(void **state)
{
    (void)state;
    static const char *const list[][2] = {
        {"resnet20x0.5", "resnet14x0.5"},     {"resnet32bx0.5", "resnet14bx0.5"},
        {"resnet20x0.5", "resnet8x0.5"},      {"resnet20bx0.5", "resnet8bx0.5"},
        {"resnet34x0.125", "resnet18x0.125"}, {"vgg13x0.125", "vgg11x0.125"},
        {"vgg13-bnx0.125", "vgg11-bnx0.125"}};
    for (size_t i = 0; i < TN__COUNT(list); i++) {
        parents p = parents_make(list[i][0], list[i][1]);
        tn_model *deeper = NULL;
        tn_alignment first = level(&deeper, p.models[0], p.models[1], p.data, NULL);
        double moved = fold(deeper, &p);
        bool residual = i < 5; /* an identity's ReLU is no linear function */
        if (!(moved < (residual ? 1e-4 : 1.0)))
            fail_msg("%s moved by %g", p.name, moved);
        tn_alignment_release(&first);
        tn_model_free(deeper);
        parents_release(&p);
    }
}

/* Parameters of layers whose names hold `part` become 0; of 3 x 3 kernels the centre
 * may stay. */
static void clear(tn_model *model, const char *part, bool keep_centre)
{
    for (size_t v = 0; v < model->value_count; v++) {
        const char *name = model->values[v].name;
        if (strncmp(name, "layer", 5) != 0 || !strstr(name, part))
            continue;
        float *x = parameter_of(model, v);
        for (size_t i = 0; i < tn__tensor_count(&model->values[v].parameter); i++)
            x[i] = keep_centre && i % 9 == 4 ? x[i] : 0;
    }
}

/* Where the first block of a stage hands its input on and the second reads single
 * pixels, its first layer can be fitted exactly but for the ridge. */
static void
blocks_behind_a_change_of_shape_are_fitted_to_what_stands_before(void **state)
{
    (void)state;
    static const char *const list[][2] = {{"resnet14x0.5", "resnet8x0.5"},
                                          {"resnet14bx0.5", "resnet8bx0.5"}};
    for (size_t i = 0; i < TN__COUNT(list); i++) {
        parents p = parents_make(list[i][0], list[i][1]);
        tn_model *deep = p.models[0], *dropped = NULL;
        clear(deep, ".0.bn2.weight", false);
        clear(deep, ".0.bn2.bias", false);
        clear(deep, ".1.conv1.weight", true);
        assert_ok(tn_model_clone(&dropped, deep, err));
        clear(dropped, ".1.bn2.", false);
        double without = output_distance(deep, dropped, p.images, TEST_IMAGES);
        double moved = fold(deep, &p);
        bool projected = i == 1; /* which the activation behind it cuts off at 0 */
        if (!(moved < (projected ? without / 3 : 2e-3)))
            fail_msg("%s moved by %g, without the blocks by %g", list[i][0], moved,
                     without);
        tn_model_free(dropped);
        parents_release(&p);
    }
}

static void transfer_copies_aligned_units_and_no_others(void **state)
{
    (void)state;
    tn_model *deep = make_net("mlp:784-12-11-8-10", 1), *out = NULL;
    tn_model *shallow = make_net("mlp:784-20-5-10", 2);
    const tn_model *models[2] = {shallow, deep};
    tn_level_request request = {models, 2, NULL, 0, 1, 1};
    tn_depth_options options = {.map = TN_LAYER_MAP_CHAIN};
    tn_alignment a = {0};
    assert_ok(tn_transfer(&out, &a, &request, &options, err));
    const size_t slots[3] = {0, 1, 3};
    assert_memory_equal(a.slot, slots, sizeof slots);
    const tn__tensor *from =
        &shallow->values[tn__model_find_value(shallow, "fc2.weight")].parameter;
    const tn__tensor *to =
        &out->values[tn__model_find_value(out, "fc2.weight")].parameter;
    for (size_t i = 0; i < 11; i++) /* [11, 12] of [5, 20] */
        for (size_t k = 0; k < 12; k++)
            assert_near(tn__tensor_get_f64(to, i * 12 + k),
                        tn__tensor_get_f64(from, i % 5 * 20 + k), 0);
    size_t third = tn__model_find_value(out, "fc3.weight");
    assert_memory_equal(tn__tensor_data(&out->values[third].parameter),
                        tn__tensor_data(&deep->values[third].parameter),
                        8 * 11 * sizeof(float));
    tn_alignment_release(&a);
    tn_model_free(out);
    tn_model_free(deep);
    tn_model_free(shallow);
}

static void expect_refusal(const char *deep, const char *shallow,
                           const tn_depth_options *options, tn_status status,
                           const char *text)
{
    const tn_model *models[2] = {make_net(deep, 1), make_net(shallow, 2)};
    tn_model *out[2] = {NULL, NULL};
    tn_level_request request = {models, 2, NULL, 0, 1, 1};
    assert_fails(tn_level(out, NULL, &request, options, err), status, text);
    assert_null(out[0]);
    assert_null(out[1]);
    tn_model_free((tn_model *)(uintptr_t)models[0]);
    tn_model_free((tn_model *)(uintptr_t)models[1]);
}

static void what_cannot_be_levelled_is_named(void **state)
{
    (void)state;
    const size_t twice[3] = {0, 0, 3}, *given[2] = {NULL, twice};
    tn_depth_options bad = {.given = given};
    tn_depth_options cka = {.cost = TN_LAYER_COST_CKA};
    tn_depth_options fold = {.depth = TN_DEPTH_SHALLOW};
    expect_refusal("resnet20x0.5", "vgg11x0.125", NULL, TN_ERROR_MISMATCH, "stages");
    expect_refusal("resnet20bx0.5", "resnet8x0.5", NULL, TN_ERROR_MISMATCH,
                   "cannot align stage 1");
    expect_refusal("mlp:784-9-8-7-10", "mlp:784-9-8-10", &bad, TN_ERROR_ARGUMENT,
                   "not ascending");
    expect_refusal("mlp:784-9-8-7-10", "mlp:784-9-8-10", &cka, TN_ERROR_ARGUMENT,
                   "images");
    expect_refusal("mlp:784-9-8-7-10", "mlp:784-9-8-10", &fold, TN_ERROR_ARGUMENT,
                   "data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_units_leave_the_function_alone),
        cmocka_unit_test(every_cost_finds_a_network_in_its_deeper_copy),
        cmocka_unit_test(maps_keep_both_ends),
        cmocka_unit_test(what_does_not_repeat_is_measured_or_refused),
        cmocka_unit_test(folding_linear_layers_is_exact),
        cmocka_unit_test(folding_added_units_gives_the_network_back),
        cmocka_unit_test(
            blocks_behind_a_change_of_shape_are_fitted_to_what_stands_before),
        cmocka_unit_test(transfer_copies_aligned_units_and_no_others),
        cmocka_unit_test(what_cannot_be_levelled_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
