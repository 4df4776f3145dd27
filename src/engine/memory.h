/* memory.h - one block of memory for everything a plan touches.
 *
 * A slot is a run of bytes that is needed from its first to its last moment. Slots
 * whose times overlap get different places, others may share one.
 */
#ifndef TN_ENGINE_MEMORY_H
#define TN_ENGINE_MEMORY_H

#include "base/base.h"

typedef struct tn__slot {
    size_t bytes;
    size_t first, last; /* moments, both included */
    size_t offset;      /* known after tn__arena_place() */
} tn__slot;

typedef struct tn__arena {
    tn__slot *slots;
    size_t count, capacity;
    char *memory;
    size_t bytes;
} tn__arena;

/* A new slot of which only the moment `at` is known yet. */
tn_status tn__arena_slot(size_t *out, tn__arena *arena, size_t bytes, size_t at,
                         tn_error *err) TN_MUST_USE;
/* The slot is needed at moment `at` too. */
void tn__arena_use(tn__arena *arena, size_t slot, size_t at);
/* Gives every slot its offset and allocates the memory, which is not zeroed. */
tn_status tn__arena_place(tn__arena *arena, tn_error *err) TN_MUST_USE;
static inline void *tn__arena_at(const tn__arena *arena, size_t slot)
{
    return arena->memory + arena->slots[slot].offset;
}
void tn__arena_release(tn__arena *arena);

#endif
