/* squeeze.h - the deep network without the units it has too many.
 *
 * Surplus units are folded into the unit that stays: of plain layers the activation is
 * replaced by its best linear fit on probe images, and what is then linear is composed;
 * of residual blocks the branches are put side by side, as if each read the same
 * stream, or, behind a change of shape, fitted to what stands before it.
 */
#ifndef TN_DEPTH_SQUEEZE_H
#define TN_DEPTH_SQUEEZE_H

#include "depth/costs.h"

/* *out is `deep` with as many units as `shallow`: unit k of it is made of the deep
 * units from the one behind slot[k - 1] (or the stage's first) to slot[k] (the stage's
 * last for its last slot). The caller owns it. TN_ERROR_ARGUMENT without images,
 * TN_ERROR_UNSUPPORTED naming a unit that cannot be folded. */
tn_status tn__squeeze_units(tn_model **out, const tn__units *deep,
                            const tn__units *shallow, const size_t *slot,
                            const tn__probe *probe, tn_error *err) TN_MUST_USE;

/* Plain layers at the same place get kernels of one size, zeros around the smaller: the
 * functions stay. All models have equally many units. */
tn_status tn__widen_kernels(tn_model **models, size_t count, tn_error *err) TN_MUST_USE;

#endif
