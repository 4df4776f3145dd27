/* events.c - TensorBoard's event files; see events.h. Only scalars are written, nothing
 * is read. */
#include "train/events.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <event.pb-c.h>

/* --- framing --- */

#define CASTAGNOLI UINT32_C(0x82f63b78) /* bits reversed */

uint32_t tn__crc32c(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CASTAGNOLI : 0);
    }
    return ~crc;
}

uint32_t tn__crc32c_masked(const void *bytes, size_t size)
{
    uint32_t crc = tn__crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static void put_little(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(number >> 8 * i);
}

static tn_status write_event(FILE *file, const char *path,
                             const Tenon__Train__Event *event, tn_error *err)
{
    enum { HEAD = 12, FOOT = 4 };
    size_t size = tenon__train__event__get_packed_size(event);
    uint8_t *record = tn__alloc(HEAD + size + FOOT, 1);
    if (!record)
        return tn__fail_memory(err, HEAD + size + FOOT);
    tenon__train__event__pack(event, record + HEAD);
    put_little(record, size, 8);
    put_little(record + 8, tn__crc32c_masked(record, 8), 4);
    put_little(record + HEAD + size, tn__crc32c_masked(record + HEAD, size), 4);
    bool written = fwrite(record, HEAD + size + FOOT, 1, file) == 1 && !fflush(file);
    tn__free(record);
    return written ? TN_OK
                   : tn__fail(err, TN_ERROR_IO, "cannot write '%s': %s", path,
                              strerror(errno));
}

/* --- events --- */

static Tenon__Train__Event event_now(size_t step)
{
    Tenon__Train__Event event = TENON__TRAIN__EVENT__INIT;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event.wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    event.step = (int64_t)step;
    return event;
}

tn_status tn__events_begin(FILE *file, const char *path, tn_error *err)
{
    char version[] = "brain.Event:2";
    Tenon__Train__Event event = event_now(0);
    event.what_case = TENON__TRAIN__EVENT__WHAT_FILE_VERSION;
    event.file_version = version;
    return write_event(file, path, &event, err);
}

tn_status tn__events_add(FILE *file, const char *path, size_t step,
                         const tn__scalar *scalars, size_t count, tn_error *err)
{
    Tenon__Train__Event event = event_now(step);
    Tenon__Train__Summary summary = TENON__TRAIN__SUMMARY__INIT;
    Tenon__Train__Scalar values[TN__SCALARS_MAX];
    Tenon__Train__Scalar *list[TN__SCALARS_MAX];
    for (size_t k = 0; k < count; k++) {
        tenon__train__scalar__init(&values[k]);
        values[k].tag = (char *)(uintptr_t)scalars[k].tag; /* only read */
        values[k].simple_value = (float)scalars[k].value;
        list[k] = &values[k];
    }
    summary.n_value = count;
    summary.value = list;
    event.what_case = TENON__TRAIN__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    return write_event(file, path, &event, err);
}
