/* wire.c - the wire format of protocol buffers: tags, lengths, repeated numbers. */
#include "format/wire.h"

#include <stdio.h>
#include <string.h>

/* The reader says "cannot read 'name'" before what went wrong. Messages of this format
 * get that at the very end, before the names of node and attribute, so it is taken off.
 */
static tn_status shorten(tn_status status, const tn__reader *r, tn_error *err)
{
    char prefix[TN_ERROR_MESSAGE_MAX];
    int length = snprintf(prefix, sizeof prefix, "cannot read '%s': ", r->name);
    if (status && err && length < (int)sizeof prefix &&
        strncmp(err->message, prefix, (size_t)length) == 0)
        memmove(err->message, err->message + length, strlen(err->message + length) + 1);
    return status;
}

tn_status tn__wire_next(tn__reader *r, tn__wire_field *out, tn_error *err)
{
    tn__wire_field f = {.at = r->at};
    uint64_t tag = 0, size = 0;
    const uint8_t *bytes = NULL;
    uint32_t word = 0;
    tn_status status = tn__read_varint(r, &tag, "field tag", err);
    if (status)
        return shorten(status, r, err);
    f.number = (uint32_t)(tag >> 3);
    f.type = (tn__wire_type)(tag & 7);
    if (tag >> 32 || f.number == 0)
        return tn__fail(err, TN_ERROR_FORMAT, "byte %zu is no field of a message",
                        f.at);
    switch (f.type) {
    case TN__WIRE_VARINT:
        status = tn__read_varint(r, &f.value, "number", err);
        break;
    case TN__WIRE_FIXED64:
        status = tn__read_u64le(r, &f.value, "number", err);
        break;
    case TN__WIRE_FIXED32:
        status = tn__read_u32le(r, &word, "number", err);
        f.value = word;
        break;
    case TN__WIRE_BYTES:
        status = tn__read_varint(r, &size, "field length", err);
        f.in = *r;
        if (!status)
            status = tn__read_bytes(r, &bytes, size, "field", err);
        f.in.size = r->at;
        break;
    default:
        status = tn__fail(err, TN_ERROR_FORMAT, "field %u at byte %zu has wire type %d",
                          f.number, f.at, (int)f.type);
    }
    if (!status)
        *out = f;
    return shorten(status, r, err);
}

tn_status tn__wire_expect(const tn__wire_field *field, tn__wire_type type,
                          const char *what, tn_error *err)
{
    if (field->type == type)
        return TN_OK;
    return tn__fail(err, TN_ERROR_FORMAT,
                    "%s at byte %zu has wire type %d, %d was expected", what, field->at,
                    (int)field->type, (int)type);
}

tn_status tn__wire_text(char **out, const tn__wire_field *field, const char *what,
                        tn_error *err)
{
    tn_status status = tn__wire_expect(field, TN__WIRE_BYTES, what, err);
    if (status)
        return status;
    const char *bytes = (const char *)tn__wire_bytes(field);
    size_t length = tn__reader_left(&field->in);
    if (memchr(bytes, 0, length))
        return tn__fail(err, TN_ERROR_FORMAT, "%s at byte %zu holds a zero byte", what,
                        field->at);
    char *text = tn__strndup(bytes, length);
    if (!text)
        return tn__fail_memory(err, length);
    tn__free(*out);
    *out = text;
    return TN_OK;
}

/* value fits into `width` bytes, as a signed or an unsigned number. */
static bool fits(uint64_t value, size_t width)
{
    unsigned bits = (unsigned)width * 8;
    if (bits == 64)
        return true;
    int64_t lowest = -((int64_t)1 << (bits - 1));
    return value >> bits == 0 || ((int64_t)value < 0 && (int64_t)value >= lowest);
}

static tn_status add_number(tn__wire_numbers *numbers, uint64_t value,
                            const tn__wire_field *field, const char *what,
                            tn_error *err)
{
    if (numbers->out && numbers->count == numbers->limit)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "%s at byte %zu has more than %zu numbers", what, field->at,
                        numbers->limit);
    if (!fits(value, numbers->width))
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "%s at byte %zu has the number %lld, which does not fit into %zu "
            "bits",
            what, field->at, (long long)value, numbers->width * 8);
    if (numbers->out)
        memcpy(numbers->out + numbers->count * numbers->width, &value, numbers->width);
    numbers->count++;
    return TN_OK;
}

/* The next number of a packed field. */
static tn_status read_packed(tn__reader *r, uint64_t *value, tn__wire_type type,
                             tn_error *err)
{
    uint32_t word = 0;
    if (type == TN__WIRE_VARINT)
        return tn__read_varint(r, value, "number", err);
    if (type == TN__WIRE_FIXED64)
        return tn__read_u64le(r, value, "number", err);
    tn_status status = tn__read_u32le(r, &word, "number", err);
    *value = word;
    return status;
}

tn_status tn__wire_numbers_add(tn__wire_numbers *numbers, const tn__wire_field *field,
                               const char *what, tn_error *err)
{
    if (field->type == numbers->type)
        return add_number(numbers, field->value, field, what, err);
    tn_status status = tn__wire_expect(field, TN__WIRE_BYTES, what, err);
    tn__reader r = field->in;
    while (!status && tn__reader_left(&r)) {
        uint64_t value = 0;
        status = shorten(read_packed(&r, &value, numbers->type, err), &r, err);
        if (!status)
            status = add_number(numbers, value, field, what, err);
    }
    return status;
}

/* Messages of `type` lie in each other at most `depth` deep. */
static tn_status check_depth(tn__reader r, const ProtobufCMessageDescriptor *type,
                             int depth, tn_error *err)
{
    tn_status status = TN_OK;
    if (depth == 0)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "messages of type %s are nested deeper than %d", type->name,
                        TN__WIRE_DEPTH_MAX);
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (status || f.type != TN__WIRE_BYTES)
            continue;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, f.number);
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
            status = check_depth(f.in, field->descriptor, depth - 1, err);
    }
    return status;
}

tn_status tn__wire_unpack(ProtobufCMessage **out, const tn__wire_field *field,
                          const ProtobufCMessageDescriptor *type, tn_error *err)
{
    tn_status status = tn__wire_expect(field, TN__WIRE_BYTES, type->name, err);
    if (!status)
        status = check_depth(field->in, type, TN__WIRE_DEPTH_MAX, err);
    if (status)
        return status;
    ProtobufCMessage *message = protobuf_c_message_unpack(
        type, NULL, tn__reader_left(&field->in), tn__wire_bytes(field));
    if (!message)
        return tn__fail(err, TN_ERROR_FORMAT, "byte %zu begins no message of type %s",
                        field->at, type->name);
    *out = message;
    return TN_OK;
}
