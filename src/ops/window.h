/* window.h - where the windows of a convolution or pool lie.
 *
 * Window tap t (per axis) of output position y reads input position
 * y * stride - begin + t * dilation; outside of [0, in) is padding.
 */
#ifndef TN_OPS_WINDOW_H
#define TN_OPS_WINDOW_H

#include "ops/op.h"

#define TN__WINDOW_RANK 3 /* most spatial axes */

typedef struct tn__window {
    int rank; /* spatial axes; the arrays hold so many */
    int64_t in[TN__WINDOW_RANK], out[TN__WINDOW_RANK];
    int64_t kernel[TN__WINDOW_RANK], stride[TN__WINDOW_RANK], dilation[TN__WINDOW_RANK];
    int64_t begin[TN__WINDOW_RANK],
        end[TN__WINDOW_RANK]; /* padding; auto_pad resolved */
} tn__window;

/* Reads and checks kernel_shape, strides, dilations, pads, auto_pad and ceil_mode for
 * the spatial axes of input 0. `kernel` are the extents of a weight, which kernel_shape
 * must then repeat where it is given; NULL for pools, which must give it. */
tn_status tn__window_read(tn__window *out, const tn__site *site, const int64_t *kernel,
                          tn_error *err) TN_MUST_USE;

size_t tn__window_inputs(const tn__window *w);  /* positions */
size_t tn__window_outputs(const tn__window *w); /* positions */
size_t tn__window_taps(const tn__window *w);

/* For each output position and tap, row-major: the input position, TN__NONE in padding.
 * *out [outputs, taps] is the caller's, freed by tn__free(). */
tn_status tn__window_table(size_t **out, const tn__window *w,
                           tn_error *err) TN_MUST_USE;

/* infer() of pools: checks input 0 and the windows, none of which may lie in padding
 * alone. */
tn_status tn__window_infer_pool(tn__inferred *out, tn__window *window,
                                const tn__site *site, tn_error *err) TN_MUST_USE;
/* Ties batch and channels of input 0 and output 0 and freezes their spatial axes: the
 * rule of pools. */
tn_status tn__window_couple_pool(tn__coupling *c, const tn__site *site, tn_error *err);
/* Freezes axes 2, 3, ... of an operand. */
tn_status tn__window_freeze(tn__coupling *c, const tn__site *site, int operand,
                            tn_error *err) TN_MUST_USE;

#endif
