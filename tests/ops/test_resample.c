/* test_resample.c - Resize: gradients of every form; the ONNX node tests have the
 * values.
 */
#include "ops_check.h"

static check start(const char *mode, const char *coordinates, const float scales[4])
{
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 2, 4, 3}, NULL);
    check_left_out(&c);
    check_parameter(&c, 1, (int64_t[]){4}, scales);
    check_node(&c, "Resize", 18, 1);
    check_text(&c, "mode", mode);
    check_text(&c, "coordinate_transformation_mode", coordinates);
    return c;
}

static void gradients_are_the_transposed_weights(void **state)
{
    (void)state;
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "half_pixel_symmetric",
                                         "pytorch_half_pixel", "align_corners",
                                         "asymmetric"};
    static const float scales[][4] = {{1, 1, 2, 2}, {1, 1, 0.6f, 1.4f}};
    for (size_t m = 0; m < TN__COUNT(modes); m++)
        for (size_t p = 0; p < TN__COUNT(places); p++)
            for (size_t s = 0; s < TN__COUNT(scales); s++)
                for (int form = 0; form < 3; form++) {
                    check c = start(modes[m], places[p], scales[s]);
                    check_int(&c, "antialias", form == 1);
                    check_int(&c, "exclude_outside", form == 2);
                    assert_ok(check_run(&c, err));
                    check_gradients(&c, 1e-3);
                    check_end(&c);
                }
}

static void a_constant_picture_stays_one(void **state)
{
    (void)state;
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    for (size_t m = 0; m < TN__COUNT(modes); m++) {
        check c = start(modes[m], "half_pixel", (float[]){1, 1, 1.7f, 0.5f});
        for (size_t i = 0; i < 24; i++)
            tn__tensor_f32(&c.in[0])[i] = 3;
        assert_ok(check_run(&c, err));
        assert_int_equal(c.out[0].shape.dims[2], 6);
        assert_int_equal(c.out[0].shape.dims[3], 1);
        for (size_t i = 0; i < tn__tensor_count(&c.out[0]); i++)
            assert_near(tn__tensor_f32_const(&c.out[0])[i], 3, 1e-6);
        check_end(&c);
    }
}

static void upsample_takes_its_scales_from_an_attribute(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 1, 1, 2}, (float[]){5, 7});
    check_node(&c, "Upsample", 7, 1);
    tn__attr *scales;
    assert_ok(tn__node_add_attr(&scales, c.node, "scales", TN__ATTR_FLOATS, err));
    scales->floats = tn__alloc(4, sizeof *scales->floats);
    assert_non_null(scales->floats);
    scales->count = 4;
    memcpy(scales->floats, (float[]){1, 1, 2, 2}, 4 * sizeof(float));
    assert_ok(check_run(&c, err));
    static const float wanted[8] = {5, 5, 7, 7, 5, 5, 7, 7};
    assert_memory_equal(tn__tensor_data(&c.out[0]), wanted, sizeof wanted);
    check_end(&c);
}

static void sizes_must_be_known(void **state)
{
    (void)state;
    check c = check_start();
    check_input(&c, 4, (int64_t[]){1, 1, 2, 2}, NULL);
    check_node(&c, "Resize", 18, 1);
    assert_fails(check_run(&c, err), TN_ERROR_UNSUPPORTED,
                 "neither scales nor sizes are known");
    check_end(&c);
    c = start("linear", "tf_crop_and_resize", (float[]){1, 1, 2, 2});
    assert_fails(check_run(&c, err), TN_ERROR_UNSUPPORTED, "tf_crop_and_resize");
    check_end(&c);
    c = start("linear", "half_pixel", (float[]){1, 1, -2, 2});
    assert_fails(check_run(&c, err), TN_ERROR_FORMAT, "scale or size 2 is -2");
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_transposed_weights),
        cmocka_unit_test(a_constant_picture_stays_one),
        cmocka_unit_test(upsample_takes_its_scales_from_an_attribute),
        cmocka_unit_test(sizes_must_be_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
