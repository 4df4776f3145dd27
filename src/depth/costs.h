/* costs.h - how unlike two units of different networks are.
 *
 * Each network is swept once over the probe images. A unit keeps its Gram matrix over
 * images (CKA, so that widths and resolutions may differ) or the mean answer of each
 * neuron to each image (transport, regression), never its activations.
 */
#ifndef TN_DEPTH_COSTS_H
#define TN_DEPTH_COSTS_H

#include "depth/units.h"
#include "engine/engine.h"
#include "tenon/depth.h"

/* What is kept of the outputs of all units of a network. */
typedef struct tn__unit_answers {
    size_t count, images;
    double **gram;    /* [count] of [images, images], or NULL */
    double *self;     /* [count]: HSIC of each with itself */
    double **neurons; /* [count] of [channels, images], centred, mean square 1 over the
                         unit; or NULL */
    size_t *channels; /* [count] */
} tn__unit_answers;

typedef struct tn__probe { /* images [n, input], or NULL and 0 */
    const float *images;
    size_t n;
    tn__workers *workers;
} tn__probe;

/* TN_ERROR_ARGUMENT where the cost wants images and there are none. */
tn_status tn__unit_answers_measure(tn__unit_answers *out, const tn__units *units,
                                   tn_layer_cost cost, const tn__probe *probe,
                                   tn_error *err) TN_MUST_USE;
void tn__unit_answers_release(tn__unit_answers *answers);

/* Channels (axis 1) of a unit's output. */
size_t tn__unit_neurons(const tn__units *units, size_t unit);

/* cost [deep units, shallow units] >= 0; answers as measured for `kind`. */
typedef struct tn__cost_side {
    const tn__units *units;
    const tn__unit_answers *answers;
} tn__cost_side;
tn_status tn__unit_costs(double *cost, const tn__cost_side *deep,
                         const tn__cost_side *shallow, tn_layer_cost kind,
                         tn_error *err) TN_MUST_USE;

#endif
