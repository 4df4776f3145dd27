/* reduce.h - ReduceMean and ReduceSum. */
#ifndef TN_OPS_REDUCE_REDUCE_H
#define TN_OPS_REDUCE_REDUCE_H

#include "ops/op.h"

/* Which axes of input 0 are summed over. */
tn_status tn__reduce_axes(bool reduced[TN__MAX_RANK], const tn__site *site,
                          tn_error *err) TN_MUST_USE;

tn_status tn__reduce_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err);
tn_status tn__reduce_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err);

#endif
