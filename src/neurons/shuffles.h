/* shuffles.h - channel shuffles as the permutations that they are.
 *
 * Cut into blocks, turned and joined (Reshape, Transpose, Reshape), channels can only
 * go as many from each block, and those that stay would change their order. A Gather
 * with the same permutation as its indices loses any of them.
 */
#ifndef TN_NEURONS_SHUFFLES_H
#define TN_NEURONS_SHUFFLES_H

#include "graph/model.h"

/* *out: a clone of the same function whose shuffles are Gather nodes; NULL where there
 * are none. Numbers of values and nodes change. */
tn_status tn__shuffles_gather(tn_model **out, const tn_model *model,
                              tn_error *err) TN_MUST_USE;

#endif
