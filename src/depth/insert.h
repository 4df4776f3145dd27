/* insert.h - the shallow network with the units it lacks, as identities.
 *
 * A unit of one layer becomes the identity matrix or a Dirac kernel, which the
 * following activation leaves alone where it repeats (relu(relu(x)) = relu(x)); a
 * residual block gets a branch of zeros. The graph is then that of the deep network,
 * the widths remain.
 */
#ifndef TN_DEPTH_INSERT_H
#define TN_DEPTH_INSERT_H

#include "depth/units.h"

/* *out is `shallow` over the graph of `deep` with an identity for each deep unit that
 * is no slot[] [shallow units]. The caller owns it. TN_ERROR_UNSUPPORTED naming a unit
 * that cannot be inserted, TN_ERROR_MISMATCH where the rest of the graphs differs. */
tn_status tn__insert_units(tn_model **out, const tn__units *shallow,
                           const tn__units *deep, const size_t *slot,
                           tn_error *err) TN_MUST_USE;

/* present [values of deep]: false for the parameters of deep units that are no slot,
 * and for the values that residual blocks among them make: those of a plain identity
 * repeat what stands before it, those inside a branch of zeros are zero. */
void tn__mark_present(bool *present, const tn__units *deep, const size_t *slot,
                      size_t slot_count);

#endif
