/* tensor.c - shapes, and tensors that share bytes until written. */
#include "tensor/tensor.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

size_t tn__dtype_size(tn_dtype dtype)
{
    switch (dtype) {
    case TN_U8:
    case TN_I8:
    case TN_BOOL:
        return 1;
    case TN_U16:
    case TN_I16:
    case TN_F16:
    case TN_BF16:
        return 2;
    case TN_F32:
    case TN_I32:
    case TN_U32:
        return 4;
    case TN_F64:
    case TN_I64:
    case TN_U64:
        return 8;
    case TN_UNDEFINED:
        break;
    }
    return 0;
}

const char *tn__dtype_name(tn_dtype dtype)
{
    static const char *const names[] = {
        [TN_F32] = "f32",   [TN_U8] = "u8",   [TN_I8] = "i8",   [TN_U16] = "u16",
        [TN_I16] = "i16",   [TN_I32] = "i32", [TN_I64] = "i64", [TN_BOOL] = "bool",
        [TN_F16] = "f16",   [TN_F64] = "f64", [TN_U32] = "u32", [TN_U64] = "u64",
        [TN_BF16] = "bf16",
    };
    size_t k = (size_t)dtype;
    return k < TN__COUNT(names) && names[k] ? names[k] : "undefined";
}

bool tn__shape_count(size_t *count, const tn__shape *shape)
{
    size_t product = 1;
    for (int axis = 0; axis < shape->rank; axis++)
        if (shape->dims[axis] < 0 ||
            !tn__mul(&product, product, (size_t)shape->dims[axis]))
            return false;
    *count = product;
    return true;
}

bool tn__shape_equal(const tn__shape *a, const tn__shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int axis = 0; axis < a->rank; axis++)
        if (a->dims[axis] != b->dims[axis])
            return false;
    return true;
}

const char *tn__shape_text(char *text, size_t size, const tn__shape *shape)
{
    size_t at = 0;
    for (int axis = 0; axis < shape->rank && at < size; axis++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", axis ? ", " : "[",
                               (long long)shape->dims[axis]);
    if (at < size)
        (void)snprintf(text + at, size - at, "%s", shape->rank ? "]" : "[]");
    return text;
}

/* The shape and its bytes; fails on ranks and dims that have no meaning. */
static tn_status check_shape(tn__shape *shape, size_t *bytes, tn_dtype dtype, int rank,
                             const int64_t *dims, tn_error *err)
{
    if (rank < 0 || rank > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "rank %d is beyond the limit of %d",
                        rank, TN__MAX_RANK);
    size_t count = 0, size = tn__dtype_size(dtype);
    tn__shape checked = {.rank = rank};
    for (int axis = 0; axis < rank; axis++)
        checked.dims[axis] = dims[axis];
    char text[TN__SHAPE_TEXT];
    if (!size)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "element type %d is not known",
                        (int)dtype);
    if (!tn__shape_count(&count, &checked) || !tn__mul(bytes, count, size))
        return tn__fail(err, TN_ERROR_FORMAT, "shape %s has no size",
                        tn__shape_text(text, sizeof text, &checked));
    *shape = checked;
    return TN_OK;
}

tn_status tn__tensor_create(tn__tensor *out, tn_dtype dtype, int rank,
                            const int64_t *dims, tn_error *err)
{
    tn__tensor tensor = {.dtype = dtype};
    size_t bytes = 0;
    tn_status status = check_shape(&tensor.shape, &bytes, dtype, rank, dims, err);
    if (!status)
        status = tn__buffer_create(&tensor.buffer, bytes, err);
    if (!status)
        *out = tensor;
    return status;
}

tn_status tn__tensor_integers(tn__tensor *out, const int64_t *list, size_t count,
                              tn_error *err)
{
    const int64_t dims[1] = {(int64_t)count};
    tn__tensor made = {0};
    void *data = NULL;
    tn_status status = tn__tensor_create(&made, TN_I64, 1, dims, err);
    if (!status)
        status = tn__tensor_write(&made, &data, err);
    if (!status && count > 0)
        memcpy(data, list, count * sizeof *list);
    if (!status)
        *out = made;
    else
        tn__tensor_release(&made);
    return status;
}

tn_status tn__tensor_view(tn__tensor *out, tn_dtype dtype, int rank,
                          const int64_t *dims, tn__buffer *buffer, size_t offset,
                          tn_error *err)
{
    tn__tensor tensor = {.dtype = dtype, .offset = offset};
    size_t bytes = 0, end = 0;
    tn_status status = check_shape(&tensor.shape, &bytes, dtype, rank, dims, err);
    if (status)
        return status;
    if (!tn__add(&end, offset, bytes) || end > tn__buffer_size(buffer))
        return tn__fail(err, TN_ERROR_FORMAT, "tensor of %zu bytes at byte %zu of %zu",
                        bytes, offset, tn__buffer_size(buffer));
    tensor.buffer = tn__buffer_retain(buffer);
    *out = tensor;
    return TN_OK;
}

tn__tensor tn__tensor_ref(const tn__tensor *tensor)
{
    tn__tensor copy = *tensor;
    if (copy.buffer)
        tn__buffer_retain(copy.buffer);
    return copy;
}

void tn__tensor_release(tn__tensor *tensor)
{
    tn__buffer_release(tensor->buffer);
    *tensor = (tn__tensor){0};
}

size_t tn__tensor_count(const tn__tensor *tensor)
{
    size_t count = 0;
    bool fits = tn__shape_count(&count, &tensor->shape);
    assert(fits);
    (void)fits;
    return count;
}

size_t tn__tensor_bytes(const tn__tensor *tensor)
{
    return tn__tensor_count(tensor) * tn__dtype_size(tensor->dtype);
}

const void *tn__tensor_data(const tn__tensor *tensor)
{
    return tn__buffer_bytes(tensor->buffer) + tensor->offset;
}

tn_status tn__tensor_write(tn__tensor *tensor, void **data, tn_error *err)
{
    uint8_t *bytes = tn__buffer_writable(tensor->buffer);
    if (!bytes) {
        size_t size = tn__tensor_bytes(tensor);
        tn__buffer *own = NULL;
        tn_status status = tn__buffer_create(&own, size, err);
        if (status)
            return status;
        bytes = tn__buffer_writable(own);
        memcpy(bytes, tn__tensor_data(tensor), size);
        tn__buffer_release(tensor->buffer);
        tensor->buffer = own;
        tensor->offset = 0;
    }
    *data = bytes + tensor->offset;
    return TN_OK;
}

float *tn__tensor_f32(tn__tensor *tensor)
{
    assert(tensor->dtype == TN_F32);
    uint8_t *bytes = tn__buffer_writable(tensor->buffer);
    assert(bytes);
    return (float *)(void *)(bytes + tensor->offset);
}

const float *tn__tensor_f32_const(const tn__tensor *tensor)
{
    assert(tensor->dtype == TN_F32);
    return tn__tensor_data(tensor);
}

const int64_t *tn__tensor_i64_const(const tn__tensor *tensor)
{
    assert(tensor->dtype == TN_I64);
    return tn__tensor_data(tensor);
}
