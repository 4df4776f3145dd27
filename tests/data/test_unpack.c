/* test_unpack.c - files that may be compressed. */
#include "made.h"

#include "data/unpack.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void every_filter_gives_the_bytes_back(void **state)
{
    (void)state;
    static uint8_t data[200000];
    for (size_t k = 0; k < sizeof data; k++)
        data[k] = (uint8_t)(k * k >> 7);
    for (const char *filter = "-gz"; *filter; filter++) {
        uint8_t *back = NULL;
        size_t size = 0;
        write_file(folder, "file", data, sizeof data, *filter);
        assert_ok(tn__unpack_file(&back, &size, path, sizeof data, err));
        assert_int_equal(size, sizeof data);
        assert_memory_equal(back, data, size);
        tn__free(back);
    }
}

static void an_empty_file_is_no_bytes(void **state)
{
    (void)state;
    uint8_t *back = NULL;
    size_t size = 1;
    write_file(folder, "file", "", 0, 0);
    assert_ok(tn__unpack_file(&back, &size, path, 10, err));
    assert_int_equal(size, 0);
    tn__free(back);
}

static void a_bomb_is_defused(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    uint8_t *back = NULL;
    size_t size = 0;
    write_file(folder, "file", zeros, sizeof zeros, 'z');
    assert_fails(tn__unpack_file(&back, &size, path, sizeof zeros - 1, err),
                 TN_ERROR_FORMAT, "unpacks to more than 1048575 bytes");
    assert_null(back);
}

static void damaged_streams_are_refused(void **state)
{
    (void)state;
    static uint8_t data[1000], packed[2000];
    for (const char *filter = "gz"; *filter; filter++) {
        uint8_t *back = NULL;
        size_t size = 0;
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = (uint8_t)(k * 7919 >> 3);
        write_file(folder, "file", data, sizeof data, *filter);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t length = fread(packed, 1, sizeof packed, file);
        fclose(file);
        write_file(folder, "file", packed, length / 2, 0);
        assert_fails(tn__unpack_file(&back, &size, path, 1 << 20, err), TN_ERROR_FORMAT,
                     "cannot read '");
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    uint8_t *back = NULL;
    size_t size = 0;
    assert_fails(tn__unpack_file(&back, &size, "/nowhere", 10, err), TN_ERROR_IO,
                 "cannot read '/nowhere': No such file");
    assert_fails(tn__unpack_file(&back, &size, folder, 10, err), TN_ERROR_IO,
                 "not a regular file");
}

#define MADE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(every_filter_gives_the_bytes_back),
        MADE(an_empty_file_is_no_bytes),
        MADE(a_bomb_is_defused),
        MADE(damaged_streams_are_refused),
        MADE(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
