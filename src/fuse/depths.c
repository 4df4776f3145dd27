/* depths.c - parents of different depth: levelled first, and what that means for the
 * rest of a fusion.
 *
 * A residual block that was inserted into a parent is zero. Its inner neurons have
 * nothing to be compared by, and half a block in arbitrary order is no block:
 * CLAFusion's reference lets the solver break that tie and passes the map on along the
 * stream. Here the stream has one map, from the blocks that both have; the inner
 * neurons of a block stay in the order of those who have it, and it is the mean of
 * theirs alone.
 */
#include <stdlib.h>

#include "fuse/fusion.h"

tn_status tn__fusion_level(tn__fusion *f, const tn_model *const *models,
                           const tn_dataset *data, tn_error *err)
{
    const tn_fuse_options *o = f->options;
    tn__probe_data probe = {0};
    bool wanted = false;
    tn_status status = tn__level_wanted(&wanted, models, f->count, err);
    if (status != TN_OK || !wanted)
        return status;
    status = tn__probe_open(&probe, data, o->samples, o->seed, o->threads, err);
    tn__level_how how = {&o->depth, &probe.probe, o->seed};
    if (status == TN_OK)
        status = tn__level_create(&f->level, models, f->count, &how, err);
    tn__probe_close(&probe);
    return status;
}

static bool is_present(const tn__fusion *f, size_t parent, size_t value)
{
    return !f->level.models || f->options->depth.insert == TN_INSERT_SHARE ||
           f->level.present[parent][value];
}

double tn__fusion_weight(const tn__fusion *f, size_t parent, size_t value)
{
    double sum = 0;
    for (size_t k = 0; k < f->count; k++)
        sum += is_present(f, k, value) ? f->weights[k] : 0;
    if (!(sum > 0))
        return f->weights[parent];
    return is_present(f, parent, value) ? f->weights[parent] / sum : 0;
}

bool tn__value_shared(const tn__fusion *f, size_t parent, size_t value)
{
    return !f->level.models ||
           (f->level.present[parent][value] && f->level.present[f->reference][value]);
}

bool tn__group_shared(const tn__fusion *f, size_t parent, size_t group)
{
    const tn__group *g = &f->parents[f->reference].groups->list[group];
    for (size_t e = 0; e < g->entry_count; e++) {
        if (tn__value_shared(f, parent, g->entries[e].value))
            return true;
    }
    return false;
}

/* --- the map of a group that only one side has --- */

typedef struct ranked {
    double mass;
    uint32_t neuron;
} ranked;

static int by_mass(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->mass != y->mass)
        return x->mass > y->mass ? -1 : 1;
    return (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

static int by_neuron(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

/* The `m` neurons of largest incoming weights, in their order. */
static tn_status select_largest(tn__map *out, const tn__fusion *f, size_t parent,
                                size_t group, size_t n, size_t m, tn_error *err)
{
    double *masses = NULL;
    ranked *rank = tn__alloc(n, sizeof *rank);
    uint32_t *select = tn__alloc(m, sizeof *select);
    tn_status status = rank && select ? TN_OK : tn__fail_memory(err, n * sizeof *rank);
    if (status == TN_OK)
        status = tn__masses_by(&masses, f, parent, group, TN_IMPORTANCE_L2, err);
    if (status == TN_OK) {
        for (size_t i = 0; i < n; i++)
            rank[i] = (ranked){masses[i], (uint32_t)i};
        qsort(rank, n, sizeof *rank, by_mass);
        qsort(rank, m, sizeof *rank, by_neuron);
        for (size_t j = 0; j < m; j++)
            select[j] = rank[j].neuron;
        status = tn__map_select(out, m, n, select, err);
    }
    tn__free(masses);
    tn__free(rank);
    tn__free(select);
    return status;
}

/* Target j is a copy of neuron j mod n, which sends each copy's share downstream. */
static tn_status repeat(tn__map *out, size_t n, size_t m, tn_error *err)
{
    double *dense = tn__alloc(m * n, 2 * sizeof *dense);
    if (!dense)
        return tn__fail_memory(err, m * n * 2 * sizeof *dense);
    for (size_t j = 0; j < m; j++) {
        size_t copies = m / n + (j % n < m % n);
        dense[j * n + j % n] = 1;
        dense[m * n + j * n + j % n] = 1 / (double)copies;
    }
    tn_status status = tn__map_dense(out, m, n, dense, dense + m * n, err);
    tn__free(dense);
    return status;
}

tn_status tn__map_unshared(tn__map *out, const tn__fusion *f, size_t parent,
                           size_t group, tn_error *err)
{
    size_t n = f->parents[parent].groups->list[group].neurons;
    size_t m = f->parents[f->reference].groups->list[group].neurons;
    if (n == m)
        return tn__map_identity(out, n, err);
    return n > m ? select_largest(out, f, parent, group, n, m, err)
                 : repeat(out, n, m, err);
}
