/* bundles.h - which axes of a value are indexed together.
 *
 * A reshape that cuts an axis of neurons into several (C into heads and what is inside
 * a head) leaves neurons that no single axis knows: neuron (h, j) lies at h of one axis
 * and j of another. Such axes are a bundle, which transposes and elementwise nodes pass
 * on until a reshape closes it. What a merge cuts off as a position (pixels behind a
 * channel) is in no bundle.
 */
#ifndef TN_NEURONS_BUNDLES_H
#define TN_NEURONS_BUNDLES_H

#include "neurons/cells.h"

/* Axis one_axis of value `one` is the axes first .. last of value `many`. */
typedef struct tn__merge {
    size_t node, one, many;
    int one_axis, first, last;
} tn__merge;

/* The node ties these axes of two values; -1 where by a merge. */
typedef struct tn__axis_pair {
    size_t node, value[2];
    int axis[2];
} tn__axis_pair;

/* What a first walk hears. */
typedef struct tn__survey {
    tn__merge *merges;
    size_t merge_count, merge_capacity;
    tn__axis_pair *pairs;
    size_t pair_count, pair_capacity;
} tn__survey;
void tn__survey_release(tn__survey *survey);

/* The axes of a merge that count: longer than 1 and no positions. */
uint32_t tn__merge_live(const tn__cells *cells, const tn__shape *shape, size_t value,
                        int first, int last);

/* Settles cells->still and cells->bundle after a first walk, and ties the merges that
 * need no bundle. */
tn_status tn__bundles_find(tn__cells *cells, const tn__survey *survey,
                           const tn__shapes *shapes, tn_error *err) TN_MUST_USE;

#endif
