/* simplex.h - transport between any integer masses by the network simplex method.
 *
 *     tn__simplex_create(&simplex, cost, n, m, err);
 *     ... fill simplex.mass [n + m]: what rows supply, then what columns want ...
 *     tn__simplex_solve(&simplex, err);
 *     count = tn__simplex_flow(&simplex, flow);
 *
 * A basis is a spanning tree over the rows (nodes 0..n-1), the columns (n..n+m-1) and a
 * root that supplies and takes at a high price what the arcs do not carry yet.
 */
#ifndef TN_TRANSPORT_SIMPLEX_H
#define TN_TRANSPORT_SIMPLEX_H

#include "base/base.h"
#include "transport/shortlist.h"

/* Mass on the arc from a row to a column. */
typedef struct tn__flow {
    uint32_t row, column;
    int64_t mass;
} tn__flow;

/* A node and the arc between it and its parent; children are a doubly linked list. */
typedef struct tn__tree_node {
    uint32_t parent, depth, child, next, previous;
    bool up; /* the arc leads to the parent */
    int64_t flow;
    double cost;
} tn__tree_node;

typedef struct tn__simplex {
    const double *cost; /* [n, m], borrowed */
    size_t n, m;
    int64_t *mass;       /* [n + m], >= 0, of equal sums */
    tn__tree_node *node; /* [n + m + 1], the root last */
    double *potential; /* [n + m + 1]: c_ij + p_i - p_j = 0 on the tree, >= 0 off it */
    uint32_t *stack;   /* [n + m + 1] scratch */
    tn__shortlist list;
    double tolerance; /* reduced costs above -tolerance count as 0 */
    size_t next_row;  /* where pricing goes on */
    size_t pivots;
} tn__simplex;

tn_status tn__simplex_create(tn__simplex *out, const double *cost, size_t n, size_t m,
                             tn_error *err) TN_MUST_USE;
void tn__simplex_release(tn__simplex *simplex);

/* TN_ERROR_NUMERIC where a cost is not finite, or rounding keeps it from an end. */
tn_status tn__simplex_solve(tn__simplex *simplex, tn_error *err) TN_MUST_USE;

/* Writes the arcs with mass, at most n + m - 1, to flow; returns their number. */
size_t tn__simplex_flow(const tn__simplex *simplex, tn__flow *flow);

#endif
