/* Shapes, sharing and copying on write. */
#include "test.h"

#include "tensor/tensor.h"

static void a_new_tensor_is_zero_and_has_its_shape(void **state)
{
    (void)state;
    tn__tensor t = {0};
    char text[TN__SHAPE_TEXT];
    assert_ok(tn__tensor_create(&t, TN_F32, 2, (int64_t[]){2, 3}, err));
    assert_int_equal(tn__tensor_count(&t), 6);
    assert_int_equal(tn__tensor_bytes(&t), 24);
    assert_string_equal(tn__shape_text(text, sizeof text, &t.shape), "[2, 3]");
    for (size_t i = 0; i < 6; i++)
        assert_near(tn__tensor_f32(&t)[i], 0, 0);
    tn__tensor_release(&t);
    assert_int_equal(t.dtype, TN_UNDEFINED);
}

static void a_shared_tensor_is_copied_by_the_first_write(void **state)
{
    (void)state;
    tn__tensor a = {0};
    assert_ok(tn__tensor_create(&a, TN_I64, 1, (int64_t[]){2}, err));
    tn__tensor b = tn__tensor_ref(&a);
    assert_ptr_equal(tn__tensor_data(&a), tn__tensor_data(&b));
    void *data;
    assert_ok(tn__tensor_write(&b, &data, err));
    ((int64_t *)data)[1] = 5;
    assert_int_equal(tn__tensor_i64_const(&a)[1], 0);
    assert_int_equal(tn__tensor_i64_const(&b)[1], 5);
    const void *before = tn__tensor_data(&b);
    assert_ok(tn__tensor_write(&b, &data, err));
    assert_ptr_equal(before, data);
    tn__tensor_release(&a);
    tn__tensor_release(&b);
}

static void a_view_must_fit_in_its_buffer(void **state)
{
    (void)state;
    tn__buffer *buffer = NULL;
    tn__tensor t = {0};
    assert_ok(tn__buffer_create(&buffer, 16, err));
    assert_ok(tn__tensor_view(&t, TN_F32, 1, (int64_t[]){3}, buffer, 4, err));
    tn__tensor_release(&t);
    assert_fails(tn__tensor_view(&t, TN_F32, 1, (int64_t[]){4}, buffer, 4, err),
                 TN_ERROR_FORMAT, "16 bytes at byte 4 of 16");
    assert_fails(tn__tensor_view(&t, TN_F32, 1, (int64_t[]){1}, buffer, SIZE_MAX, err),
                 TN_ERROR_FORMAT, "");
    tn__buffer_release(buffer);
}

static void shapes_without_meaning_are_refused(void **state)
{
    (void)state;
    tn__tensor t = {0};
    int64_t huge[] = {INT64_MAX, INT64_MAX};
    assert_fails(tn__tensor_create(&t, TN_F32, 9, huge, err), TN_ERROR_UNSUPPORTED,
                 "rank 9");
    assert_fails(tn__tensor_create(&t, TN_F32, 2, huge, err), TN_ERROR_FORMAT,
                 "no size");
    assert_fails(tn__tensor_create(&t, TN_F32, 1, (int64_t[]){-1}, err),
                 TN_ERROR_FORMAT, "no size");
    assert_fails(tn__tensor_create(&t, (tn_dtype)8, 0, NULL, err), TN_ERROR_UNSUPPORTED,
                 "element type 8");
    assert_int_equal(t.dtype, TN_UNDEFINED);
}

static void a_scalar_has_one_element_and_an_empty_dim_none(void **state)
{
    (void)state;
    tn__tensor t = {0};
    assert_ok(tn__tensor_create(&t, TN_F64, 0, NULL, err));
    assert_int_equal(tn__tensor_count(&t), 1);
    tn__tensor_release(&t);
    assert_ok(tn__tensor_create(&t, TN_F64, 2, (int64_t[]){3, 0}, err));
    assert_int_equal(tn__tensor_count(&t), 0);
    tn__tensor_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_tensor_is_zero_and_has_its_shape),
        cmocka_unit_test(a_shared_tensor_is_copied_by_the_first_write),
        cmocka_unit_test(a_view_must_fit_in_its_buffer),
        cmocka_unit_test(shapes_without_meaning_are_refused),
        cmocka_unit_test(a_scalar_has_one_element_and_an_empty_dim_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
