/* tensor.h - dense row-major arrays of any element type.
 *
 * A tensor is a value: copy it with tn__tensor_ref(), give it back with
 * tn__tensor_release(). Its bytes are shared until somebody writes: a tensor of a
 * loaded model points into the mapped file and is copied by the first
 * tn__tensor_write().
 *
 *     tn__tensor w = {0};
 *     TN_TRY(tn__tensor_create(&w, TN_F32, 2, (int64_t[]){10, 784}, err));
 *     float *x = tn__tensor_f32(&w);   // [10, 784]
 */
#ifndef TN_TENSOR_TENSOR_H
#define TN_TENSOR_TENSOR_H

#include <string.h>

#include "base/base.h"
#include "base/file.h"
#include "tenon/dtype.h"

#define TN__MAX_RANK 8

/* A concrete shape; rank 0 is a scalar of one element. */
typedef struct tn__shape {
    int rank;
    int64_t dims[TN__MAX_RANK];
} tn__shape;

typedef struct tn__tensor {
    tn_dtype dtype; /* TN_UNDEFINED: no tensor */
    tn__shape shape;
    tn__buffer *buffer; /* owns one reference */
    size_t offset;      /* of the first element in the buffer, bytes */
} tn__tensor;

/* Bytes of one element; 0 for TN_UNDEFINED or a number that is no dtype. */
size_t tn__dtype_size(tn_dtype dtype);
const char *tn__dtype_name(tn_dtype dtype); /* "f32" */

/* Product of the dims; dims must not be negative. False where it does not fit. */
bool tn__shape_count(size_t *count, const tn__shape *shape);
bool tn__shape_equal(const tn__shape *a, const tn__shape *b);
/* "[1, 3, 32, 32]" into text, cut where too long; returns text. */
const char *tn__shape_text(char *text, size_t size, const tn__shape *shape);
#define TN__SHAPE_TEXT 128

/* A zeroed tensor that may be written. */
tn_status tn__tensor_create(tn__tensor *out, tn_dtype dtype, int rank,
                            const int64_t *dims, tn_error *err) TN_MUST_USE;
/* A vector of these integers, TN_I64. */
tn_status tn__tensor_integers(tn__tensor *out, const int64_t *list, size_t count,
                              tn_error *err) TN_MUST_USE;
/* A tensor over `buffer` (one reference more) from byte `offset`; checks that it fits.
 */
tn_status tn__tensor_view(tn__tensor *out, tn_dtype dtype, int rank,
                          const int64_t *dims, tn__buffer *buffer, size_t offset,
                          tn_error *err) TN_MUST_USE;
/* A second handle on the same bytes. */
tn__tensor tn__tensor_ref(const tn__tensor *tensor);
void tn__tensor_release(tn__tensor *tensor); /* zeroes it */

size_t tn__tensor_count(const tn__tensor *tensor); /* elements */
size_t tn__tensor_bytes(const tn__tensor *tensor);
const void *tn__tensor_data(const tn__tensor *tensor);
/* The elements for writing; copies them first where they are shared or mapped. */
tn_status tn__tensor_write(tn__tensor *tensor, void **data, tn_error *err) TN_MUST_USE;
/* The elements of a tensor that was made by tn__tensor_create() and is not shared. */
float *tn__tensor_f32(tn__tensor *tensor);
const float *tn__tensor_f32_const(const tn__tensor *tensor);
const int64_t *tn__tensor_i64_const(const tn__tensor *tensor);

/* A new tensor of `dtype` with the same values, rounded to nearest even; integers
 * saturate. */
tn_status tn__tensor_convert(tn__tensor *out, const tn__tensor *in, tn_dtype dtype,
                             tn_error *err) TN_MUST_USE;
/* The tensor, whose dtype is set, becomes x [count of shape] in that type; `shape` may
 * be its own. */
tn_status tn__tensor_set_f64(tn__tensor *tensor, const tn__shape *shape,
                             const double *x, tn_error *err) TN_MUST_USE;
/* Element i as a double or an int64 (any numeric dtype; floats are cut towards zero).
 */
double tn__tensor_get_f64(const tn__tensor *tensor, size_t i);
int64_t tn__tensor_get_i64(const tn__tensor *tensor, size_t i);
/* TN_ERROR_NUMERIC naming `name` and the index where a float element is not finite. */
tn_status tn__tensor_check_finite(const tn__tensor *tensor, const char *name,
                                  tn_error *err) TN_MUST_USE;

/* IEEE half and bfloat16, round to nearest even. */
float tn__f16_to_f32(uint16_t h);
uint16_t tn__f32_to_f16(float f);
static inline float tn__bf16_to_f32(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline uint16_t tn__f32_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    bool nan = (u & 0x7fffffff) > 0x7f800000; /* stays one */
    return (uint16_t)(nan ? u >> 16 | 0x40 : rounded);
}

#endif
