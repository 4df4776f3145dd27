/* program.c - label setting over the stages.
 *
 * A label is a way to reach a block with some sets used. One dominates another of the
 * same block and sets where its value is no less and each cost no more; below a lower
 * bound that is not yet safe, costs must be equal. Labels that cannot end within the
 * budgets, by the least and most that the rest can cost, are dropped at once.
 */
#include "assemble/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct label {
    double cost[TN__RESOURCES];
    double value;
    size_t block, parent;
    uint32_t used; /* sets */
} label;

typedef struct layer {
    label *labels;
    size_t count, capacity;
} layer;

typedef struct search {
    const tn__program *p;
    size_t most;
    layer layers[TN__BLOCKS_MAX];
    double *least, *largest; /* [stages, width, resources]: of what follows a block */
} search;

static const tn__choice *block_at(const tn__program *p, size_t stage, size_t i)
{
    return &p->blocks[stage * p->width + i];
}

static const tn__choice *stitch_at(const tn__program *p, size_t stage, size_t i,
                                   size_t j)
{
    return &p->stitches[(stage * p->width + i) * p->width + j];
}

void tn__path_add_up(tn__path *path, const tn__program *p)
{
    path->value = 0;
    memset(path->cost, 0, sizeof path->cost);
    for (size_t s = 0; s < p->stages; s++) {
        const tn__choice *parts[2] = {block_at(p, s, path->block[s]), NULL};
        if (s + 1 < p->stages)
            parts[1] = stitch_at(p, s, path->block[s], path->block[s + 1]);
        for (int k = 0; k < 2 && parts[k]; k++) {
            path->value += parts[k]->value;
            for (int r = 0; r < TN__RESOURCES; r++)
                path->cost[r] += parts[k]->cost[r];
        }
    }
}

/* --- bounds ------------------------------------------------------------------------
 */

static void bound_block(search *s, size_t stage, size_t i)
{
    const tn__program *p = s->p;
    size_t at = (stage * p->width + i) * TN__RESOURCES;
    bool last = stage + 1 == p->stages;
    for (int r = 0; r < TN__RESOURCES; r++) {
        s->least[at + (size_t)r] = last ? 0 : HUGE_VAL;
        s->largest[at + (size_t)r] = last ? 0 : -HUGE_VAL;
    }
    for (size_t j = 0; !last && j < p->width; j++) {
        const tn__choice *stitch = stitch_at(p, stage, i, j);
        const tn__choice *next = block_at(p, stage + 1, j);
        size_t to = ((stage + 1) * p->width + j) * TN__RESOURCES;
        if (!stitch->legal || !next->legal)
            continue;
        for (size_t r = 0; r < TN__RESOURCES; r++) {
            double step = stitch->cost[r] + next->cost[r];
            s->least[at + r] = fmin(s->least[at + r], step + s->least[to + r]);
            s->largest[at + r] = fmax(s->largest[at + r], step + s->largest[to + r]);
        }
    }
}

/* Whether the label may still end within the budgets. */
static bool promising(const search *s, size_t stage, const label *l)
{
    size_t at = (stage * s->p->width + l->block) * TN__RESOURCES;
    for (size_t r = 0; r < TN__RESOURCES; r++)
        if (!(l->cost[r] + s->least[at + r] <= s->p->max[r]) ||
            !(l->cost[r] + s->largest[at + r] >= s->p->min[r]))
            return false;
    return true;
}

/* --- labels ------------------------------------------------------------------------
 */

static bool dominates(const search *s, size_t stage, const label *a, const label *b)
{
    size_t at = (stage * s->p->width + a->block) * TN__RESOURCES;
    if (a->value < b->value)
        return false;
    for (size_t r = 0; r < TN__RESOURCES; r++) {
        bool safe = a->cost[r] + s->least[at + r] >= s->p->min[r];
        if (a->cost[r] > b->cost[r] || (a->cost[r] < b->cost[r] && !safe))
            return false;
    }
    return true;
}

/* By block and sets, then falling value, then rising costs and age. */
static int compare_labels(const void *x, const void *y)
{
    const label *a = x, *b = y;
    if (a->block != b->block)
        return a->block < b->block ? -1 : 1;
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    for (int r = 0; r < TN__RESOURCES; r++)
        if (a->cost[r] != b->cost[r])
            return a->cost[r] < b->cost[r] ? -1 : 1;
    return (a->parent > b->parent) - (a->parent < b->parent);
}

static tn_status add_label(search *s, size_t stage, const label *l, tn_error *err)
{
    layer *to = &s->layers[stage];
    if (!promising(s, stage, l))
        return TN_OK;
    tn_status status =
        tn__grow(&to->labels, &to->capacity, to->count, sizeof *to->labels, err);
    if (status == TN_OK)
        to->labels[to->count++] = *l;
    return status;
}

/* Drops the labels that `most` others dominate. */
static void thin(search *s, size_t stage)
{
    layer *at = &s->layers[stage];
    size_t kept = 0, group = 0;
    if (at->count > 0)
        qsort(at->labels, at->count, sizeof *at->labels, compare_labels);
    for (size_t i = 0; i < at->count; i++) {
        label l = at->labels[i];
        size_t better = 0;
        if (kept == group || at->labels[kept - 1].block != l.block ||
            at->labels[kept - 1].used != l.used)
            group = kept;
        for (size_t k = group; k < kept && better < s->most; k++)
            better += dominates(s, stage, &at->labels[k], &l);
        if (better < s->most)
            at->labels[kept++] = l;
    }
    at->count = kept;
}

static tn_status advance(search *s, size_t stage, tn_error *err)
{
    const tn__program *p = s->p;
    const layer *from = &s->layers[stage];
    tn_status status = TN_OK;
    for (size_t i = 0; i < from->count && status == TN_OK; i++) {
        for (size_t j = 0; j < p->width && status == TN_OK; j++) {
            label l = from->labels[i];
            const tn__choice *stitch = stitch_at(p, stage, l.block, j);
            const tn__choice *next = block_at(p, stage + 1, j);
            uint32_t set = (uint32_t)1 << next->set;
            if (!stitch->legal || !next->legal || (l.used & set))
                continue;
            l.parent = i;
            l.block = j;
            l.used |= set;
            l.value += stitch->value + next->value;
            for (int r = 0; r < TN__RESOURCES; r++)
                l.cost[r] += stitch->cost[r] + next->cost[r];
            status = add_label(s, stage + 1, &l, err);
        }
    }
    if (status == TN_OK)
        thin(s, stage + 1);
    return status;
}

static tn_status begin(search *s, tn_error *err)
{
    const tn__program *p = s->p;
    size_t count = p->stages * p->width * TN__RESOURCES;
    s->least = tn__alloc(count, sizeof *s->least);
    s->largest = tn__alloc(count, sizeof *s->largest);
    if (!s->least || !s->largest)
        return tn__fail_memory(err, count * sizeof *s->least);
    for (size_t stage = p->stages; stage-- > 0;)
        for (size_t i = 0; i < p->width; i++)
            bound_block(s, stage, i);
    tn_status status = TN_OK;
    for (size_t i = 0; i < p->width && status == TN_OK; i++) {
        const tn__choice *b = block_at(p, 0, i);
        label l = {.value = b->value, .block = i, .used = (uint32_t)1 << b->set};
        memcpy(l.cost, b->cost, sizeof l.cost);
        if (b->legal)
            status = add_label(s, 0, &l, err);
    }
    if (status == TN_OK)
        thin(s, 0);
    return status;
}

static void read_path(tn__path *path, const search *s, size_t at)
{
    for (size_t stage = s->p->stages; stage-- > 0;) {
        const label *l = &s->layers[stage].labels[at];
        path->block[stage] = l->block;
        at = l->parent;
    }
    tn__path_add_up(path, s->p);
}

/* The best of the last layer, by value alone. */
static size_t take_best(tn__path *paths, const search *s)
{
    layer last = s->layers[s->p->stages - 1];
    size_t count = 0;
    for (; count < s->most; count++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < last.count; i++)
            if (last.labels[i].value > -HUGE_VAL &&
                (best == SIZE_MAX || last.labels[i].value > last.labels[best].value))
                best = i;
        if (best == SIZE_MAX)
            break;
        read_path(&paths[count], s, best);
        last.labels[best].value = -HUGE_VAL;
    }
    return count;
}

tn_status tn__program_solve(tn__path *paths, size_t *count, size_t most,
                            const tn__program *program, tn_error *err)
{
    search s = {.p = program, .most = most};
    tn_status status = begin(&s, err);
    for (size_t stage = 0; stage + 1 < program->stages && status == TN_OK; stage++)
        status = advance(&s, stage, err);
    if (status == TN_OK)
        *count = take_best(paths, &s);
    for (size_t stage = 0; stage < program->stages; stage++)
        tn__free(s.layers[stage].labels);
    tn__free(s.least);
    tn__free(s.largest);
    return status;
}

/* --- the nearest budget ------------------------------------------------------------
 */

/* The largest factor by which a path misses a budget, less 1. */
static double excess_of(const tn__path *path, const tn__program *p)
{
    double worst = 0;
    for (int r = 0; r < TN__RESOURCES; r++) {
        if (p->max[r] < HUGE_VAL)
            worst = fmax(worst, path->cost[r] / p->max[r] - 1);
        if (p->min[r] > 0)
            worst = fmax(worst, p->min[r] / fmax(path->cost[r], 1e-300) - 1);
    }
    return worst;
}

static tn_status solve_relaxed(tn__path *path, size_t *count, const tn__program *p,
                               double excess, tn_error *err)
{
    tn__program relaxed = *p;
    for (int r = 0; r < TN__RESOURCES; r++) {
        relaxed.max[r] *= 1 + excess;
        relaxed.min[r] = p->min[r] > 0 ? p->min[r] / (1 + excess) : p->min[r];
    }
    return tn__program_solve(path, count, 1, &relaxed, err);
}

tn_status tn__program_nearest(tn__path *path, double *excess,
                              const tn__program *program, tn_error *err)
{
    tn__path found = {0};
    size_t count = 0;
    double low = 0, high = 0;
    tn_status status = solve_relaxed(&found, &count, program, HUGE_VAL, err);
    if (status == TN_OK && count == 0)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "no blocks of the zoo can be chained, under any budget");
    high = excess_of(&found, program);
    /* every path found narrows the gap to its own excess; the last one is the least */
    while (status == TN_OK && high - low > 1e-9 * (1 + high)) {
        tn__path better = {0};
        double middle = (low + high) / 2;
        status = solve_relaxed(&better, &count, program, middle, err);
        if (status == TN_OK && count > 0) {
            found = better;
            high = fmin(excess_of(&better, program), middle);
        } else {
            low = middle;
        }
    }
    if (status != TN_OK)
        return status;
    *path = found;
    *excess = high;
    return TN_OK;
}
