/* side_by_side.h - several residual blocks in a row as one block of their inner widths.
 *
 * x + f(x) + g(x + f(x)) becomes x + f(x) + g(x): one block whose inner neurons are
 * those of f and of g (Veit et al., "Residual networks behave like ensembles of
 * relatively shallow networks", NIPS 2016, on why that is not far off). Where the first
 * block changes the shape, s(x) + f(x), the others become g'(x): their first layers are
 * fitted, by least squares on images, to what they answer behind it.
 */
#ifndef TN_DEPTH_SIDE_BY_SIDE_H
#define TN_DEPTH_SIDE_BY_SIDE_H

#include "depth/costs.h"

/* Block `slot` of model (a copy of units->model, of the same numbers) becomes units
 * first .. last side by side; the others are bypassed. Blocks are two convolutions with
 * batch norms or without; `first` may change the shape where it is the slot. *norm is
 * the batch norm at the end of the block, whose statistics are not those of its input
 * any more, or TN__NONE. TN_ERROR_UNSUPPORTED naming a unit. */
typedef struct tn__row_of_units {
    const tn__units *units;
    const tn__links *links;
    size_t first, last, slot;
    const tn__probe *probe;
} tn__row_of_units;
tn_status tn__units_beside(tn_model *model, size_t *norm, const tn__row_of_units *row,
                           tn_error *err) TN_MUST_USE;

/* Gives batch norms the statistics of what they see on the images; their function is
 * unchanged. shapes are those of the values of `model`. */
tn_status tn__settle_norms(tn_model *model, const size_t *norms, size_t count,
                           const tn__shapes *shapes, const tn__probe *probe,
                           tn_error *err) TN_MUST_USE;

#endif
