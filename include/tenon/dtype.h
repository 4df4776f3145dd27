/* dtype.h - element types (the numbers are those of ONNX's TensorProto.DataType), and
 * in which of them networks are computed. */
#ifndef TENON_DTYPE_H
#define TENON_DTYPE_H

/* Type of the elements of a tensor. */
typedef enum tn_dtype {
    TN_UNDEFINED = 0,
    TN_F32 = 1,
    TN_U8 = 2,
    TN_I8 = 3,
    TN_U16 = 4,
    TN_I16 = 5,
    TN_I32 = 6,
    TN_I64 = 7,
    TN_BOOL = 9,
    TN_F16 = 10,
    TN_F64 = 11,
    TN_U32 = 12,
    TN_U64 = 13,
    TN_BF16 = 16
} tn_dtype;

/* In what convolutions and products are computed, and activations kept between them.
 * Parameters, statistics, losses and sums over images stay in f32 or f64 always. */
typedef enum tn_precision {
    TN_PRECISION_F32,
    TN_PRECISION_BF16, /* TN_ERROR_UNSUPPORTED where the CPU has no bf16 */
    TN_PRECISION_AUTO  /* bf16 where the CPU has it, else f32 */
} tn_precision;

#endif
