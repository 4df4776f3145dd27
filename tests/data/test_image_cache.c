/* test_image_cache.c - decoded images on disc: the same as decoded anew, and only where
 * the archive and the choice are the same. */
#include "made.h"

#include <dirent.h>
#include <unistd.h>

#include "data/image_cache.h"

static char folder[64], tar_path[96], cache[96], keys[192];
static bytes red, blue;

static int set_up(void **state)
{
    (void)state;
    make_folder(folder);
    png_picture(&red, 3, 4, 4, 255, 0, 0);
    png_picture(&blue, 3, 4, 4, 0, 0, 255);
    snprintf(tar_path, sizeof tar_path, "%s/a.tar.zst", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    snprintf(keys, sizeof keys, ",cache=%s", cache);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void put_tar(const bytes *first)
{
    static const char *const names[] = {"train/cat/1.png", "train/dog/1.png",
                                        "train/dog/2.png", "test/dog/1.png"};
    const bytes *contents[] = {first, &blue, &red, &blue};
    struct archive *tar = start_tar(tar_path, 'z');
    for (size_t k = 0; k < TN__COUNT(names); k++)
        add_member(tar, names[k], contents[k]);
    finish_tar(tar);
}

/* Entries of the cache; the path of one of them. */
static size_t entries(char path[512])
{
    size_t count = 0;
    DIR *list = opendir(cache);
    for (struct dirent *entry; list && (entry = readdir(list)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, 512, "%s/%s", cache, entry->d_name);
        count++;
    }
    if (list)
        closedir(list);
    return count;
}

static void empty_cache(void)
{
    char path[512];
    while (entries(path))
        unlink(path);
}

static void assert_same(const tn_dataset *a, const tn_dataset *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->classes, b->classes);
    assert_string_equal(a->spec, b->spec);
    for (size_t k = 0; k < a->classes; k++)
        assert_string_equal(a->class_names[k], b->class_names[k]);
    assert_memory_equal(a->labels, b->labels, a->count * sizeof *a->labels);
    assert_memory_equal(a->bytes, b->bytes,
                        a->count * a->channels * a->height * a->width);
}

static void cached_images_are_those_of_the_archive(void **state)
{
    (void)state;
    static const char *const choices[] = {"", ",split=test", ",limit=2,seed=4",
                                          ",size=2,only=1", ",mean=0.5"};
    char path[512];
    put_tar(&red);
    for (size_t c = 0; c < TN__COUNT(choices); c++) {
        char with[256];
        snprintf(with, sizeof with, "%s%s", choices[c], keys);
        tn_dataset *plain = open_data("tar", tar_path, choices[c], "train");
        for (int again = 0; again < 2; again++) {
            tn_dataset *cached = open_data("tar", tar_path, with, "train");
            assert_same(plain, cached);
            tn_dataset_free(cached);
        }
        tn_dataset_free(plain);
    }
    assert_int_equal(entries(path), TN__COUNT(choices) - 1); /* mean chooses nothing */
    empty_cache();
}

/* A pixel changed in the entry shows: nothing was decoded. */
static void entries_are_used_until_the_archive_changes(void **state)
{
    (void)state;
    char path[512];
    put_tar(&red);
    tn_dataset_free(open_data("tar", tar_path, keys, "train"));
    assert_int_equal(entries(path), 1);
    FILE *entry = fopen(path, "r+b");
    assert_non_null(entry);
    assert_int_equal(fseek(entry, -1, SEEK_END), 0);
    int last = fgetc(entry);
    assert_int_equal(fseek(entry, -1, SEEK_END), 0);
    fputc(last ^ 1, entry); /* the last pixel, or a label */
    fclose(entry);
    tn_dataset *plain = open_data("tar", tar_path, "", "train");
    tn_dataset *cached = NULL;
    char spec[512];
    snprintf(spec, sizeof spec, "tar:%s%s", tar_path, keys);
    assert_ok(tn_dataset_open(&cached, spec, "train", err));
    assert_true(memcmp(plain->bytes, cached->bytes, 3 * 48) != 0 ||
                memcmp(plain->labels, cached->labels, 3 * 4) != 0);
    tn_dataset_free(plain);
    tn_dataset_free(cached);
    put_tar(&blue);
    plain = open_data("tar", tar_path, "", "train");
    cached = open_data("tar", tar_path, keys, "train");
    assert_same(plain, cached);
    tn_dataset_free(plain);
    tn_dataset_free(cached);
    assert_int_equal(entries(path), 2);
    empty_cache();
}

static void broken_entries_are_made_again(void **state)
{
    (void)state;
    char path[512];
    put_tar(&red);
    tn_dataset *plain = open_data("tar", tar_path, "", "train");
    for (off_t size = 0; size < 400; size += 37) {
        tn_dataset_free(open_data("tar", tar_path, keys, "train"));
        assert_int_equal(entries(path), 1);
        assert_int_equal(truncate(path, size), 0);
        tn_dataset *cached = open_data("tar", tar_path, keys, "train");
        assert_same(plain, cached);
        tn_dataset_free(cached);
    }
    tn_dataset_free(plain);
    empty_cache();
}

static void a_cache_that_cannot_be_is_told(void **state)
{
    (void)state;
    put_tar(&red);
    open_fails("tar", tar_path, ",cache=/no/such/folder", TN_ERROR_IO,
               "cannot make the folder '/no/such/folder'");
    open_fails("tar", "/no/such.tar", keys, TN_ERROR_IO, "cannot read '/no/such.tar'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_images_are_those_of_the_archive),
        cmocka_unit_test(entries_are_used_until_the_archive_changes),
        cmocka_unit_test(broken_entries_are_made_again),
        cmocka_unit_test(a_cache_that_cannot_be_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
