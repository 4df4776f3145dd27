/* monotone.h - the cheapest monotone map of n shallow units onto m >= n deep ones.
 *
 * Layer form (Nguyen et al., CLAFusion, arXiv 2110.15538, algorithm 1): slots are
 * strictly increasing and the sum of cost[slot(k), k] is least; deep units that are no
 * slot cost nothing. Segment form (arXiv 2501.00061): every deep unit belongs to one of
 * n contiguous segments and pays cost[l, k] there; the slot of a segment is its
 * cheapest allowed unit. Both are optimal under one constraint, the mask of allowed
 * pairs, for any n including 1.
 */
#ifndef TN_DEPTH_MONOTONE_H
#define TN_DEPTH_MONOTONE_H

#include "base/base.h"

typedef struct tn__monotone {
    size_t deep, shallow; /* m, n */
    const double *cost;   /* [m, n], finite */
    const bool *allowed;  /* [m, n]: the shallow unit may take that slot; NULL: any */
    bool segments;
} tn__monotone;

/* slot [n], ascending; *total is the sum that was minimised. Ties go to the smallest
 * slots. TN_ERROR_MISMATCH where no map is allowed. O(m n) time and memory. */
tn_status tn__monotone_solve(size_t *slot, double *total, const tn__monotone *problem,
                             tn_error *err) TN_MUST_USE;

#endif
