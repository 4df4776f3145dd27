/* shortlist.c - choosing the entries of a short list by one pass over a dense row.
 *
 * The WANTED-th smallest of the block minima bounds the WANTED-th smallest entry from
 * above, and the blocks whose minimum is below it hold every smaller entry: one
 * vectorised pass and a visit to WANTED blocks replace a selection over the row.
 */
#include "transport/shortlist.h"

#include <math.h>
#include <string.h>

#include "transport/kernels.h"

enum { WANTED = 24, CAPACITY = 48 };

tn_status tn__shortlist_create(tn__shortlist *out, const double *cost, size_t n,
                               size_t m, tn_error *err)
{
    tn__shortlist list = {.cost = cost, .n = n, .m = m};
    list.capacity = TN__MIN(m, (size_t)CAPACITY);
    size_t blocks = m / TN__ROW_BLOCK + 1, entries;
    bool fits = tn__mul(&entries, n, list.capacity);
    if (fits) {
        list.column = tn__alloc(entries, sizeof *list.column);
        list.value = tn__alloc(entries, sizeof *list.value);
        list.count = tn__alloc(n, sizeof *list.count);
        list.bound = tn__alloc(n, sizeof *list.bound);
        list.reduced = tn__alloc(m, sizeof *list.reduced);
        list.block = tn__alloc(blocks, sizeof *list.block);
        list.order = tn__alloc(m, sizeof *list.order);
    }
    if (!fits || !list.column || !list.value || !list.count || !list.bound ||
        !list.reduced || !list.block || !list.order) {
        tn__shortlist_release(&list);
        return tn__fail_memory(err, fits ? entries * sizeof *list.value : SIZE_MAX);
    }
    for (size_t i = 0; i < n; i++)
        list.bound[i] = -HUGE_VAL;
    *out = list;
    return TN_OK;
}

void tn__shortlist_release(tn__shortlist *list)
{
    tn__free(list->column);
    tn__free(list->value);
    tn__free(list->count);
    tn__free(list->bound);
    tn__free(list->reduced);
    tn__free(list->block);
    tn__free(list->order);
    *list = (tn__shortlist){0};
}

/* The k-th smallest (from 0) of x [n], which is reordered: Hoare's quickselect with the
 * middle as pivot. */
static double select_kth(double *x, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = x[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i >= j)
                break;
            double swap = x[i];
            x[i] = x[j];
            x[j] = swap;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return x[k];
}

/* Gathers the entries of the list's blocks that are at most `limit` into order; returns
 * their number. */
static size_t gather_below(tn__shortlist *list, double limit)
{
    size_t found = 0;
    for (size_t b = 0; b * TN__ROW_BLOCK < list->m; b++) {
        if (list->block[b] > limit)
            continue;
        size_t end = TN__MIN((b + 1) * TN__ROW_BLOCK, list->m);
        for (size_t j = b * TN__ROW_BLOCK; j < end; j++)
            if (list->reduced[j] <= limit)
                list->order[found++] = list->reduced[j];
    }
    return found;
}

/* Appends to row i the columns whose reduced cost is below `limit`, or equal to it. */
static void take(tn__shortlist *list, uint32_t i, double limit, bool equal)
{
    const double *cost = list->cost + (size_t)i * list->m;
    uint32_t *column = list->column + (size_t)i * list->capacity;
    double *value = list->value + (size_t)i * list->capacity;
    size_t count = list->count[i];
    for (size_t b = 0; b * TN__ROW_BLOCK < list->m; b++) {
        if (list->block[b] > limit)
            continue;
        size_t end = TN__MIN((b + 1) * TN__ROW_BLOCK, list->m);
        for (size_t j = b * TN__ROW_BLOCK; j < end && count < list->capacity; j++) {
            double reduced = list->reduced[j];
            if (equal ? reduced == limit : reduced < limit) {
                column[count] = (uint32_t)j;
                value[count++] = cost[j];
            }
        }
    }
    list->count[i] = (uint32_t)count;
}

void tn__shortlist_refresh(tn__shortlist *list, uint32_t i, const double *v)
{
    size_t m = list->m, blocks = (m + TN__ROW_BLOCK - 1) / TN__ROW_BLOCK;
    const double *cost = list->cost + (size_t)i * m;
    list->count[i] = 0;
    if (m <= list->capacity) {
        uint32_t *column = list->column + (size_t)i * list->capacity;
        for (size_t j = 0; j < m; j++)
            column[j] = (uint32_t)j;
        memcpy(list->value + (size_t)i * list->capacity, cost, m * sizeof *cost);
        list->count[i] = (uint32_t)m;
        list->bound[i] = HUGE_VAL;
        return;
    }
    tn__row_reduce(list->reduced, list->block, cost, v, m);
    memcpy(list->order, list->block, blocks * sizeof *list->block);
    double limit = select_kth(list->order, blocks, TN__MIN(blocks, (size_t)WANTED) - 1);
    size_t found = gather_below(list, limit);
    if (found > list->capacity)
        limit = select_kth(list->order, found, WANTED - 1);
    take(list, i, limit, false);
    take(list, i, limit, true);
    list->bound[i] = limit;
}
