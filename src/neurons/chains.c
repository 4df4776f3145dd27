/* chains.c - the ties of each group's first neuron as a graph over slots, and shortest
 * ways in it by breadth-first search.
 *
 * The groups inside a block are tied to each other by the block alone: its ties count
 * for the group of the blocks together with those of what lies in it.
 */
#include "neurons/chains.h"

#include <stdlib.h>
#include <string.h>

#include "neurons/signature.h"

#define NO_SLOT UINT32_MAX

/* A tie, seen from `from`. `of` is a group, or groups->count + a frozen axis. */
typedef struct hop {
    size_t of, node; /* node TN__NONE: `to` is the block that `from` lies in */
    uint32_t from, to;
} hop;

struct tn__chains {
    const tn_model *model;
    const tn__groups *groups;
    tn__cells cells;
    tn__classes classes;
    size_t *slot_value; /* [slots] */
    hop *hops;          /* [count] by (of, from) */
    size_t count, capacity;
    size_t *subject; /* [classes]: the group or frozen axis that a class stands for */
    size_t *outer;   /* [classes]: the group of the block that it lies in */
    size_t *same;    /* [frozen]: the frozen axis whose class this one's is */

    /* Of the last search. */
    uint32_t *queue, *parent; /* [slots]; parent NO_SLOT: not reached */
    size_t *via;              /* [slots] */
};

/* --- the ties ----------------------------------------------------------------------
 */

static tn_status add_hop(tn__chains *c, size_t of, size_t node, size_t a, size_t b,
                         tn_error *err)
{
    const hop *last = c->count ? &c->hops[c->count - 1] : NULL;
    if (of == TN__NONE || a == b ||
        (last && last->of == of && last->node == node && last->from == b &&
         last->to == a))
        return TN_OK;
    for (int s = 0; s < 2; s++) {
        tn_status status =
            tn__grow(&c->hops, &c->capacity, c->count, sizeof *c->hops, err);
        if (status)
            return status;
        c->hops[c->count++] =
            (hop){of, node, (uint32_t)(s ? b : a), (uint32_t)(s ? a : b)};
    }
    return TN_OK;
}

static bool is_wanted(const tn__chains *c, size_t class)
{
    return c->subject[class] != TN__NONE || c->outer[class] != TN__NONE;
}

static int compare_cells(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* The cells of the classes that stand for something, ascending: few, since one neuron
 * of a group stands for all. */
static tn_status list_wanted(uint32_t **out, size_t *count, const tn__chains *c,
                             tn_error *err)
{
    const tn__classes *classes = &c->classes;
    size_t room = 0, n = 0;
    for (size_t k = 0; k < classes->count; k++)
        room += is_wanted(c, k) ? classes->first[k + 1] - classes->first[k] : 0;
    uint32_t *wanted = tn__alloc(room, sizeof *wanted);
    if (!wanted)
        return tn__fail_memory(err, room * sizeof *wanted);
    for (size_t k = 0; k < classes->count; k++)
        for (size_t i = classes->first[k]; i < classes->first[k + 1] && is_wanted(c, k);
             i++)
            wanted[n++] = classes->cell[i];
    if (n > 1)
        qsort(wanted, n, sizeof *wanted, compare_cells);
    *out = wanted;
    *count = n;
    return TN_OK;
}

/* The first of the wanted cells at or after `cell`. */
static size_t first_wanted(const uint32_t *wanted, size_t count, uint32_t cell)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (wanted[middle] < cell)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static tn_status hear_ties(tn__chains *c, tn_error *err)
{
    uint32_t *wanted = NULL;
    size_t count = 0;
    tn_status status = list_wanted(&wanted, &count, c, err);
    for (size_t t = 0; t < c->cells.tie_count && !status; t++) {
        const tn__tie *tie = &c->cells.ties[t];
        for (size_t i = first_wanted(wanted, count, tie->cell[0]);
             i < count && wanted[i] - tie->cell[0] < tie->count && !status; i++) {
            uint32_t class = c->classes.of[wanted[i]];
            const size_t of[2] = {c->subject[class], c->outer[class]};
            for (int k = 0; k < 2 && !status; k++)
                status = add_hop(c, of[k], tie->node, tie->slot[0], tie->slot[1], err);
        }
    }
    tn__free(wanted);
    return status;
}

/* From what lies in a block to the block. */
static tn_status hear_inside(tn__chains *c, tn_error *err)
{
    const tn__cells *cells = &c->cells;
    tn_status status = TN_OK;
    for (size_t k = 0; k < cells->inside_count; k++) {
        const tn__inside *in = &cells->inside[k];
        uint32_t first = cells->first_cell[in->slot];
        for (uint32_t i = first; i < cells->first_cell[in->slot + 1] && !status; i++)
            status = add_hop(c, c->outer[c->classes.of[i]], TN__NONE, in->slot,
                             in->outer, err);
    }
    return status;
}

static int compare_hops(const void *x, const void *y)
{
    const hop *a = x, *b = y;
    if (a->of != b->of)
        return a->of < b->of ? -1 : 1;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    return (a->to > b->to) - (a->to < b->to);
}

/* --- whose classes they are --------------------------------------------------------
 */

static size_t slot_of(const tn__chains *c, size_t value, int axis)
{
    return c->cells.first_slot[value] + (size_t)axis;
}

static void mark_groups(tn__chains *c)
{
    const tn__groups *groups = c->groups;
    for (size_t g = 0; g < groups->count; g++)
        c->subject[groups->list[g].class[0]] = g;
    for (size_t k = 0; k < c->classes.count; k++) {
        uint32_t block = c->classes.block[k];
        if (block != UINT32_MAX && c->subject[block] < groups->count)
            c->outer[k] = c->subject[block];
    }
}

/* The first class of a frozen axis with its reason, or NONE: nothing is tied to it. */
static size_t frozen_class(tn__chains *c, const tn__frozen_axis *axis)
{
    size_t slot = slot_of(c, axis->value, axis->axis);
    for (uint32_t i = c->cells.first_cell[slot]; i < c->cells.first_cell[slot + 1];
         i++) {
        const char *reason = tn__cells_reason(&c->cells, i);
        size_t size = c->cells.size[tn__cells_find(&c->cells, i)];
        if (reason && size > 1 && strcmp(reason, axis->reason) == 0)
            return c->classes.of[i];
    }
    return TN__NONE;
}

static void mark_frozen(tn__chains *c)
{
    for (size_t k = 0; k < c->groups->frozen_count; k++) {
        size_t class = frozen_class(c, &c->groups->frozen[k]);
        c->same[k] = TN__NONE;
        if (class == TN__NONE)
            continue;
        if (c->subject[class] == TN__NONE)
            c->subject[class] = c->groups->count + k;
        c->same[k] = c->subject[class];
    }
}

/* --- life cycle --------------------------------------------------------------------
 */

static tn_status allocate(tn__chains *c, tn_error *err)
{
    size_t classes = c->classes.count, slots = c->cells.slot_count;
    c->subject = tn__alloc(classes, sizeof *c->subject);
    c->outer = tn__alloc(classes, sizeof *c->outer);
    c->same = tn__alloc(c->groups->frozen_count, sizeof *c->same);
    c->slot_value = tn__alloc(slots, sizeof *c->slot_value);
    c->queue = tn__alloc(slots, sizeof *c->queue);
    c->parent = tn__alloc(slots, sizeof *c->parent);
    c->via = tn__alloc(slots, sizeof *c->via);
    if (!c->subject || !c->outer || !c->same || !c->slot_value || !c->queue ||
        !c->parent || !c->via)
        return tn__fail_memory(err, (classes + slots) * sizeof *c->subject);
    for (size_t k = 0; k < classes; k++)
        c->subject[k] = c->outer[k] = TN__NONE;
    for (size_t v = 0; v < c->cells.value_count; v++)
        for (size_t s = c->cells.first_slot[v]; s < c->cells.first_slot[v + 1]; s++)
            c->slot_value[s] = v;
    return TN_OK;
}

tn_status tn__chains_create(tn__chains **out, tn__groups **groups,
                            const tn_model *model, tn_error *err)
{
    tn__chains *c = tn__alloc(1, sizeof *c);
    tn__groups *found = NULL;
    tn_status status;
    if (!c)
        return tn__fail_memory(err, sizeof *c);
    c->model = model;
    status = tn__groups_trace(&found, &c->cells, &c->classes, model, err);
    c->groups = found;
    if (status || (status = allocate(c, err)) != TN_OK)
        goto done;
    mark_groups(c);
    mark_frozen(c);
    if ((status = hear_ties(c, err)) != TN_OK ||
        (status = hear_inside(c, err)) != TN_OK)
        goto done;
    if (c->count > 1)
        qsort(c->hops, c->count, sizeof *c->hops, compare_hops);
    *out = c;
    *groups = found;
    c = NULL;
    found = NULL;
done:
    tn__chains_free(c);
    tn__groups_free(found);
    return status;
}

void tn__chains_free(tn__chains *chains)
{
    if (!chains)
        return;
    tn__free(chains->hops);
    tn__free(chains->subject);
    tn__free(chains->outer);
    tn__free(chains->same);
    tn__free(chains->slot_value);
    tn__free(chains->queue);
    tn__free(chains->parent);
    tn__free(chains->via);
    tn__classes_release(&chains->classes);
    tn__cells_release(&chains->cells);
    tn__free(chains);
}

/* --- search ------------------------------------------------------------------------
 */

/* The first hop of a subject that leaves a slot at or after `slot`. */
static size_t first_hop(const tn__chains *c, size_t of, uint32_t slot)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const hop *h = &c->hops[middle];
        if (h->of < of || (h->of == of && h->from < slot))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Shortest ways from a slot to all that its subject's ties reach; where `reason` is
 * given, to the first slot that was frozen for it, which is returned. */
static uint32_t search(tn__chains *c, size_t of, uint32_t from, const char *reason)
{
    size_t head = 0, tail = 0;
    for (size_t s = 0; s < c->cells.slot_count; s++)
        c->parent[s] = NO_SLOT;
    c->parent[from] = from;
    c->queue[tail++] = from;
    while (head < tail) {
        uint32_t at = c->queue[head++];
        const char *cause = c->cells.cause[at].reason;
        if (reason && cause && strcmp(cause, reason) == 0)
            return at;
        for (size_t i = first_hop(c, of, at);
             i < c->count && c->hops[i].of == of && c->hops[i].from == at; i++) {
            uint32_t to = c->hops[i].to;
            if (c->parent[to] != NO_SLOT)
                continue;
            c->parent[to] = at;
            c->via[to] = c->hops[i].node;
            c->queue[tail++] = to;
        }
    }
    return NO_SLOT;
}

/* The nodes on the way that the search found to a slot. */
static size_t collect(const tn__chains *c, uint32_t slot, size_t *nodes)
{
    size_t n = 0;
    for (; c->parent[slot] != slot; slot = c->parent[slot]) {
        size_t node = c->via[slot];
        bool again = node == TN__NONE;
        for (size_t k = 0; k < n && !again; k++)
            again = nodes[k] == node;
        if (!again)
            nodes[n++] = node;
    }
    for (size_t k = 0; k < n / 2; k++) {
        size_t swap = nodes[k];
        nodes[k] = nodes[n - 1 - k];
        nodes[n - 1 - k] = swap;
    }
    return n;
}

void tn__chains_from(tn__chains *chains, size_t g)
{
    const tn__group *group = &chains->groups->list[g];
    const tn__group_entry *entry = &group->entries[group->leading];
    (void)search(chains, g, (uint32_t)slot_of(chains, entry->value, entry->axis), NULL);
}

size_t tn__chains_to(bool *linked, const tn__chains *chains, size_t g, size_t e,
                     size_t *nodes)
{
    const tn__group_entry *entry = &chains->groups->list[g].entries[e];
    size_t slot = slot_of(chains, entry->value, entry->axis);
    *linked = chains->parent[slot] != NO_SLOT;
    return *linked ? collect(chains, (uint32_t)slot, nodes) : 0;
}

size_t tn__chains_frozen(size_t *value, size_t *node, tn__chains *chains, size_t k,
                         size_t *nodes)
{
    const tn__frozen_axis *axis = &chains->groups->frozen[k];
    uint32_t from = (uint32_t)slot_of(chains, axis->value, axis->axis);
    uint32_t found = search(chains, chains->same[k], from, axis->reason);
    *value = *node = TN__NONE;
    if (found == NO_SLOT)
        return 0;
    *value = chains->slot_value[found];
    *node = chains->cells.cause[found].node;
    return collect(chains, found, nodes);
}
