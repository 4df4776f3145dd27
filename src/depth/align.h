/* align.h - which unit of a deep network each unit of a shallow one corresponds to. */
#ifndef TN_DEPTH_ALIGN_H
#define TN_DEPTH_ALIGN_H

#include "depth/level.h"

/* Fills units, costs, slots and total of *out. `given` [shallow units] or NULL. A unit
 * may take a slot of the same stage and structure; the unit that makes the output keeps
 * the last, and the first unit the first, since nothing can be inserted before it that
 * would leave raw input alone. TN_ERROR_MISMATCH (stages, structure), _ARGUMENT
 * (given). */
tn_status tn__align_units(tn_alignment *out, const tn__cost_side *deep,
                          const tn__cost_side *shallow, const size_t *given,
                          const tn__level_how *how, tn_error *err) TN_MUST_USE;

#endif
