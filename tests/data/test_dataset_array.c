/* test_dataset_array.c - data sets of images in memory. */
#include "test.h"

#include "tenon/arrays.h"

static float pixels[3 * 2 * 2 * 2];
static const int32_t labels[3] = {2, 0, 1};

static tn_array images(void)
{
    for (size_t i = 0; i < 24; i++)
        pixels[i] = (float)i / 7;
    return (tn_array){"images", TN_F32, 4, {3, 2, 2, 2}, pixels};
}

static void count_release(void *user)
{
    ++*(int *)user;
}

static void images_are_read_as_they_were_given(void **state)
{
    (void)state;
    tn_dataset *data = NULL;
    tn_array array = images();
    float read[16];
    int32_t found[2];
    int64_t shape[3];
    assert_ok(tn_dataset_from_array(&data, &array, labels, 5, NULL, err));
    assert_int_equal(tn_dataset_count(data), 3);
    assert_int_equal(tn_dataset_classes(data), 5);
    tn_dataset_shape(shape, data);
    assert_int_equal(shape[2], 2);
    assert_string_equal(tn_dataset_class_name(data, 4), "4");
    assert_ok(tn_dataset_read(read, found, data, NULL, 1, 2, err));
    assert_memory_equal(read, pixels + 8, sizeof read);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], 1);
    tn_dataset_free(data);
}

static void lent_images_are_given_back_with_the_data_set(void **state)
{
    (void)state;
    tn_dataset *data = NULL;
    tn_array array = images();
    int released = 0;
    tn_array_owner owner = {count_release, &released};
    assert_ok(tn_dataset_from_array(&data, &array, NULL, 1, &owner, err));
    assert_int_equal(released, 0);
    tn_dataset_free(data);
    assert_int_equal(released, 1);
}

static void what_does_not_fit_is_refused_and_given_back(void **state)
{
    (void)state;
    tn_dataset *data = NULL;
    tn_array array = images();
    int released = 0;
    tn_array_owner owner = {count_release, &released};
    assert_fails(tn_dataset_from_array(&data, &array, labels, 2, &owner, err),
                 TN_ERROR_MISMATCH, "label 2 of image 0, expected 0 to 1");
    assert_fails(tn_dataset_from_array(&data, &array, labels, 0, &owner, err),
                 TN_ERROR_ARGUMENT, "0 classes");
    pixels[9] = NAN;
    assert_fails(tn_dataset_from_array(&data, &array, labels, 3, &owner, err),
                 TN_ERROR_NUMERIC, "a pixel of image 1 is nan");
    array.rank = 3;
    assert_fails(tn_dataset_from_array(&data, &array, labels, 3, &owner, err),
                 TN_ERROR_ARGUMENT, "images of rank 3");
    assert_int_equal(released, 4);
    assert_null(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_read_as_they_were_given),
        cmocka_unit_test(lent_images_are_given_back_with_the_data_set),
        cmocka_unit_test(what_does_not_fit_is_refused_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
