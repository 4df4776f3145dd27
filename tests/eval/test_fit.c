/* test_fit.c - whether a model and a data set go together. */
#include "nets.h"

#include "eval/fit.h"

static tn__engine *engine_of(const tn_model *model)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    assert_ok(tn__engine_create(&engine, model, &options, err));
    return engine;
}

static void what_fits_is_taken(void **state)
{
    (void)state;
    tn_model *model = linear_model("net", (int64_t[]){3, 4, 5}, 7, NULL, NULL);
    tn_dataset *data = random_data("random:3x4x5,limit=2,classes=7");
    tn__engine *engine = engine_of(model);
    assert_ok(tn__check_fit(engine, model, data, err));
    tn__engine_free(engine);
    tn_dataset_free(data);
    tn_model_free(model);
}

static void other_shapes_and_more_classes_are_refused(void **state)
{
    (void)state;
    tn_model *model = linear_model("net", (int64_t[]){1, 4, 5}, 7, NULL, NULL);
    tn_dataset *wide = random_data("random:1x5x4,limit=2,classes=7");
    tn_dataset *rich = random_data("random:1x4x5,limit=2,classes=8");
    tn__engine *engine = engine_of(model);
    assert_fails(tn__check_fit(engine, model, wide, err), TN_ERROR_MISMATCH,
                 "'net' takes [1, 4, 5], data is [1, 5, 4]");
    assert_fails(tn__check_fit(engine, model, rich, err), TN_ERROR_MISMATCH,
                 "'net' has 7 outputs, data has 8 classes");
    tn__engine_free(engine);
    tn_dataset_free(wide);
    tn_dataset_free(rich);
    tn_model_free(model);
}

static void flat_inputs_take_images_of_as_many_numbers(void **state)
{
    (void)state;
    tn_model *model = NULL;
    size_t x = 0;
    tn__rng rng;
    tn__rng_seed(&rng, 1, 0);
    assert_ok(tn__model_create(&model, "flat", err));
    assert_ok(tn__model_add_input(&x, model, "x", TN_F32, 2, (int64_t[]){-1, 20}, err));
    size_t w = add_matrix(model, "w", 2, (int64_t[]){3, 20}, NULL, 1, &rng);
    assert_ok(tn__model_add_output(
        model, add_node(model, "Gemm", "y", 2, (size_t[]){x, w}), err));
    assert_ok(tn__model_check(model, err));
    tn__engine *engine = engine_of(model);
    tn_dataset *good = random_data("random:1x4x5,limit=2,classes=3");
    tn_dataset *bad = random_data("random:1x4x6,limit=2,classes=3");
    assert_ok(tn__check_fit(engine, model, good, err));
    assert_fails(tn__check_fit(engine, model, bad, err), TN_ERROR_MISMATCH,
                 "'flat' takes [20], data is [1, 4, 6]");
    tn__engine_free(engine);
    tn_dataset_free(good);
    tn_dataset_free(bad);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_taken),
        cmocka_unit_test(other_shapes_and_more_classes_are_refused),
        cmocka_unit_test(flat_inputs_take_images_of_as_many_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
