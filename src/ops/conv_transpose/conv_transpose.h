/* conv_transpose.h - ConvTranspose: the adjoint of a convolution that goes from its
 * output to its input. */
#ifndef TN_OPS_CONV_TRANSPOSE_CONV_TRANSPOSE_H
#define TN_OPS_CONV_TRANSPOSE_CONV_TRANSPOSE_H

#include "ops/window.h"

/* X [n, c, ...], W [c, o / groups, ...], Y [n, o, ...]. */
typedef struct tn__conv_transpose {
    size_t n, c, o, groups;
    tn__window window; /* of the convolution: `in` are Y's extents, `out` X's */
} tn__conv_transpose;

tn_status tn__conv_transpose_read(tn__conv_transpose *out, const tn__site *site,
                                  tn_error *err) TN_MUST_USE;
tn_status tn__conv_transpose_forward(tn__tensor *const *out,
                                     const tn__tensor *const *in, const tn__site *site,
                                     tn_error *err);
tn_status tn__conv_transpose_backward(tn__tensor *const *din,
                                      const tn__tensor *const *dout,
                                      const tn__tensor *const *in,
                                      const tn__tensor *const *out,
                                      const tn__site *site, tn_error *err);

#endif
