/* einsum.h - Einsum: sums of products, told by letters. */
#ifndef TN_OPS_EINSUM_EINSUM_H
#define TN_OPS_EINSUM_EINSUM_H

#include "ops/op.h"
#include "ops/view.h"

#define TN__EINSUM_OPERANDS 8
#define TN__EINSUM_INDICES 12 /* letters, and axes of "..." */

/* The indices of an equation: first those of the output, in its order, then those that
 * are summed. */
typedef struct tn__einsum {
    int count, kept;                    /* indices; of the output */
    int64_t extent[TN__EINSUM_INDICES]; /* of each */
    size_t operands;
    int axis_index[TN__EINSUM_OPERANDS][TN__MAX_RANK]; /* [operand][axis] */
} tn__einsum;

tn_status tn__einsum_read(tn__einsum *out, const tn__site *site,
                          tn_error *err) TN_MUST_USE;
tn_status tn__einsum_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err);
tn_status tn__einsum_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err);

#endif
