/* test_idx.c - IDX files: made here, broken here, and MNIST itself. */
#include "made.h"

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

static void what_was_written_is_read(void **state)
{
    (void)state;
    write_idx(folder, "t10k", 5, 2, 3, 4);
    tn_dataset *data = open_data("idx", folder, ",mean=0,std=1", NULL);
    int64_t shape[3];
    float images[5 * 6];
    int32_t labels[5];
    tn_dataset_shape(shape, data);
    assert_int_equal(shape[0], 1);
    assert_int_equal(shape[1], 2);
    assert_int_equal(shape[2], 3);
    assert_int_equal(tn_dataset_count(data), 5);
    assert_int_equal(tn_dataset_classes(data), 4);
    assert_ok(tn_dataset_read(images, labels, data, NULL, 0, 5, err));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(labels[i], i % 4);
        for (int k = 0; k < 6; k++)
            assert_true(images[i * 6 + k] == (float)((i + k) / 255.0));
    }
    tn_dataset_free(data);
}

static void compressed_files_are_read(void **state)
{
    (void)state;
    static bytes b;
    idx_images(&b, 3, 4, 4);
    write_file(folder, "gz/train-images-idx3-ubyte.gz", b.at, b.size, 'g');
    write_file(folder, "zst/train-images.idx3-ubyte.zst", b.at, b.size, 'z');
    idx_labels(&b, 3, 3);
    write_file(folder, "gz/train-labels-idx1-ubyte.gz", b.at, b.size, 'g');
    write_file(folder, "zst/train-labels.idx1-ubyte.zst", b.at, b.size, 'z');
    char path[80];
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, k ? "zst" : "gz");
        tn_dataset *data = open_data("idx", path, "", NULL);
        assert_int_equal(tn_dataset_count(data), 3);
        assert_non_null(strstr(tn_dataset_spec(data), "split=train"));
        tn_dataset_free(data);
    }
}

static void skip_and_limit_keep_the_classes(void **state)
{
    (void)state;
    write_idx(folder, "t10k", 9, 2, 2, 8);
    tn_dataset *data = open_data("idx", folder, ",skip=2,limit=3", NULL);
    int32_t labels[3];
    assert_int_equal(tn_dataset_count(data), 3);
    assert_int_equal(tn_dataset_classes(data), 8);
    assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, 3, err));
    assert_int_equal(labels[0], 2);
    assert_int_equal(labels[2], 4);
    tn_dataset_free(data);
}

/* Writes the pair of files (the labels' or the images' one damaged) and opens it. */
static void broken(const bytes *images, const bytes *labels, tn_status status,
                   const char *text)
{
    write_file(folder, "b/t10k-images-idx3-ubyte", images->at, images->size, 0);
    write_file(folder, "b/t10k-labels-idx1-ubyte", labels->at, labels->size, 0);
    char path[80];
    snprintf(path, sizeof path, "%s/b", folder);
    open_fails("idx", path, "", status, text);
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    static bytes images, labels;
    idx_images(&images, 3, 2, 2);
    idx_labels(&labels, 3, 3);
    images.size -= 1; /* one pixel short */
    broken(&images, &labels, TN_ERROR_FORMAT, "3 x 2 x 2 bytes, but 11 follow");
    images.size += 2; /* one too many */
    broken(&images, &labels, TN_ERROR_FORMAT, "but 13 follow");
    images.size = 10; /* ends in the header */
    broken(&images, &labels, TN_ERROR_FORMAT, "dimension");
    images.size = 0;
    broken(&images, &labels, TN_ERROR_FORMAT, "magic number");
    idx_images(&images, 3, 2, 2);
    images.at[4] = 0xff; /* four billion images */
    broken(&images, &labels, TN_ERROR_FORMAT, "but 12 follow");
    idx_images(&images, 3, 2, 2);
    images.at[8] = images.at[12] = 0xff; /* sides that overflow */
    broken(&images, &labels, TN_ERROR_FORMAT, "but 12 follow");
    idx_images(&images, 3, 2, 2);
    images.at[3] = 1;
    broken(&images, &labels, TN_ERROR_FORMAT, "0x00000801, expected 0x00000803");
    idx_images(&images, 2, 2, 2);
    broken(&images, &labels, TN_ERROR_MISMATCH, "has 2 images");
    idx_images(&images, 0, 2, 2);
    idx_labels(&labels, 0, 1);
    broken(&images, &labels, TN_ERROR_FORMAT, "no images in");
    idx_images(&images, 3, 0, 2);
    idx_labels(&labels, 3, 3);
    broken(&images, &labels, TN_ERROR_FORMAT, "3 x 0 x 2");
}

static void wrong_wishes_are_refused(void **state)
{
    (void)state;
    write_idx(folder, "train", 6, 2, 2, 6);
    write_idx(folder, "t10k", 6, 2, 2, 6);
    open_fails("idx", folder, ",classes=5", TN_ERROR_MISMATCH,
               "label 5 of image 5 in '");
    open_fails("idx", folder, ",skip=6", TN_ERROR_FORMAT, "after skip=6, it has 6");
    open_fails("idx", folder, ",split=val", TN_ERROR_MISMATCH, "it has train, test");
    open_fails("idx", folder, ",mean=1/2/3", TN_ERROR_MISMATCH,
               "mean= has 3 values, the images have 1 channels");
    open_fails("idx", "/nowhere", "", TN_ERROR_IO, "cannot read '/nowhere'");
    open_fails("idx", "/proc", "", TN_ERROR_IO, "no images in '/proc'");
    char path[128];
    snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte", folder);
    open_fails("idx", path, "", TN_ERROR_ARGUMENT, "cannot tell the labels' file");
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte", folder);
    open_fails("idx", path, ",split=train", TN_ERROR_MISMATCH, "by its name is test");
    assert_int_equal(unlink(strcat(strcpy(path, folder), "/t10k-labels-idx1-ubyte")),
                     0);
    open_fails("idx", folder, "", TN_ERROR_IO, "no labels in");
}

static void failing_allocations_are_reported(void **state)
{
    (void)state;
    write_idx(folder, "t10k", 3, 2, 2, 3);
    open_survives_failing_allocations("idx", folder);
}

static void mnist_is_mnist(void **state)
{
    (void)state;
    const char *path = TN_TEST_SHARED "/data/mnist";
    static const int32_t train[] = {5, 0, 4, 1, 9}, test[] = {7, 2, 1, 0, 4};
    int32_t labels[5];
    require_file(path);
    tn_dataset *data = open_data("idx", path, "", "train");
    assert_int_equal(tn_dataset_count(data), 60000);
    assert_int_equal(tn_dataset_classes(data), 10);
    assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, 5, err));
    assert_memory_equal(labels, train, sizeof train);
    tn_dataset_free(data);
    data = open_data("idx", path, "", "test");
    assert_int_equal(tn_dataset_count(data), 10000);
    assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, 5, err));
    assert_memory_equal(labels, test, sizeof test);
    tn_dataset_free(data);
}

static void mnist_has_its_mean_and_deviation(void **state)
{
    (void)state;
    const char *path = TN_TEST_SHARED "/data/mnist";
    enum { N = 2000, AREA = 28 * 28 };
    require_file(path);
    tn_dataset *data = open_data("idx", path, ",split=train", NULL);
    float *images = calloc(N * AREA, sizeof *images);
    double sum = 0, squares = 0;
    assert_ok(tn_dataset_read(images, NULL, data, NULL, 0, N, err));
    for (size_t k = 0; k < N * AREA; k++) {
        sum += (double)images[k];
        squares += (double)images[k] * (double)images[k];
    }
    assert_near(sum / (N * AREA), 0, 0.02);
    assert_near(sqrt(squares / (N * AREA)), 1, 0.02);
    free(images);
    tn_dataset_free(data);
}

static void fashion_mnist_opens_by_name(void **state)
{
    (void)state;
    require_file("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz");
    tn_dataset *data = NULL;
    assert_ok(tn_dataset_open(&data, "fashion-mnist", "test", err));
    assert_int_equal(tn_dataset_count(data), 10000);
    assert_string_equal(tn_dataset_class_name(data, 9), "Ankle boot");
    assert_string_equal(
        tn_dataset_spec(data),
        "fashion-mnist,split=test,mean=0.286,std=0.353,classes=10,seed=1");
    tn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compressed_files_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(skip_and_limit_keep_the_classes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(broken_files_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_wishes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_allocations_are_reported, set_up,
                                        tear_down),
        cmocka_unit_test(mnist_is_mnist),
        cmocka_unit_test(mnist_has_its_mean_and_deviation),
        cmocka_unit_test(fashion_mnist_opens_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
