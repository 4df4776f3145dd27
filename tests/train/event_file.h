/* event_file.h - reads TensorBoard's event files back, and checks every checksum. */
#ifndef TENON_TESTS_EVENT_FILE_H
#define TENON_TESTS_EVENT_FILE_H

#include <stdio.h>
#include <string.h>

#include "test.h"
#include "train/events.h"
#include <event.pb-c.h>

#define EVENTS_MAX 256

typedef struct event_file {
    Tenon__Train__Event *list[EVENTS_MAX];
    size_t count;
} event_file;

static inline uint32_t checksum_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* From the beginning of the file to its end, which must be that of a record. */
static inline void event_file_read(event_file *events, FILE *file)
{
    static uint8_t bytes[1 << 16];
    events->count = 0;
    rewind(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(size > 0 && size < sizeof bytes);
    for (size_t at = 0; at < size;) {
        assert_true(size - at > 16);
        size_t length = checksum_at(bytes + at); /* the lower half of the length */
        assert_int_equal(checksum_at(bytes + at + 4), 0);
        assert_int_equal(checksum_at(bytes + at + 8), tn__crc32c_masked(bytes + at, 8));
        assert_true(length <= size - at - 16);
        assert_int_equal(checksum_at(bytes + at + 12 + length),
                         tn__crc32c_masked(bytes + at + 12, length));
        assert_true(events->count < EVENTS_MAX);
        Tenon__Train__Event *event =
            tenon__train__event__unpack(NULL, length, bytes + at + 12);
        assert_non_null(event);
        events->list[events->count++] = event;
        at += 16 + length;
    }
}

static inline void event_file_release(event_file *events)
{
    for (size_t k = 0; k < events->count; k++)
        tenon__train__event__free_unpacked(events->list[k], NULL);
    events->count = 0;
}

#endif
