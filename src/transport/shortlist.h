/* shortlist.h - for each row the few columns of smallest reduced cost, made when asked.
 *
 * A shortest path search over a dense matrix reads whole rows of which it uses a few
 * entries. A short list of row i holds those entries and a bound: every column that is
 * not in the list has reduced cost c_ij - v_j >= bound_i. Augmenting path methods only
 * ever lower v, so a bound stays true; a search that reaches it asks for a new list.
 * This is the core of Volgenant ("Linear and semi-assignment problems: a core oriented
 * approach", 1996) kept exact at every step instead of being repaired at the end.
 */
#ifndef TN_TRANSPORT_SHORTLIST_H
#define TN_TRANSPORT_SHORTLIST_H

#include "base/base.h"

typedef struct tn__shortlist {
    const double *cost; /* [n, m], borrowed */
    size_t n, m;
    size_t capacity;  /* entries of a row */
    uint32_t *column; /* [n, capacity] */
    double *value;    /* [n, capacity] costs of those columns */
    uint32_t *count;  /* [n] */
    double *bound;    /* [n], -inf before the first list, +inf: all are in */
    double *reduced, *block, *order; /* scratch */
} tn__shortlist;

tn_status tn__shortlist_create(tn__shortlist *out, const double *cost, size_t n,
                               size_t m, tn_error *err) TN_MUST_USE;
void tn__shortlist_release(tn__shortlist *list);

/* Makes the list of row i anew from the potentials v [m]. */
void tn__shortlist_refresh(tn__shortlist *list, uint32_t i, const double *v);

#endif
