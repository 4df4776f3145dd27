/* monotone.c - the two dynamic programmes of monotone.h.
 *
 *     layers     F(k, l) = min(F(k, l - 1), F(k - 1, l - 1) + C(l, k))
 *     segments   F(k, l) = min(F(k, l - 1), F(k - 1, l - 1)) + C(l, k)
 *
 * for the first k shallow and l deep units. In the segment form a state also knows
 * whether the segment at hand has met a unit that may be its slot.
 */
#include <math.h>

#include "depth/monotone.h"

static bool is_allowed(const tn__monotone *p, size_t l, size_t k)
{
    return !p->allowed || p->allowed[l * p->shallow + k];
}

static tn_status fail_infeasible(const tn__monotone *p, tn_error *err)
{
    return tn__fail(err, TN_ERROR_MISMATCH,
                    "%zu units have no place among %zu of the same structure",
                    p->shallow, p->deep);
}

/* --- layers --- */

static tn_status solve_layers(size_t *slot, double *total, const tn__monotone *p,
                              tn_error *err)
{
    size_t m = p->deep, n = p->shallow, width = m + 1;
    double *f = tn__alloc(n + 1, width * sizeof *f);
    if (!f)
        return tn__fail_memory(err, (n + 1) * width * sizeof *f);
    for (size_t k = 1; k <= n; k++) {
        f[k * width] = HUGE_VAL;
        for (size_t l = 1; l <= m; l++) {
            double skip = f[k * width + l - 1], take = HUGE_VAL;
            if (is_allowed(p, l - 1, k - 1))
                take = f[(k - 1) * width + l - 1] + p->cost[(l - 1) * n + k - 1];
            f[k * width + l] = take < skip ? take : skip;
        }
    }
    double best = f[n * width + m];
    if (isinf(best)) {
        tn__free(f);
        return fail_infeasible(p, err);
    }
    size_t l = m;
    for (size_t k = n; k > 0; k--) {
        while (f[k * width + l - 1] <= f[k * width + l])
            l--;
        slot[k - 1] = --l;
    }
    *total = best;
    tn__free(f);
    return TN_OK;
}

/* --- segments --- */

/* State (k, l, met): deep unit l lies in segment k; met: an allowed slot was seen. */
typedef struct table {
    double *f;   /* [n, m, 2] */
    bool *opens; /* [n, m, 2]: unit l is the first of its segment */
    bool *had;   /* [n, m, 2]: `met` of the state before, where l is not the first */
} table;

static void relax(table *t, size_t at, double value, bool opens, bool had)
{
    if (value < t->f[at]) {
        t->f[at] = value;
        t->opens[at] = opens;
        t->had[at] = had;
    }
}

static void fill_table(table *t, const tn__monotone *p)
{
    size_t m = p->deep, n = p->shallow;
    for (size_t i = 0; i < 2 * n * m; i++)
        t->f[i] = HUGE_VAL;
    for (size_t l = 0; l < m; l++) {
        for (size_t k = 0; k < n; k++) {
            double cost = p->cost[l * n + k];
            size_t at = 2 * (k * m + l);
            bool here = is_allowed(p, l, k);
            if (l == 0 && k == 0)
                relax(t, at + here, cost, true, false);
            if (l > 0 && k > 0)
                relax(t, at + here, t->f[2 * ((k - 1) * m + l - 1) + 1] + cost, true,
                      false);
            for (size_t met = 0; l > 0 && met < 2; met++)
                relax(t, at + (here || met), t->f[at - 2 + met] + cost, false, met);
        }
    }
}

/* The segments from the last to the first; the slot of each is its cheapest. */
static void trace_segments(size_t *slot, const table *t, const tn__monotone *p)
{
    size_t m = p->deep, n = p->shallow, k = n - 1;
    bool met = true;
    slot[k] = m;
    for (size_t l = m; l-- > 0;) {
        size_t at = 2 * (k * m + l) + met;
        if (is_allowed(p, l, k) &&
            (slot[k] == m || p->cost[l * n + k] <= p->cost[slot[k] * n + k]))
            slot[k] = l;
        met = t->had[at];
        if (t->opens[at] && k > 0) {
            slot[--k] = m;
            met = true;
        }
    }
}

static tn_status solve_segments(size_t *slot, double *total, const tn__monotone *p,
                                tn_error *err)
{
    size_t states = 2 * p->deep * p->shallow;
    table t = {.f = tn__alloc(states, sizeof *t.f),
               .opens = tn__alloc(states, sizeof *t.opens),
               .had = tn__alloc(states, sizeof *t.had)};
    tn_status status = TN_OK;
    if (!t.f || !t.opens || !t.had) {
        status = tn__fail_memory(err, states * sizeof *t.f);
        goto done;
    }
    fill_table(&t, p);
    if (isinf(t.f[states - 1])) {
        status = fail_infeasible(p, err);
        goto done;
    }
    trace_segments(slot, &t, p);
    *total = t.f[states - 1];
done:
    tn__free(t.f);
    tn__free(t.opens);
    tn__free(t.had);
    return status;
}

tn_status tn__monotone_solve(size_t *slot, double *total, const tn__monotone *problem,
                             tn_error *err)
{
    if (problem->shallow == 0 || problem->deep < problem->shallow)
        return fail_infeasible(problem, err);
    return problem->segments ? solve_segments(slot, total, problem, err)
                             : solve_layers(slot, total, problem, err);
}
