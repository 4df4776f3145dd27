/* wire.h - the wire format of protocol buffers, field by field, without copying.
 *
 * protobuf-c unpacks whole messages into memory of its own; a model's weights must stay
 * where they are in the mapped file, so the levels above them are walked by hand:
 *
 *     tn__wire_field f;
 *     while (tn__reader_left(&r) && !(status = tn__wire_next(&r, &f, err)))
 *         if (f.number == 9) ...
 *
 * Messages leave out the file's name, for the caller to put before them.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
#ifndef TN_FORMAT_WIRE_H
#define TN_FORMAT_WIRE_H

#include "base/reader.h"

#include <protobuf-c/protobuf-c.h>

/* Messages in each other that protobuf-c, which recurses, may be given. */
#define TN__WIRE_DEPTH_MAX 16

typedef enum tn__wire_type {
    TN__WIRE_VARINT = 0,
    TN__WIRE_FIXED64 = 1,
    TN__WIRE_BYTES = 2,
    TN__WIRE_FIXED32 = 5
} tn__wire_type;

typedef struct tn__wire_field {
    uint32_t number;
    tn__wire_type type;
    size_t at;      /* of its tag in the file */
    uint64_t value; /* VARINT, FIXED64, FIXED32 */
    tn__reader in;  /* BYTES: a window on them; offsets stay those of the file */
} tn__wire_field;

tn_status tn__wire_next(tn__reader *r, tn__wire_field *out, tn_error *err) TN_MUST_USE;

/* TN_ERROR_FORMAT where the field is not of `type`; `what` names it. */
tn_status tn__wire_expect(const tn__wire_field *field, tn__wire_type type,
                          const char *what, tn_error *err) TN_MUST_USE;
/* A copy of a BYTES field as text, which replaces *out. TN_ERROR_FORMAT where it holds
 * a zero byte. */
tn_status tn__wire_text(char **out, const tn__wire_field *field, const char *what,
                        tn_error *err) TN_MUST_USE;
static inline const uint8_t *tn__wire_bytes(const tn__wire_field *field)
{
    return field->in.start + field->in.at;
}

/* A repeated field of numbers, packed or not: counts them, and stores them where `out`
 * is given. Integers narrower than 64 bits must fit. */
typedef struct tn__wire_numbers {
    tn__wire_type type;
    size_t width; /* bytes of an element of out */
    uint8_t *out; /* [limit * width], or NULL to count only */
    size_t limit, count;
} tn__wire_numbers;
tn_status tn__wire_numbers_add(tn__wire_numbers *numbers, const tn__wire_field *field,
                               const char *what, tn_error *err) TN_MUST_USE;

/* Unpacks a BYTES field by protobuf-c; free *out with
 * protobuf_c_message_free_unpacked(). TN_ERROR_FORMAT, and where messages lie deeper in
 * each other than TN__WIRE_DEPTH_MAX. */
tn_status tn__wire_unpack(ProtobufCMessage **out, const tn__wire_field *field,
                          const ProtobufCMessageDescriptor *type,
                          tn_error *err) TN_MUST_USE;

#endif
