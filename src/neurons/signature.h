/* signature.h - the classes of tied cells and what tells one from another. */
#ifndef TN_NEURONS_SIGNATURE_H
#define TN_NEURONS_SIGNATURE_H

#include "neurons/cells.h"

typedef struct tn__signature {
    uint64_t word[2];
} tn__signature;

/* Classes are numbered by their smallest cell. */
typedef struct tn__classes {
    size_t count;
    size_t *first;   /* [classes + 1] */
    uint32_t *cell;  /* [cells]: of class c at first[c] .. first[c + 1], ascending,
                        hence by value, axis and index */
    uint32_t *of;    /* [cells]: the class of a cell */
    uint32_t *slot;  /* [cells]: the slot of a cell */
    uint32_t *place; /* [cells]: position among its class's cells on its slot */
    tn__signature *signature; /* [classes] */
    uint32_t *block; /* [classes]: the class of the block that a class lies in, else
                        UINT32_MAX */
} tn__classes;

/* Blocks that cannot move become frozen in `cells`. */
tn_status tn__classes_create(tn__classes *out, tn__cells *cells,
                             const tn__shapes *shapes, tn_error *err) TN_MUST_USE;
void tn__classes_release(tn__classes *classes);

/* Adds the signature of what lies in a block to that of the block. */
void tn__signature_nest(tn__signature *block, const tn__signature *inner);
/* Orders classes by signature. */
int tn__signature_compare(const tn__signature *a, const tn__signature *b);

/* Fills classes->block from what lies in what (nest.c). A block is frozen where it
 * shares its neurons with another or holds what is frozen. */
tn_status tn__classes_nest(tn__classes *classes, tn__cells *cells,
                           tn_error *err) TN_MUST_USE;

#endif
