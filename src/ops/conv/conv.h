/* conv.h - extents of a convolution. */
#ifndef TN_OPS_CONV_CONV_H
#define TN_OPS_CONV_CONV_H

#include "ops/window.h"

/* X [n, c, in...], W [o, c/groups, kernel...], B [o], Y [n, o, out...]. */
typedef struct tn__conv {
    size_t n, c, o, groups;
    bool bias;
    tn__window window;
} tn__conv;

/* Reads and checks the node and the shapes of its inputs. */
tn_status tn__conv_read(tn__conv *out, const tn__site *site, tn_error *err) TN_MUST_USE;

tn_status tn__conv_forward(tn__tensor *const *out, const tn__tensor *const *in,
                           const tn__site *site, tn_error *err);
tn_status tn__conv_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                            const tn__tensor *const *in, const tn__tensor *const *out,
                            const tn__site *site, tn_error *err);

/* --- the gradients of a depthwise convolution's parameters, by hand --- */

#define TN__DEPTHWISE_BLOCK 16 /* channels that lie side by side */

/* Of two spatial axes: x [images, blocks, in..., 16], dy [images, blocks, out..., 16].
 */
typedef struct tn__depthwise {
    int64_t images, blocks;
    int64_t in[2], out[2], window[2], stride[2], pad[2], dilation[2];
} tn__depthwise;

/* dw [16 blocks, 1, window...]; total and sums [window..., 16] are scratch. */
void tn__depthwise_weights(float *dw, const float *x, const float *dy,
                           const tn__depthwise *g, double *total, float *sums);

/* db [16 blocks] */
void tn__depthwise_bias(float *db, const float *dy, const tn__depthwise *g);

#endif
