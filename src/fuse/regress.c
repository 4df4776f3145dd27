/* regress.c - layers of the fused network fitted one after another to the mean of the
 * aligned parents' answers.
 *
 * One sweep over the calibration images, no labels, no gradients. Each layer is a ridge
 * regression from what the fused network really feeds it (everything before it is
 * fitted already) to what the parents, aligned and averaged, answer there: PLeaS
 * (arXiv 2407.02447) in closed form, with the sequential inputs of Neuron
 * Interpolation (arXiv 2507.00037). On a residual stream the goal is the sum, so each
 * branch makes up for the error that the stream carries. The ridge is towards the
 * average of the parents' weights and is chosen by a fifth of the images kept aside.
 */
#include <math.h>
#include <string.h>

#include "fuse/regress.h"
#include "ops/batch_norm/batch_norm.h"
#include "stats/ridge.h"

#define HELD_OUT 5       /* every fifth image chooses the ridge */
#define RIDGE_START 1e-2 /* relative to the mean diagonal; of the first layer */
#define RIDGE_MIN 1e-5
#define RIDGE_MAX 10.0

typedef struct run {
    tn__fusion *f;
    tn_model *model;
    tn__engine *engine;
    tn__fitted *list;
    size_t count, layers;
    double ridge; /* of the layer before */
} run;

/* --- one layer --- */

typedef enum part { FITTED, HELD } part;

typedef struct filling {
    tn__ridge *ridge;
    const run *r;
    const tn__fitted *at;
    const float *x; /* of the shard's images, the first of which is `first` */
    size_t first;
    part which;
} filling;

/* Images before this one that are of the part. */
static size_t images_before(size_t image, part which)
{
    size_t held = image / HELD_OUT;
    return which == HELD ? held : image - held;
}

/* The rows of image i of the shard, behind those of the images before it. */
static tn_status fill_image(void *user, size_t i, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    const filling *s = user;
    const tn__patches *p = &s->at->patches;
    size_t image = s->first + i, width = s->ridge->d + s->ridge->o;
    size_t before = images_before(image, s->which) - images_before(s->first, s->which);
    float *row = s->ridge->block + before * s->at->sampled * width;
    if ((image % HELD_OUT == HELD_OUT - 1) != (s->which == HELD))
        return TN_OK;
    tn__fitted_goal(row + s->ridge->d, width, s->at, image);
    for (size_t k = 0; k < s->at->sampled; k++, row += width)
        tn__patches_row(
            row, p, s->x + i * p->inputs * p->area_in,
            tn__patches_position(p, s->at->sampled, image, k, s->r->f->options->seed));
    return TN_OK;
}

/* Rows of the shard's images of that part, in the block. */
static tn_status fill_block(size_t *rows, tn__ridge *ridge, const run *r,
                            const tn__fitted *at, const tn__sweep_node *node,
                            size_t shard, part which, tn_error *err)
{
    size_t images = 0, first = shard * tn__engine_shard(r->engine);
    filling s = {ridge, r, at, tn__sweep_data(node, 0, shard, &images), first, which};
    *rows = at->sampled *
            (images_before(first + images, which) - images_before(first, which));
    return tn__workers_run(r->f->workers, images, fill_image, &s, err);
}

static tn_status add_part(tn__ridge *ridge, const run *r, const tn__fitted *at,
                          const tn__sweep_node *node, part which, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t s = 0; s < node->shards && status == TN_OK; s++) {
        size_t rows = 0;
        status = fill_block(&rows, ridge, r, at, node, s, which, err);
        if (status == TN_OK)
            status = tn__ridge_add(ridge, rows, err);
    }
    return status;
}

typedef struct fit {
    run *r;
    tn__fitted *at;
    const tn__sweep_node *node;
    tn__ridge sums;
    double *start; /* [d, o]: weights before */
    double *w;     /* [d, o] */
    bool shifts;   /* a bias or a norm takes up the mean */
} fit;

static double *constant_of(const fit *t)
{
    return t->shifts ? t->at->constant : NULL;
}

static tn_status solve(fit *t, double lambda, tn_error *err)
{
    memcpy(t->w, t->start, t->sums.d * t->sums.o * sizeof *t->w);
    return tn__ridge_solve(t->w, constant_of(t), &t->sums, lambda, err);
}

/* What the solution for lambda misses on the images kept aside. */
static tn_status miss(double *out, fit *t, double lambda, tn_error *err)
{
    tn_status status = solve(t, lambda, err);
    *out = 0;
    for (size_t s = 0; s < t->node->shards && status == TN_OK; s++) {
        double missed = 0;
        size_t rows = 0;
        status = fill_block(&rows, &t->sums, t->r, t->at, t->node, s, HELD, err);
        if (status == TN_OK)
            status =
                tn__ridge_residual(&missed, &t->sums, t->w, constant_of(t), rows, err);
        *out += missed;
    }
    return status;
}

/* Walks by factors of ten, up and then down, while it gets better. Layers need much the
 * same ridge, so the walk starts from that of the layer before. */
static tn_status choose_ridge(fit *t, tn_error *err)
{
    double best = t->r->ridge, least = 0;
    tn_status status = miss(&least, t, best, err);
    bool moved = false;
    for (int way = 0; way < 2 && !moved && status == TN_OK; way++) {
        double factor = way == 0 ? 10 : 0.1, at = best * factor;
        for (; at <= RIDGE_MAX && at >= RIDGE_MIN && status == TN_OK; at *= factor) {
            double found = 0;
            status = miss(&found, t, at, err);
            if (status != TN_OK || !(found < least))
                break;
            least = found;
            best = at;
            moved = true;
        }
    }
    t->r->ridge = best;
    return status;
}

static tn_status fit_sums(fit *t, tn_error *err)
{
    tn_status status = TN_OK;
    if (t->at->own == TN__NONE)
        status = add_part(&t->sums, t->r, t->at, t->node, FITTED, err);
    if (status == TN_OK)
        status = choose_ridge(t, err);
    if (status == TN_OK)
        status = add_part(&t->sums, t->r, t->at, t->node, HELD, err);
    return status == TN_OK ? solve(t, t->r->ridge, err) : status;
}

/* --- neurons matched anew --- */

/* The average of the parents by the maps of a group that have changed: where the layers
 * that make or read its neurons start from. */
static tn_status restart_group(run *r, size_t group, tn_error *err)
{
    const tn__group *g = &r->f->parents[r->f->reference].groups->list[group];
    tn_model *model = NULL;
    tn_status status = tn__fusion_average(&model, r->f, err);
    for (size_t e = 0; e < g->entry_count && status == TN_OK; e++) {
        const tn__value *value = &model->values[g->entries[e].value];
        float *to = tn__value_is_parameter(value)
                        ? tn__engine_parameter(r->engine, g->entries[e].value)
                        : NULL;
        for (size_t i = 0; to && i < tn__tensor_count(&value->parameter); i++)
            to[i] = (float)tn__tensor_get_f64(&value->parameter, i);
    }
    tn_model_free(model);
    tn__engine_touch(r->engine);
    return status;
}

/* The sums of the layer with the answers of all parents, its neurons matched by them,
 * and the sums mixed to those of the goal. */
static tn_status regroup(fit *t, tn_error *err)
{
    tn__fitted *at = t->at;
    size_t o = at->patches.outputs;
    double *m = tn__alloc(t->sums.o + 1, o * sizeof *m);
    if (!m)
        return tn__fail_memory(err, (t->sums.o + 1) * o * sizeof *m);
    double *added = m + t->sums.o * o;
    tn_status status = add_part(&t->sums, t->r, at, t->node, FITTED, err);
    at->raw = false;
    if (status == TN_OK)
        status = tn__regroup(t->r->f, at, &t->sums, err);
    if (status == TN_OK)
        status = tn__fitted_mix(at, t->r->f, err);
    if (status == TN_OK)
        status = restart_group(t->r, at->own, err);
    if (status == TN_OK) {
        tn__fitted_matrix(m, added, at);
        status = tn__ridge_mix(&t->sums, m, added, o, err);
    }
    tn__free(m);
    return status;
}

static tn_status fit_layer(run *r, tn__fitted *at, const tn__sweep_node *node,
                           tn_error *err)
{
    const tn__patches *p = &at->patches;
    const tn__node *n = &r->model->nodes[node->node];
    float *weight = tn__engine_parameter(r->engine, at->layer.weight), *bias = NULL;
    if (!weight || !tn__sweep_data(node, 0, 0, NULL))
        return TN_OK;
    if (n->input_count > 2 && n->inputs[2] != TN__NONE)
        bias = tn__engine_parameter(r->engine, n->inputs[2]);
    fit t = {.r = r, .at = at, .node = node};
    t.shifts = bias || at->layer.norm != TN__NONE;
    t.start = tn__alloc(p->width, 2 * p->outputs * sizeof *t.start);
    if (!t.start)
        return tn__fail_memory(err, p->width * 2 * p->outputs * sizeof *t.start);
    t.w = t.start + p->width * p->outputs;
    at->raw = at->own != TN__NONE;
    tn_status status =
        tn__ridge_create(&t.sums, p->width, tn__fitted_outputs(at),
                         tn__engine_shard(r->engine) * at->sampled, r->f->workers, err);
    if (status == TN_OK && at->raw)
        status = regroup(&t, err);
    for (size_t i = 0; i < p->width; i++)
        for (size_t o = 0; o < p->outputs; o++)
            t.start[i * p->outputs + o] = (double)weight[tn__patches_weight(p, o, i)];
    if (status == TN_OK)
        status = fit_sums(&t, err);
    for (size_t o = 0; o < p->outputs && status == TN_OK; o++) {
        for (size_t i = 0; i < p->width; i++)
            weight[tn__patches_weight(p, o, i)] = (float)t.w[i * p->outputs + o];
        if (bias) {
            bias[o] = (float)at->constant[o];
            at->constant[o] = 0;
        }
    }
    tn__ridge_release(&t.sums);
    tn__free(t.start);
    tn__engine_touch(r->engine);
    r->layers++;
    return status;
}

/* --- norms --- */

/* A norm behind a fitted layer adds the constant and does nothing else, but has the
 * statistics of its input, as a norm should. Any other keeps scale and shift. */
static tn_status set_norm(run *r, const tn__fitted *at, const tn__sweep_node *node,
                          tn_error *err)
{
    const tn__node *n = &r->model->nodes[node->node];
    const tn__shapes *shapes = &r->f->parents[r->f->reference].groups->shapes;
    double epsilon = (double)tn__node_float(n, "epsilon", TN__BN_EPSILON);
    float *of[5] = {0};
    tn__moments found = {0};
    for (size_t k = TN__BN_SCALE; k <= TN__BN_VARIANCE; k++)
        if (!(of[k] = tn__engine_parameter(r->engine, n->inputs[k])))
            return TN_OK;
    tn_status status = tn__sweep_moments(&found, node, 0, &shapes->shape[n->inputs[0]],
                                         r->f->workers, err);
    for (size_t c = 0; status == TN_OK && c < found.channels; c++) {
        double mean = found.mean[c], variance = tn__moments_variance(&found, c);
        of[TN__BN_MEAN][c] = (float)mean;
        of[TN__BN_VARIANCE][c] = (float)variance;
        if (!at)
            continue;
        of[TN__BN_SCALE][c] = (float)sqrt(variance + epsilon);
        of[TN__BN_BIAS][c] = (float)(mean + at->constant[c]);
    }
    tn__moments_release(&found);
    tn__engine_touch(r->engine);
    return status;
}

/* Fitted weights hold the scale of the norm behind them, whose own is that of their
 * answers. Gradients move weights before a norm by 1 / |w|^2, so that small ones would
 * not keep still: their answers get the variance that the norm had before, which is 1
 * where the parents' norms were folded. No function changes. */
static void keep_scale(run *r, const tn__fitted *at)
{
    const tn__node *norm = &r->model->nodes[at->layer.norm];
    const tn__node *layer = &r->model->nodes[at->layer.node];
    const tn__tensor *made = &r->model->values[norm->inputs[TN__BN_VARIANCE]].parameter;
    const tn__patches *p = &at->patches;
    float *weight = tn__engine_parameter(r->engine, layer->inputs[1]);
    float *bias = layer->input_count > 2 && layer->inputs[2] != TN__NONE
                      ? tn__engine_parameter(r->engine, layer->inputs[2])
                      : NULL;
    float *mean = tn__engine_parameter(r->engine, norm->inputs[TN__BN_MEAN]);
    float *variance = tn__engine_parameter(r->engine, norm->inputs[TN__BN_VARIANCE]);
    double epsilon = (double)tn__node_float(norm, "epsilon", TN__BN_EPSILON);
    if (!weight || !mean || !variance)
        return;
    for (size_t o = 0; o < p->outputs; o++) {
        double wanted = tn__tensor_get_f64(made, o);
        float a = (float)sqrt((wanted + epsilon) / ((double)variance[o] + epsilon));
        for (size_t i = 0; i < p->width; i++)
            weight[tn__patches_weight(p, o, i)] *= a;
        if (bias)
            bias[o] *= a;
        mean[o] *= a;
        variance[o] = (float)wanted;
    }
    tn__engine_touch(r->engine);
}

/* --- the sweep --- */

static tn_status before(void *user, const tn__sweep_node *node, tn_error *err)
{
    run *r = user;
    const tn__fitted *behind = NULL;
    for (size_t i = 0; i < r->count; i++) {
        if (r->list[i].layer.node == node->node)
            return fit_layer(r, &r->list[i], node, err);
        if (r->list[i].layer.norm == node->node)
            behind = &r->list[i];
    }
    if (tn__node_is_norm(&r->model->nodes[node->node]))
        return set_norm(r, behind, node, err);
    return TN_OK;
}

/* Takes down the other operands of sums. */
static tn_status after(void *user, const tn__sweep_node *node, tn_error *err)
{
    (void)err;
    run *r = user;
    size_t value = r->model->nodes[node->node].outputs[0];
    for (size_t i = 0; i < r->count; i++) {
        tn__fitted *at = &r->list[i];
        size_t o = at->patches.outputs, area = at->patches.area_out, image = 0;
        for (size_t s = 0; at->other == value && s < node->shards; s++) {
            size_t images = 0;
            const float *x = tn__sweep_data(node, TN__OUT(0), s, &images);
            for (size_t k = 0; k < images; k++, image++)
                tn__fitted_sample(at->present + image * at->sampled * o, at,
                                  x + k * o * area, o, image, r->f->options->seed);
        }
    }
    return TN_OK;
}

tn_status tn__regress(tn_model *fused, size_t *layers, tn__fusion *fusion,
                      tn_error *err)
{
    run r = {.f = fusion, .model = fused, .ridge = RIDGE_START};
    tn__sweep callbacks = {.before = before, .after = after, .user = &r};
    tn__engine_options options = {.workers = fusion->workers};
    tn_status status = tn__fitted_find(&r.list, &r.count, fused, fusion, err);
    for (size_t i = 0; i < r.count && status == TN_OK; i++)
        if (r.list[i].layer.norm == TN__NONE)
            status = tn__layer_own_bias(fused, &r.list[i].layer, err);
    if (status == TN_OK)
        status = tn__engine_create(&r.engine, fused, &options, err);
    if (status == TN_OK)
        status = tn__engine_sweep(r.engine, fusion->calibration,
                                  fusion->calibration_count, &callbacks, err);
    for (size_t i = 0; i < r.count && status == TN_OK; i++)
        if (r.list[i].layer.norm != TN__NONE)
            keep_scale(&r, &r.list[i]);
    if (status == TN_OK)
        status = tn__engine_store(r.engine, fused, err);
    if (status == TN_OK)
        *layers = r.layers;
    tn__engine_free(r.engine);
    tn__fitted_free(r.list, r.count);
    return status;
}
