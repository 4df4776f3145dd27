/* test_events.c - event files: framing, checksums, and what TensorBoard would read. */
#include "test.h"
#include "train/event_file.h"

static void checksums_are_those_of_castagnoli(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    assert_int_equal(tn__crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(tn__crc32c(zeros, sizeof zeros), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(tn__crc32c_masked("123456789", 9),
                     (uint32_t)((0xe3069283U >> 15 | 0xe3069283U << 17) + 0xa282ead8U));
}

static void scalars_come_back(void **state)
{
    (void)state;
    static const tn__scalar scalars[] = {{"step/loss", 0.25}, {"step/rate", 1e-3}};
    event_file events;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_ok(tn__events_begin(file, "events", err));
    assert_ok(tn__events_add(file, "events", 7, scalars, 2, err));
    assert_ok(tn__events_add(file, "events", 1 << 20, scalars, 1, err));
    event_file_read(&events, file);
    assert_int_equal(events.count, 3);
    assert_int_equal(events.list[0]->what_case, TENON__TRAIN__EVENT__WHAT_FILE_VERSION);
    assert_string_equal(events.list[0]->file_version, "brain.Event:2");
    assert_true(events.list[0]->wall_time > 1.6e9);
    const Tenon__Train__Event *second = events.list[1];
    assert_int_equal(second->step, 7);
    assert_int_equal(second->what_case, TENON__TRAIN__EVENT__WHAT_SUMMARY);
    assert_int_equal(second->summary->n_value, 2);
    assert_string_equal(second->summary->value[0]->tag, "step/loss");
    assert_true(second->summary->value[0]->simple_value == 0.25F);
    assert_true(second->summary->value[1]->simple_value == 1e-3F);
    assert_int_equal(events.list[2]->step, 1 << 20);
    event_file_release(&events);
    fclose(file);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "wb");
    assert_non_null(full);
    assert_fails(tn__events_begin(full, "a/events", err), TN_ERROR_IO,
                 "cannot write 'a/events': No space left on device");
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_those_of_castagnoli),
        cmocka_unit_test(scalars_come_back),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
