/* view.h - walks over tensors by strides, in elements.
 *
 * A view says where element (i0, i1, ...) of some extent lies in an array: at offset +
 * sum of i_k * stride_k. Transpose, Slice, Pad, Concat, Split, broadcasting and
 * reduction are one loop over an extent with two or three views.
 */
#ifndef TN_OPS_VIEW_H
#define TN_OPS_VIEW_H

#include "tensor/tensor.h"

typedef struct tn__view {
    int64_t offset;
    int64_t stride[TN__MAX_RANK];
} tn__view;

/* Row-major over the whole of `shape`. */
tn__view tn__view_dense(const tn__shape *shape);
/* An array of `shape` seen with the extent `onto`, right-aligned; stretched axes stand
 * still. */
tn__view tn__view_broadcast(const tn__shape *shape, const tn__shape *onto);
/* Offset of the element `at`, of which only the first `axes` indices count. */
int64_t tn__view_at(const tn__view *view, const int64_t *at, int axes);
/* Next index in row-major order over the first `axes` axes; false after the last. */
bool tn__index_next(int64_t *at, const tn__shape *extent, int axes);

/* Joins axes that follow each other in memory in both views, so that rows are long; an
 * extent of rank 0 becomes one of rank 1. */
void tn__view_join(tn__shape *extent, tn__view *a, tn__view *b);
/* to[...] = from[...] for elements of `size` bytes. */
void tn__view_copy(void *to, const tn__view *to_view, const void *from,
                   const tn__view *from_view, const tn__shape *extent, size_t size);
/* to[...] += from[...], `from` dense over the extent; f32 or bf16. */
void tn__view_add(void *to, const tn__view *to_view, const void *from,
                  const tn__shape *extent, tn_dtype dtype);
/* to[...] += from[...], into doubles, `from` dense over the extent. */
void tn__view_sum(double *to, const tn__view *to_view, const float *from,
                  const tn__shape *extent);

/* forward() of operators that show their input otherwise: element i of `out` is that of
 * `in` where `view` says, with the extent of `out`; any element type. */
tn_status tn__view_forward(tn__tensor *out, const tn__tensor *in, const tn__view *view,
                           tn_error *err) TN_MUST_USE;
/* Its backward() where no element is shown twice: the others get 0. */
void tn__view_backward(tn__tensor *din, const tn__tensor *dout, const tn__view *view);
/* Its backward() where elements may be shown many times: a sum in double. */
tn_status tn__view_backward_sum(tn__tensor *din, const tn__tensor *dout,
                                const tn__view *view, tn_error *err) TN_MUST_USE;

/* Shape of two operands broadcast against each other (ONNX: multidirectional). */
tn_status tn__broadcast_shape(tn__shape *out, const tn__shape *a, const tn__shape *b,
                              tn_error *err) TN_MUST_USE;

#endif
