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
    int axis; /* may be `rank`: see op.h on grouped convolution */
    tn__role role;
    size_t repeats;  /* cells of each neuron on this axis (flatten: pixels) */
    uint32_t *index; /* [neurons * repeats]: cells of neuron i at index[i * repeats ..],
                        corresponding cells of different neurons at the same place */
} tn__group_entry;

typedef struct tn__group {
    char *name;     /* the first producer's parameter: "layer1.0.conv1.weight" */
    size_t neurons; /* at least 2 */
    tn__group_entry *entries; /* ordered by (value, axis) */
    size_t entry_count;
} tn__group;

/* An axis, or part of one, that may not be touched, and why. */
typedef struct tn__frozen_axis {
    size_t value;
    int axis;
    size_t cells;
    const char *reason; /* "graph output"; static or owned by the groups */
} tn__frozen_axis;

typedef struct tn__groups {
    tn__group *list; /* ordered by first producer node */
    size_t count;
    tn__frozen_axis
        *frozen; /* of parameters; what is tied to nothing (kernel taps) left out */
    size_t frozen_count;
    size_t value_count;
    size_t *blocks;    /* [values]: groups of the convolution that reads it; else 1 */
    tn__shapes shapes; /* for batch 1: what the cells refer to */
} tn__groups;

/* Derives the groups. TN_ERROR_UNSUPPORTED naming node and reason where an operator has
 * no coupling rule. O(cells * inverse Ackermann + sort). */
tn_status tn__groups_find(tn__groups **out, const tn_model *model,
                          tn_error *err) TN_MUST_USE;
void tn__groups_free(tn__groups *groups); /* takes NULL */

#endif
