/* cells.h - the indices of every axis of every value, and which of them are one neuron.
 *
 * A cell is a (value, axis, index), numbered in that order. The coupling rules of the
 * operators tie cells; tied cells are united in a disjoint-set forest, whose classes
 * are the neurons. Classes that hold a cell which may not move are frozen. This file
 * knows no operator: it calls the rules and hears what they say.
 */
#ifndef TN_NEURONS_CELLS_H
#define TN_NEURONS_CELLS_H

#include "ops/op.h"

/* More cells than this are refused: a few bytes may declare axes of any length, and
 * each cell costs 16 bytes and more. Networks of 1,600 nodes have a million. */
#define TN__CELLS_MAX ((size_t)1 << 24)

/* Where the content of a value comes from. */
typedef enum tn__nature {
    TN__ACTIVATION, /* from the inputs of the graph */
    TN__LEARNED,    /* from float parameters alone */
    TN__FIXED       /* from neither: masks, tables, shapes */
} tn__nature;

/* Slot: what a neuron may lie on. A value of rank r has r + 3: its axes; axis `rank` of
 * op.h, empty unless the value is the weight of a grouped convolution; its bundle, the
 * axes that are indexed together (heads and what is inside them), one cell for each
 * combination of their indices, row-major; and the blocks of a grouped weight. */
enum { TN__SLOT_COLUMNS, TN__SLOT_BUNDLE, TN__SLOT_BLOCKS, TN__SLOT_EXTRA };

/* Cell i of `slot` lies in cell i / divide % modulo of `outer`: whatever moves the one
 * must move the other likewise. */
typedef struct tn__inside {
    size_t slot, outer;
    uint32_t divide, modulo;
} tn__inside;

/* Why a slot was frozen as a whole, first. */
typedef struct tn__cause {
    const char *reason; /* NULL: it was not */
    size_t node;        /* whose rule said so, or TN__NONE */
} tn__cause;

/* One call of a rule's tie, seen from outside: `count` cells from cell[0] on and as
 * many from cell[1] on, one by one. Numbers of nodes, values and slots have 32 bits as
 * those of cells do. */
typedef struct tn__tie {
    uint32_t node;
    int operand[2];
    uint32_t value[2];
    uint32_t slot[2];
    uint32_t cell[2], count;
} tn__tie;

typedef struct tn__cells {
    size_t value_count, slot_count, count;
    size_t *first_slot;   /* [values + 1] */
    uint32_t *first_cell; /* [slots + 1] */
    uint32_t *parent;     /* [cells]: the forest; a root is its own parent */
    uint32_t *size;       /* [cells]: of roots: cells of the class */
    const char **reason;  /* [cells]: of roots: why frozen, or NULL */
    tn__role *role;       /* [slots] */
    tn__cause *cause;     /* [slots] */
    size_t node;          /* whose rule is being heard, or TN__NONE */
    uint32_t *heard;      /* [slots]: 1 + the last node whose rule spoke of the slot */
    tn__nature *nature;   /* [values] */
    size_t *blocks;   /* [values]: groups of the convolution that reads it; else 1 */
    uint32_t *bundle; /* [values]: bit k: axis k is in its bundle; two bits or none */
    bool *still;      /* [slots]: an axis of positions: all of it is frozen */
    tn__inside *inside;
    size_t inside_count, inside_capacity;
    tn__tie *ties; /* all that the rules tied, in their order */
    size_t tie_count, tie_capacity;
} tn__cells;

/* Numbers the cells and unites what the rules tie. TN_ERROR_UNSUPPORTED where a node
 * has no rule. Release also after failure of nothing but this: on failure *out is
 * empty. */
tn_status tn__cells_create(tn__cells *out, const tn_model *model,
                           const tn__shapes *shapes, tn_error *err) TN_MUST_USE;
void tn__cells_release(tn__cells *cells);

/* The root of a cell's class. */
uint32_t tn__cells_find(tn__cells *cells, uint32_t cell);
void tn__cells_unite(tn__cells *cells, uint32_t a, uint32_t b);
/* Why a cell may not move, or NULL. */
const char *tn__cells_reason(tn__cells *cells, uint32_t cell);
void tn__cells_freeze(tn__cells *cells, size_t slot, const char *reason);
/* A slot beside the axes of a value that has a shape. */
size_t tn__cells_extra(const tn__cells *cells, size_t value, int which);

/* Whether the rules spoke of axis `rank` of a value: blocks of its rows then read
 * different neurons. */
bool tn__cells_blocked(const tn__cells *cells, size_t value);

extern const char *const tn__position; /* the reason of axes that are no neurons */

#endif
