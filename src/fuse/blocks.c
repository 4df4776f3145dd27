/* blocks.c - which block of a parent is which of the reference's: heads, groups of a
 * convolution.
 *
 * Blocks are alike as far as what is inside can be matched: for each pair the groups
 * inside are solved, and the blocks are assigned by the sums of their costs (MuDSC,
 * arXiv 2403.01753, does so for heads). All inner groups of a block go with it, so that
 * queries, keys and values of a head stay together. One round of trials tries as many
 * pairs as there are blocks: the blocks are shifted by one more place each time.
 */
#include "fuse/fusion.h"
#include "tenon/transport.h"

typedef struct trials {
    tn__fusion *fusion;
    size_t parent, group;
    const bool *solved;
    double *cost; /* [blocks of the reference, blocks of the parent] */
} trials;

/* Costs of matching the groups inside block b with those that the map has brought. */
static tn_status try_block(double *cost, const trials *t, size_t b, tn_error *err)
{
    const tn__group *blocks = &t->fusion->parents[t->parent].groups->list[t->group];
    tn_status status = TN_OK;
    *cost = 0;
    for (size_t k = 0; k < blocks->kinds && status == TN_OK; k++) {
        tn__evidence evidence = {0};
        tn__map map = {0};
        tn_fuse_group note = {0};
        status =
            tn__evidence_find(&evidence, t->fusion, t->parent,
                              blocks->inner[b * blocks->kinds + k], t->solved, err);
        if (status == TN_OK)
            status =
                tn__solve(&map, &note, &evidence, NULL, NULL, t->fusion->options, err);
        *cost += note.cost;
        tn__map_release(&map);
        tn__evidence_release(&evidence);
    }
    return status;
}

static tn_status try_shift(const trials *t, size_t shift, tn_error *err)
{
    tn__parent *parent = &t->fusion->parents[t->parent];
    size_t n = parent->groups->list[t->group].neurons;
    tn__map *map = &parent->maps[t->group];
    tn_status status = tn__map_identity(map, n, err);
    for (size_t b = 0; b < n && status == TN_OK; b++)
        map->select[b] = (uint32_t)((b + shift) % n);
    for (size_t b = 0; b < n && status == TN_OK; b++)
        status = try_block(&t->cost[b * n + map->select[b]], t, b, err);
    tn__map_release(map);
    return status;
}

tn_status tn__align_blocks(tn_fuse_group *note, tn__fusion *fusion, size_t parent,
                           size_t group, bool *solved, tn_error *err)
{
    trials t = {fusion, parent, group, solved, NULL};
    size_t n = fusion->parents[parent].groups->list[group].neurons;
    uint32_t *block = tn__alloc(n, sizeof *block);
    t.cost = tn__alloc(n, n * sizeof *t.cost);
    tn_status status = block && t.cost ? TN_OK : tn__fail_memory(err, n * n);
    for (size_t shift = 0; shift < n && status == TN_OK; shift++)
        status = try_shift(&t, shift, err);
    if (status == TN_OK)
        status = tn_ot_assign(block, &note->cost, &note->gap, t.cost, n, err);
    if (status == TN_OK)
        status = tn__map_select(&fusion->parents[parent].maps[group], n, n, block, err);
    if (status == TN_OK) {
        note->model = parent;
        note->neurons = note->target = n;
        solved[group] = true;
        for (size_t b = 0; b < n; b++)
            note->moved += block[b] != b ? 1.0 / (double)n : 0;
    }
    tn__free(block);
    tn__free(t.cost);
    return status;
}
