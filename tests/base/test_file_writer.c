/* Files appear whole or not at all; mapped files; content hashes. */
#include "test.h"

#include "base/file.h"

#include <dirent.h>
#include <sys/stat.h>

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/tenon-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where a temporary file was left behind */
}

static void write_text(const char *text, bool replace, tn_status expected)
{
    tn_error err = {0};
    tn__file_writer *w = NULL;
    tn_status status = tn__file_create(&w, path, replace, &err);
    if (!status)
        status = tn__file_write(w, text, strlen(text), &err);
    if (!status)
        status = tn__file_commit(w, &err);
    assert_int_equal(status, expected);
}

static void assert_content(const char *text)
{
    tn__buffer *buffer = NULL;
    assert_ok(tn__buffer_map(&buffer, path, err));
    assert_int_equal(tn__buffer_size(buffer), strlen(text));
    assert_memory_equal(tn__buffer_bytes(buffer), text, strlen(text));
    assert_null(tn__buffer_writable(buffer));
    tn__buffer_release(buffer);
}

static void a_committed_file_has_its_content(void **state)
{
    (void)state;
    write_text("one", false, TN_OK);
    assert_content("one");
}

static void an_existing_file_is_kept_unless_told(void **state)
{
    (void)state;
    write_text("one", false, TN_OK);
    write_text("two", false, TN_ERROR_EXISTS);
    assert_content("one");
    write_text("two", true, TN_OK);
    assert_content("two");
}

static void a_file_that_came_meanwhile_is_kept(void **state)
{
    (void)state;
    tn__file_writer *w = NULL;
    assert_ok(tn__file_create(&w, path, false, err));
    assert_ok(tn__file_write(w, "late", 4, err));
    write_text("first", false, TN_OK);
    assert_fails(tn__file_commit(w, err), TN_ERROR_EXISTS, "the file exists");
    assert_content("first");
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    (void)state;
    tn__file_writer *w = NULL;
    assert_ok(tn__file_create(&w, path, false, err));
    assert_ok(tn__file_write(w, "half", 4, err));
    tn__file_abandon(w);
    tn__file_abandon(NULL);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void long_content_is_written_whole(void **state)
{
    (void)state;
    size_t size = 300001;
    char *text = malloc(size + 1);
    for (size_t k = 0; k < size; k++)
        text[k] = (char)('a' + k % 26);
    text[size] = 0;
    tn__file_writer *w = NULL;
    assert_ok(tn__file_create(&w, path, false, err));
    for (size_t at = 0; at < size; at += TN__MIN(size - at, 70001))
        assert_ok(tn__file_write(w, text + at, TN__MIN(size - at, 70001), err));
    assert_ok(tn__file_commit(w, err));
    assert_content(text);
    free(text);
}

static void what_cannot_be_read_or_written_is_said(void **state)
{
    (void)state;
    tn__buffer *buffer = NULL;
    tn__file_writer *w = NULL;
    assert_fails(tn__buffer_map(&buffer, path, err), TN_ERROR_IO, "No such file");
    assert_fails(tn__buffer_map(&buffer, folder, err), TN_ERROR_IO, "a folder");
    assert_fails(tn__file_create(&w, "/no/such/folder/x", false, err), TN_ERROR_IO,
                 "cannot write '/no/such/folder/x': No such file");
    assert_fails(tn__file_create(&w, folder, true, err), TN_ERROR_IO, "not a regular");
    write_text("", false, TN_OK);
    assert_fails(tn__buffer_map(&buffer, path, err), TN_ERROR_FORMAT, "is empty");
}

static void the_hash_is_sha_256(void **state)
{
    (void)state;
    char hex[TN__SHA256_HEX];
    tn__sha256_hex(hex, "abc", 3); /* FIPS 180-2, appendix B.1 */
    assert_string_equal(
        hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    write_text("abc", false, TN_OK);
    char same[TN__SHA256_HEX];
    assert_ok(tn__sha256_file(same, path, err));
    assert_string_equal(hex, same);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_committed_file_has_its_content),
        TEST(an_existing_file_is_kept_unless_told),
        TEST(a_file_that_came_meanwhile_is_kept),
        TEST(an_abandoned_file_leaves_nothing),
        TEST(long_content_is_written_whole),
        TEST(what_cannot_be_read_or_written_is_said),
        TEST(the_hash_is_sha_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
