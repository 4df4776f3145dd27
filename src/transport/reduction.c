/* reduction.c - augmenting row reduction (Jonker and Volgenant 1987).
 *
 * A free row takes its best column and lowers the potential there until its second best
 * is as good; the row that had the column becomes free. An auction with exact bids,
 * stopped after a few rounds because its tail is slower than searching. Rows are read
 * through short lists (shortlist.h), so a step touches a few dozen entries instead of
 * n.
 */
#include "transport/reduction.h"

#include <math.h>

enum { ROUNDS = 16 };

/* The two columns of least reduced cost in a row. */
typedef struct {
    double first, second;
    uint32_t first_column, second_column;
} row_minima;

static row_minima list_minima(const tn__paths *paths, uint32_t i)
{
    const tn__shortlist *list = &paths->list;
    const uint32_t *column = list->column + (size_t)i * list->capacity;
    const double *value = list->value + (size_t)i * list->capacity;
    row_minima r = {HUGE_VAL, HUGE_VAL, TN__NONE, TN__NONE};
    for (size_t e = 0; e < list->count[i]; e++) {
        double reduced = value[e] - paths->v[column[e]];
        if (reduced < r.first) {
            r.second = r.first;
            r.second_column = r.first_column;
            r.first = reduced;
            r.first_column = column[e];
        } else if (reduced < r.second) {
            r.second = reduced;
            r.second_column = column[e];
        }
    }
    return r;
}

/* Gives row i its best column, lowering v there as far as its second best allows. */
static void assign_row(tn__paths *paths, uint32_t i)
{
    row_minima r = list_minima(paths, i);
    if (r.second_column == TN__NONE || r.second > paths->list.bound[i]) {
        tn__shortlist_refresh(&paths->list, i, paths->v);
        r = list_minima(paths, i);
    }
    uint32_t j = r.first_column;
    double lowered = paths->v[j] - (r.second - r.first);
    if (lowered < paths->v[j])
        paths->v[j] = lowered;
    else if (paths->row[j] != TN__NONE)
        j = r.second_column;
    if (paths->row[j] != TN__NONE)
        paths->supply[paths->row[j]] = 1;
    paths->row[j] = i;
    paths->supply[i] = 0;
}

void tn__paths_reduce_rows(tn__paths *paths)
{
    bool waiting = true;
    for (size_t round = 0; round < ROUNDS && waiting; round++) {
        waiting = false;
        for (size_t i = 0; i < paths->n; i++) {
            if (paths->supply[i] == 0)
                continue;
            assign_row(paths, (uint32_t)i);
            waiting = true;
        }
    }
}
