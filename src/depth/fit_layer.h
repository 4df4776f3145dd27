/* fit_layer.h - a layer fitted to what a later one answers.
 *
 * Where a unit changes the shape, the layers behind it cannot read what it reads. The
 * linear layer that comes closest to them there is found by least squares on probe
 * images.
 */
#ifndef TN_DEPTH_FIT_LAYER_H
#define TN_DEPTH_FIT_LAYER_H

#include "depth/costs.h"

typedef struct tn__layer_fit {
    const tn__units *units;
    size_t like;  /* convolution, a node: whose input and window the fitted layer has */
    size_t layer; /* convolution behind it, whose output is fitted */
    const tn__probe *probe;
} tn__layer_fit;

/* weight [outputs of `layer`, inputs of `like`, taps of `like`]; constant [outputs], or
 * NULL: none is fitted. TN_ERROR_UNSUPPORTED where the two do not answer at the same
 * positions. */
tn_status tn__fit_layer(double *weight, double *constant, const tn__layer_fit *fit,
                        tn_error *err) TN_MUST_USE;

#endif
