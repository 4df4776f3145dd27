/* groups.h - the neurons of a model and the groups in which they may be exchanged.
 *
 * A cell is a (value, axis, index). The coupling rules of the operators tie cells
 * together (union-find); a class of tied cells is a neuron. Neurons whose cells lie on
 * the same axes in the same way have the same signature and form a group: only they may
 * be permuted, merged or dropped among each other. Axes of graph inputs and outputs are
 * frozen, and so is all that is tied to them.
 *
 *     tn__groups *groups = NULL;
 *     TN_TRY(tn__groups_find(&groups, model, err));
 *     for (size_t g = 0; g < groups->count; g++)
 *         printf("%s: %zu neurons\n", groups->list[g].name, groups->list[g].neurons);
 */
#ifndef TN_NEURONS_GROUPS_H
#define TN_NEURONS_GROUPS_H

#include "ops/op.h"

/* One axis of one value on which the group's neurons lie. */
typedef struct tn__group_entry {
    size_t value;
    int axis; /* may be `rank`: see op.h on grouped convolution; of activations also
                 rank + 1: the axes of their bundle, row-major */
    tn__role role;
    size_t repeats;  /* cells of each neuron on this axis (flatten: pixels) */
    uint32_t *index; /* [neurons * repeats]: cells of neuron i at index[i * repeats ..],
                        corresponding cells of different neurons at the same place */
} tn__group_entry;

/* Neurons may lie in blocks (heads, groups of a convolution): then the blocks are a
 * group too, whose neurons are whole blocks with everything inside, and the neurons
 * inside each block are groups of their own. A map of the blocks is applied first: the
 * map of an inner group carries neurons of the block that has come to its place. */
typedef struct tn__group {
    char *name;     /* the first producer's parameter: "layer1.0.conv1.weight"; of
                       blocks "qkv.weight/blocks" */
    size_t neurons; /* at least 2 */
    tn__group_entry *entries; /* ordered by (value, axis) */
    size_t entry_count;
    size_t leading;      /* the entry that it is named after */
    size_t blocks;       /* the group of the blocks that it lies inside, or TN__NONE */
    size_t within, kind; /* in which of these blocks, and as which of its groups */
    size_t kinds;        /* of blocks: groups inside each; else 0 */
    size_t *inner;       /* [neurons * kinds]: groups inside block i at i * kinds .. */
    uint32_t *class, lies_in; /* [neurons]: classes of cells (signature.h), and that of
                                 the block they lie in, or UINT32_MAX */
} tn__group;

/* An axis, or part of one, that may not be touched, and why. */
typedef struct tn__frozen_axis {
    size_t value;
    int axis;
    size_t cells;
    const char *reason; /* "graph output"; static or owned by the groups */
} tn__frozen_axis;

/* Where a group lies on an axis of a parameter. */
typedef struct tn__meeting {
    size_t value;
    int axis;
    size_t group, entry;
} tn__meeting;

typedef struct tn__groups {
    tn__group *list; /* ordered by first producer node */
    size_t count;
    tn__frozen_axis
        *frozen; /* of parameters; what is tied to nothing (kernel taps) left out */
    size_t frozen_count;
    size_t value_count;
    size_t *blocks;    /* [values]: groups of the convolution that reads it; else 1 */
    uint32_t *bundle;  /* [values]: bits of the axes that are indexed together, or 0 */
    tn__shapes shapes; /* for batch 1: what the cells refer to */
    tn__meeting *meetings; /* by value, axis and group */
    size_t meeting_count;
} tn__groups;

/* Derives the groups. TN_ERROR_UNSUPPORTED naming node and reason where an operator has
 * no coupling rule. O(cells * inverse Ackermann + sort). */
tn_status tn__groups_find(tn__groups **out, const tn_model *model,
                          tn_error *err) TN_MUST_USE;
/* The same, and what they were found from (chains.h asks it more), for the caller to
 * release. */
struct tn__cells;
struct tn__classes;
tn_status tn__groups_trace(tn__groups **out, struct tn__cells *cells,
                           struct tn__classes *classes, const tn_model *model,
                           tn_error *err) TN_MUST_USE;
void tn__groups_free(tn__groups *groups); /* takes NULL */

/* --- meetings.c --- */

/* Fills `meetings`, the last thing that is found. */
tn_status tn__groups_index(tn__groups *groups, const tn_model *model,
                           tn_error *err) TN_MUST_USE;
/* The groups that lie on an axis of a parameter: *count of them from the pointer on. */
const tn__meeting *tn__groups_on(size_t *count, const tn__groups *groups, size_t value,
                                 int axis);

#endif
