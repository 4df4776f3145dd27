/* memory.c - offsets by first fit, largest slots first (Pisarchyk and Lee, "Efficient
 * Memory Management for Deep Neural Net Inference", 2020, "greedy by size").
 *
 * Quadratic in the number of slots, which is a few hundred. The memory comes straight
 * from the system: it is large, need not be zeroed, and likes huge pages.
 */
#include "engine/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#define ALIGNMENT 64 /* a cache line, and the widest vector */

tn_status tn__arena_slot(size_t *out, tn__arena *arena, size_t bytes, size_t at,
                         tn_error *err)
{
    tn_status status = tn__grow(&arena->slots, &arena->capacity, arena->count,
                                sizeof *arena->slots, err);
    if (status)
        return status;
    size_t rounded;
    if (!tn__add(&rounded, bytes, ALIGNMENT - 1))
        return tn__fail_memory(err, bytes);
    arena->slots[arena->count] =
        (tn__slot){.bytes = rounded / ALIGNMENT * ALIGNMENT, .first = at, .last = at};
    *out = arena->count++;
    return TN_OK;
}

void tn__arena_use(tn__arena *arena, size_t slot, size_t at)
{
    tn__slot *s = &arena->slots[slot];
    s->first = TN__MIN(s->first, at);
    s->last = TN__MAX(s->last, at);
}

static int larger_first(const void *a, const void *b)
{
    const tn__slot *x = *(tn__slot *const *)a, *y = *(tn__slot *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool overlap(const tn__slot *a, const tn__slot *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap between the placed slots alive at the same time; placed[] is kept in
 * order of offset. */
static size_t first_fit(tn__slot *const *placed, size_t count, const tn__slot *slot)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!overlap(placed[i], slot))
            continue;
        if (placed[i]->offset >= at + slot->bytes)
            break;
        at = TN__MAX(at, placed[i]->offset + placed[i]->bytes);
    }
    return at;
}

static void insert(tn__slot **placed, size_t count, tn__slot *slot)
{
    size_t i = count;
    for (; i > 0 && placed[i - 1]->offset > slot->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = slot;
}

static tn_status place_all(tn__arena *arena, tn_error *err)
{
    tn__slot **order = tn__alloc(arena->count, sizeof(tn__slot *));
    tn__slot **placed = tn__alloc(arena->count, sizeof(tn__slot *));
    if (!order || !placed) {
        tn__free(order);
        tn__free(placed);
        return tn__fail_memory(err, arena->count * sizeof(tn__slot *));
    }
    for (size_t i = 0; i < arena->count; i++)
        order[i] = &arena->slots[i];
    qsort(order, arena->count, sizeof(tn__slot *), larger_first);
    for (size_t i = 0; i < arena->count; i++) {
        order[i]->offset = first_fit(placed, i, order[i]);
        insert(placed, i, order[i]);
        arena->bytes = TN__MAX(arena->bytes, order[i]->offset + order[i]->bytes);
    }
    tn__free(order);
    tn__free(placed);
    return TN_OK;
}

tn_status tn__arena_place(tn__arena *arena, tn_error *err)
{
    tn_status status = place_all(arena, err);
    if (status)
        return status;
    arena->bytes = TN__MAX(arena->bytes, ALIGNMENT);
    void *memory = mmap(NULL, arena->bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return tn__fail_memory(err, arena->bytes);
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, arena->bytes, MADV_HUGEPAGE); /* only a hint */
#endif
    arena->memory = memory;
    return TN_OK;
}

void tn__arena_release(tn__arena *arena)
{
    if (arena->memory)
        munmap(arena->memory, arena->bytes);
    tn__free(arena->slots);
    *arena = (tn__arena){0};
}
