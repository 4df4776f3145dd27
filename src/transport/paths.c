/* paths.c - the search and the augmentation of the shortest augmenting path method.
 *
 * One search is Dijkstra's algorithm over columns. Rows are expanded through their
 * short lists; the bound of a list goes into the heap as an event of its own, and only
 * when the search reaches that distance is the row read in full. A search that reads
 * many rows in full starts again without lists and heap, over whole rows. Distances are
 * measured from the reduced costs of the source, so the source has offset 0. What comes
 * before the searches where n == m, augmenting row reduction, is in reduction.c.
 */
#include "transport/paths.h"

#include <math.h>
#include <string.h>

#include "transport/kernels.h"
#include "transport/reduction.h"

enum { HEAP_ARITY = 4, EXTENDED_SHARE = 16 };

tn_status tn__paths_create(tn__paths *out, const double *cost, size_t n, size_t m,
                           tn_error *err)
{
    tn__paths p = {.cost = cost, .n = n, .m = m};
    if (n >= TN__NONE / 4 || m >= TN__NONE / 4)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "%zu by %zu costs are too many", n,
                        m);
    tn_status status = tn__shortlist_create(&p.list, cost, n, m, err);
    if (status)
        return status;
    p.supply = tn__alloc(n, sizeof *p.supply);
    p.v = tn__alloc(m, sizeof *p.v);
    p.row = tn__alloc(m, sizeof *p.row);
    p.distance = tn__alloc(m, sizeof *p.distance);
    p.from = tn__alloc(m, sizeof *p.from);
    p.offset = tn__alloc(n, sizeof *p.offset);
    p.via = tn__alloc(n, sizeof *p.via);
    p.seen = tn__alloc(n, sizeof *p.seen);
    p.renewed = tn__alloc(n, sizeof *p.renewed);
    p.touched = tn__alloc(m, sizeof *p.touched);
    p.settled = tn__alloc(m, sizeof *p.settled);
    p.settled_at = tn__alloc(m, sizeof *p.settled_at);
    if (!p.supply || !p.v || !p.row || !p.distance || !p.from || !p.offset || !p.via ||
        !p.seen || !p.renewed || !p.touched || !p.settled || !p.settled_at) {
        tn__paths_release(&p);
        return tn__fail_memory(err, (n + m) * sizeof(double));
    }
    for (size_t j = 0; j < m; j++) {
        p.row[j] = TN__NONE;
        p.distance[j] = HUGE_VAL;
    }
    for (size_t i = 0; i < n; i++)
        p.supply[i] = m / n;
    *out = p;
    return TN_OK;
}

void tn__paths_release(tn__paths *paths)
{
    tn__shortlist_release(&paths->list);
    tn__free(paths->supply);
    tn__free(paths->v);
    tn__free(paths->row);
    tn__free(paths->distance);
    tn__free(paths->from);
    tn__free(paths->offset);
    tn__free(paths->via);
    tn__free(paths->seen);
    tn__free(paths->renewed);
    tn__free(paths->touched);
    tn__free(paths->settled);
    tn__free(paths->settled_at);
    tn__free(paths->heap);
    *paths = (tn__paths){0};
}

/* Column reduction: v_j = min_i c_ij, and the column goes to the least i that attains
 * it and wants more. */
static tn_status reduce_columns(tn__paths *paths, tn_error *err)
{
    size_t n = paths->n, m = paths->m;
    uint32_t *nearest = paths->from; /* free while no search is running */
    for (size_t j = 0; j < m; j++)
        paths->v[j] = HUGE_VAL;
    for (size_t i = 0; i < n; i++)
        if (!tn__column_reduce(paths->v, nearest, paths->cost + i * m, (uint32_t)i, m))
            return tn__cost_fail(paths->cost, i, m, err);
    for (size_t j = 0; j < m; j++) {
        if (paths->supply[nearest[j]] > 0) {
            paths->supply[nearest[j]]--;
            paths->row[j] = nearest[j];
        }
    }
    return TN_OK;
}

/* Columns come before rows at equal keys, then smaller indices. */
static inline bool event_before(tn__event a, tn__event b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

/* Room for `more` events, so that pushing cannot fail. */
static tn_status heap_reserve(tn__paths *paths, size_t more, tn_error *err)
{
    size_t wanted = paths->heap_count + more;
    if (wanted <= paths->heap_capacity)
        return TN_OK;
    wanted += wanted / 2;
    tn__event *heap = tn__realloc(paths->heap, wanted, sizeof *heap);
    if (!heap)
        return tn__fail_memory(err, wanted * sizeof *heap);
    paths->heap = heap;
    paths->heap_capacity = wanted;
    return TN_OK;
}

static void heap_push(tn__paths *paths, double key, uint32_t id)
{
    tn__event event = {key, id}, *heap = paths->heap;
    size_t at = paths->heap_count++;
    while (at > 0) {
        size_t parent = (at - 1) / HEAP_ARITY;
        if (!event_before(event, heap[parent]))
            break;
        heap[at] = heap[parent];
        at = parent;
    }
    heap[at] = event;
}

static tn__event heap_pop(tn__paths *paths)
{
    tn__event *heap = paths->heap, top = heap[0], last = heap[--paths->heap_count];
    size_t at = 0, count = paths->heap_count;
    for (;;) {
        size_t child = HEAP_ARITY * at + 1, end = TN__MIN(child + HEAP_ARITY, count);
        if (child >= count)
            break;
        size_t least = child;
        for (size_t k = child + 1; k < end; k++)
            if (event_before(heap[k], heap[least]))
                least = k;
        if (!event_before(heap[least], last))
            break;
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = last;
    return top;
}

/* Column j can be reached from row i at this distance. */
static inline void relax(tn__paths *paths, uint32_t i, uint32_t j, double distance)
{
    if (distance >= paths->distance[j] || distance >= paths->best)
        return;
    if (paths->distance[j] == HUGE_VAL)
        paths->touched[paths->touched_count++] = j;
    paths->distance[j] = distance;
    paths->from[j] = i;
    if (paths->row[j] == TN__NONE) {
        paths->best = distance;
        paths->best_column = j;
    } else {
        heap_push(paths, distance, j);
    }
}

/* Relaxes the short list of row i and queues its bound. */
static tn_status expand_row(tn__paths *paths, uint32_t i, tn_error *err)
{
    const tn__shortlist *list = &paths->list;
    size_t count = list->count[i], start = (size_t)i * list->capacity;
    const uint32_t *column = list->column + start;
    const double *value = list->value + start;
    double offset = paths->offset[i];
    tn_status status = heap_reserve(paths, count + 1, err);
    if (status)
        return status;
    for (size_t e = 0; e < count; e++)
        relax(paths, i, column[e], value[e] - paths->v[column[e]] - offset);
    double bound = list->bound[i] - offset;
    if (bound < paths->best)
        heap_push(paths, bound, (uint32_t)(paths->m + i));
    return TN_OK;
}

/* The search has reached the bound of row i: makes a new list, or, where the list is of
 * this search already, relaxes the whole row. */
static tn_status extend_row(tn__paths *paths, uint32_t i, tn_error *err)
{
    paths->extended++;
    if (paths->renewed[i] != paths->searches) {
        paths->renewed[i] = (uint32_t)paths->searches;
        tn__shortlist_refresh(&paths->list, i, paths->v);
        return expand_row(paths, i, err);
    }
    const double *cost = paths->cost + (size_t)i * paths->m;
    tn_status status = heap_reserve(paths, paths->m, err);
    if (status)
        return status;
    for (size_t j = 0; j < paths->m; j++)
        relax(paths, i, (uint32_t)j, cost[j] - paths->v[j] - paths->offset[i]);
    return TN_OK;
}

/* Column j is final at `distance`: goes on to the row that has it. */
static tn_status settle_column(tn__paths *paths, uint32_t j, double distance,
                               tn_error *err)
{
    paths->settled[paths->settled_count] = j;
    paths->settled_at[paths->settled_count++] = distance;
    paths->distance[j] = -HUGE_VAL;
    uint32_t i = paths->row[j];
    if (paths->seen[i] == paths->searches)
        return TN_OK;
    paths->seen[i] = (uint32_t)paths->searches;
    paths->via[i] = j;
    paths->offset[i] = paths->cost[(size_t)i * paths->m + j] - paths->v[j] - distance;
    return expand_row(paths, i, err);
}

/* The nearest column that is not settled; one that no row has where there are several.
 */
static uint32_t nearest_column(const tn__paths *paths, double least)
{
    const double *block = paths->list.block;
    uint32_t found = TN__NONE;
    for (size_t b = 0; b * TN__ROW_BLOCK < paths->m; b++) {
        if (block[b] != least)
            continue;
        size_t end = TN__MIN((b + 1) * TN__ROW_BLOCK, paths->m);
        for (size_t j = b * TN__ROW_BLOCK; j < end; j++) {
            if (paths->distance[j] != least)
                continue;
            if (paths->row[j] == TN__NONE)
                return (uint32_t)j;
            if (found == TN__NONE)
                found = (uint32_t)j;
        }
    }
    return found;
}

/* Takes column j out of the blocks; returns the least distance that is left. */
static double drop_column(tn__paths *paths, uint32_t j)
{
    double *block = paths->list.block, least = HUGE_VAL;
    size_t b = j / TN__ROW_BLOCK, end = TN__MIN((b + 1) * TN__ROW_BLOCK, paths->m);
    paths->distance[j] = HUGE_VAL;
    block[b] = HUGE_VAL;
    for (size_t k = b * TN__ROW_BLOCK; k < end; k++)
        block[b] = TN__MIN(block[b], paths->distance[k]);
    for (b = 0; b * TN__ROW_BLOCK < paths->m; b++)
        least = TN__MIN(least, block[b]);
    return least;
}

/* Relaxes all columns from row i, in which the search is at `distance` when it comes
 * from column `via`; returns the least distance. */
static double relax_row(tn__paths *paths, uint32_t i, uint32_t via, double distance,
                        const double *v)
{
    const double *cost = paths->cost + (size_t)i * paths->m;
    paths->seen[i] = (uint32_t)paths->searches;
    paths->via[i] = via;
    paths->offset[i] = via == TN__NONE ? 0 : cost[via] - paths->v[via] - distance;
    return tn__row_relax(paths->distance, paths->from, paths->list.block, cost, v,
                         paths->offset[i], i, paths->m);
}

/* Dijkstra over whole rows. Here a settled column has distance +inf and potential -inf,
 * so that it is never the nearest and never relaxed. */
static void search_dense(tn__paths *paths, uint32_t source)
{
    size_t m = paths->m;
    double *v = paths->list.reduced;
    memcpy(v, paths->v, m * sizeof *v);
    for (size_t j = 0; j < m; j++)
        paths->distance[j] = HUGE_VAL;
    paths->searches++;
    paths->settled_count = 0;
    double least = relax_row(paths, source, TN__NONE, 0, v);
    uint32_t j = nearest_column(paths, least);
    while (least < HUGE_VAL && paths->row[j] != TN__NONE) {
        uint32_t i = paths->row[j];
        paths->settled[paths->settled_count] = j;
        paths->settled_at[paths->settled_count++] = least;
        v[j] = -HUGE_VAL;
        double next = drop_column(paths, j);
        least =
            paths->seen[i] == paths->searches ? next : relax_row(paths, i, j, least, v);
        j = nearest_column(paths, least);
    }
    paths->best = least;
    paths->best_column = j;
    for (j = 0; j < m; j++)
        paths->distance[j] = HUGE_VAL;
}

/* Dijkstra over short lists, which gives up where that does not pay: *done is false. */
static tn_status search_lists(tn__paths *paths, uint32_t source, bool *done,
                              tn_error *err)
{
    size_t patience = paths->n / EXTENDED_SHARE;
    paths->searches++;
    paths->touched_count = paths->settled_count = paths->heap_count = 0;
    paths->extended = 0;
    paths->best = HUGE_VAL;
    paths->seen[source] = (uint32_t)paths->searches;
    paths->via[source] = TN__NONE;
    paths->offset[source] = 0;
    tn_status status = expand_row(paths, source, err);
    while (!status && paths->heap_count > 0 && paths->heap[0].key < paths->best &&
           paths->extended <= patience) {
        tn__event event = heap_pop(paths);
        if (event.id >= paths->m)
            status = extend_row(paths, (uint32_t)(event.id - paths->m), err);
        else if (event.key == paths->distance[event.id])
            status = settle_column(paths, event.id, event.key, err);
    }
    *done = paths->extended <= patience;
    for (size_t k = 0; k < paths->touched_count; k++)
        paths->distance[paths->touched[k]] = HUGE_VAL;
    return status;
}

/* Finds the nearest column that no row has; lowers v so that the path to it is tight.
 */
static tn_status search(tn__paths *paths, uint32_t source, tn_error *err)
{
    bool done;
    tn_status status = search_lists(paths, source, &done, err);
    if (status)
        return status;
    if (!done)
        search_dense(paths, source);
    if (!(paths->best < HUGE_VAL))
        return tn__fail(err, TN_ERROR_NUMERIC,
                        "the costs are too large: no path is left from row %u",
                        (unsigned)source);
    for (size_t k = 0; k < paths->settled_count; k++)
        paths->v[paths->settled[k]] += paths->settled_at[k] - paths->best;
    return TN_OK;
}

/* Gives the source one more column: those on the path move on by one row. */
static void apply_path(tn__paths *paths, uint32_t source)
{
    uint32_t j = paths->best_column;
    while (j != TN__NONE) {
        uint32_t i = paths->from[j];
        paths->row[j] = i;
        j = paths->via[i];
    }
    paths->supply[source]--;
}

tn_status tn__paths_solve(tn__paths *paths, tn_error *err)
{
    tn_status status = reduce_columns(paths, err);
    if (!status && paths->n == paths->m)
        tn__paths_reduce_rows(paths);
    for (size_t i = 0; !status && i < paths->n; i++) {
        while (!status && paths->supply[i] > 0) {
            status = search(paths, (uint32_t)i, err);
            if (!status)
                apply_path(paths, (uint32_t)i);
        }
    }
    return status;
}
