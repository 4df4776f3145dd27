/* partial.h - networks between one parent's size and all of them side by side. */
#ifndef TN_FUSE_PARTIAL_H
#define TN_FUSE_PARTIAL_H

#include "fuse/fusion.h"

/* Which neurons of the reference stay apart from their counterparts: separate[g]
 * [neurons]. Those whose merging costs most for their multiply-accumulates come first,
 * until the layers have `width` times the multiply-accumulates of one parent, zeros
 * between the parents not counted. All maps must be permutations, and where there are
 * images for it the parents' answers are measured already. */
tn_status tn__budget_spend(bool *const *separate, const tn__fusion *fusion,
                           double width, tn_error *err) TN_MUST_USE;

/* What merging would take from the layers that read it, for each neuron of group g of
 * the reference: the sum over these layers of the share of their output's energy.
 * loss [neurons]. */
typedef struct tn__mergers {
    const tn__fusion *fusion;
    bool images;             /* answers to the support images tell, else weights */
    tn_fuse_options options; /* how distances are taken */
} tn__mergers;
tn__mergers tn__mergers_of(const tn__fusion *fusion);
tn_status tn__mergers_loss(double *loss, const tn__mergers *mergers, size_t group,
                           tn_error *err) TN_MUST_USE;

/* Takes an aligned fusion apart to `width`: a wide graph becomes its reference, of
 * weight 0, onto which the maps of all parents then lead. TN_ERROR_UNSUPPORTED where a
 * map is no permutation. */
tn_status tn__partial_widen(tn__fusion *fusion, double width,
                            tn_error *err) TN_MUST_USE;

#endif
