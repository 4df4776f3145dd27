/* compose.h - convolutions and Gemm as linear maps that can be scaled and composed.
 *
 * A convolution after another is one convolution with k1 + k2 - 1 taps, where the first
 * has stride 1; exact away from the border, where the outer one sees padding instead of
 * what the inner makes of it.
 */
#ifndef TN_DEPTH_COMPOSE_H
#define TN_DEPTH_COMPOSE_H

#include "graph/model.h"

typedef struct tn__linear {
    size_t out, in, taps[2]; /* a Gemm has one tap */
    double *w;               /* [taps[0] * taps[1], out, in] */
    double *b;               /* [out] */
    int64_t pads[4], strides[2];
} tn__linear;

/* Conv (two-dimensional, one group, no dilation) or Gemm. TN_ERROR_UNSUPPORTED naming
 * the node. */
tn_status tn__linear_read(tn__linear *out, const tn_model *model, size_t node,
                          tn_error *err) TN_MUST_USE;
void tn__linear_release(tn__linear *linear);
/* The output is multiplied by d [out] and e [out] added. */
void tn__linear_scale(tn__linear *linear, const double *d, const double *e);
/* `then` after `first`. TN_ERROR_UNSUPPORTED where first has a stride. */
tn_status tn__linear_compose(tn__linear *out, const tn__linear *first,
                             const tn__linear *then, tn_error *err) TN_MUST_USE;
/* The same map with at least that many taps, the new ones zero, around the old. */
tn_status tn__linear_widen(tn__linear *linear, const size_t taps[2],
                           tn_error *err) TN_MUST_USE;
/* Replaces the node's weight, and its bias where it has one. */
tn_status tn__linear_write(tn_model *model, size_t node, const tn__linear *linear,
                           tn_error *err) TN_MUST_USE;

/* Replaces a parameter by numbers of that shape in its own dtype. */
tn_status tn__parameter_write(tn_model *model, size_t value, int rank,
                              const int64_t *dims, const double *numbers,
                              tn_error *err) TN_MUST_USE;

#endif
