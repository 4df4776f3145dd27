/* binary.h - elementwise functions of two broadcast tensors. */
#ifndef TN_OPS_BINARY_BINARY_H
#define TN_OPS_BINARY_BINARY_H

#include "ops/op.h"

tn_status tn__binary_infer(tn__inferred *out, const tn__site *site, tn_error *err);
tn_status tn__binary_couple(tn__coupling *c, const tn__site *site, tn_error *err);
tn_status tn__binary_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err);
tn_status tn__binary_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err);

#endif
