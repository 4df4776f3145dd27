/* regroup.c - neurons of a layer that is fitted next, matched anew by what their fits
 * miss.
 *
 * Hungarian and k-means linear fusion of Neuron Interpolation (arXiv 2507.00037),
 * within the sweep in which layers are fitted one after another: each parent's neurons
 * are fitted on what the fused network feeds the layer, and the fits decide
 * (interpolate.h) which neurons become one. That the fit of a mean of answers is the
 * mean of their fits leaves the rest to the ordinary fit of the layer, towards answers
 * mixed by attribution scores. Groups that several layers make, as residual streams,
 * keep the map they have.
 */
#include <math.h>
#include <string.h>

#include "fuse/interpolate.h"
#include "fuse/regress.h"

#define RIDGE 1e-3     /* of the fits that are compared */
#define SCORE_MIN 1e-3 /* of the mean */

size_t tn__group_of_layer(const tn__fusion *f, const tn_model *model, size_t goal,
                          size_t weight)
{
    const tn__groups *groups = f->parents[f->reference].groups;
    tn__channels channels = {0};
    tn_error unused;
    size_t own = TN__NONE, makers = 0;
    if (tn__channels_find(&channels, groups, goal, &unused) != TN_OK)
        return TN__NONE;
    bool one = channels.count > 0;
    for (size_t c = 0; c < channels.count; c++)
        one = one && channels.group[c] != TN__NONE &&
              channels.group[c] == channels.group[0];
    if (one)
        own = channels.group[0];
    tn__channels_release(&channels);
    if (own == TN__NONE || groups->list[own].blocks != TN__NONE ||
        groups->list[own].kinds)
        return TN__NONE;
    for (size_t e = 0; e < groups->list[own].entry_count; e++) {
        const tn__group_entry *entry = &groups->list[own].entries[e];
        if (!tn__is_layer_entry(model, entry))
            continue;
        makers++;
        if (entry->value != weight)
            return TN__NONE;
    }
    return makers == 1 ? own : TN__NONE;
}

typedef struct regroup {
    tn__fusion *f;
    const tn__fitted *at;
    size_t group, neurons, clusters;
    size_t *first;  /* [parents + 1] */
    size_t *place;  /* [neurons]: column among the answers of all parents */
    double *energy; /* [neurons] */
    double *score;  /* [neurons] */
    double *q, *r;  /* [neurons, neurons] */
    uint32_t *cluster;
} regroup;

/* --- scores --- */

/* norm [n]: of what reads the neurons of parent k. */
static tn_status read_norms(double *norm, const regroup *g, size_t k, tn_error *err)
{
    const tn__parent *parent = &g->f->parents[k];
    const tn__group *group = &parent->groups->list[g->group];
    tn__map *identity = tn__alloc(parent->groups->count, sizeof *identity);
    if (!identity)
        return tn__fail_memory(err, parent->groups->count * sizeof *identity);
    tn_status status = TN_OK;
    for (size_t e = 0; e < group->entry_count && status == TN_OK; e++) {
        const tn__value *value = &parent->model->values[group->entries[e].value];
        double *rows = NULL;
        size_t width = 0;
        if (group->entries[e].role != TN__CONSUMER || !tn__value_is_parameter(value) ||
            value->parameter.shape.rank < 2)
            continue;
        status =
            tn__map_rows(&rows, &width, parent->model, parent->groups, parent->model,
                         parent->groups, NULL, identity, g->group, e, err);
        for (size_t i = 0; i < group->neurons && status == TN_OK; i++)
            for (size_t c = 0; c < width; c++)
                norm[i] += rows[i * width + c] * rows[i * width + c];
        tn__free(rows);
    }
    for (size_t i = 0; i < group->neurons; i++)
        norm[i] = sqrt(norm[i]);
    tn__free(identity);
    return status;
}

/* Scores of mean 1 for each parent: 1, or the energy that a neuron sends on. */
static tn_status find_scores(regroup *g, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < g->f->count && status == TN_OK; k++) {
        size_t n = g->first[k + 1] - g->first[k];
        double *score = g->score + g->first[k], sum = 0;
        if (g->f->options->scores == TN_SCORES_ENERGY)
            status = read_norms(score, g, k, err);
        for (size_t i = 0; i < n && status == TN_OK; i++) {
            if (g->f->options->scores == TN_SCORES_ENERGY)
                score[i] *= sqrt(g->energy[g->first[k] + i]);
            else
                score[i] = 1;
            sum += score[i] / (double)n;
        }
        for (size_t i = 0; i < n && status == TN_OK; i++)
            score[i] = sum > 0 ? TN__MAX(score[i] / sum, SCORE_MIN) : 1;
    }
    return status;
}

/* --- fits --- */

static tn_status find_energies(regroup *g, tn_error *err)
{
    const tn__fitted *at = g->at;
    size_t rows = g->f->calibration_count * at->sampled, before = 0;
    for (size_t k = 0; k < g->f->count; k++) {
        tn__moments found = {0};
        const tn__group *group = &g->f->parents[k].groups->list[g->group];
        const uint32_t *index = tn__entry_on(group, at->goal)->index;
        tn_status status = tn__moments_create(&found, at->channels[k], err);
        if (status != TN_OK)
            return status;
        tn__moments_add(&found, at->answers[k], rows, 1);
        for (size_t i = 0; i < group->neurons; i++) {
            g->place[g->first[k] + i] = before + index[i];
            g->energy[g->first[k] + i] = tn__moments_variance(&found, index[i]);
        }
        before += at->channels[k];
        tn__moments_release(&found);
    }
    return TN_OK;
}

/* q and r of all neurons, from the sums with the answers of all parents. */
static tn_status find_products(regroup *g, const tn__ridge *sums, tn_error *err)
{
    size_t d = sums->d, o = sums->o, n = g->neurons;
    double *w = tn__alloc(d + 2 * o + 1, o * sizeof *w);
    if (!w)
        return tn__fail_memory(err, (d + 2 * o + 1) * o * sizeof *w);
    double *q = w + d * o, *r = q + o * o, *constant = r + o * o;
    tn_status status = tn__ridge_solve(w, constant, sums, RIDGE, err);
    if (status == TN_OK)
        status = tn__ridge_products(q, r, sums, w, RIDGE, err);
    for (size_t i = 0; i < n && status == TN_OK; i++)
        for (size_t j = 0; j < n; j++) {
            g->q[i * n + j] = q[g->place[i] * o + g->place[j]];
            g->r[i * n + j] = r[g->place[i] * o + g->place[j]];
        }
    tn__free(w);
    return status;
}

/* --- clusters and maps --- */

/* The clusters that the maps are now: each neuron where most of it goes. */
static void read_clusters(regroup *g)
{
    for (size_t k = 0; k < g->f->count; k++) {
        const tn__map *map = &g->f->parents[k].maps[g->group];
        uint32_t *cluster = g->cluster + g->first[k];
        size_t n = g->first[k + 1] - g->first[k];
        for (size_t i = 0; i < n; i++)
            cluster[i] = (uint32_t)(i % g->clusters);
        for (size_t j = 0; j < map->rows && map->select; j++)
            cluster[map->select[j]] = (uint32_t)j;
        for (size_t j = 0; j < map->rows && map->first; j++)
            for (size_t e = map->first[j]; e < map->first[j + 1]; e++)
                if (map->in[e] >= 0.5)
                    cluster[map->column[e]] = (uint32_t)j;
    }
}

static tn_status find_clusters(regroup *g, tn_error *err)
{
    tn__fusion *f = g->f;
    tn__interpolation from = {f->count, g->first, g->q, g->r, g->energy, g->score};
    if (f->options->refit == TN_REFIT_CLUSTERS) {
        read_clusters(g);
        return tn__interpolate_clusters(g->cluster, &from, g->clusters,
                                        f->options->seed, err);
    }
    if (f->count != 2 || g->first[1] * 2 != g->neurons)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "pairs of neurons want two models of equal widths, '%s' has "
                        "%zu neurons in %zu models",
                        f->parents[0].groups->list[g->group].name, g->neurons,
                        f->count);
    return tn__interpolate_pairs(g->cluster, &from, f->reference, err);
}

static tn_status set_maps(regroup *g, tn_error *err)
{
    tn__fusion *f = g->f;
    double *whole = tn__alloc(g->clusters, sizeof *whole);
    tn_status status =
        whole ? TN_OK : tn__fail_memory(err, g->clusters * sizeof *whole);
    for (size_t k = 0; k < f->count && status == TN_OK; k++)
        for (size_t i = g->first[k]; i < g->first[k + 1]; i++)
            whole[g->cluster[i]] += f->weights[k] * g->score[i];
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        size_t n = g->first[k + 1] - g->first[k], m = g->clusters;
        tn__map made = {0};
        double *out = tn__alloc(m * n, 2 * sizeof *out), *in = out + m * n;
        if (!out)
            status = tn__fail_memory(err, m * n * 2 * sizeof *out);
        for (size_t i = 0; i < n && status == TN_OK; i++) {
            size_t j = g->cluster[g->first[k] + i];
            out[j * n + i] = whole[j] > 0 ? g->score[g->first[k] + i] / whole[j] : 0;
            in[j * n + i] = 1;
        }
        if (status == TN_OK)
            status = tn__map_dense(&made, m, n, out, in, err);
        tn__free(out);
        if (status == TN_OK) {
            tn__map_release(&f->parents[k].maps[g->group]);
            f->parents[k].maps[g->group] = made;
        }
    }
    tn__free(whole);
    return status;
}

tn_status tn__regroup(tn__fusion *fusion, tn__fitted *at, const tn__ridge *sums,
                      tn_error *err)
{
    regroup g = {.f = fusion, .at = at, .group = at->own};
    g.clusters = fusion->parents[fusion->reference].groups->list[at->own].neurons;
    g.first = tn__alloc(fusion->count + 1, sizeof *g.first);
    if (!g.first)
        return tn__fail_memory(err, (fusion->count + 1) * sizeof *g.first);
    for (size_t k = 0; k < fusion->count; k++)
        g.first[k + 1] = g.first[k] + fusion->parents[k].groups->list[at->own].neurons;
    g.neurons = g.first[fusion->count];
    size_t n = g.neurons;
    g.place = tn__alloc(n, sizeof *g.place);
    g.cluster = tn__alloc(n, sizeof *g.cluster);
    g.energy = tn__alloc(2 * n + 2, n * sizeof *g.energy);
    tn_status status = g.place && g.cluster && g.energy
                           ? TN_OK
                           : tn__fail_memory(err, (2 * n + 2) * n * sizeof *g.energy);
    if (status != TN_OK)
        goto done;
    g.score = g.energy + n;
    g.q = g.score + n;
    g.r = g.q + n * n;
    status = find_energies(&g, err);
    if (status == TN_OK)
        status = find_scores(&g, err);
    if (status == TN_OK)
        status = find_products(&g, sums, err);
    if (status == TN_OK)
        status = find_clusters(&g, err);
    if (status == TN_OK)
        status = set_maps(&g, err);
done:
    tn__free(g.first);
    tn__free(g.place);
    tn__free(g.cluster);
    tn__free(g.energy);
    return status;
}
