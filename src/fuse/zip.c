/* zip.c - neurons of one model merged with one another as well as with other models'.
 *
 * ZipIt! (Stoica et al., ICLR 2024, arXiv 2305.03053): the neurons of all parents of a
 * group are put into as many clusters as the reference has neurons; a fused neuron is
 * the weighted mean of its cluster, and who read a member reads the cluster. As maps:
 * out is 1 for members and divided by the weight of the whole cluster when the parents
 * are averaged, in is 1. Where all clusters have one neuron of each parent that is a
 * matching. Classes keep their order; blocks of neurons are not supported.
 */
#include <math.h>
#include <string.h>

#include "fuse/clusters.h"
#include "fuse/fusion.h"
#include "tensor/linalg.h"

typedef struct zip {
    tn__fusion *f;
    size_t group, neurons;
    size_t *first; /* [parents + 1] */
    double *dot;   /* [neurons, neurons] */
} zip;

/* dot += scale * block, at the place of parents a and b and that of b and a. */
static void add_block(zip *z, size_t a, size_t b, const double *block)
{
    size_t n = z->first[a + 1] - z->first[a], m = z->first[b + 1] - z->first[b];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) {
            size_t x = z->first[a] + i, y = z->first[b] + j;
            z->dot[x * z->neurons + y] += block[i * m + j];
            if (a != b)
                z->dot[y * z->neurons + x] += block[i * m + j];
        }
}

static tn_status add_activations(zip *z, bool *found, tn_error *err)
{
    tn_status status = TN_OK;
    *found = z->f->answers.value_count > 0;
    for (size_t a = 0; a < z->f->count && *found; a++)
        for (size_t b = a; b < z->f->count && *found; b++) {
            tn__evidence e = {0};
            status = tn__evidence_between(&e, found, z->f, a, b, z->group, err);
            if (status != TN_OK)
                return status;
            if (*found)
                add_block(z, a, b, e.dot);
            tn__evidence_release(&e);
        }
    return TN_OK;
}

static void divide_by_norms(double *dot, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double norms = dot[i * n + i] * dot[j * n + j];
            if (i != j)
                dot[i * n + j] = norms > 0 ? dot[i * n + j] / sqrt(norms) : 0;
        }
    for (size_t i = 0; i < n; i++)
        dot[i * n + i] = dot[i * n + i] > 0;
}

/* The rows of a layer, all parents' below one another, in fused coordinates. */
static tn_status add_layer(zip *z, size_t entry, tn_error *err)
{
    const tn__fusion *f = z->f;
    double *all = NULL;
    size_t width = 0;
    tn_status status = TN_OK;
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        double *rows = NULL;
        size_t d = 0, n = z->first[k + 1] - z->first[k];
        tn__rows_request request = {&f->parents[k], &f->parents[f->reference],
                                    &f->links, z->group, entry};
        status = tn__layer_rows(&rows, &d, &request, f->parents[k].maps, err);
        if (status == TN_OK && !all) {
            width = d;
            all = tn__alloc(z->neurons, width * sizeof *all);
            if (!all)
                status = tn__fail_memory(err, z->neurons * width * sizeof *all);
        }
        if (status == TN_OK && d != width)
            status = tn__fail(err, TN_ERROR_MISMATCH,
                              "group '%s' reads %zu numbers a neuron against %zu",
                              f->parents[k].groups->list[z->group].name, d, width);
        if (status == TN_OK)
            memcpy(all + z->first[k] * width, rows, n * width * sizeof *all);
        tn__free(rows);
    }
    if (status == TN_OK)
        tn__gemm_f64(false, true, z->neurons, z->neurons, width, 1, all, width, all,
                     width, 1, z->dot, z->neurons);
    tn__free(all);
    return status;
}

static tn_status add_weights(zip *z, tn_error *err)
{
    const tn__parent *reference = &z->f->parents[z->f->reference];
    const tn__group *group = &reference->groups->list[z->group];
    tn_status status = TN_OK;
    for (size_t e = 0; e < group->entry_count && status == TN_OK; e++)
        if (tn__is_layer_entry(reference->model, &group->entries[e]))
            status = add_layer(z, e, err);
    return status;
}

/* Inner products of all neurons, by the support that the options say. */
static tn_status find_dots(zip *z, tn_error *err)
{
    tn_support support = z->f->options->support;
    bool found = false;
    tn_status status = TN_OK;
    if (support != TN_SUPPORT_WEIGHTS)
        status = add_activations(z, &found, err);
    if (status == TN_OK && found && support == TN_SUPPORT_BOTH)
        divide_by_norms(z->dot, z->neurons);
    if (status != TN_OK || (found && support != TN_SUPPORT_BOTH))
        return status;
    if (!found)
        return add_weights(z, err);
    double *answers = z->dot;
    z->dot = tn__alloc(z->neurons, z->neurons * sizeof *z->dot);
    status = z->dot ? add_weights(z, err)
                    : tn__fail_memory(err, z->neurons * z->neurons * sizeof *z->dot);
    if (status == TN_OK) {
        divide_by_norms(z->dot, z->neurons);
        for (size_t i = 0; i < z->neurons * z->neurons; i++)
            z->dot[i] += answers[i];
    }
    tn__free(answers);
    return status;
}

static tn_status set_maps(zip *z, tn_fuse_group *notes, const uint32_t *cluster,
                          tn_error *err)
{
    tn__fusion *f = z->f;
    size_t groups = f->parents[0].groups->count;
    size_t m = f->parents[f->reference].groups->list[z->group].neurons;
    tn_status status = TN_OK;
    for (size_t k = 0, line = 0; k < f->count && status == TN_OK; k++) {
        size_t n = z->first[k + 1] - z->first[k], away = 0;
        double *dense = tn__alloc(m, n * sizeof *dense);
        if (!dense)
            return tn__fail_memory(err, m * n * sizeof *dense);
        for (size_t i = 0; i < n; i++) {
            dense[cluster[z->first[k] + i] * n + i] = 1;
            away += cluster[z->first[k] + i] != i;
        }
        tn__map_release(&f->parents[k].maps[z->group]);
        status = tn__map_dense(&f->parents[k].maps[z->group], m, n, dense, dense, err);
        tn__free(dense);
        if (k == f->reference)
            continue;
        tn_fuse_group *note = &notes[line++ * groups + z->group];
        note->model = k;
        note->neurons = n;
        note->target = m;
        note->gap = (double)NAN;
        note->moved = (double)away / (double)n;
    }
    return status;
}

/* Mean over the neurons of 1 minus the cosine with their cluster's others. */
static double mean_cost(const zip *z, const uint32_t *cluster)
{
    double sum = 0, pairs = 0;
    for (size_t i = 0; i < z->neurons; i++)
        for (size_t j = 0; j < i; j++) {
            double norms = z->dot[i * z->neurons + i] * z->dot[j * z->neurons + j];
            if (cluster[i] != cluster[j])
                continue;
            sum += norms > 0 ? 1 - z->dot[i * z->neurons + j] / sqrt(norms) : 1;
            pairs++;
        }
    return pairs > 0 ? sum / pairs : 0;
}

static tn_status zip_group(tn__fusion *f, tn__fuse_notes *notes, size_t group,
                           tn_error *err)
{
    zip z = {.f = f, .group = group};
    uint32_t *cluster = NULL;
    tn_status status = TN_OK;
    z.first = tn__alloc(f->count + 1, sizeof *z.first);
    if (!z.first)
        return tn__fail_memory(err, (f->count + 1) * sizeof *z.first);
    for (size_t k = 0; k < f->count; k++)
        z.first[k + 1] = z.first[k] + f->parents[k].groups->list[group].neurons;
    z.neurons = z.first[f->count];
    z.dot = tn__alloc(z.neurons, z.neurons * sizeof *z.dot);
    cluster = tn__alloc(z.neurons, sizeof *cluster);
    if (!z.dot || !cluster)
        status = tn__fail_memory(err, z.neurons * z.neurons * sizeof *z.dot);
    if (status == TN_OK)
        status = find_dots(&z, err);
    tn__clustering how = {
        f->count,        z.first,
        z.dot,           f->parents[f->reference].groups->list[group].neurons,
        f->options->zip, f->options->zip_shrink};
    if (status == TN_OK)
        status = tn__cluster(cluster, &how, f->reference, err);
    if (status == TN_OK)
        status = set_maps(&z, notes->groups, cluster, err);
    for (size_t k = 0; k + 1 < f->count && status == TN_OK; k++)
        notes->groups[k * f->parents[0].groups->count + group].cost =
            mean_cost(&z, cluster);
    tn__free(z.first);
    tn__free(z.dot);
    tn__free(cluster);
    return status;
}

tn_status tn__fusion_zip(tn__fusion *fusion, tn__fuse_notes *notes,
                         const tn_observer *observer, tn_error *err)
{
    const tn__groups *groups = fusion->parents[fusion->reference].groups;
    double start = tn__seconds();
    tn_status status = TN_OK;
    if (fusion->level.models)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "networks of different depths cannot be zipped");
    for (size_t g = 0; g < groups->count; g++)
        if (groups->list[g].kinds || groups->list[g].blocks != TN__NONE)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "'%s' lies in blocks, which cannot be zipped",
                            groups->list[g].name);
    if (fusion->support && fusion->options->support != TN_SUPPORT_WEIGHTS)
        status = tn__answers_measure(fusion, err);
    notes->seconds_statistics = tn__seconds() - start;
    start = tn__seconds();
    for (size_t g = 0; g < groups->count && status == TN_OK; g++) {
        tn_progress progress = {.stage = "clusters",
                                .done = (double)(g + 1),
                                .total = (double)groups->count,
                                .unit = "groups",
                                .loss = (double)NAN,
                                .accuracy = (double)NAN,
                                .seconds = tn__seconds() - start};
        status = zip_group(fusion, notes, g, err);
        if (status == TN_OK)
            status = tn__report(observer, &progress, err);
    }
    notes->seconds_transport = tn__seconds() - start;
    return status;
}

void tn__zip_weigh(tn__fusion *view)
{
    const tn__groups *groups = view->parents[view->reference].groups;
    for (size_t g = 0; g < groups->count; g++)
        for (size_t j = 0; j < groups->list[g].neurons; j++) {
            double whole = 0;
            for (size_t k = 0; k < view->count; k++) {
                const tn__map *map = &view->parents[k].maps[g];
                for (size_t e = map->first[j]; e < map->first[j + 1]; e++)
                    whole += view->weights[k] * map->out[e];
            }
            for (size_t k = 0; k < view->count; k++) {
                tn__map *map = &view->parents[k].maps[g];
                for (size_t e = map->first[j]; e < map->first[j + 1] && whole > 0; e++)
                    map->out[e] /= whole;
            }
        }
}
