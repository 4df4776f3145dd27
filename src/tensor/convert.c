/* convert.c - single elements and whole tensors from one element type to another. */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static bool is_float(tn_dtype dtype)
{
    return dtype == TN_F32 || dtype == TN_F64 || dtype == TN_F16 || dtype == TN_BF16;
}

/* NAME(data, i): element i; the bytes of a mapped file need not be aligned. */
#define DEFINE_LOAD(name, type)                                                        \
    static type name(const void *data, size_t i)                                       \
    {                                                                                  \
        type element;                                                                  \
        memcpy(&element, (const char *)data + i * sizeof element, sizeof element);     \
        return element;                                                                \
    }
DEFINE_LOAD(load_f32, float)
DEFINE_LOAD(load_f64, double)
DEFINE_LOAD(load_u8, uint8_t)
DEFINE_LOAD(load_i8, int8_t)
DEFINE_LOAD(load_u16, uint16_t)
DEFINE_LOAD(load_i16, int16_t)
DEFINE_LOAD(load_u32, uint32_t)
DEFINE_LOAD(load_i32, int32_t)
DEFINE_LOAD(load_u64, uint64_t)
DEFINE_LOAD(load_i64, int64_t)

double tn__tensor_get_f64(const tn__tensor *tensor, size_t i)
{
    const void *data = tn__tensor_data(tensor);
    switch (tensor->dtype) {
    case TN_F32:
        return (double)load_f32(data, i);
    case TN_F64:
        return load_f64(data, i);
    case TN_F16:
        return (double)tn__f16_to_f32(load_u16(data, i));
    case TN_BF16:
        return (double)tn__bf16_to_f32(load_u16(data, i));
    case TN_U64:
        return (double)load_u64(data, i);
    default:
        return (double)tn__tensor_get_i64(tensor, i);
    }
}

static int64_t cut(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    if (value < -0x1p63)
        return INT64_MIN;
    return (int64_t)value;
}

int64_t tn__tensor_get_i64(const tn__tensor *tensor, size_t i)
{
    const void *data = tn__tensor_data(tensor);
    switch (tensor->dtype) {
    case TN_I64:
        return load_i64(data, i);
    case TN_I32:
        return load_i32(data, i);
    case TN_I16:
        return load_i16(data, i);
    case TN_I8:
        return load_i8(data, i);
    case TN_U8:
    case TN_BOOL:
        return load_u8(data, i);
    case TN_U16:
        return load_u16(data, i);
    case TN_U32:
        return load_u32(data, i);
    case TN_U64: {
        uint64_t value = load_u64(data, i);
        return value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
    case TN_F32:
    case TN_F64:
    case TN_F16:
    case TN_BF16:
        return cut(tn__tensor_get_f64(tensor, i));
    case TN_UNDEFINED:
        break;
    }
    return 0;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Stores element i of `in` as element i of out, which is aligned. */
static void store(void *out, tn_dtype dtype, const tn__tensor *in, size_t i)
{
    switch (dtype) {
    case TN_F32:
        ((float *)out)[i] = (float)tn__tensor_get_f64(in, i);
        break;
    case TN_F64:
        ((double *)out)[i] = tn__tensor_get_f64(in, i);
        break;
    case TN_F16:
        ((uint16_t *)out)[i] = tn__f32_to_f16((float)tn__tensor_get_f64(in, i));
        break;
    case TN_BF16:
        ((uint16_t *)out)[i] = tn__f32_to_bf16((float)tn__tensor_get_f64(in, i));
        break;
    case TN_BOOL:
        ((uint8_t *)out)[i] = fabs(tn__tensor_get_f64(in, i)) > 0;
        break;
    case TN_U8:
        ((uint8_t *)out)[i] = (uint8_t)clamp(tn__tensor_get_i64(in, i), 0, UINT8_MAX);
        break;
    case TN_I8:
        ((int8_t *)out)[i] =
            (int8_t)clamp(tn__tensor_get_i64(in, i), INT8_MIN, INT8_MAX);
        break;
    case TN_U16:
        ((uint16_t *)out)[i] =
            (uint16_t)clamp(tn__tensor_get_i64(in, i), 0, UINT16_MAX);
        break;
    case TN_I16:
        ((int16_t *)out)[i] =
            (int16_t)clamp(tn__tensor_get_i64(in, i), INT16_MIN, INT16_MAX);
        break;
    case TN_U32:
        ((uint32_t *)out)[i] =
            (uint32_t)clamp(tn__tensor_get_i64(in, i), 0, UINT32_MAX);
        break;
    case TN_I32:
        ((int32_t *)out)[i] =
            (int32_t)clamp(tn__tensor_get_i64(in, i), INT32_MIN, INT32_MAX);
        break;
    case TN_U64:
        ((uint64_t *)out)[i] = (uint64_t)clamp(tn__tensor_get_i64(in, i), 0, INT64_MAX);
        break;
    case TN_I64:
        ((int64_t *)out)[i] = tn__tensor_get_i64(in, i);
        break;
    case TN_UNDEFINED:
        break;
    }
}

/* The common ways, without a choice at each element. */
static bool convert_floats(void *out, tn_dtype dtype, const tn__tensor *in,
                           size_t count)
{
    const void *data = tn__tensor_data(in);
    if (dtype == TN_F64 && in->dtype == TN_F32)
        for (size_t i = 0; i < count; i++)
            ((double *)out)[i] = (double)load_f32(data, i);
    else if (dtype == TN_F32 && in->dtype == TN_F64)
        for (size_t i = 0; i < count; i++)
            ((float *)out)[i] = (float)load_f64(data, i);
    else
        return false;
    return true;
}

tn_status tn__tensor_convert(tn__tensor *out, const tn__tensor *in, tn_dtype dtype,
                             tn_error *err)
{
    tn__tensor made = {0};
    tn_status status =
        tn__tensor_create(&made, dtype, in->shape.rank, in->shape.dims, err);
    if (status)
        return status;
    uint8_t *data = tn__buffer_writable(made.buffer);
    size_t count = tn__tensor_count(in);
    if (dtype == in->dtype)
        memcpy(data, tn__tensor_data(in), tn__tensor_bytes(in));
    else if (!convert_floats(data, dtype, in, count))
        for (size_t i = 0; i < count; i++)
            store(data, dtype, in, i);
    *out = made;
    return TN_OK;
}

tn_status tn__tensor_set_f64(tn__tensor *tensor, const tn__shape *shape,
                             const double *x, tn_error *err)
{
    tn__tensor wide = {0}, made = {0};
    tn_status status = tn__tensor_create(&wide, TN_F64, shape->rank, shape->dims, err);
    if (status)
        return status;
    memcpy(tn__buffer_writable(wide.buffer), x, tn__tensor_bytes(&wide));
    status = tn__tensor_convert(&made, &wide, tensor->dtype, err);
    tn__tensor_release(&wide);
    if (status)
        return status;
    tn__tensor_release(tensor);
    *tensor = made;
    return TN_OK;
}

tn_status tn__tensor_check_finite(const tn__tensor *tensor, const char *name,
                                  tn_error *err)
{
    size_t count = is_float(tensor->dtype) ? tn__tensor_count(tensor) : 0;
    for (size_t i = 0; i < count; i++) {
        double value = tn__tensor_get_f64(tensor, i);
        if (!isfinite(value))
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "'%s' has %g at index %zu, a finite number was expected",
                            name, value, i);
    }
    return TN_OK;
}
