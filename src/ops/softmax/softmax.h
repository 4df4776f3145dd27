/* softmax.h - Softmax and LogSoftmax. */
#ifndef TN_OPS_SOFTMAX_SOFTMAX_H
#define TN_OPS_SOFTMAX_SOFTMAX_H

#include "ops/op.h"

/* Sums run over n elements `inner` apart, for `outer` * `inner` sums. */
typedef struct tn__softmax {
    size_t outer, n, inner;
} tn__softmax;
tn_status tn__softmax_read(tn__softmax *out, const tn__site *site,
                           tn_error *err) TN_MUST_USE;

tn_status tn__softmax_forward(tn__tensor *const *out, const tn__tensor *const *in,
                              const tn__site *site, tn_error *err);
tn_status tn__softmax_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                               const tn__tensor *const *in,
                               const tn__tensor *const *out, const tn__site *site,
                               tn_error *err);

#endif
