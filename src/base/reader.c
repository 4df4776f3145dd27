/* reader.c - bounded reading of untrusted bytes. */
#include "base/reader.h"

#include <string.h>

void tn__reader_init(tn__reader *r, const char *name, const void *bytes, size_t size)
{
    *r = (tn__reader){.name = name, .start = bytes, .size = size};
}

tn_status tn__read_bytes(tn__reader *r, const uint8_t **out, size_t size,
                         const char *what, tn_error *err)
{
    if (size > tn__reader_left(r))
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "cannot read '%s': %s at byte %zu needs %zu bytes, %zu are left", r->name,
            what, r->at, size, tn__reader_left(r));
    *out = r->start + r->at;
    r->at += size;
    return TN_OK;
}

/* An unsigned number of `size` bytes. */
static tn_status read_number(tn__reader *r, uint64_t *out, size_t size, bool big_endian,
                             const char *what, tn_error *err)
{
    const uint8_t *bytes = NULL;
    tn_status status = tn__read_bytes(r, &bytes, size, what, err);
    if (status)
        return status;
    uint64_t value = 0;
    for (size_t k = 0; k < size; k++)
        value = value << 8 | bytes[big_endian ? k : size - 1 - k];
    *out = value;
    return TN_OK;
}

tn_status tn__read_u8(tn__reader *r, uint8_t *out, const char *what, tn_error *err)
{
    uint64_t value = 0;
    tn_status status = read_number(r, &value, 1, false, what, err);
    if (!status)
        *out = (uint8_t)value;
    return status;
}

tn_status tn__read_u16le(tn__reader *r, uint16_t *out, const char *what, tn_error *err)
{
    uint64_t value = 0;
    tn_status status = read_number(r, &value, 2, false, what, err);
    if (!status)
        *out = (uint16_t)value;
    return status;
}

tn_status tn__read_u32le(tn__reader *r, uint32_t *out, const char *what, tn_error *err)
{
    uint64_t value = 0;
    tn_status status = read_number(r, &value, 4, false, what, err);
    if (!status)
        *out = (uint32_t)value;
    return status;
}

tn_status tn__read_u64le(tn__reader *r, uint64_t *out, const char *what, tn_error *err)
{
    return read_number(r, out, 8, false, what, err);
}

tn_status tn__read_u32be(tn__reader *r, uint32_t *out, const char *what, tn_error *err)
{
    uint64_t value = 0;
    tn_status status = read_number(r, &value, 4, true, what, err);
    if (!status)
        *out = (uint32_t)value;
    return status;
}

tn_status tn__read_f64be(tn__reader *r, double *out, const char *what, tn_error *err)
{
    uint64_t value = 0;
    tn_status status = read_number(r, &value, 8, true, what, err);
    if (!status)
        memcpy(out, &value, sizeof *out);
    return status;
}

tn_status tn__read_varint(tn__reader *r, uint64_t *out, const char *what, tn_error *err)
{
    uint64_t value = 0;
    size_t start = r->at;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = 0;
        tn_status status = tn__read_u8(r, &byte, what, err);
        if (status)
            return status;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return TN_OK;
        }
    }
    return tn__fail(err, TN_ERROR_FORMAT,
                    "cannot read '%s': %s at byte %zu is a number of more than 64 bits",
                    r->name, what, start);
}
