/* Element types: halves exhaustively, conversions, finiteness. */
#include "test.h"

#include "tensor/tensor.h"

static void every_half_comes_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t bits = (uint16_t)h;
        float f = tn__f16_to_f32(bits), b = tn__bf16_to_f32(bits);
        if (isnan(f))
            assert_true(isnan(tn__f16_to_f32(tn__f32_to_f16(f))));
        else
            assert_int_equal(tn__f32_to_f16(f), bits);
        if (isnan(b))
            assert_true(isnan(tn__bf16_to_f32(tn__f32_to_bf16(b))));
        else
            assert_int_equal(tn__f32_to_bf16(b), bits);
    }
}

static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(tn__f32_to_f16(1.0f), 0x3c00);
    assert_int_equal(tn__f32_to_f16(65504.0f), 0x7bff);
    assert_int_equal(tn__f32_to_f16(65519.0f), 0x7bff);
    assert_int_equal(tn__f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(tn__f32_to_f16(0x1p-24f), 1);
    assert_int_equal(tn__f32_to_f16(0x1p-25f), 0);
    assert_int_equal(tn__f32_to_f16(0x1.8p-24f), 2); /* half way: to even */
    assert_int_equal(tn__f32_to_f16(2049.0f), tn__f32_to_f16(2048.0f));
    assert_int_equal(tn__f32_to_f16(2051.0f), tn__f32_to_f16(2052.0f));
    assert_int_equal(tn__f32_to_f16(-0.0f), 0x8000);
    assert_int_equal(tn__f32_to_bf16(0x1.01p0f), 0x3f80); /* half way: to even */
    assert_int_equal(tn__f32_to_bf16(0x1.03p0f), 0x3f82);
}

static void values_are_converted_and_integers_saturate(void **state)
{
    (void)state;
    const double values[] = {0, 1.75, -1.75, 300, -300, 1e30};
    tn__tensor in = {0}, out = {0};
    assert_ok(tn__tensor_create(&in, TN_F64, 1, (int64_t[]){6}, err));
    void *data;
    assert_ok(tn__tensor_write(&in, &data, err));
    memcpy(data, values, sizeof values);
    const struct {
        tn_dtype dtype;
        double expected[6];
    } cases[] = {
        {TN_F32, {0, 1.75, -1.75, 300, -300, (double)1e30f}},
        {TN_F16, {0, 1.75, -1.75, 300, -300, HUGE_VAL}},
        {TN_U8, {0, 1, 0, 255, 0, 255}},
        {TN_I8, {0, 1, -1, 127, -128, 127}},
        {TN_I32, {0, 1, -1, 300, -300, INT32_MAX}},
        {TN_BOOL, {0, 1, 1, 1, 1, 1}},
    };
    for (size_t c = 0; c < TN__COUNT(cases); c++) {
        assert_ok(tn__tensor_convert(&out, &in, cases[c].dtype, err));
        for (size_t i = 0; i < 6; i++)
            if (isfinite(cases[c].expected[i]))
                assert_near(tn__tensor_get_f64(&out, i), cases[c].expected[i], 0);
            else
                assert_true(isinf(tn__tensor_get_f64(&out, i)));
        tn__tensor_release(&out);
    }
    tn__tensor_release(&in);
}

static void a_number_that_is_not_finite_is_found(void **state)
{
    (void)state;
    tn__tensor t = {0};
    assert_ok(tn__tensor_create(&t, TN_F32, 1, (int64_t[]){3}, err));
    assert_ok(tn__tensor_check_finite(&t, "w", err));
    tn__tensor_f32(&t)[2] = NAN;
    assert_fails(tn__tensor_check_finite(&t, "w", err), TN_ERROR_NUMERIC, "at index 2");
    tn__tensor_f32(&t)[2] = -HUGE_VALF;
    assert_fails(tn__tensor_check_finite(&t, "w", err), TN_ERROR_NUMERIC, "-inf");
    tn__tensor_release(&t);
}

static void numbers_take_the_type_of_the_tensor(void **state)
{
    (void)state;
    static const tn_dtype types[] = {TN_F32, TN_F16, TN_F64};
    const double x[] = {1, -0.5, 3, 1.0 / 3};
    for (size_t k = 0; k < TN__COUNT(types); k++) {
        tn__tensor tensor = {.dtype = types[k]};
        tn__shape shape = {.rank = 2, .dims = {2, 2}};
        for (int again = 0; again < 2; again++) {
            assert_ok(tn__tensor_set_f64(&tensor, &shape, x, err));
            assert_int_equal(tensor.dtype, types[k]);
            assert_int_equal(tensor.shape.rank, 2);
            for (size_t i = 0; i < 4; i++)
                assert_near(tn__tensor_get_f64(&tensor, i), x[i], 1e-3);
            shape = tensor.shape;
        }
        tn__tensor_release(&tensor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_the_type_of_the_tensor),
        cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(values_are_converted_and_integers_saturate),
        cmocka_unit_test(a_number_that_is_not_finite_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
