/* batch_norm.h - the plain kernels of BatchNormalization. */
#ifndef TN_OPS_BATCH_NORM_BATCH_NORM_H
#define TN_OPS_BATCH_NORM_BATCH_NORM_H

#include "ops/op.h"

/* X [n, c, ...]; inputs scale, bias, mean and variance [c]. */
#define TN__BN_SCALE 1
#define TN__BN_BIAS 2
#define TN__BN_MEAN 3
#define TN__BN_VARIANCE 4
#define TN__BN_EPSILON 1e-5f

tn_status tn__batch_norm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err);
tn_status tn__batch_norm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                  const tn__tensor *const *in,
                                  const tn__tensor *const *out, const tn__site *site,
                                  tn_error *err);

/* Whether an input of the node is a running statistic: measured, not learned. */
bool tn__batch_norm_measures(const tn__node *node, size_t input);

#endif
