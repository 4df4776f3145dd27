/* nest.c - which neurons lie in which block.
 *
 * A block is a class that other classes lie in: a head, a group of channels. Blocks may
 * change places with everything inside, and what is inside may change places within its
 * block: a wreath product. That needs a tree of one level. Where blocks overlap, the
 * coarser division stays and the other is frozen; then its blocks only tell the neurons
 * inside apart.
 */
#include "neurons/signature.h"

#define NO_BLOCK UINT32_MAX

typedef struct nest {
    tn__classes *classes;
    tn__cells *cells;
    uint32_t *via; /* [classes]: the record by which a class got its block */
    bool changed;
} nest;

static void hold(nest *n, size_t slot, const char *reason)
{
    tn__cells_freeze(n->cells, slot, reason);
    n->changed = true;
}

static size_t extent_of(const nest *n, size_t slot)
{
    return n->cells->first_cell[slot + 1] - n->cells->first_cell[slot];
}

/* Cells in each block of a record. */
static size_t size_of(const nest *n, uint32_t record)
{
    const tn__inside *r = &n->cells->inside[record];
    return extent_of(n, r->slot) / TN__MAX(extent_of(n, r->outer), (size_t)1);
}

static void overlap(nest *n, uint32_t a, uint32_t b)
{
    uint32_t smaller = size_of(n, a) < size_of(n, b) ? a : b;
    hold(n, n->cells->inside[smaller].outer, "blocks overlap");
}

static void visit(nest *n, uint32_t record, uint32_t cell, uint32_t outer)
{
    uint32_t inner = n->classes->of[cell], block = n->classes->of[outer];
    size_t slot = n->cells->inside[record].outer;
    if (inner == block || tn__cells_reason(n->cells, outer))
        return;
    const char *reason = tn__cells_reason(n->cells, cell);
    if (reason)
        hold(n, slot, reason);
    else if (n->classes->block[inner] == NO_BLOCK) {
        n->classes->block[inner] = block;
        n->via[inner] = record;
    } else if (n->classes->block[inner] != block)
        overlap(n, n->via[inner], record);
}

static void pass(nest *n)
{
    tn__classes *classes = n->classes;
    const tn__cells *cells = n->cells;
    n->changed = false;
    for (size_t k = 0; k < classes->count; k++)
        classes->block[k] = NO_BLOCK;
    for (uint32_t r = 0; r < cells->inside_count && !n->changed; r++) {
        const tn__inside *in = &cells->inside[r];
        uint32_t first = cells->first_cell[in->slot];
        for (uint32_t c = first; c < cells->first_cell[in->slot + 1] && !n->changed;
             c++)
            visit(n, r, c,
                  cells->first_cell[in->outer] + (c - first) / in->divide % in->modulo);
    }
    for (size_t k = 0; k < classes->count && !n->changed; k++) {
        uint32_t block = classes->block[k];
        if (block != NO_BLOCK && classes->block[block] != NO_BLOCK)
            hold(n, cells->inside[n->via[block]].outer, "blocks of blocks");
    }
}

tn_status tn__classes_nest(tn__classes *classes, tn__cells *cells, tn_error *err)
{
    nest n = {.classes = classes, .cells = cells, .changed = true};
    n.via = tn__alloc(classes->count, sizeof *n.via);
    if (!n.via)
        return tn__fail_memory(err, classes->count * sizeof *n.via);
    while (n.changed)
        pass(&n);
    tn__free(n.via);
    return TN_OK;
}
