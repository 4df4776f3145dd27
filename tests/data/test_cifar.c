/* test_cifar.c - CIFAR-10's binary records. */
#include "made.h"

enum { RECORD = 3073 };

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    make_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

/* n records: label first + i, all pixels of image i and channel c are 10 i + c */
static void make_records(bytes *b, unsigned n, unsigned first)
{
    b->size = 0;
    for (unsigned i = 0; i < n; i++) {
        put_u8(b, first + i);
        for (unsigned k = 0; k < 3072; k++)
            put_u8(b, 10 * i + k / 1024);
    }
}

static void a_file_is_read_in_every_dress(void **state)
{
    (void)state;
    static bytes b;
    static const char *const names[] = {"a.bin", "a.bin.gz", "a.bin.zst"};
    static const char filters[] = {0, 'g', 'z'};
    static float image[3072];
    make_records(&b, 4, 2);
    for (int k = 0; k < 3; k++) {
        char path[96];
        int32_t label = 0;
        uint32_t index = 3;
        write_file(folder, names[k], b.at, b.size, filters[k]);
        snprintf(path, sizeof path, "%s/%s", folder, names[k]);
        tn_dataset *data = open_data("cifar10", path, ",mean=0,std=1", "test");
        assert_int_equal(tn_dataset_count(data), 4);
        assert_int_equal(tn_dataset_classes(data), 10);
        assert_string_equal(tn_dataset_class_name(data, 9), "truck");
        assert_ok(tn_dataset_read(image, &label, data, &index, 99, 1, err));
        assert_int_equal(label, 5);
        assert_near(image[0], 30 / 255.0, 1e-7);
        assert_near(image[3071], 32 / 255.0, 1e-7);
        tn_dataset_free(data);
    }
}

static void a_folder_has_two_splits(void **state)
{
    (void)state;
    static bytes b;
    for (unsigned k = 1; k <= 5; k++) {
        char name[32];
        make_records(&b, 2, k);
        snprintf(name, sizeof name, "data_batch_%u.bin", k);
        write_file(folder, name, b.at, b.size, 0);
    }
    make_records(&b, 1, 9);
    write_file(folder, "test_batch.bin", b.at, b.size, 0);
    int32_t labels[10];
    tn_dataset *data = open_data("cifar10", folder, "", "train");
    assert_int_equal(tn_dataset_count(data), 10);
    assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, 10, err));
    for (int i = 0; i < 10; i++)
        assert_int_equal(labels[i], 1 + i / 2 + i % 2);
    tn_dataset_free(data);
    data = open_data("cifar10", folder, "", NULL);
    assert_int_equal(tn_dataset_count(data), 1);
    tn_dataset_free(data);
    char path[96];
    snprintf(path, sizeof path, "%s/data_batch_3.bin", folder);
    assert_int_equal(unlink(path), 0);
    open_fails("cifar10", folder, ",split=train", TN_ERROR_IO, "no 'data_batch_3.bin'");
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    static bytes b;
    char path[96];
    snprintf(path, sizeof path, "%s/a.bin", folder);
    make_records(&b, 3, 8);
    write_file(folder, "a.bin", b.at, b.size, 0);
    open_fails("cifar10", path, "", TN_ERROR_MISMATCH, "label 10 of image 2 in '");
    write_file(folder, "a.bin", b.at, 2 * RECORD - 1, 0);
    open_fails("cifar10", path, "", TN_ERROR_FORMAT, "not a multiple of the record's");
    write_file(folder, "a.bin", b.at, 0, 0);
    open_fails("cifar10", path, "", TN_ERROR_FORMAT, "no images in");
    write_file(folder, "a.bin", b.at, 2 * RECORD, 0);
    open_fails("cifar10", path, ",classes=9", TN_ERROR_MISMATCH, "not below classes=9");
    open_fails("cifar10", "/nowhere", "", TN_ERROR_IO, "cannot read '/nowhere'");
    open_fails("cifar10", "/proc", "", TN_ERROR_IO, "expected data_batch_1.bin");
}

static void failing_allocations_are_reported(void **state)
{
    (void)state;
    static bytes b;
    char path[96];
    make_records(&b, 2, 0);
    write_file(folder, "a.bin", b.at, b.size, 0);
    snprintf(path, sizeof path, "%s/a.bin", folder);
    open_survives_failing_allocations("cifar10", path);
}

static void the_original_images_open(void **state)
{
    (void)state;
    const char *path = TN_TEST_SHARED "/data/cifar10-original-test1000.bin.zst";
    int32_t label = 0;
    require_file(path);
    tn_dataset *data = open_data("cifar10", path, "", "test");
    assert_int_equal(tn_dataset_count(data), 1000);
    assert_ok(tn_dataset_read(NULL, &label, data, NULL, 0, 1, err));
    assert_string_equal(tn_dataset_class_name(data, (size_t)label), "cat");
    tn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_read_in_every_dress, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_folder_has_two_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_files_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_allocations_are_reported, set_up,
                                        tear_down),
        cmocka_unit_test(the_original_images_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
