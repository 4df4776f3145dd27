/* onnx_tensor.c - ONNX's TensorProto: a view of raw_data where that is aligned, else a
 * copy; numbers in typed fields are converted.
 *
 * Source: onnx.proto, message TensorProto.
 */
#include "format/onnx.h"

#include <string.h>

enum { /* fields of TensorProto */
       DIMS = 1,
       DATA_TYPE = 2,
       SEGMENT = 3,
       FLOAT_DATA = 4,
       INT32_DATA = 5,
       INT64_DATA = 7,
       NAME = 8,
       RAW_DATA = 9,
       DOUBLE_DATA = 10,
       UINT64_DATA = 11,
       EXTERNAL_DATA = 13,
       DATA_LOCATION = 14
};

typedef struct header {
    char *name;
    uint64_t dtype; /* as written */
    int64_t dims[TN__MAX_RANK];
    tn__wire_numbers rank;
    bool raw, external, segment;
    tn__wire_field data; /* raw_data */
    char *location;
    uint64_t offset, length; /* of external data; length UINT64_MAX: not given */
} header;

/* The typed field that holds elements of `dtype`, and how they are written there. */
static uint32_t typed_field(tn__wire_numbers *numbers, tn_dtype dtype)
{
    *numbers = (tn__wire_numbers){.width = tn__dtype_size(dtype)};
    switch (dtype) {
    case TN_F32:
        numbers->type = TN__WIRE_FIXED32;
        return FLOAT_DATA;
    case TN_F64:
        numbers->type = TN__WIRE_FIXED64;
        return DOUBLE_DATA;
    case TN_I64:
        return INT64_DATA;
    case TN_U32:
    case TN_U64:
        return UINT64_DATA;
    default:
        return INT32_DATA;
    }
}

/* "location", "offset" and "length" of StringStringEntryProto; others are hints. */
static tn_status read_external(header *h, const tn__wire_field *field, tn_error *err)
{
    tn__reader r = field->in;
    char *text[2] = {NULL, NULL}; /* key, value */
    tn_status status = tn__wire_expect(field, TN__WIRE_BYTES, "external_data", err);
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (!status && (f.number == 1 || f.number == 2))
            status = tn__wire_text(&text[f.number - 1], &f, "external_data", err);
    }
    if (status || !text[0] || !text[1])
        goto done;
    if (strcmp(text[0], "location") == 0) {
        tn__free(h->location);
        h->location = text[1];
        text[1] = NULL;
    } else if (strcmp(text[0], "offset") == 0 || strcmp(text[0], "length") == 0) {
        uint64_t number = 0;
        const char *c = text[1];
        bool valid = *c != 0;
        for (; *c && valid; c++)
            valid = *c >= '0' && *c <= '9' &&
                    !__builtin_mul_overflow(number, 10, &number) &&
                    !__builtin_add_overflow(number, *c - '0', &number);
        if (!valid)
            status = tn__fail(err, TN_ERROR_FORMAT,
                              "the %s of its external data is no number", text[0]);
        *(text[0][0] == 'o' ? &h->offset : &h->length) = number;
    }
done:
    tn__free(text[0]);
    tn__free(text[1]);
    return status;
}

static tn_status read_field(header *h, const tn__wire_field *f, tn_error *err)
{
    tn_status status = TN_OK;
    switch (f->number) {
    case DIMS:
        return tn__wire_numbers_add(&h->rank, f, "dims", err);
    case DATA_TYPE:
        h->dtype = f->value;
        return tn__wire_expect(f, TN__WIRE_VARINT, "data_type", err);
    case SEGMENT:
        h->segment = true;
        return TN_OK;
    case NAME:
        return tn__wire_text(&h->name, f, "name", err);
    case RAW_DATA:
        h->raw = true;
        h->data = *f;
        return tn__wire_expect(f, TN__WIRE_BYTES, "raw_data", err);
    case EXTERNAL_DATA:
        return read_external(h, f, err);
    case DATA_LOCATION:
        status = tn__wire_expect(f, TN__WIRE_VARINT, "data_location", err);
        h->external = f->value == 1;
        return status;
    default:
        return TN_OK;
    }
}

/* Goes over the typed field: counts its numbers, or stores them. */
static tn_status read_typed(tn__wire_numbers *numbers, uint32_t number, tn__reader r,
                            tn_error *err)
{
    tn_status status = TN_OK;
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (!status && f.number == number)
            status = tn__wire_numbers_add(numbers, &f, "the data", err);
    }
    return status;
}

static tn_status check_header(tn_dtype *dtype, tn__shape *shape, size_t *count,
                              const header *h, tn_error *err)
{
    char text[TN__SHAPE_TEXT];
    size_t bytes = 0;
    shape->rank = (int)h->rank.count;
    memcpy(shape->dims, h->dims, sizeof shape->dims);
    if (h->dtype > TN_BF16 || !tn__dtype_size((tn_dtype)h->dtype))
        return tn__fail(
            err, TN_ERROR_UNSUPPORTED,
            "its data type %llu is not supported (strings, complex, below 8 "
            "bits)",
            (unsigned long long)h->dtype);
    *dtype = (tn_dtype)h->dtype;
    if (h->segment)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "it is a segment of a tensor");
    if (!tn__shape_count(count, shape) ||
        !tn__mul(&bytes, *count, tn__dtype_size(*dtype)))
        return tn__fail(err, TN_ERROR_FORMAT, "its shape %s has no size",
                        tn__shape_text(text, sizeof text, shape));
    return TN_OK;
}

/* Elements from raw_data. */
static tn_status take_raw(tn__tensor *out, const header *h, tn_dtype dtype,
                          const tn__shape *shape, size_t count,
                          const tn__onnx_source *source, tn_error *err)
{
    char text[TN__SHAPE_TEXT];
    size_t size = tn__reader_left(&h->data.in);
    if (size != count * tn__dtype_size(dtype))
        return tn__fail(err, TN_ERROR_FORMAT,
                        "its raw_data has %zu bytes, %s %s has %zu", size,
                        tn__dtype_name(dtype), tn__shape_text(text, sizeof text, shape),
                        count * tn__dtype_size(dtype));
    return tn__tensor_over(out, dtype, shape->rank, shape->dims, source->bytes,
                           h->data.in.at, err);
}

/* Elements from the typed field of their type, counted before memory is taken. */
static tn_status take_typed(tn__tensor *out, tn_dtype dtype, const tn__shape *shape,
                            size_t count, tn__reader r, tn_error *err)
{
    tn__wire_numbers numbers;
    char text[TN__SHAPE_TEXT];
    tn__tensor tensor = {0};
    uint32_t number = typed_field(&numbers, dtype);
    tn_status status = read_typed(&numbers, number, r, err);
    if (!status && numbers.count != count)
        status =
            tn__fail(err, TN_ERROR_FORMAT, "it has %zu numbers, %s has %zu",
                     numbers.count, tn__shape_text(text, sizeof text, shape), count);
    if (!status)
        status = tn__tensor_create(&tensor, dtype, shape->rank, shape->dims, err);
    if (status)
        return status;
    numbers.out = tn__buffer_writable(tensor.buffer);
    numbers.limit = count;
    numbers.count = 0;
    status = read_typed(&numbers, number, r, err);
    if (status)
        tn__tensor_release(&tensor);
    else
        *out = tensor;
    return status;
}

static tn_status take_external(tn__tensor *out, const header *h, tn_dtype dtype,
                               const tn__shape *shape, size_t count,
                               tn__onnx_source *source, tn_error *err)
{
    size_t bytes = count * tn__dtype_size(dtype);
    if (!h->location)
        return tn__fail(err, TN_ERROR_FORMAT, "its external data has no location");
    if (h->length != UINT64_MAX && h->length != bytes)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "its external data has %llu bytes, %zu were expected",
                        (unsigned long long)h->length, bytes);
    return tn__onnx_external(out, source, dtype, shape, h->location, h->offset, err);
}

tn_status tn__onnx_tensor(tn__tensor *out, char **name, tn__onnx_source *source,
                          tn__reader r, tn_error *err)
{
    header h = {.length = UINT64_MAX};
    tn_dtype dtype = TN_UNDEFINED;
    tn__shape shape;
    size_t count = 0;
    tn__reader again = r;
    tn_status status = TN_OK;
    h.rank = (tn__wire_numbers){.type = TN__WIRE_VARINT,
                                .width = sizeof *h.dims,
                                .out = (uint8_t *)h.dims,
                                .limit = TN__MAX_RANK};
    while (!status && tn__reader_left(&r)) {
        tn__wire_field f;
        status = tn__wire_next(&r, &f, err);
        if (!status)
            status = read_field(&h, &f, err);
    }
    if (!status)
        status = check_header(&dtype, &shape, &count, &h, err);
    if (!status && h.external)
        status = take_external(out, &h, dtype, &shape, count, source, err);
    else if (!status && h.raw)
        status = take_raw(out, &h, dtype, &shape, count, source, err);
    else if (!status)
        status = take_typed(out, dtype, &shape, count, again, err);
    if (status)
        status = tn__fail_in(err, status, "tensor '%s'", h.name ? h.name : "");
    tn__free(h.location);
    if (!status && h.name) {
        tn__free(*name);
        *name = h.name;
    } else {
        tn__free(h.name);
    }
    return status;
}
