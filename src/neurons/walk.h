/* walk.h - one walk over the coupling rules, shared by walk.c and lift.c.
 *
 * A rule speaks of single axes. Lifting makes ties of bundles out of that: where the
 * rule ties all axes of a bundle with axes of another operand, the cells of the bundle
 * are tied index by index; where it ties only some of them, or treats an axis as a
 * whole, the bundle must keep to the blocks that these axes cut it into.
 */
#ifndef TN_NEURONS_WALK_H
#define TN_NEURONS_WALK_H

#include "neurons/bundles.h"

struct tn__link;

typedef struct tn__pick {
    int operand, axis;
    uint32_t index;
} tn__pick;

typedef struct tn__walker {
    tn__coupling base; /* first: the rules hand it back */
    tn__cells *cells;
    const tn__shapes *shapes;
    const tn__site *site;
    tn__survey *survey; /* NULL: bundles are known */
    bool lifts;         /* some operand of the node has a bundle */
    struct tn__link *links;
    size_t link_count, link_capacity;
    tn__pick *picks;
    size_t pick_count, pick_capacity;
} tn__walker;

/* Has the rules of all nodes speak: unites what they tie, freezes what may not move,
 * and notes roles. A walk that surveys fills the survey; one that does not keeps the
 * ties, and what lies in what. */
tn_status tn__cells_walk(tn__cells *cells, const tn_model *model,
                         const tn__shapes *shapes, tn__survey *survey,
                         tn_error *err) TN_MUST_USE;

/* The value that an operand of the node is, or TN__NONE. */
size_t tn__walker_value(const tn__walker *w, int operand);
/* Unites and keeps what is tied. */
tn_status tn__walker_tie(tn__walker *w, const tn__tie *tie, tn_error *err) TN_MUST_USE;
tn_status tn__walker_inside(tn__walker *w, const tn__inside *inside,
                            tn_error *err) TN_MUST_USE;

/* --- lift.c --- */

bool tn__lift_wanted(const tn__walker *w);
tn_status tn__lift_tie(tn__walker *w, const tn__spot *a, const tn__spot *b,
                       size_t count, tn_error *err) TN_MUST_USE;
tn_status tn__lift_merge(tn__walker *w, const tn__merge *merge, int one, int many,
                         uint32_t live, tn_error *err) TN_MUST_USE;
tn_status tn__lift_pick(tn__walker *w, int operand, int axis, uint32_t index,
                        tn_error *err) TN_MUST_USE;
/* The bundle of a value must keep to the blocks of these axes, as far as they are in
 * it. */
tn_status tn__lift_demand(tn__walker *w, size_t value, uint32_t axes,
                          tn_error *err) TN_MUST_USE;
/* After the rule: ties the bundles of all operands and forgets what it said. */
tn_status tn__lift_node(tn__walker *w, bool joint, tn_error *err) TN_MUST_USE;
void tn__lift_release(tn__walker *w);

#endif
