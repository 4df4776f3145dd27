/* How errors are worded. */
#include "test.h"

#include "base/base.h"

static void a_failure_has_code_and_message(void **state)
{
    (void)state;
    tn_error err = {0};
    assert_int_equal(tn__fail(&err, TN_ERROR_IO, "cannot read '%s'", "a"), TN_ERROR_IO);
    assert_int_equal(err.code, TN_ERROR_IO);
    assert_string_equal(err.message, "cannot read 'a'");
    assert_int_equal(tn__fail(NULL, TN_ERROR_IO, "x"), TN_ERROR_IO);
}

static void a_message_stays_on_one_line(void **state)
{
    (void)state;
    tn_error err = {0};
    (void)tn__fail(&err, TN_ERROR_FORMAT, "tensor '%s'", "a\nb\x1b[0m");
    assert_string_equal(err.message, "tensor 'a?b?[0m'");
}

static void a_prefix_goes_before_the_message(void **state)
{
    (void)state;
    tn_error err = {0};
    (void)tn__fail(&err, TN_ERROR_FORMAT, "inner");
    assert_int_equal(tn__fail_in(&err, TN_ERROR_MISMATCH, "in '%s'", "x"),
                     TN_ERROR_MISMATCH);
    assert_string_equal(err.message, "in 'x': inner");
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    tn_error err = {0};
    char text[2 * TN_ERROR_MESSAGE_MAX];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 0;
    (void)tn__fail(&err, TN_ERROR_IO, "%s", text);
    assert_int_equal(strlen(err.message), TN_ERROR_MESSAGE_MAX - 1);
    (void)tn__fail_in(&err, TN_ERROR_IO, "%s", text);
    assert_int_equal(strlen(err.message), TN_ERROR_MESSAGE_MAX - 1);
}

static int refuse(void *user, const tn_progress *progress)
{
    (void)user;
    return progress->done > 1;
}

static void progress_can_cancel(void **state)
{
    (void)state;
    tn_observer observer = {.progress = refuse};
    tn_progress progress = {.stage = "epoch 1", .done = 1};
    assert_ok(tn__report(&observer, &progress, err));
    progress.done = 2;
    assert_fails(tn__report(&observer, &progress, err), TN_ERROR_CANCELLED, "epoch 1");
    assert_ok(tn__report(NULL, &progress, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_code_and_message),
        cmocka_unit_test(a_message_stays_on_one_line),
        cmocka_unit_test(a_prefix_goes_before_the_message),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(progress_can_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
