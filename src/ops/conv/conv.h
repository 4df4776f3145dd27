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

#endif
