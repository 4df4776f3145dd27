/* paths.h - semi-assignment by shortest augmenting paths.
 *
 * n rows each take m / n of m columns, at the least sum of costs: the assignment
 * problem where n == m, and transport between uniform masses where one size divides the
 * other. The primal-dual method of Jonker and Volgenant (1987; for semi-assignment
 * Volgenant 1996): a row holds only columns whose reduced cost c_ij - v_j is its least,
 * and each search gives one more column to a row, moving others along the cheapest
 * path. So what is assigned is optimal at every step, and v is an optimal dual solution
 * at the end.
 */
#ifndef TN_TRANSPORT_PATHS_H
#define TN_TRANSPORT_PATHS_H

#include "base/base.h"
#include "transport/shortlist.h"

#define TN__NONE UINT32_MAX

/* Something to look at when the search reaches `key`: column id, or row id - m. */
typedef struct tn__event {
    double key;
    uint32_t id;
} tn__event;

typedef struct tn__paths {
    const double *cost; /* [n, m], borrowed */
    size_t n, m;
    size_t *supply; /* [n] columns that the row still wants */
    uint32_t *row;  /* [m] the row that has the column, or TN__NONE */
    double *v;      /* [m] column potentials, never raised */
    tn__shortlist list;
    size_t searches;

    /* The search in progress. A settled column has distance -inf and its true distance
     * in settled_at, so that nothing can lower it again. */
    double *distance;         /* [m] */
    uint32_t *from;           /* [m] the row a column was reached from */
    double *offset;           /* [n] potential of the row less its distance */
    uint32_t *via;            /* [n] the column of its own a row was reached by */
    uint32_t *seen, *renewed; /* [n] number of the last search that did so */
    uint32_t *touched, *settled;
    double *settled_at;
    size_t touched_count, settled_count;
    tn__event *heap;
    size_t heap_count, heap_capacity;
    double best; /* distance of the nearest column that no row has */
    uint32_t best_column;
    size_t extended; /* rows read in full by this search */
} tn__paths;

/* m must be a multiple of n. */
tn_status tn__paths_create(tn__paths *out, const double *cost, size_t n, size_t m,
                           tn_error *err) TN_MUST_USE;
void tn__paths_release(tn__paths *paths);

/* Solves the problem. TN_ERROR_NUMERIC where a cost is not finite. */
tn_status tn__paths_solve(tn__paths *paths, tn_error *err) TN_MUST_USE;

#endif
