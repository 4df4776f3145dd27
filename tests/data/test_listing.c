/* test_listing.c - class folders, on disc (folder.c) and in archives (tar.c). */
#include "made.h"

static char folder[64];
static bytes red, grey, wide;

static int set_up(void **state)
{
    (void)state;
    make_folder(folder);
    png_picture(&red, 3, 4, 4, 255, 0, 0);
    png_picture(&grey, 1, 4, 4, 51, 0, 0);
    jpeg_picture(&wide, 3, 4, 8, 100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void put(const char *name, const bytes *b)
{
    write_file(folder, name, b->at, b->size, 0);
}

/* A tar in `folder` with these members in this order; path gets its name. */
static void put_tar(char path[96], const char *name, char filter,
                    const char *const *names, const bytes *const *contents, size_t n)
{
    snprintf(path, 96, "%s/%s", folder, name);
    struct archive *tar = start_tar(path, filter);
    for (size_t k = 0; k < n; k++)
        add_member(tar, names[k], contents[k]);
    finish_tar(tar);
}

static void classes_are_numbered_by_name(void **state)
{
    (void)state;
    put("b/2.png", &red);
    put("b/1.png", &red);
    put("a-c/1.PNG", &grey);
    put("a/x.png", &red);
    put("a/.hidden.png", &wide);
    put("a/notes.txt", &red);
    tn_dataset *data = open_data("images", folder, ",mean=0,std=1", "test");
    int32_t labels[4];
    float images[4 * 48];
    assert_int_equal(tn_dataset_count(data), 4);
    assert_int_equal(tn_dataset_classes(data), 3);
    assert_string_equal(tn_dataset_class_name(data, 0), "a");
    assert_string_equal(tn_dataset_class_name(data, 1), "a-c");
    assert_ok(tn_dataset_read(images, labels, data, NULL, 0, 4, err));
    assert_int_equal(labels[0], 0);
    assert_int_equal(labels[1], 1);
    assert_int_equal(labels[2], 2);
    assert_int_equal(labels[3], 2);
    assert_near(images[0], 1, 0);       /* red */
    assert_near(images[16], 0, 0);      /* no green */
    assert_near(images[48], 0.2, 1e-7); /* grey in a colour set: three channels */
    assert_near(images[48 + 47], 0.2, 1e-7);
    tn_dataset_free(data);
}

static void grey_sets_have_one_channel(void **state)
{
    (void)state;
    put("train/a/1.png", &grey);
    put("train/b/1.png", &grey);
    tn_dataset *data = open_data("images", folder, "", NULL);
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    assert_int_equal(shape[0], 1);
    tn_dataset_free(data);
}

static void splits_are_folders_above_classes(void **state)
{
    (void)state;
    put("top/train/a/1.png", &red);
    put("top/train/b/1.png", &red);
    put("top/val/b/1.png", &red);
    put("words.txt", &red);
    tn_dataset *data = open_data("images", folder, "", "train");
    assert_int_equal(tn_dataset_count(data), 2);
    tn_dataset_free(data);
    data = open_data("images", folder, "", "test"); /* val stands in */
    assert_int_equal(tn_dataset_count(data), 1);
    assert_non_null(strstr(tn_dataset_spec(data), "split=val"));
    tn_dataset_free(data);
    open_fails("images", folder, ",split=test", TN_ERROR_MISMATCH, "it has train, val");
}

static void a_class_may_be_called_train(void **state)
{
    (void)state;
    put("train/1.png", &red);
    put("ship/1.png", &red);
    tn_dataset *data = open_data("images", folder, "", "test");
    assert_int_equal(tn_dataset_classes(data), 2);
    assert_string_equal(tn_dataset_class_name(data, 1), "train");
    tn_dataset_free(data);
    open_fails("images", folder, ",split=train", TN_ERROR_MISMATCH,
               "which has no folders train, test or val");
}

static void the_order_in_an_archive_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"./test/a/1.png", "./test/b/1.png",
                                        "./test/b/2.png"};
    static const char *const back[] = {"./test/b/2.png", "./test/b/1.png",
                                       "./test/a/1.png"};
    const bytes *contents[] = {&red, &red, &grey}, *turned[] = {&grey, &red, &red};
    char path[96], other[96];
    float a[3 * 48], b[3 * 48];
    put_tar(path, "a.tar", 0, names, contents, 3);
    put_tar(other, "b.tar.zst", 'z', back, turned, 3);
    for (int limit = 0; limit < 2; limit++) {
        tn_dataset *x = open_data("tar", path, limit ? ",limit=2,seed=7" : "", NULL);
        tn_dataset *y = open_data("tar", other, limit ? ",limit=2,seed=7" : "", NULL);
        size_t n = tn_dataset_count(x);
        int32_t p[3] = {0}, q[3] = {0};
        assert_int_equal(n, limit ? 2 : 3);
        assert_int_equal(tn_dataset_classes(x), 2);
        assert_ok(tn_dataset_read(a, p, x, NULL, 0, n, err));
        assert_ok(tn_dataset_read(b, q, y, NULL, 0, n, err));
        assert_memory_equal(p, q, sizeof p);
        assert_memory_equal(a, b, n * 48 * sizeof *a);
        tn_dataset_free(x);
        tn_dataset_free(y);
    }
}

static void a_folder_and_its_tar_are_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"b/1.png", "a/1.jpg", "a/1.png"};
    bytes *jpeg = calloc(1, sizeof *jpeg);
    const bytes *contents[] = {&red, jpeg, &grey};
    char path[96], inner[96];
    float a[3 * 48], b[3 * 48];
    jpeg_picture(jpeg, 3, 4, 4, 9);
    put_tar(path, "x.tar.gz", 'g', names, contents, 3);
    put("d/b/1.png", &red);
    put("d/a/1.jpg", jpeg);
    put("d/a/1.png", &grey);
    snprintf(inner, sizeof inner, "%s/d", folder);
    tn_dataset *x = open_data("tar", path, "", NULL);
    tn_dataset *y = open_data("images", inner, "", NULL);
    assert_ok(tn_dataset_read(a, NULL, x, NULL, 0, 3, err));
    assert_ok(tn_dataset_read(b, NULL, y, NULL, 0, 3, err));
    assert_memory_equal(a, b, sizeof a);
    tn_dataset_free(x);
    tn_dataset_free(y);
    free(jpeg);
}

static void skip_and_limit_part_a_shuffled_set(void **state)
{
    (void)state;
    bool seen[7] = {false};
    char name[32], keys[32];
    for (unsigned i = 0; i < 7; i++) {
        png_picture(&grey, 1, 2, 2, i, 0, 0);
        snprintf(name, sizeof name, "c%u/x.png", i);
        put(name, &grey);
    }
    for (unsigned skip = 0; skip < 7; skip += 3) {
        int32_t labels[3];
        snprintf(keys, sizeof keys, ",skip=%u,limit=3,seed=5", skip);
        tn_dataset *data = open_data("images", folder, keys, NULL);
        size_t n = tn_dataset_count(data);
        assert_int_equal(tn_dataset_classes(data), 7);
        assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, n, err));
        for (size_t k = 0; k < n; k++) {
            assert_false(seen[labels[k]]);
            seen[labels[k]] = true;
        }
        tn_dataset_free(data);
    }
    for (unsigned i = 0; i < 7; i++)
        assert_true(seen[i]);
}

static void sizes_must_agree_or_be_given(void **state)
{
    (void)state;
    put("a/1.png", &red);
    put("a/2.jpg", &wide);
    open_fails("images", folder, "", TN_ERROR_MISMATCH,
               "is 8 x 4, others are 4 x 4: give size=N");
    tn_dataset *data = open_data("images", folder, ",size=6", NULL);
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    assert_int_equal(shape[1], 6);
    assert_int_equal(shape[2], 6);
    tn_dataset_free(data);
}

static void bad_folders_are_refused(void **state)
{
    (void)state;
    char path[96];
    open_fails("images", folder, "", TN_ERROR_FORMAT, "no images in");
    open_fails("images", "/nowhere", "", TN_ERROR_IO, "cannot read '/nowhere/'");
    put("a/1.png", &red);
    put("b/deep/er/1.png", &red);
    open_fails("images", folder, "", TN_ERROR_FORMAT, "different depths");
    put("one/1.png", &red);
    put("one/2.png", &(bytes){.at = "text", .size = 4});
    snprintf(path, sizeof path, "%s/one", folder);
    open_fails("images", path, "", TN_ERROR_FORMAT, "lies in no class folder");
    put("two/c/1.png", &red);
    put("two/c/2.png", &(bytes){.at = "text", .size = 4});
    snprintf(path, sizeof path, "%s/two", folder);
    open_fails("images", path, "", TN_ERROR_FORMAT, "cannot read 'c/2.png' in '");
    put("two/c/2.png", &(bytes){.size = 0});
    open_fails("images", path, "", TN_ERROR_FORMAT, "the file is empty");
    put("two/c/2.png", &red);
    put("two/d/2.png", &red);
    open_fails("images", path, ",classes=1", TN_ERROR_MISMATCH, "not below classes=1");
}

static void bad_archives_are_refused(void **state)
{
    (void)state;
    static const char *const twice[] = {"a/1.png", "a/1.png"};
    static bytes whole;
    const bytes *contents[] = {&red, &grey};
    char path[96];
    put_tar(path, "twice.tar", 0, twice, contents, 2);
    open_fails("tar", path, "", TN_ERROR_FORMAT, "'a/1.png' is twice in");
    put_tar(path, "empty.tar", 0, NULL, NULL, 0);
    open_fails("tar", path, "", TN_ERROR_FORMAT, "no images in");
    open_fails("tar", "/nowhere", "", TN_ERROR_IO, "cannot read '/nowhere'");
    open_fails("tar", folder, "", TN_ERROR_IO, "not a regular file");
    put("junk.tar", &red);
    snprintf(path, sizeof path, "%s/junk.tar", folder);
    open_fails("tar", path, "", TN_ERROR_FORMAT, "cannot read '");
    put_tar(path, "cut.tar", 0, twice, contents, 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    whole.size = fread(whole.at, 1, sizeof whole.at, file);
    fclose(file);
    assert_true(whole.size > 600);
    write_file(folder, "cut.tar", whole.at, 512 + red.size / 2, 0);
    open_fails("tar", path, "", TN_ERROR_FORMAT, "cannot read '");
}

static void failing_allocations_are_reported(void **state)
{
    (void)state;
    static const char *const names[] = {"b/1.png", "a/1.jpg"};
    const bytes *contents[] = {&red, &wide};
    char path[96];
    put_tar(path, "x.tar", 0, names, contents, 2);
    open_survives_failing_allocations("tar", strcat(path, ",size=3,limit=2"));
    put("d/b/1.png", &red);
    snprintf(path, sizeof path, "%s/d", folder);
    open_survives_failing_allocations("images", path);
}

static void the_cifar_archive_is_whole(void **state)
{
    (void)state;
    const char *path = TN_TEST_SHARED "/data/cifar10-jpeg-test.tar.zst";
    int32_t *labels = calloc(10000, sizeof *labels);
    size_t per_class[10] = {0};
    require_file(path);
    tn_dataset *data = open_data("tar", path, "", "test");
    assert_int_equal(tn_dataset_count(data), 10000);
    assert_int_equal(tn_dataset_classes(data), 10);
    assert_string_equal(tn_dataset_class_name(data, 1), "automobile");
    assert_ok(tn_dataset_read(NULL, labels, data, NULL, 0, 10000, err));
    for (size_t i = 0; i < 10000; i++)
        per_class[labels[i]]++;
    for (size_t k = 0; k < 10; k++)
        assert_int_equal(per_class[k], 1000);
    tn_dataset_free(data);
    free(labels);
}

static void tiny_imagenet_has_two_splits_and_grey_files(void **state)
{
    (void)state;
    const char *path = TN_TEST_SHARED "/data/tiny-imagenet-200-40k.tar.zst";
    require_file(path);
    tn_dataset *data = open_data("tar", path, ",limit=200,size=16", "test");
    int64_t shape[3];
    tn_dataset_shape(shape, data);
    assert_int_equal(shape[0], 3);
    assert_int_equal(shape[2], 16);
    assert_int_equal(tn_dataset_count(data), 200);
    assert_int_equal(tn_dataset_classes(data), 200);
    assert_string_equal(tn_dataset_class_name(data, 0), "n01443537");
    tn_dataset_free(data);
}

#define MADE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(classes_are_numbered_by_name),
        MADE(grey_sets_have_one_channel),
        MADE(splits_are_folders_above_classes),
        MADE(a_class_may_be_called_train),
        MADE(the_order_in_an_archive_does_not_matter),
        MADE(a_folder_and_its_tar_are_the_same),
        MADE(skip_and_limit_part_a_shuffled_set),
        MADE(sizes_must_agree_or_be_given),
        MADE(bad_folders_are_refused),
        MADE(bad_archives_are_refused),
        MADE(failing_allocations_are_reported),
        cmocka_unit_test(the_cifar_archive_is_whole),
        cmocka_unit_test(tiny_imagenet_has_two_splits_and_grey_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
