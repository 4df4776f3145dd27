/* simplex.c - network simplex on a dense bipartite graph without capacities.
 *
 * Strongly feasible spanning trees (Cunningham, "A network simplex method", 1976; the
 * leaving rule as in LEMON, Király and Kovács 2012): every arc without flow leads
 * towards the root, so degenerate pivots cannot cycle. Potentials of the moved subtree
 * are summed anew from its arcs, not corrected, so they do not drift.
 *
 * Pricing goes through the short lists of a block of rows and takes the best arc. When
 * no list of any row holds an improving arc, every row is read in full: rows that still
 * have one get a new list, and where none has the tree is optimal.
 */
#include "transport/simplex.h"

#include <math.h>

#include "transport/kernels.h"

#define NONE UINT32_MAX

enum { BLOCK_ROWS = 16, PIVOTS_PER_NODE = 2000 };

/* The arc from a row to a column that pricing found. */
typedef struct {
    uint32_t row, column;
    double cost, reduced;
} entering;

tn_status tn__simplex_create(tn__simplex *out, const double *cost, size_t n, size_t m,
                             tn_error *err)
{
    tn__simplex s = {.cost = cost, .n = n, .m = m};
    if (n >= NONE / 4 || m >= NONE / 4)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "%zu by %zu costs are too many", n,
                        m);
    tn_status status = tn__shortlist_create(&s.list, cost, n, m, err);
    if (status)
        return status;
    size_t nodes = n + m + 1;
    s.mass = tn__alloc(nodes, sizeof *s.mass);
    s.node = tn__alloc(nodes, sizeof *s.node);
    s.potential = tn__alloc(nodes, sizeof *s.potential);
    s.stack = tn__alloc(nodes, sizeof *s.stack);
    if (!s.mass || !s.node || !s.potential || !s.stack) {
        tn__simplex_release(&s);
        return tn__fail_memory(err, nodes * sizeof *s.node);
    }
    *out = s;
    return TN_OK;
}

void tn__simplex_release(tn__simplex *simplex)
{
    tn__shortlist_release(&simplex->list);
    tn__free(simplex->mass);
    tn__free(simplex->node);
    tn__free(simplex->potential);
    tn__free(simplex->stack);
    *simplex = (tn__simplex){0};
}

static void attach(tn__simplex *s, uint32_t k, uint32_t parent)
{
    tn__tree_node *node = s->node;
    node[k].parent = parent;
    node[k].previous = NONE;
    node[k].next = node[parent].child;
    if (node[k].next != NONE)
        node[node[k].next].previous = k;
    node[parent].child = k;
}

static void detach(tn__simplex *s, uint32_t k)
{
    tn__tree_node *node = s->node;
    if (node[k].previous != NONE)
        node[node[k].previous].next = node[k].next;
    else
        node[node[k].parent].child = node[k].next;
    if (node[k].next != NONE)
        node[node[k].next].previous = node[k].previous;
}

/* Depths and potentials of the subtree at `top`, from those of its parent. */
static void update_subtree(tn__simplex *s, uint32_t top)
{
    tn__tree_node *node = s->node;
    size_t height = 0;
    s->stack[height++] = top;
    while (height > 0) {
        uint32_t k = s->stack[--height], parent = node[k].parent;
        node[k].depth = node[parent].depth + 1;
        s->potential[k] =
            s->potential[parent] + (node[k].up ? -node[k].cost : node[k].cost);
        for (uint32_t c = node[k].child; c != NONE; c = node[c].next)
            s->stack[height++] = c;
    }
}

/* Hangs node k on `parent` by an arc up or down. */
static void hang(tn__simplex *s, uint32_t k, uint32_t parent, bool up, int64_t flow,
                 double cost)
{
    s->node[k].up = up;
    s->node[k].flow = flow;
    s->node[k].cost = cost;
    attach(s, k, parent);
}

/* Least costs of the columns into v, and their rows; the largest |c_ij| into *largest.
 */
static tn_status nearest_rows(tn__simplex *s, double *v, double *largest, tn_error *err)
{
    size_t n = s->n, m = s->m;
    *largest = 0;
    for (size_t j = 0; j < m; j++)
        v[j] = HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        const double *row = s->cost + i * m;
        if (!tn__column_reduce(v, s->stack, row, (uint32_t)i, m))
            return tn__cost_fail(s->cost, i, m, err);
        *largest = fmax(*largest, tn__row_largest(row, m));
    }
    return TN_OK;
}

/* The first tree: each column takes what it can from its nearest row, and the root
 * gives or takes the rest. A row that was emptied hangs on the column that emptied it,
 * which still wants more and so hangs on the root; columns that are served hang on
 * their row. */
static void plant_tree(tn__simplex *s, double root_cost)
{
    uint32_t root = (uint32_t)(s->n + s->m);
    tn__tree_node *node = s->node;
    for (uint32_t k = 0; k <= root; k++)
        node[k].child = node[k].parent = NONE;
    for (uint32_t i = 0; i < s->n; i++)
        node[i].flow = s->mass[i];
    for (uint32_t j = 0; j < s->m; j++) {
        uint32_t k = (uint32_t)(s->n + j), i = s->stack[j];
        int64_t left = node[i].flow, wanted = s->mass[k];
        double cost = s->cost[(size_t)i * s->m + j];
        bool hung = node[i].parent != NONE;
        if (!hung && wanted > 0 && wanted <= left) {
            hang(s, k, i, false, wanted, cost);
            node[i].flow -= wanted;
        } else {
            hang(s, k, root, false, wanted, root_cost);
            if (!hung && wanted > left) {
                hang(s, i, k, true, left, cost);
                node[k].flow -= left;
            }
        }
        if (node[k].parent == root && node[k].flow == 0)
            node[k].up = true;
    }
    for (uint32_t i = 0; i < s->n; i++)
        if (node[i].parent == NONE)
            hang(s, i, root, true, node[i].flow, root_cost);
    for (uint32_t k = node[root].child; k != NONE; k = node[k].next)
        update_subtree(s, k);
}

/* The best arc in the short list of row i, where it beats *best. */
static void price_row(const tn__simplex *s, uint32_t i, entering *best)
{
    const tn__shortlist *list = &s->list;
    const uint32_t *column = list->column + (size_t)i * list->capacity;
    const double *value = list->value + (size_t)i * list->capacity;
    const double *v = s->potential + s->n;
    double p = s->potential[i];
    for (size_t e = 0; e < list->count[i]; e++) {
        double reduced = value[e] - v[column[e]] + p;
        if (reduced < best->reduced)
            *best = (entering){i, column[e], value[e], reduced};
    }
}

/* Reads every row in full; makes new lists where an arc improves. False: there is none.
 */
static bool renew_lists(tn__simplex *s)
{
    const double *v = s->potential + s->n;
    bool renewed = false;
    for (size_t i = 0; i < s->n; i++) {
        double least = tn__row_min(s->cost + i * s->m, v, s->m) + s->potential[i];
        if (least < -s->tolerance) {
            tn__shortlist_refresh(&s->list, (uint32_t)i, v);
            renewed = true;
        }
    }
    return renewed;
}

/* The best arc of the first block of rows that holds an improving one; false: the tree
 * is optimal. */
static bool price(tn__simplex *s, entering *best)
{
    do {
        for (size_t done = 0; done < s->n;) {
            *best = (entering){0, 0, 0, -s->tolerance};
            for (size_t k = 0; k < BLOCK_ROWS && done < s->n; k++, done++) {
                price_row(s, (uint32_t)s->next_row, best);
                if (++s->next_row == s->n)
                    s->next_row = 0;
            }
            if (best->reduced < -s->tolerance)
                return true;
        }
    } while (renew_lists(s));
    return false;
}

/* Where the cycle closed by an entering arc loses its least flow. */
typedef struct {
    uint32_t join, leaving; /* the arc above `leaving` goes */
    int64_t flow;
    bool from_row; /* leaving is on the path from the row */
} pivot_cycle;

/* Mass goes along the entering arc, from its column up to the join and from there down
 * to its row: arcs against that direction lose. Of several that run empty the last in
 * the direction of the cycle from the join leaves, which keeps the tree strongly
 * feasible. */
static pivot_cycle find_cycle(const tn__simplex *s, const entering *arc)
{
    const tn__tree_node *node = s->node;
    uint32_t a = arc->row, b = (uint32_t)(s->n + arc->column);
    uint32_t row_leaving = NONE, column_leaving = NONE;
    int64_t row_flow = INT64_MAX, column_flow = INT64_MAX;
    while (a != b) {
        if (node[a].depth >= node[b].depth) {
            if (node[a].up && node[a].flow < row_flow) {
                row_flow = node[a].flow;
                row_leaving = a;
            }
            a = node[a].parent;
        } else {
            if (!node[b].up && node[b].flow <= column_flow) {
                column_flow = node[b].flow;
                column_leaving = b;
            }
            b = node[b].parent;
        }
    }
    bool from_row = row_leaving != NONE && row_flow < column_flow;
    return (pivot_cycle){a, from_row ? row_leaving : column_leaving,
                         from_row ? row_flow : column_flow, from_row};
}

static void move_flow(tn__simplex *s, const entering *arc, const pivot_cycle *cycle)
{
    tn__tree_node *node = s->node;
    uint32_t b = (uint32_t)(s->n + arc->column);
    if (cycle->flow == 0)
        return;
    for (uint32_t a = arc->row; a != cycle->join; a = node[a].parent)
        node[a].flow += node[a].up ? -cycle->flow : cycle->flow;
    for (; b != cycle->join; b = node[b].parent)
        node[b].flow += node[b].up ? cycle->flow : -cycle->flow;
}

/* The entering arc takes the place of the leaving one: the path from its end in the
 * part that was cut off up to the leaving node is turned over. */
static void pivot(tn__simplex *s, const entering *arc)
{
    pivot_cycle cycle = find_cycle(s, arc);
    move_flow(s, arc, &cycle);
    tn__tree_node *node = s->node;
    uint32_t column = (uint32_t)(s->n + arc->column);
    uint32_t top = cycle.from_row ? arc->row : column, k = top;
    tn__tree_node above = {.parent = cycle.from_row ? column : arc->row,
                           .up = cycle.from_row,
                           .flow = cycle.flow,
                           .cost = arc->cost};
    for (;;) {
        tn__tree_node old = node[k];
        detach(s, k);
        hang(s, k, above.parent, above.up, above.flow, above.cost);
        if (k == cycle.leaving)
            break;
        above = old;
        above.parent = k;
        above.up = !old.up;
        k = old.parent;
    }
    update_subtree(s, top);
}

tn_status tn__simplex_solve(tn__simplex *simplex, tn_error *err)
{
    tn__simplex *s = simplex;
    uint32_t root = (uint32_t)(s->n + s->m);
    double largest;
    tn_status status = nearest_rows(s, s->potential + s->n, &largest, err);
    if (status)
        return status;
    for (size_t i = 0; i < s->n; i++)
        tn__shortlist_refresh(&s->list, (uint32_t)i, s->potential + s->n);
    s->tolerance = 1e-13 * largest;
    plant_tree(s, largest > 0 ? 2 * largest : 1);
    size_t limit = PIVOTS_PER_NODE * (s->n + s->m);
    entering arc;
    while (price(s, &arc)) {
        pivot(s, &arc);
        if (++s->pivots == limit)
            return tn__fail(err, TN_ERROR_NUMERIC, "no optimal plan after %zu pivots",
                            limit);
    }
    for (uint32_t k = s->node[root].child; k != NONE; k = s->node[k].next)
        if (s->node[k].flow != 0)
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "the costs are too large: some mass "
                            "found no arc");
    return TN_OK;
}

size_t tn__simplex_flow(const tn__simplex *simplex, tn__flow *flow)
{
    size_t count = 0, n = simplex->n, root = n + simplex->m;
    for (size_t k = 0; k < root; k++) {
        const tn__tree_node *node = &simplex->node[k];
        if (node->parent == root || node->flow == 0)
            continue;
        size_t row = node->up ? k : node->parent, column = node->up ? node->parent : k;
        flow[count++] = (tn__flow){(uint32_t)row, (uint32_t)(column - n), node->flow};
    }
    return count;
}
