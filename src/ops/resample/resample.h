/* resample.h - Resize and Upsample: each axis is a matrix [out, in] of few entries. */
#ifndef TN_OPS_RESAMPLE_RESAMPLE_H
#define TN_OPS_RESAMPLE_RESAMPLE_H

#include "ops/op.h"

/* How one axis is resized. */
typedef struct tn__resample_axis {
    int64_t in, out;
    double scale; /* out / in, as the node says */
} tn__resample_axis;

typedef struct tn__resample {
    tn__resample_axis axis[TN__MAX_RANK];
    int rank;
    const char *mode, *coordinates, *rounding; /* of the node, or the defaults */
    double cubic;                              /* cubic_coeff_a */
    bool exclude_outside, antialias;
} tn__resample;

tn_status tn__resample_read(tn__resample *out, const tn__site *site,
                            tn_error *err) TN_MUST_USE;
/* Whether an axis is left as it is. */
bool tn__resample_still(const tn__resample_axis *axis);

tn_status tn__resample_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err);
tn_status tn__resample_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err);

#endif
