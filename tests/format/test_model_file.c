/* test_model_file.c - src/format/model_file.c: tn_model_load() and tn_model_save(). */
#include "test.h"

#include "graph/model.h"

#define SMALL TN_TEST_DATA "/small.onnx"
#define SHARED TN_TEST_SHARED "/models/"
#define MLP "mlp:6-4-3"

static tn_model *load(const char *path, const tn_load_options *options)
{
    tn_model *model = NULL;
    assert_ok(tn_model_load(&model, path, options, err));
    return model;
}

static void save(const tn_model *model, const char *path)
{
    tn_save_options options = {.replace = true};
    assert_ok(tn_model_save(model, path, &options, err));
}

static tn_model *make_mlp(void)
{
    tn_model *model = NULL;
    assert_ok(tn_model_create(&model, MLP, NULL, 0, 1, err));
    assert_ok(tn_model_metadata_set(model, "note", "made by a test", err));
    return model;
}

static void assert_same_parameters(const tn_model *a, const tn_model *b)
{
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter;
        if (!x->dtype)
            continue;
        size_t other = tn__model_find_value(b, a->values[v].name);
        assert_true(other != TN__NONE);
        const tn__tensor *y = &b->values[other].parameter;
        assert_int_equal(x->dtype, y->dtype);
        assert_true(tn__shape_equal(&x->shape, &y->shape));
        assert_memory_equal(tn__tensor_data(x), tn__tensor_data(y),
                            tn__tensor_bytes(x));
    }
}

static void onnx_needs_no_options_and_keeps_its_source(void **state)
{
    (void)state;
    tn_model *model = load(SMALL, NULL);
    char sha[TN__SHA256_HEX];
    assert_ok(tn__sha256_file(sha, SMALL, err));
    assert_string_equal(tn_model_source(model), SMALL);
    assert_string_equal(tn_model_source_sha256(model), sha);
    tn_model_free(model);
}

static void a_model_of_no_file_has_no_source(void **state)
{
    (void)state;
    tn_model *model = make_mlp();
    assert_null(tn_model_source(model));
    assert_null(tn_model_source_sha256(model));
    assert_null(tn_model_metadata_get(model, "absent"));
    assert_string_equal(tn_model_metadata_get(model, "note"), "made by a test");
    tn_model_free(model);
}

static void models_go_through_onnx_unchanged(void **state)
{
    (void)state;
    tn_model *model = make_mlp();
    save(model, "model-file.onnx");
    tn_model *again = load("model-file.onnx", NULL);
    assert_int_equal(model->node_count, again->node_count);
    assert_same_parameters(model, again);
    assert_string_equal(tn_model_metadata_get(again, "note"), "made by a test");
    tn_model_free(model);
    tn_model_free(again);
    unlink("model-file.onnx");
}

static void weights_are_filled_into_an_architecture(void **state)
{
    (void)state;
    tn_model *model = make_mlp();
    save(model, "model-file.safetensors");
    tn_model *again = load("model-file.safetensors", &(tn_load_options){.arch = MLP});
    assert_same_parameters(model, again);
    assert_string_equal(tn_model_metadata_get(again, "note"), "made by a test");
    assert_string_equal(tn_model_source(again), "model-file.safetensors");
    tn_model_free(model);
    tn_model_free(again);
    unlink("model-file.safetensors");
}

static void every_architecture_goes_through_safetensors(void **state)
{
    (void)state;
    static const char *const archs[] = {MLP, "lenet5", "vgg11x0.125", "resnet20"};
    for (size_t k = 0; k < TN__COUNT(archs); k++) {
        tn_model *model = NULL;
        assert_ok(tn_model_create(&model, archs[k], NULL, 0, 1, err));
        save(model, "arch-file.safetensors");
        tn_model *again =
            load("arch-file.safetensors", &(tn_load_options){.arch = archs[k]});
        assert_same_parameters(model, again);
        tn_model_free(model);
        tn_model_free(again);
    }
    unlink("arch-file.safetensors");
}

static void weights_are_filled_into_a_graph(void **state)
{
    (void)state;
    tn_model *model = make_mlp(), *other = NULL;
    assert_ok(tn_model_create(&other, MLP, NULL, 0, 2, err));
    save(model, "weights-file.safetensors");
    save(other, "graph-file.onnx");
    tn_model *again = load("weights-file.safetensors",
                           &(tn_load_options){.graph = "graph-file.onnx"});
    assert_same_parameters(model, again);
    assert_string_equal(tn_model_source(again), "weights-file.safetensors");
    tn_model_free(model);
    tn_model_free(other);
    tn_model_free(again);
    unlink("weights-file.safetensors");
    unlink("graph-file.onnx");
}

static void weights_alone_ask_for_a_graph(void **state)
{
    (void)state;
    tn_model *model = make_mlp(), *none = NULL;
    save(model, "alone.safetensors");
    assert_fails(tn_model_load(&none, "alone.safetensors", NULL, err),
                 TN_ERROR_ARGUMENT, "--arch NAME or --graph FILE.onnx is needed");
    assert_fails(tn_model_load(&none, "alone.safetensors",
                               &(tn_load_options){.arch = MLP, .graph = SMALL}, err),
                 TN_ERROR_ARGUMENT, "both");
    assert_fails(tn_model_load(&none, "alone.safetensors",
                               &(tn_load_options){.graph = "alone.safetensors"}, err),
                 TN_ERROR_FORMAT, "no ONNX file");
    assert_fails(tn_model_load(&none, "alone.safetensors",
                               &(tn_load_options){.arch = "mlp:7-4-3"}, err),
                 TN_ERROR_MISMATCH, "alone.safetensors");
    assert_null(none);
    tn_model_free(model);
    unlink("alone.safetensors");
}

static void the_bytes_say_what_a_file_is(void **state)
{
    (void)state;
    tn_model *model = load(SMALL, NULL), *again = NULL;
    save(model, "named.onnx");
    assert_int_equal(rename("named.onnx", "named.pt"), 0);
    again = load("named.pt", NULL);
    assert_same_parameters(model, again);
    tn_model_free(model);
    tn_model_free(again);
    unlink("named.pt");
}

static void other_files_are_refused(void **state)
{
    (void)state;
    tn_model *none = NULL;
    assert_fails(tn_model_load(&none, "no-such-file.onnx", NULL, err), TN_ERROR_IO,
                 "cannot read 'no-such-file.onnx'");
    assert_fails(tn_model_load(&none, TN_TEST_DATA "/make_fixtures.py", NULL, err),
                 TN_ERROR_FORMAT, "(it begins with 22 22 22 4d 61 6b 65 73)");
    assert_fails(tn_model_load(&none, TN_TEST_DATA, NULL, err), TN_ERROR_IO,
                 "a folder");
    assert_null(none);
}

static void saving_refuses_other_endings_and_existing_files(void **state)
{
    (void)state;
    tn_model *model = load(SMALL, NULL);
    assert_fails(tn_model_save(model, "model.pt", NULL, err), TN_ERROR_ARGUMENT,
                 "ends neither in .onnx nor in .safetensors");
    assert_fails(tn_model_save(model, ".onnx", NULL, err), TN_ERROR_ARGUMENT, ".onnx");
    save(model, "exists.onnx");
    assert_fails(tn_model_save(model, "exists.onnx", NULL, err), TN_ERROR_EXISTS,
                 "exists.onnx");
    unlink("exists.onnx");
    assert_fails(tn_model_save(model, "no-such-folder/a.onnx", NULL, err), TN_ERROR_IO,
                 "no-such-folder");
    tn_model_free(model);
}

static void public_models_fit_their_architectures(void **state)
{
    (void)state;
    static const struct {
        const char *file, *arch;
        int64_t parameters;
    } nets[] = {{SHARED "mnist-mlp-0.pth", "mlp:784-400-200-100-10", 414600},
                {SHARED "resnet20-12fca82f.th", "resnet20", 269722},
                {SHARED "cifar10-jpeg-resnet20-1.pth", "resnet20", 269722},
                {SHARED "cifar10-jpeg-vgg11-0.pth", "vgg11", 0}};
    for (size_t k = 0; k < TN__COUNT(nets); k++) {
        require_file(nets[k].file);
        tn_model *model = load(nets[k].file, &(tn_load_options){.arch = nets[k].arch});
        int64_t trained = 0;
        for (size_t v = 0; v < model->value_count; v++) {
            const tn__value *value = &model->values[v];
            if (value->dtype == TN_F32 && tn__value_is_parameter(value) &&
                !strstr(value->name, "running"))
                trained += (int64_t)tn__tensor_count(&value->parameter);
        }
        if (nets[k].parameters)
            assert_int_equal(trained, nets[k].parameters);
        tn_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnx_needs_no_options_and_keeps_its_source),
        cmocka_unit_test(a_model_of_no_file_has_no_source),
        cmocka_unit_test(models_go_through_onnx_unchanged),
        cmocka_unit_test(weights_are_filled_into_an_architecture),
        cmocka_unit_test(every_architecture_goes_through_safetensors),
        cmocka_unit_test(weights_are_filled_into_a_graph),
        cmocka_unit_test(weights_alone_ask_for_a_graph),
        cmocka_unit_test(the_bytes_say_what_a_file_is),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(saving_refuses_other_endings_and_existing_files),
        cmocka_unit_test(public_models_fit_their_architectures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
