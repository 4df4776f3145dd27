/* reader.h - the one door through which untrusted bytes come in.
 *
 * A tn__reader is a window [at, end) on borrowed memory. Every read checks that enough
 * is left and fails with the file's name, the offset and what was expected.
 *
 *     tn__reader r;
 *     tn__reader_init(&r, "a.safetensors", bytes, size);
 *     uint64_t header;
 *     if (tn__read_u64le(&r, &header, "header length", err)) ...
 */
#ifndef TN_BASE_READER_H
#define TN_BASE_READER_H

#include "base/base.h"

typedef struct tn__reader {
    const char *name;     /* of the file, for messages; borrowed */
    const uint8_t *start; /* borrowed */
    size_t size, at;      /* bytes; at <= size */
} tn__reader;

void tn__reader_init(tn__reader *r, const char *name, const void *bytes, size_t size);

/* Bytes that are left. */
static inline size_t tn__reader_left(const tn__reader *r)
{
    return r->size - r->at;
}

/* Borrows the next `size` bytes. `what` names them in the message on failure. */
tn_status tn__read_bytes(tn__reader *r, const uint8_t **out, size_t size,
                         const char *what, tn_error *err) TN_MUST_USE;
tn_status tn__read_u8(tn__reader *r, uint8_t *out, const char *what,
                      tn_error *err) TN_MUST_USE;
tn_status tn__read_u16le(tn__reader *r, uint16_t *out, const char *what,
                         tn_error *err) TN_MUST_USE;
tn_status tn__read_u32le(tn__reader *r, uint32_t *out, const char *what,
                         tn_error *err) TN_MUST_USE;
tn_status tn__read_u64le(tn__reader *r, uint64_t *out, const char *what,
                         tn_error *err) TN_MUST_USE;
tn_status tn__read_u32be(tn__reader *r, uint32_t *out, const char *what,
                         tn_error *err) TN_MUST_USE;
tn_status tn__read_f64be(tn__reader *r, double *out, const char *what,
                         tn_error *err) TN_MUST_USE;
/* Protocol buffers' base-128 varint of at most ten bytes. */
tn_status tn__read_varint(tn__reader *r, uint64_t *out, const char *what,
                          tn_error *err) TN_MUST_USE;

#endif
