/* test_arch_fill.c - checkpoints into architectures: names, prefixes, types, guesses.
 */
#include "arch/arch_family.h"
#include "test.h"

/* A checkpoint in memory: the float parameters of a model, renamed. */
typedef struct bag {
    tn__named_tensor tensors[400];
    size_t count;
} bag;

static void put(bag *b, const char *prefix, const char *name, const tn__tensor *tensor)
{
    assert_true(b->count < TN__COUNT(b->tensors));
    tn__named_tensor *to = &b->tensors[b->count++];
    to->name = tn__format("%s%s", prefix, name);
    to->tensor = tn__tensor_ref(tensor);
}

static bag *pack(const tn_model *model, const char *prefix)
{
    bag *b = tn__alloc(1, sizeof *b);
    for (size_t v = 0; v < model->value_count; v++)
        if (model->values[v].parameter.dtype == TN_F32)
            put(b, prefix, model->values[v].name, &model->values[v].parameter);
    return b;
}

static void drop(bag *b)
{
    for (size_t i = 0; i < b->count; i++) {
        tn__free(b->tensors[i].name);
        tn__tensor_release(&b->tensors[i].tensor);
    }
    tn__free(b);
}

static tn_model *build(const char *arch, int64_t classes, uint64_t seed)
{
    tn_model *model = NULL;
    assert_ok(tn_model_create(&model, arch, NULL, classes, seed, err));
    return model;
}

static void assert_same_parameters(const tn_model *a, const tn_model *b)
{
    assert_int_equal(a->value_count, b->value_count);
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        assert_int_equal(x->dtype, y->dtype);
        if (x->dtype != TN_UNDEFINED)
            assert_memory_equal(tn__tensor_data(x), tn__tensor_data(y),
                                tn__tensor_bytes(x));
    }
}

static const char *const archs[] = {
    "mlp:12-8-6-3",        "mlp:12-8-3:bias",  "lenet5",
    "vgg11x0.125",         "vgg13x0.125:bias", "vgg16-bnx0.125",
    "vgg19-bnx0.125:bias", "resnet20",         "resnet32b",
    "resnet20x2",          "resnet18x0.25",    "resnet34-imagenetx0.125",
    "mobilenetx0.25"};

static void checkpoints_fill_what_they_came_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *a = build(archs[i], 0, 1), *b = build(archs[i], 0, 2);
        bag *tensors = pack(a, i % 2 ? "module." : "");
        assert_ok(tn__arch_fill(b, tensors->tensors, tensors->count, "a.pth", err));
        assert_same_parameters(a, b);
        tn_model_free(a);
        tn_model_free(b);
        drop(tensors);
    }
}

static void tensors_tell_their_architecture(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *a = build(archs[i], 0, 1);
        bag *tensors = pack(a, "module.net.");
        char text[256];
        tn__arch_suggest(text, sizeof text, tensors->tensors, tensors->count);
        assert_string_equal(text, archs[i]);
        tn__arch_suggest(text, 4, tensors->tensors, tensors->count);
        assert_string_equal(text, "");
        tn_model_free(a);
        drop(tensors);
    }
}

static void what_the_name_leaves_open_is_read_from_the_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *full, *given;
    } pairs[] = {{"mlp:12-8-3:bias", "mlp"},
                 {"mlp:12-8-3:bias", "mlp:12-8-3"},
                 {"vgg11x0.125:bias", "vgg11x0.125"},
                 {"resnet20b", "resnet20"}};
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        tn_model *a = build(pairs[i].full, 0, 1), *b = NULL;
        bag *tensors = pack(a, "");
        assert_ok(tn__arch_load(&b, pairs[i].given, 0, tensors->tensors, tensors->count,
                                "a.pth", err));
        assert_same_parameters(a, b);
        assert_string_equal(b->name, pairs[i].full);
        tn_model_free(a);
        tn_model_free(b);
        drop(tensors);
    }
}

static void classes_and_channels_are_those_of_the_tensors(void **state)
{
    (void)state;
    tn_model *a = NULL, *b = NULL;
    assert_ok(tn_model_create(&a, "vgg11x0.125", (int64_t[]){1, 64, 64}, 7, 0, err));
    bag *tensors = pack(a, "");
    assert_ok(tn__arch_load(&b, "vgg11x0.125", 0, tensors->tensors, tensors->count, "a",
                            err));
    const int64_t *input = b->values[b->inputs[0]].dims;
    assert_int_equal(input[1], 1);
    assert_int_equal(input[2], 64);
    assert_int_equal(input[3], 64);
    assert_same_parameters(a, b);
    drop(tensors);
    tn_model_free(a);
    tn_model_free(b);
    a = build("resnet20", 100, 0);
    tensors = pack(a, "");
    assert_ok(
        tn__arch_load(&b, "resnet20", 0, tensors->tensors, tensors->count, "a", err));
    assert_same_parameters(a, b);
    assert_fails(
        tn__arch_load(&b, "nonsense", 0, tensors->tensors, tensors->count, "a", err),
        TN_ERROR_ARGUMENT, "nonsense");
    drop(tensors);
    tn_model_free(a);
    tn_model_free(b);
}

/* torchvision says fc and downsample where kuangliu says linear and shortcut. */
static void public_names_are_interchangeable(void **state)
{
    (void)state;
    tn_model *a = build("resnet18x0.125", 0, 1), *b = build("resnet18x0.125", 0, 2);
    bag *tensors = pack(a, "");
    for (size_t i = 0; i < tensors->count; i++) {
        char **name = &tensors->tensors[i].name, *at = strstr(*name, "shortcut");
        char *old = *name;
        if (at)
            *name = tn__format("%.*sdownsample%s", (int)(at - old), old, at + 8);
        else if (strncmp(old, "linear.", 7) == 0)
            *name = tn__format("fc.%s", old + 7);
        else
            continue;
        tn__free(old);
    }
    assert_ok(tn__arch_fill(b, tensors->tensors, tensors->count, "a.pth", err));
    assert_same_parameters(a, b);
    tn_model_free(a);
    tn_model_free(b);
    drop(tensors);
}

static void halves_become_floats_and_counters_are_ignored(void **state)
{
    (void)state;
    tn_model *a = build("resnet20x0.25", 0, 1), *b = build("resnet20x0.25", 0, 2);
    bag *tensors = pack(a, "");
    tn__tensor half = {0}, counter = {0};
    assert_ok(tn__tensor_convert(&half, &tensors->tensors[0].tensor, TN_F16, err));
    tn__tensor_release(&tensors->tensors[0].tensor);
    tensors->tensors[0].tensor = half;
    assert_ok(tn__tensor_create(&counter, TN_I64, 0, NULL, err));
    put(tensors, "", "bn1.num_batches_tracked", &counter);
    assert_ok(tn__arch_fill(b, tensors->tensors, tensors->count, "a.pth", err));
    const tn__tensor *w = &b->values[tn__model_find_value(b, "conv1.weight")].parameter;
    assert_int_equal(w->dtype, TN_F32);
    assert_near(tn__tensor_get_f64(w, 5), tn__tensor_get_f64(&half, 5), 0);
    tn__tensor_release(&counter);
    tn_model_free(a);
    tn_model_free(b);
    drop(tensors);
}

static void checkpoints_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    tn_model *a = build("mlp:12-8-3", 0, 1), *b = build("mlp:12-8-3", 0, 2);
    tn_model *wide = build("mlp:12-9-3", 0, 1),
             *biased = build("mlp:12-8-3:bias", 0, 1);
    bag *tensors = pack(a, ""), *more = pack(biased, "");
    assert_fails(tn__arch_fill(wide, tensors->tensors, 2, "a.pth", err),
                 TN_ERROR_MISMATCH,
                 "tensor 'fc1.weight' of 'a.pth' is [8, 12], expected [9, 12]");
    assert_fails(tn__arch_fill(a, tensors->tensors, 1, "a.pth", err), TN_ERROR_MISMATCH,
                 "'a.pth' lacks tensor 'fc2.weight' [3, 8]");
    assert_fails(tn__arch_fill(b, more->tensors, more->count, "b.pth", err),
                 TN_ERROR_MISMATCH,
                 "tensor 'fc1.bias' [8] of 'b.pth' belongs to no parameter");
    tn__tensor words = {0};
    assert_ok(tn__tensor_create(&words, TN_I64, 2, (int64_t[]){8, 12}, err));
    tn__tensor_release(&tensors->tensors[0].tensor);
    tensors->tensors[0].tensor = words;
    assert_fails(tn__arch_fill(b, tensors->tensors, 2, "a.pth", err), TN_ERROR_MISMATCH,
                 "tensor 'fc1.weight' of 'a.pth' is i64, expected a float type");
    char text[64];
    tn__arch_suggest(text, sizeof text, tensors->tensors, tensors->count);
    assert_string_equal(text, "");
    tn_model *same = build("mlp:12-8-3", 0, 2);
    assert_same_parameters(b, same); /* nothing was written */
    tn_model_free(same);
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(wide);
    tn_model_free(biased);
    drop(tensors);
    drop(more);
}

/* Two rows of 2^15 are 256 KB; a layer that leads from one to the other is 4 GB. */
static void a_small_file_asks_for_no_large_network(void **state)
{
    (void)state;
    bag *b = tn__alloc(1, sizeof *b);
    tn__tensor row = {0};
    tn_model *model = NULL;
    char text[64];
    assert_ok(tn__tensor_create(&row, TN_F32, 2, (int64_t[]){1, 1 << 15}, err));
    put(b, "", "fc1.weight", &row);
    put(b, "", "fc2.weight", &row);
    assert_fails(tn__arch_load(&model, "mlp", 0, b->tensors, 2, "a.pth", err),
                 TN_ERROR_MISMATCH,
                 "parameter 'fc1.weight' [32768, 32768] is more than the file has");
    tn__arch_suggest(text, sizeof text, b->tensors, b->count);
    assert_string_equal(text, "");
    tn__tensor_release(&row);
    drop(b);
}

static void memory_can_run_out_anywhere(void **state)
{
    (void)state;
    tn_model *a = build("mlp:6-5-4:bias", 0, 1);
    bag *tensors = pack(a, "");
    for (size_t k = 1;; k++) {
        tn_model *model = NULL;
        tn_error err = {0};
        tn__alloc_fail_after(k);
        tn_status status = tn__arch_load(&model, "mlp", 0, tensors->tensors,
                                         tensors->count, "a.pth", &err);
        tn__alloc_fail_after(0);
        if (status == TN_OK) {
            tn_model_free(model);
            break;
        }
        assert_int_equal(status, TN_ERROR_MEMORY);
        assert_null(model);
    }
    tn_model_free(a);
    drop(tensors);
}

static void layers_of_an_mlp_are_told_by_shape_and_order(void **state)
{
    (void)state;
    static const char *const names[] = {"level1.1.weight", "level1.1.bias",
                                        "level2.1.weight", "level2.1.bias"};
    tn_model *model = build("mlp:12-8-3:bias", 0, 1), *loaded = NULL;
    bag *b = pack(model, "");
    assert_int_equal(b->count, TN__COUNT(names));
    for (size_t i = 0; i < b->count; i++) {
        bool bias = b->tensors[i].tensor.shape.rank == 1;
        size_t layer = strstr(b->tensors[i].name, "fc2") != NULL;
        tn__free(b->tensors[i].name);
        b->tensors[i].name = tn__strdup(names[2 * layer + bias]);
    }
    assert_ok(tn__arch_load(&loaded, "mlp", 0, b->tensors, b->count, "x", err));
    assert_same_parameters(model, loaded);
    tn_model_free(loaded);
    loaded = NULL;
    b->tensors[0].name[0] = 'x'; /* no weight or no bias of that name any more */
    assert_fails(
        tn__arch_load(&loaded, "mlp:12-8-3", 0, b->tensors, b->count, "x", err),
        TN_ERROR_MISMATCH, "fc1.weight");
    drop(b);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_fill_what_they_came_from),
        cmocka_unit_test(tensors_tell_their_architecture),
        cmocka_unit_test(what_the_name_leaves_open_is_read_from_the_tensors),
        cmocka_unit_test(classes_and_channels_are_those_of_the_tensors),
        cmocka_unit_test(public_names_are_interchangeable),
        cmocka_unit_test(halves_become_floats_and_counters_are_ignored),
        cmocka_unit_test(checkpoints_that_do_not_fit_are_refused),
        cmocka_unit_test(layers_of_an_mlp_are_told_by_shape_and_order),
        cmocka_unit_test(a_small_file_asks_for_no_large_network),
        cmocka_unit_test(memory_can_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
