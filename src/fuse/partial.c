/* partial.c - part of the neurons merged, the others side by side.
 *
 * PLeaS (Nasery et al. 2024, arXiv 2407.02447), for any number of parents: a group of n
 * neurons of which r n stay apart becomes [merged | of parent 0 only | of parent 1 only
 * | ...]. Its maps are ordinary ones. With weights w_k, neuron i of parent k goes to
 * its merged slot by out = 1 or to its own by out = 1 / w_k, and is read from it by in
 * = 1, so that the average sum_k w_k out_k W_k in_k^T has PLeaS's blocks: the mean
 * among merged neurons, each parent's own weights for its own neurons, zeros between
 * the parents. Class outputs, in no group, are averaged: with all neurons apart the
 * network is the mean of the parents' outputs.
 */
#include "fuse/partial.h"
#include "neurons/resize_groups.h"

static tn_status check_permutations(const tn__fusion *f, tn_error *err)
{
    const tn__parent *reference = &f->parents[f->reference];
    if (f->count > UINT8_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot keep neurons of %zu models apart, %d at most", f->count,
                        UINT8_MAX);
    for (size_t k = 0; k < f->count; k++) {
        if (!(f->weights[k] > 0))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "model %zu has weight %g, a width above 1 wants more than "
                            "0",
                            k, f->weights[k]);
        for (size_t g = 0; g < reference->groups->count; g++)
            if (f->parents[k].maps[g].first || f->parents[k].groups->list[g].neurons !=
                                                   reference->groups->list[g].neurons)
                return tn__fail(err, TN_ERROR_UNSUPPORTED,
                                "a width above 1 wants neurons matched one to one, "
                                "those of '%s' are not",
                                reference->groups->list[g].name);
    }
    return TN_OK;
}

/* The map of parent k onto the wide group: slots first of the merged, then of each
 * parent's own neurons. */
static tn_status wide_map(tn__map *out, const tn__fusion *f, size_t k, size_t group,
                          const bool *separate, tn_error *err)
{
    const tn__map *old = &f->parents[k].maps[group];
    size_t n = f->parents[k].groups->list[group].neurons, apart = 0, slot = 0, own = 0;
    for (size_t j = 0; j < n; j++)
        apart += separate[j];
    size_t rows = n + apart * (f->count - 1), before = n - apart + k * apart;
    double *dense = tn__alloc(rows * n, 2 * sizeof *dense);
    if (!dense)
        return tn__fail_memory(err, rows * n * 2 * sizeof *dense);
    double *in = dense + rows * n;
    for (size_t j = 0; j < n; j++) {
        size_t row = separate[j] ? before + own++ : slot++;
        size_t at = row * n + (old->select ? old->select[j] : j);
        dense[at] = separate[j] ? 1 / f->weights[k] : 1;
        in[at] = 1;
    }
    tn_status status = tn__map_dense(out, rows, n, dense, in, err);
    tn__free(dense);
    return status;
}

static tn_status widen_parent(tn__fusion *f, size_t k, bool *const *separate,
                              tn_error *err)
{
    tn__parent *parent = &f->parents[k];
    for (size_t g = 0; g < parent->groups->count; g++) {
        tn__map map = {0};
        tn_status status = wide_map(&map, f, k, g, separate[g], err);
        if (status != TN_OK)
            return status;
        tn__map_release(&parent->maps[g]);
        parent->maps[g] = map;
    }
    return TN_OK;
}

/* The graph that the maps lead to, as a parent. */
static tn_status create_canvas(tn__parent *out, const tn__fusion *f,
                               bool *const *separate, tn_error *err)
{
    const tn__parent *reference = &f->parents[f->reference];
    size_t groups = reference->groups->count;
    tn__parent made = {.maps = tn__alloc(groups, sizeof *made.maps)};
    uint8_t **copies = tn__alloc(groups, sizeof *copies);
    tn_status status =
        made.maps && copies ? TN_OK : tn__fail_memory(err, groups * sizeof *made.maps);
    for (size_t g = 0; g < groups && status == TN_OK; g++) {
        size_t n = reference->groups->list[g].neurons;
        copies[g] = tn__alloc(n, 1);
        if (!copies[g])
            status = tn__fail_memory(err, n);
        for (size_t j = 0; j < n && status == TN_OK; j++)
            copies[g][j] = separate[g][j] ? (uint8_t)f->count : 1;
    }
    if (status == TN_OK)
        status = tn__resize(&made.model, reference->model, reference->groups,
                            (const uint8_t *const *)copies, err);
    if (status == TN_OK)
        status = tn__groups_find(&made.groups, made.model, err);
    for (size_t g = 0; copies && g < groups; g++)
        tn__free(copies[g]);
    tn__free(copies);
    *out = made;
    return status;
}

/* Puts the canvas behind the parents as their reference. */
static tn_status adopt_canvas(tn__fusion *f, tn__parent *canvas, tn_error *err)
{
    tn__links links = {0};
    tn__parent *parents = tn__realloc(f->parents, f->count + 1, sizeof *parents);
    if (!parents)
        return tn__fail_memory(err, (f->count + 1) * sizeof *parents);
    f->parents = parents;
    double *weights = tn__realloc(f->weights, f->count + 1, sizeof *weights);
    if (!weights)
        return tn__fail_memory(err, (f->count + 1) * sizeof *weights);
    f->weights = weights;
    tn_status status = tn__links_create(&links, canvas->model, err);
    if (status != TN_OK)
        return status;
    tn__links_release(&f->links);
    f->links = links;
    f->parents[f->count] = *canvas;
    f->weights[f->count] = 0;
    f->reference = f->count++;
    *canvas = (tn__parent){0};
    return TN_OK;
}

static bool **create_flags(const tn__groups *groups)
{
    size_t neurons = 0;
    for (size_t g = 0; g < groups->count; g++)
        neurons += groups->list[g].neurons;
    bool **flags = tn__alloc(1, groups->count * sizeof *flags + neurons);
    if (!flags)
        return NULL;
    bool *at = (bool *)(flags + groups->count);
    for (size_t g = 0; g < groups->count; g++) {
        flags[g] = at;
        at += groups->list[g].neurons;
    }
    return flags;
}

tn_status tn__partial_widen(tn__fusion *fusion, double width, tn_error *err)
{
    const tn__groups *groups = fusion->parents[fusion->reference].groups;
    tn__parent canvas = {0};
    bool **separate = NULL;
    tn_status status = check_permutations(fusion, err);
    if (status != TN_OK)
        return status;
    separate = create_flags(groups);
    if (!separate)
        return tn__fail_memory(err, groups->count * sizeof *separate);
    status = tn__budget_spend(separate, fusion, width, err);
    if (status == TN_OK)
        status = create_canvas(&canvas, fusion, separate, err);
    for (size_t k = 0; k < fusion->count && status == TN_OK; k++)
        status = widen_parent(fusion, k, separate, err);
    if (status == TN_OK)
        status = adopt_canvas(fusion, &canvas, err);
    tn__free(separate);
    tn__free(canvas.maps);
    tn__groups_free(canvas.groups);
    tn_model_free(canvas.model);
    return status;
}
