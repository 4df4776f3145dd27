/* resize_groups.h - a model with other numbers of neurons: the graph that transport
 * maps fill.
 *
 * Parameters lose the rows and columns of the neurons that go, or repeat those of the
 * neurons that there are to be more of; pads, bounds, sizes and shapes that are written
 * into the graph follow. What cannot follow is refused by name.
 */
#ifndef TN_NEURONS_RESIZE_GROUPS_H
#define TN_NEURONS_RESIZE_GROUPS_H

#include "neurons/groups.h"

/* copies[g] [neurons] says how many of each neuron of group g there will be: 0 deletes
 * it, 1 keeps it (so a bool may stand here); copies[g] NULL: one of each. At least two
 * of each group must be left. *out is a clone of that many neurons whose groups are in
 * the same order. Repeated neurons are copies in what makes them and in what reads
 * them, so with any the function is another: their parameters are for maps to fill.
 * TN_ERROR_UNSUPPORTED naming the node or parameter whose neurons cannot be changed. */
tn_status tn__resize(tn_model **out, const tn_model *model, const tn__groups *groups,
                     const uint8_t *const *copies, tn_error *err) TN_MUST_USE;

/* cells [extent of the axis]: how many copies of each cell of one axis of a value there
 * will be. Returns how many in all. */
size_t tn__resize_cells(uint8_t *cells, const tn__groups *groups,
                        const uint8_t *const *copies, size_t value, int axis);

#endif
