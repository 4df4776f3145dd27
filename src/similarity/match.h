/* match.h - two networks of the same structure, node by node.
 *
 * Structure is operators, attributes and wiring; names and the order in which the file
 * lists the nodes do not matter, and widths may differ. Once matched, a network can be
 * seen over the graph of the other: all value numbers, nodes and groups are then
 * shared.
 */
#ifndef TN_SIMILARITY_MATCH_H
#define TN_SIMILARITY_MATCH_H

#include "neurons/groups.h"

/* (*value_of)[v] is the value of `source` that corresponds to value v of `target`, or
 * TN__NONE where v takes no part in the outputs. The caller owns the array. Both are
 * walked from their outputs in one canonical order, inputs first; TN_ERROR_MISMATCH
 * names the first two nodes of that order that do not correspond, and why. */
tn_status tn__match_values(size_t **value_of, const tn_model *source,
                           const tn_model *target, tn_error *err) TN_MUST_USE;

/* Whether two nodes are the same operator with the same attributes and numbers of
 * operands; what widths decide is left aside. */
bool tn__match_node(const tn__node *a, const tn__node *b);

/* `source` over the graph of `target`: a clone of target that carries source's
 * parameters (sharing their bytes) and group counts. The caller owns *out. */
tn_status tn__match_adopt(tn_model **out, const tn_model *source,
                          const tn_model *target, tn_error *err) TN_MUST_USE;

/* Checks that the groups of two models over one graph correspond one by one, entry by
 * entry, and that whatever is in no group has the same size. TN_ERROR_MISMATCH names
 * the first that does not. */
tn_status tn__match_groups(const tn__groups *source, const tn__groups *target,
                           const tn_model *graph, tn_error *err) TN_MUST_USE;

#endif
