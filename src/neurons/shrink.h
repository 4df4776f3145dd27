/* shrink.h - a model with fewer neurons: the graph that transport maps fill.
 *
 * Parameters lose the rows and columns of the neurons that go; pads, bounds, sizes and
 * shapes that are written into the graph follow. What cannot follow is refused by name.
 */
#ifndef TN_NEURONS_SHRINK_H
#define TN_NEURONS_SHRINK_H

#include "neurons/groups.h"

/* kept[g] [neurons] says which neurons of group g stay; kept[g] NULL: all. At least two
 * of each group must. *out is a clone in which the others are deleted, its groups
 * are in the same order. TN_ERROR_UNSUPPORTED naming the node or parameter whose
 * neurons cannot be removed. */
tn_status tn__shrink(tn_model **out, const tn_model *model, const tn__groups *groups,
                     const bool *const *kept, tn_error *err) TN_MUST_USE;

/* flags [extent of the axis]: which cells of one axis of a value stay. Returns how many
 * do. */
size_t tn__shrink_cells(bool *flags, const tn__groups *groups, const bool *const *kept,
                        size_t value, int axis);

#endif
