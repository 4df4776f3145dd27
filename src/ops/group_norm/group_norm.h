/* group_norm.h - InstanceNormalization and GroupNormalization: blocks of channels of an
 * image, each with its own statistics. */
#ifndef TN_OPS_GROUP_NORM_GROUP_NORM_H
#define TN_OPS_GROUP_NORM_GROUP_NORM_H

#include "ops/op.h"

/* x [images, groups, width, inner]; an instance norm has a group for each channel. */
typedef struct tn__group_norm {
    size_t images, groups, width, inner;
    bool per_group; /* scale and bias are [groups], else [groups * width] */
    double epsilon;
} tn__group_norm;

tn_status tn__group_norm_read(tn__group_norm *out, const tn__site *site,
                              tn_error *err) TN_MUST_USE;
tn_status tn__group_norm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                 const tn__site *site, tn_error *err);
tn_status tn__group_norm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                  const tn__tensor *const *in,
                                  const tn__tensor *const *out, const tn__site *site,
                                  tn_error *err);

#endif
