/* layer_norm.h - LayerNormalization: rows of n elements, each with its own statistics.
 */
#ifndef TN_OPS_LAYER_NORM_LAYER_NORM_H
#define TN_OPS_LAYER_NORM_LAYER_NORM_H

#include "ops/op.h"

typedef struct tn__layer_norm {
    int axis;       /* the first one that is normalised */
    size_t rows, n; /* x [rows, n] */
    double epsilon;
} tn__layer_norm;

tn_status tn__layer_norm_read(tn__layer_norm *out, const tn__site *site,
                              tn_error *err) TN_MUST_USE;
tn_status tn__layer_norm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err);
tn_status tn__layer_norm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                  const tn__tensor *const *in,
                                  const tn__tensor *const *out, const tn__site *site,
                                  tn_error *err);

#endif
