/* average_pool.h - AveragePool. */
#ifndef TN_OPS_AVERAGE_POOL_AVERAGE_POOL_H
#define TN_OPS_AVERAGE_POOL_AVERAGE_POOL_H

#include "ops/op.h"

tn_status tn__average_pool_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                   const tn__site *site, tn_error *err);
tn_status tn__average_pool_backward(tn__tensor *const *din,
                                    const tn__tensor *const *dout,
                                    const tn__tensor *const *in,
                                    const tn__tensor *const *out, const tn__site *site,
                                    tn_error *err);

#endif
