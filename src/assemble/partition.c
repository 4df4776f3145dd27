/* partition.c - the cover set problem of DeRy (Yang et al. 2022, equation 2).
 *
 * Given the anchors, the best cuts and sets of a member are found by dynamic
 * programming over (sets used, units covered):
 *
 *     best[U + j][r] = max over l of best[U][l] + S(units l..r-1, anchor j)
 *
 * Given the sets, anchors are their medoids. Anchors stay where they are in the dynamic
 * programme, so that each of the two steps can only raise the objective, and as it
 * takes finitely many values the alternation ends. The published program swaps single
 * units instead, and has no limit of sizes that holds.
 */
#include "assemble/partition.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

#define SLACK 1e-9 /* of sizes: a block just at the limit is allowed */

void tn__partition_release(tn__partition *partition)
{
    tn__free(partition->blocks);
    tn__free(partition->anchors);
    *partition = (tn__partition){0};
}

double tn__block_similarity(const tn__partitioning *p, const tn__block *a,
                            const tn__block *b)
{
    size_t u = p->offset[a->member], v = p->offset[b->member];
    return p->similarity[(u + a->first) * p->cuts + v + b->first] +
           p->similarity[(u + a->last + 1) * p->cuts + v + b->last + 1];
}

/* --- sizes -------------------------------------------------------------------------
 */

static double size_of(const tn__partitioning *p, size_t member)
{
    double sum = 0;
    for (size_t u = 0; u < p->units[member]; u++)
        sum += p->size[member][u];
    return sum;
}

/* The largest block of the best cut of a member into `blocks` pieces. */
static tn_status least_largest(double *out, const double *size, size_t units,
                               size_t blocks, tn_error *err)
{
    double *best = tn__alloc(units + 1, 2 * sizeof *best);
    if (!best)
        return tn__fail_memory(err, units * 2 * sizeof *best);
    double *before = best, *now = best + units + 1;
    for (size_t r = 0; r <= units; r++)
        before[r] = r ? HUGE_VAL : 0;
    for (size_t k = 0; k < blocks; k++) {
        for (size_t r = 0; r <= units; r++) {
            double sum = 0;
            now[r] = HUGE_VAL;
            for (size_t l = r; l-- > 0;) {
                sum += size[l];
                now[r] = fmin(now[r], fmax(before[l], sum));
            }
        }
        double *swap = before;
        before = now;
        now = swap;
    }
    *out = before[units];
    tn__free(best);
    return TN_OK;
}

tn_status tn__partition_least_eps(double *out, const tn__partitioning *p, tn_error *err)
{
    double eps = 0;
    for (size_t i = 0; i < p->members; i++) {
        double largest = 0, total = size_of(p, i);
        if (p->units[i] < p->blocks)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "member %zu has %zu units, too few for %zu blocks", i + 1,
                            p->units[i], p->blocks);
        tn_status status =
            least_largest(&largest, p->size[i], p->units[i], p->blocks, err);
        if (status != TN_OK)
            return status;
        if (total > 0)
            eps = fmax(eps, largest * (double)p->blocks / total - 1);
    }
    *out = eps;
    return TN_OK;
}

/* --- the work space ----------------------------------------------------------------
 */

typedef struct solver {
    const tn__partitioning *p;
    size_t units;   /* most of any member */
    double **sum;   /* [N][units + 1]: sizes of the first units */
    double *limit;  /* [N] */
    double *best;   /* [2^K, units + 1] */
    uint32_t *from; /* [2^K, units + 1]: l * K + set */
    tn__block anchor[TN__BLOCKS_MAX];
    tn__block *blocks;             /* [N * K]: as they are now */
    size_t medoid[TN__BLOCKS_MAX]; /* positions in blocks */
} solver;

static void solver_release(solver *s)
{
    for (size_t i = 0; s->sum && i < s->p->members; i++)
        tn__free(s->sum[i]);
    tn__free(s->sum);
    tn__free(s->limit);
    tn__free(s->best);
    tn__free(s->from);
    tn__free(s->blocks);
}

static tn_status solver_create(solver *s, tn_error *err)
{
    const tn__partitioning *p = s->p;
    size_t n = p->members, masks = (size_t)1 << p->blocks;
    for (size_t i = 0; i < n; i++)
        s->units = TN__MAX(s->units, p->units[i]);
    s->sum = tn__alloc(n, sizeof *s->sum);
    s->limit = tn__alloc(n, sizeof *s->limit);
    s->best = tn__alloc(masks, (s->units + 1) * sizeof *s->best);
    s->from = tn__alloc(masks, (s->units + 1) * sizeof *s->from);
    s->blocks = tn__alloc(n, p->blocks * sizeof *s->blocks);
    if (!s->sum || !s->limit || !s->best || !s->from || !s->blocks)
        return tn__fail_memory(err, masks * s->units * sizeof *s->best);
    for (size_t i = 0; i < n; i++) {
        s->sum[i] = tn__alloc(p->units[i] + 1, sizeof **s->sum);
        if (!s->sum[i])
            return tn__fail_memory(err, p->units[i] * sizeof **s->sum);
        for (size_t u = 0; u < p->units[i]; u++)
            s->sum[i][u + 1] = s->sum[i][u] + p->size[i][u];
        double total = s->sum[i][p->units[i]];
        s->limit[i] = (1 + p->eps) * total / (double)p->blocks + SLACK * total;
    }
    return TN_OK;
}

static bool fits(const solver *s, size_t member, size_t l, size_t r)
{
    return s->sum[member][r] - s->sum[member][l] <= s->limit[member];
}

/* --- cuts and sets for given anchors -----------------------------------------------
 */

/* Value of units l..r-1 of `member` in set j; an anchor's own member has no choice. */
static double worth(const solver *s, size_t member, size_t l, size_t r, size_t j)
{
    const tn__block *anchor = &s->anchor[j];
    tn__block block = {member, l, r - 1, j};
    bool own = anchor->member == member;
    if (own && (anchor->first != l || anchor->last != r - 1))
        return -HUGE_VAL;
    return tn__block_similarity(s->p, &block, anchor);
}

static void extend(solver *s, size_t member, size_t mask, size_t r)
{
    size_t width = s->units + 1, k = s->p->blocks;
    double *best = &s->best[mask * width + r];
    *best = -HUGE_VAL;
    for (size_t j = 0; j < k; j++) {
        if (!(mask >> j & 1))
            continue;
        const double *before = &s->best[(mask ^ (size_t)1 << j) * width];
        for (size_t l = r; l-- > 0 && fits(s, member, l, r);) {
            if (before[l] == -HUGE_VAL)
                continue;
            double value = before[l] + worth(s, member, l, r, j);
            if (value > *best) {
                *best = value;
                s->from[mask * width + r] = (uint32_t)(l * k + j);
            }
        }
    }
}

/* The best cuts and sets of a member; -infinity where there are none. */
static double cut_member(solver *s, size_t member)
{
    size_t width = s->units + 1, k = s->p->blocks, all = ((size_t)1 << k) - 1;
    size_t units = s->p->units[member];
    for (size_t r = 0; r <= units; r++)
        s->best[r] = r ? -HUGE_VAL : 0;
    for (size_t mask = 1; mask <= all; mask++) {
        s->best[mask * width] = -HUGE_VAL;
        for (size_t r = 1; r <= units; r++)
            extend(s, member, mask, r);
    }
    double value = s->best[all * width + units];
    for (size_t mask = all, r = units, at = k; mask && value > -HUGE_VAL;) {
        size_t l = s->from[mask * width + r] / k, j = s->from[mask * width + r] % k;
        s->blocks[member * k + --at] = (tn__block){member, l, r - 1, j};
        mask ^= (size_t)1 << j;
        r = l;
    }
    return value;
}

static double cut_all(solver *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->p->members; i++)
        sum += cut_member(s, i);
    return sum;
}

/* --- anchors for given sets --------------------------------------------------------
 */

/* Sum of S(block a, block) over the blocks of its set. */
static double centrality(const solver *s, size_t a)
{
    double sum = 0;
    for (size_t b = 0; b < s->p->members * s->p->blocks; b++)
        if (s->blocks[b].set == s->blocks[a].set)
            sum += tn__block_similarity(s->p, &s->blocks[b], &s->blocks[a]);
    return sum;
}

static double centre(solver *s)
{
    double best[TN__BLOCKS_MAX], sum = 0;
    for (size_t j = 0; j < s->p->blocks; j++)
        best[j] = -HUGE_VAL;
    for (size_t b = 0; b < s->p->members * s->p->blocks; b++) {
        size_t j = s->blocks[b].set;
        double value = centrality(s, b);
        if (value > best[j]) {
            best[j] = value;
            s->medoid[j] = b;
            s->anchor[j] = s->blocks[b];
        }
    }
    for (size_t j = 0; j < s->p->blocks; j++)
        sum += best[j];
    return sum;
}

/* --- starts ------------------------------------------------------------------------
 */

/* Cuts a member at random among what the sizes allow; set = stage. `best` serves for
 * whether the first r units can be cut into k blocks. */
static void cut_at_random(solver *s, size_t member, tn__rng *rng)
{
    size_t width = s->units + 1, k = s->p->blocks, units = s->p->units[member];
    for (size_t b = 0; b <= k; b++)
        for (size_t r = 0; r <= units; r++) {
            double can = b == 0 && r == 0;
            for (size_t l = r; b > 0 && l-- > 0 && fits(s, member, l, r);)
                can = fmax(can, s->best[(b - 1) * width + l]);
            s->best[b * width + r] = can;
        }
    for (size_t b = k, r = units; b > 0; b--) {
        size_t choices = 0, chosen = 0;
        for (size_t l = r; l-- > 0 && fits(s, member, l, r);)
            if (s->best[(b - 1) * width + l] > 0 && tn__rng_below(rng, ++choices) == 0)
                chosen = l;
        s->blocks[member * k + b - 1] = (tn__block){member, chosen, r - 1, b - 1};
        r = chosen;
    }
}

static void start(solver *s, size_t restart)
{
    tn__rng rng;
    const tn__partitioning *p = s->p;
    tn__rng_seed(&rng, p->seed, restart);
    for (size_t i = 0; i < p->members; i++)
        cut_at_random(s, i, &rng);
    for (size_t j = 0; j < p->blocks; j++)
        s->anchor[j] = s->blocks[tn__rng_below(&rng, p->members) * p->blocks + j];
}

/* --- the whole ---------------------------------------------------------------------
 */

static void keep(tn__partition *out, const solver *s, double objective)
{
    size_t count = s->p->members * s->p->blocks;
    out->objective = objective;
    memcpy(out->blocks, s->blocks, count * sizeof *out->blocks);
    memcpy(out->anchors, s->medoid, s->p->blocks * sizeof *out->anchors);
}

/* Alternates from the anchors at hand until nothing is gained. */
static double climb(solver *s, tn__partition *out)
{
    double value = -HUGE_VAL;
    for (;;) {
        double cut = cut_all(s);
        if (cut == -HUGE_VAL)
            return cut;
        double centred = centre(s);
        out->steps++;
        out->least_gain = fmin(out->least_gain, centred - cut);
        if (value > -HUGE_VAL)
            out->least_gain = fmin(out->least_gain, cut - value);
        if (centred <= value + SLACK)
            return fmax(centred, value);
        value = centred;
    }
}

static void restarts(solver *s, tn__partition *out)
{
    double sum = 0, lowest = HUGE_VAL;
    for (size_t t = 0; t < s->p->restarts; t++) {
        start(s, t);
        double value = climb(s, out);
        sum += value;
        lowest = fmin(lowest, value);
        if (value > out->objective)
            keep(out, s, value);
    }
    out->mean = sum / (double)s->p->restarts;
    out->lowest = lowest;
}

/* All blocks that sizes allow, into list (NULL: only counts). */
static size_t list_blocks(tn__block *list, const solver *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->p->members; i++)
        for (size_t l = 0; l < s->p->units[i]; l++)
            for (size_t r = l + 1; r <= s->p->units[i] && fits(s, i, l, r); r++) {
                if (list)
                    list[count] = (tn__block){i, l, r - 1, 0};
                count++;
            }
    return count;
}

/* Anchors are blocks of the partition, and sets have no names: trying every ascending
 * tuple of blocks as anchors finds the optimum. */
static tn_status prove(solver *s, tn__partition *out, tn_error *err)
{
    size_t count = list_blocks(NULL, s), k = s->p->blocks, at[TN__BLOCKS_MAX];
    double tuples = 1;
    for (size_t j = 0; j < k; j++)
        tuples *= (double)(count - TN__MIN(j, count)) / (double)(j + 1);
    if (tuples > (double)s->p->proof_limit || count < k)
        return TN_OK;
    tn__block *list = tn__alloc(count, sizeof *list);
    if (!list)
        return tn__fail_memory(err, count * sizeof *list);
    list_blocks(list, s);
    for (size_t j = 0; j < k; j++)
        at[j] = j;
    for (bool more = true; more;) {
        for (size_t j = 0; j < k; j++)
            s->anchor[j] = list[at[j]];
        double value = cut_all(s);
        if (value > out->objective + SLACK) {
            value = centre(s);
            keep(out, s, value);
        }
        size_t j = k;
        while (j > 0 && at[j - 1] == count - k + j - 1)
            j--;
        more = j > 0;
        for (size_t t = j; more && t <= k; t++)
            at[t - 1] = t == j ? at[t - 1] + 1 : at[t - 2] + 1;
    }
    out->proven = true;
    tn__free(list);
    return TN_OK;
}

/* Sets are numbered by the mean stage of their blocks. */
static void order_sets(tn__partition *out, const tn__partitioning *p)
{
    size_t k = p->blocks, rank[TN__BLOCKS_MAX], anchors[TN__BLOCKS_MAX];
    double depth[TN__BLOCKS_MAX] = {0};
    for (size_t b = 0; b < p->members * k; b++)
        depth[out->blocks[b].set] += (double)(b % k);
    for (size_t j = 0; j < k; j++) {
        rank[j] = 0;
        for (size_t i = 0; i < k; i++)
            rank[j] += depth[i] < depth[j] || (depth[i] == depth[j] && i < j);
    }
    for (size_t b = 0; b < p->members * k; b++)
        out->blocks[b].set = rank[out->blocks[b].set];
    memcpy(anchors, out->anchors, k * sizeof *anchors);
    for (size_t j = 0; j < k; j++)
        out->anchors[rank[j]] = anchors[j];
}

static tn_status check(const tn__partitioning *p, tn_error *err)
{
    double least = 0;
    if (p->blocks < 2 || p->blocks > TN__BLOCKS_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT, "%zu blocks, expected 2 to %d",
                        p->blocks, TN__BLOCKS_MAX);
    tn_status status = tn__partition_least_eps(&least, p, err);
    if (status == TN_OK && p->eps < least - SLACK)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "no cut into %zu blocks keeps every block within eps = %g; the "
                        "least that works is %.4f",
                        p->blocks, p->eps, ceil(least * 1e4) / 1e4);
    return status;
}

tn_status tn__partition_solve(tn__partition *out, const tn__partitioning *problem,
                              tn_error *err)
{
    solver s = {.p = problem};
    tn__partition made = {.objective = -HUGE_VAL, .least_gain = HUGE_VAL};
    tn_status status = check(problem, err);
    if (status != TN_OK)
        return status;
    status = solver_create(&s, err);
    made.blocks = tn__alloc(problem->members, problem->blocks * sizeof *made.blocks);
    made.anchors = tn__alloc(problem->blocks, sizeof *made.anchors);
    if (status == TN_OK && (!made.blocks || !made.anchors))
        status = tn__fail_memory(err, problem->members * sizeof *made.blocks);
    if (status == TN_OK) {
        restarts(&s, &made);
        status = prove(&s, &made, err);
    }
    if (status == TN_OK) {
        order_sets(&made, problem);
        *out = made;
    } else {
        tn__partition_release(&made);
    }
    solver_release(&s);
    return status;
}
