/* stitch.c - blocks chained, each stitch fitted by ridge regression.
 *
 * A stitch is fitted on what the prefix, stitched as it is, really puts out, against
 * what the next block's own network has at that cut:
 *
 *     A = (Sxx + lambda I)^-1 Sxy,  b = mean y - A' mean x
 *
 * over all positions of all images. Batch norms behind are then re-estimated, before
 * the next stitch is fitted, so that errors do not add up. What lies before the first
 * stitch is left as it was: a chain from one network is that network.
 */
#include "assemble/stitch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "fuse/recalibrate.h"
#include "stats/stats.h"
#include "tensor/linalg.h"

#define NAME_SIZE 64

bool tn__blocks_join(const tn__block *b, const tn__block *c)
{
    return b->member == c->member && b->last + 1 == c->first;
}

static const tn__cut *end_of(const tn_zoo *zoo, const tn__block *b)
{
    return &zoo->members[b->member].cuts[b->last + 1];
}

static const tn__cut *begin_of(const tn_zoo *zoo, const tn__block *b)
{
    return &zoo->members[b->member].cuts[b->first];
}

tn_status tn__stitch_cost(tn__cost *out, bool *legal, const tn_zoo *zoo,
                          const tn__block *b, const tn__block *c, tn_error *err)
{
    tn__adapter adapter;
    tn__fold fold = {0};
    *out = (tn__cost){0};
    *legal = true;
    if (tn__blocks_join(b, c))
        return TN_OK;
    *legal =
        tn__adapter_plan(&adapter, &end_of(zoo, b)->shape, &begin_of(zoo, c)->shape);
    if (!*legal)
        return TN_OK;
    tn_status status = tn__fold_find(&fold, &zoo->members[c->member], c->first, err);
    if (status == TN_OK)
        *out =
            fold.possible ? tn__fold_cost(&fold, &adapter) : tn__adapter_cost(&adapter);
    return status;
}

tn_status tn__chain_cost(tn__cost *out, tn__cost *stitches, const tn_zoo *zoo,
                         const tn__block *blocks, size_t count, tn_error *err)
{
    tn__cost sum = {0};
    for (size_t k = 0; k < count; k++) {
        tn__cost parts[2] = {{0}, {0}};
        bool legal = true;
        tn_status status = tn__member_cost(&parts[0], &zoo->members[blocks[k].member],
                                           blocks[k].first, blocks[k].last, err);
        if (status == TN_OK && k + 1 < count)
            status = tn__stitch_cost(&parts[1], &legal, zoo, &blocks[k], &blocks[k + 1],
                                     err);
        if (status != TN_OK)
            return status;
        if (!legal)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "block %zu cannot be stitched to block %zu: a vector has "
                            "no positions",
                            k + 1, k + 2);
        for (int p = 0; p < 2; p++) {
            sum.params += parts[p].params;
            sum.macs += parts[p].macs;
            sum.peak = TN__MAX(sum.peak, parts[p].peak);
        }
        if (stitches && k + 1 < count)
            stitches[k] = parts[1];
    }
    *out = sum;
    return TN_OK;
}

/* --- the map -----------------------------------------------------------------------
 */

typedef struct map {
    size_t from, to;
    float *weight, *bias; /* [to, from], [to] */
    double residual;
} map;

static void map_release(map *m)
{
    tn__free(m->weight);
    tn__free(m->bias);
}

static tn_status map_create(map *m, const tn__adapter *a, tn_error *err)
{
    *m = (map){.from = (size_t)a->from.channels, .to = (size_t)a->to.channels};
    m->weight = tn__alloc(m->to, m->from * sizeof *m->weight);
    m->bias = tn__alloc(m->to, sizeof *m->bias);
    return m->weight && m->bias
               ? TN_OK
               : tn__fail_memory(err, m->to * m->from * sizeof *m->weight);
}

/* Ridge regression from second moments; xx is [from, from], xy [from, to]. */
static tn_status solve(map *m, const tn__comoments *xx, const tn__comoments *xy,
                       double ridge, tn_error *err)
{
    size_t p = m->from, q = m->to;
    double trace = 0, left = 0, all = 0;
    double *gram = tn__alloc(p, p * sizeof *gram), *a = tn__alloc(p, q * sizeof *a);
    tn_status status = gram && a ? TN_OK : tn__fail_memory(err, p * p * sizeof *gram);
    for (size_t i = 0; i < p; i++)
        trace += xx->cross[i * p + i];
    double lambda = ridge * trace / (double)p + 1e-12;
    for (size_t i = 0; i < p * p && status == TN_OK; i++)
        gram[i] = (xx->cross[i] + xx->cross[i % p * p + i / p]) / 2 +
                  (i % p == i / p ? lambda : 0);
    if (status == TN_OK) {
        memcpy(a, xy->cross, p * q * sizeof *a);
        status = tn__solve_spd(gram, a, p, q, err);
    }
    for (size_t j = 0; j < q && status == TN_OK; j++) {
        double shift = xy->b.mean[j];
        for (size_t i = 0; i < p; i++) {
            m->weight[j * p + i] = (float)a[i * q + j];
            shift -= a[i * q + j] * xy->a.mean[i];
            /* |y - xA|^2 = yy - a'(2 xy - xx a), and xx a = xy - lambda a */
            left -= a[i * q + j] * (xy->cross[i * q + j] + lambda * a[i * q + j]);
        }
        m->bias[j] = (float)shift;
        left += xy->b.m2[j];
        all += xy->b.m2[j];
    }
    m->residual = all > 0 ? fmin(fmax(left / all, 0), 1) : 0;
    tn__free(gram);
    tn__free(a);
    return status;
}

static tn_status engine_on(tn__engine **out, tn__extent *extent, tn_model **made,
                           tn__splice *at, tn__workers *workers, tn_error *err)
{
    tn_status status = TN_OK;
    tn__shapes shapes = {0};
    tn_model *model = NULL;
    status = tn__splice_model(&model, at, err);
    if (status == TN_OK)
        status = tn__shapes_infer(&shapes, model, 1, err);
    if (status == TN_OK && shapes.shape[at->end].rank == 3) {
        tn__shapes_release(&shapes);
        tn_model_free(model);
        model = NULL;
        status = tn__channels_first(at, "channels_first", err);
        if (status == TN_OK)
            status = tn__splice_model(&model, at, err);
        if (status == TN_OK)
            status = tn__shapes_infer(&shapes, model, 1, err);
    }
    if (status == TN_OK)
        status = tn__extent_of(extent, &shapes.shape[at->end], err);
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = workers;
    options.keep = &at->end;
    options.keep_count = 1;
    if (status == TN_OK)
        status = tn__engine_create(out, model, &options, err);
    tn__shapes_release(&shapes);
    *made = model;
    return status;
}

/* A copy of the prefix with the change of grid at its end, and the next block's own
 * network up to its cut: what the map is fitted between. */
static tn_status fit(map *m, const tn__splice *prefix, const tn__adapter *adapter,
                     const tn__block *next, const tn__stitching *how, tn_error *err)
{
    tn__splice sides[2] = {{.end = prefix->end}, {0}};
    tn_model *models[2] = {NULL, NULL};
    tn__engine *engines[2] = {NULL, NULL};
    tn__extent extent[2];
    tn__comoments found[2];
    const tn__member *member = &how->zoo->members[next->member];
    memset(found, 0, sizeof found);
    tn_status status = tn__model_clone(&sides[0].model, prefix->model, err);
    if (status == TN_OK)
        status = tn__adapter_regrid(&sides[0], adapter, "probe", err);
    if (status == TN_OK)
        status = tn__splice_begin(&sides[1], member->model, err);
    if (status == TN_OK)
        status = tn__splice_append(&sides[1], member->model, member->cuts[0].value,
                                   member->cuts[next->first].value, "target.", err);
    for (int k = 0; k < 2 && status == TN_OK; k++)
        status = engine_on(&engines[k], &extent[k], &models[k], &sides[k], how->workers,
                           err);
    if (status == TN_OK) {
        /* a Reshape may have made the grid of tokens one axis or two */
        tn__pair pairs[2] = {{0, 0, 0, 0, extent[0], extent[0]},
                             {0, 0, 1, 0, extent[0], extent[1]}};
        status = tn__stats_pairs(found, engines, 2, pairs, 2, how->images, how->n, err);
    }
    if (status == TN_OK)
        status = solve(m, &found[0], &found[1], how->ridge, err);
    for (int k = 0; k < 2; k++) {
        tn__comoments_release(&found[k]);
        tn__engine_free(engines[k]);
        tn_model_free(models[k]);
        tn__splice_release(&sides[k]);
    }
    return status;
}

static void draw(map *m, uint64_t seed, size_t stage)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, stage);
    double scale = sqrt(2 / (double)m->from);
    for (size_t k = 0; k < m->from * m->to; k++)
        m->weight[k] = (float)(scale * tn__rng_normal(&rng));
    m->residual = 1;
}

/* --- the chain ---------------------------------------------------------------------
 */

typedef struct chain {
    const tn__stitching *how;
    tn__splice at;
    size_t untouched; /* nodes before the first stitch; 0: there is none yet */
} chain;

void tn__norms_restore(tn_model *model, const tn_model *before, size_t nodes)
{
    for (size_t n = 0; n < nodes; n++)
        for (size_t k = 3; tn__node_is_norm(&model->nodes[n]) && k < 5; k++) {
            size_t v = model->nodes[n].inputs[k];
            tn__tensor_release(&model->values[v].parameter);
            model->values[v].parameter = tn__tensor_ref(&before->values[v].parameter);
        }
}

/* Re-estimates the batch norms behind the first stitch. */
static tn_status renew_norms(chain *c, tn_error *err)
{
    tn_model *prefix = NULL, *before = NULL;
    tn__recalibration how = {.norms = true,
                             .workers = c->how->workers,
                             .images = c->how->images,
                             .n = c->how->n};
    size_t layers = 0, outputs = c->at.model->output_count;
    tn_status status = tn__model_clone(&before, c->at.model, err);
    if (status == TN_OK)
        status = tn__splice_model(&prefix, &c->at, err);
    if (status == TN_OK)
        status = tn__recalibrate(prefix, &layers, &how, err);
    if (status == TN_OK) {
        tn__norms_restore(prefix, before, c->untouched);
        prefix->output_count = outputs;
        tn_model_free(c->at.model);
        c->at.model = prefix;
        prefix = NULL;
    }
    tn_model_free(prefix);
    tn_model_free(before);
    return status;
}

static tn_status add_stitch(chain *c, double *residual, size_t k, tn_error *err)
{
    const tn__stitching *how = c->how;
    const tn__block *next = &how->blocks[k];
    char name[NAME_SIZE];
    tn__adapter adapter;
    map m = {0};
    if (!tn__adapter_plan(&adapter, &end_of(how->zoo, &how->blocks[k - 1])->shape,
                          &begin_of(how->zoo, next)->shape))
        return tn__fail(err, TN_ERROR_MISMATCH, "block %zu cannot be stitched to %zu",
                        k, k + 1);
    if (!c->untouched)
        c->untouched = c->at.model->node_count;
    snprintf(name, sizeof name, TN__STITCH_NAME "%zu", k);
    tn_status status = map_create(&m, &adapter, err);
    if (status == TN_OK && how->random)
        draw(&m, how->seed, k);
    else if (status == TN_OK)
        status = fit(&m, &c->at, &adapter, next, how, err);
    if (status == TN_OK)
        status = tn__adapter_regrid(&c->at, &adapter, name, err);
    if (status == TN_OK)
        status = tn__adapter_map(&c->at, &adapter, m.weight, m.bias, name, err);
    if (residual)
        residual[k - 1] = m.residual;
    map_release(&m);
    return status;
}

static tn_status add_block(chain *c, size_t k, tn_error *err)
{
    const tn__block *b = &c->how->blocks[k];
    const tn__member *member = &c->how->zoo->members[b->member];
    char prefix[NAME_SIZE];
    snprintf(prefix, sizeof prefix, "block%zu.", k + 1);
    tn_status status =
        tn__splice_append(&c->at, member->model, begin_of(c->how->zoo, b)->value,
                          end_of(c->how->zoo, b)->value, prefix, err);
    if (status == TN_OK && c->untouched && c->how->norms)
        status = renew_norms(c, err);
    return status;
}

tn_status tn__chain_folds(unsigned *out, const tn_zoo *zoo, const tn__block *blocks,
                          size_t count, tn_error *err)
{
    unsigned folds = 0;
    tn_status status = TN_OK;
    for (size_t k = 0; k + 1 < count && status == TN_OK; k++) {
        const tn__block *next = &blocks[k + 1];
        tn__fold fold = {0};
        if (tn__blocks_join(&blocks[k], next))
            continue;
        status = tn__fold_find(&fold, &zoo->members[next->member], next->first, err);
        folds |= (unsigned)fold.possible << k;
    }
    if (status == TN_OK)
        *out = folds;
    return status;
}

/* What the Conv or Gemm of the stitch behind block k makes: other stitches are read by
 * no layer that could take them in. */
static size_t find_stitch(const tn_model *model, size_t k)
{
    static const char *const types[] = {"Conv", "Gemm"};
    char name[NAME_SIZE];
    size_t found = TN__NONE;
    for (size_t t = 0; t < TN__COUNT(types) && found == TN__NONE; t++) {
        snprintf(name, sizeof name, TN__STITCH_NAME "%zu.%s", k + 1, types[t]);
        found = tn__model_find_value(model, name);
    }
    return found;
}

tn_status tn__stitches_fold(tn_model *model, unsigned folds, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; folds >> k && status == TN_OK; k++) {
        size_t stitch = folds >> k & 1 ? find_stitch(model, k) : TN__NONE;
        if (stitch != TN__NONE)
            status = tn__fold_apply(model, stitch, err);
    }
    return status == TN_OK && folds ? tn__model_prune_unused(model, err) : status;
}

tn_status tn__stitch_chain(tn_model **out, double *residual, const tn__stitching *how,
                           tn_error *err)
{
    chain c = {.how = how};
    tn_model *made = NULL;
    unsigned folds = 0;
    const tn__member *first = &how->zoo->members[how->blocks[0].member];
    tn_status status = tn__splice_begin(&c.at, first->model, err);
    for (size_t k = 0; k < how->count && status == TN_OK; k++) {
        bool joined = k == 0 || tn__blocks_join(&how->blocks[k - 1], &how->blocks[k]);
        if (joined && k > 0 && residual)
            residual[k - 1] = 0;
        if (!joined)
            status = add_stitch(&c, residual, k, err);
        if (status == TN_OK)
            status = add_block(&c, k, err);
    }
    if (status == TN_OK)
        status = tn__splice_model(&made, &c.at, err);
    if (status == TN_OK && !how->apart)
        status = tn__chain_folds(&folds, how->zoo, how->blocks, how->count, err);
    if (status == TN_OK)
        status = tn__stitches_fold(made, folds, err);
    if (status == TN_OK && c.untouched && how->head != TN_ASSEMBLE_HEAD_KEEP)
        status = tn__head_fit(made, how, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    tn__splice_release(&c.at);
    return status;
}
