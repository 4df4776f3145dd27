/* gather.h - Gather. */
#ifndef TN_OPS_GATHER_GATHER_H
#define TN_OPS_GATHER_GATHER_H

#include "ops/op.h"

tn_status tn__gather_axis(int *axis, const tn__site *site, tn_error *err) TN_MUST_USE;
/* Index i as a position in [0, extent). */
tn_status tn__gather_index(int64_t *out, const tn__tensor *indices, size_t i,
                           int64_t extent, tn_error *err) TN_MUST_USE;

tn_status tn__gather_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err);
tn_status tn__gather_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err);

#endif
