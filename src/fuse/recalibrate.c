/* recalibrate.c - batch norm re-estimated and layers repaired in one sweep.
 *
 * The sweep runs node by node over all images, so each statistic is the exact
 * population's and sees everything upstream corrected already; no running averages, no
 * second pass.
 */
#include <math.h>
#include <string.h>

#include "fuse/recalibrate.h"

#define SD_MIN 1e-6 /* below: the channel is constant and stays as it is */
#define FACTOR_MIN 0.25
#define FACTOR_MAX 8.0

tn_status tn__goal_create(tn__goal *out, size_t node, size_t channels, tn_error *err)
{
    double *memory = tn__alloc(channels, 2 * sizeof *memory);
    if (!memory)
        return tn__fail_memory(err, channels * 2 * sizeof *memory);
    *out = (tn__goal){node, channels, memory, memory + channels};
    return TN_OK;
}

void tn__goals_free(tn__goal *goals, size_t count)
{
    for (size_t i = 0; goals && i < count; i++)
        tn__free(goals[i].mean);
    tn__free(goals);
}

typedef struct sweep {
    tn_model *model;
    const tn__recalibration *how;
    tn__engine *engine;
    tn__shapes shapes;
    double **scale, **shift; /* [goals]: what was found, per channel */
    size_t layers;
} sweep;

/* --- statistics of one operand over all shards ---------------------------------------
 */

typedef struct gathering {
    const tn__sweep_node *at;
    int operand;
    size_t positions;
    tn__moments *of; /* [shards] */
} gathering;

static tn_status gather_shard(void *user, size_t shard, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    gathering *g = user;
    size_t images = 0;
    const float *x = tn__sweep_data(g->at, g->operand, shard, &images);
    tn__moments_add(&g->of[shard], x, images, g->positions);
    return TN_OK;
}

tn_status tn__sweep_moments(tn__moments *out, const tn__sweep_node *at, int operand,
                            const tn__shape *shape, tn__workers *workers, tn_error *err)
{
    gathering g = {.at = at, .operand = operand, .positions = 1};
    tn__moments total = {0};
    for (int axis = 2; axis < shape->rank; axis++)
        g.positions *= (size_t)shape->dims[axis];
    size_t channels = (size_t)shape->dims[1];
    g.of = tn__alloc(at->shards, sizeof *g.of);
    tn_status status = g.of ? TN_OK : tn__fail_memory(err, at->shards * sizeof *g.of);
    for (size_t k = 0; k < at->shards && status == TN_OK; k++)
        status = tn__moments_create(&g.of[k], channels, err);
    if (status == TN_OK)
        status = tn__moments_create(&total, channels, err);
    if (status == TN_OK)
        status = tn__workers_run(workers, at->shards, gather_shard, &g, err);
    for (size_t k = 0; g.of && k < at->shards; k++) {
        if (status == TN_OK)
            tn__moments_merge(&total, &g.of[k]);
        tn__moments_release(&g.of[k]);
    }
    tn__free(g.of);
    if (status == TN_OK)
        *out = total;
    else
        tn__moments_release(&total);
    return status;
}

/* --- batch norm --- */

static tn_status before(void *user, const tn__sweep_node *at, tn_error *err)
{
    sweep *s = user;
    const tn__node *node = &s->model->nodes[at->node];
    if (!s->how->norms || !tn__node_is_norm(node))
        return TN_OK;
    float *mean = tn__engine_parameter(s->engine, node->inputs[3]);
    float *variance = tn__engine_parameter(s->engine, node->inputs[4]);
    if (!mean || !variance)
        return TN_OK;
    tn__moments found = {0};
    tn_status status = tn__sweep_moments(
        &found, at, 0, &s->shapes.shape[node->inputs[0]], s->how->workers, err);
    if (status != TN_OK)
        return status;
    for (size_t c = 0; c < found.channels; c++) {
        mean[c] = (float)found.mean[c];
        variance[c] = (float)tn__moments_variance(&found, c);
    }
    tn__moments_release(&found);
    tn__engine_touch(s->engine);
    s->layers++;
    return TN_OK;
}

/* --- layers --- */

typedef struct affine {
    const tn__sweep_node *at;
    size_t channels, positions;
    const double *scale, *shift;
} affine;

static tn_status affine_shard(void *user, size_t shard, size_t worker, tn_error *err)
{
    (void)worker;
    (void)err;
    affine *a = user;
    size_t images = 0;
    float *x = tn__sweep_data(a->at, TN__OUT(0), shard, &images);
    for (size_t i = 0; i < images * a->channels; i++) {
        double scale = a->scale[i % a->channels], shift = a->shift[i % a->channels];
        for (size_t p = 0; p < a->positions; p++)
            x[i * a->positions + p] =
                (float)(scale * (double)x[i * a->positions + p] + shift);
    }
    return TN_OK;
}

/* y = scale x + shift brings channel c from what was found to the goal. */
static void correct(double *scale, double *shift, const tn__goal *goal,
                    const tn__moments *found, size_t c)
{
    double sd = sqrt(tn__moments_variance(found, c));
    *scale = 1;
    *shift = 0;
    if (goal->sd[c] < 0)
        return;
    if (sd >= SD_MIN)
        *scale = TN__MIN(TN__MAX(goal->sd[c] / sd, FACTOR_MIN), FACTOR_MAX);
    *shift = goal->mean[c] - *scale * found->mean[c];
}

tn_status tn__goal_meet(double *scale, double *shift, const tn__goal *goal,
                        const tn__sweep_node *at, const tn__shape *shape,
                        tn__workers *workers, tn_error *err)
{
    tn__moments found = {0};
    tn_status status = tn__sweep_moments(&found, at, TN__OUT(0), shape, workers, err);
    if (status != TN_OK)
        return status;
    for (size_t c = 0; c < goal->channels; c++)
        correct(&scale[c], &shift[c], goal, &found, c);
    tn__moments_release(&found);
    affine a = {at, goal->channels, 1, scale, shift};
    for (int axis = 2; axis < shape->rank; axis++)
        a.positions *= (size_t)shape->dims[axis];
    return tn__workers_run(workers, at->shards, affine_shard, &a, err);
}

static tn_status after(void *user, const tn__sweep_node *at, tn_error *err)
{
    sweep *s = user;
    size_t g = 0;
    while (g < s->how->goal_count && s->how->goals[g].node != at->node)
        g++;
    if (g == s->how->goal_count)
        return TN_OK;
    s->layers++;
    return tn__goal_meet(s->scale[g], s->shift[g], &s->how->goals[g], at,
                         &s->shapes.shape[s->model->nodes[at->node].outputs[0]],
                         s->how->workers, err);
}

/* --- the whole --- */

static tn_status sweep_create(sweep *s, tn_error *err)
{
    size_t goals = s->how->goal_count;
    s->scale = tn__alloc(goals, sizeof *s->scale);
    s->shift = tn__alloc(goals, sizeof *s->shift);
    if (!s->scale || !s->shift)
        return tn__fail_memory(err, goals * sizeof *s->scale);
    for (size_t g = 0; g < goals; g++) {
        size_t channels = s->how->goals[g].channels;
        s->scale[g] = tn__alloc(channels, 2 * sizeof **s->scale);
        if (!s->scale[g])
            return tn__fail_memory(err, channels * 2 * sizeof **s->scale);
        s->shift[g] = s->scale[g] + channels;
    }
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = s->how->workers;
    tn_status status = tn__shapes_infer(&s->shapes, s->model, 1, err);
    if (status == TN_OK)
        status = tn__engine_create(&s->engine, s->model, &options, err);
    return status;
}

static void sweep_release(sweep *s)
{
    for (size_t g = 0; s->scale && g < s->how->goal_count; g++)
        tn__free(s->scale[g]);
    tn__free(s->scale);
    tn__free(s->shift);
    tn__shapes_release(&s->shapes);
    tn__engine_free(s->engine);
}

/* Writes what the sweep found into the model: statistics, then factors. */
static tn_status write_back(sweep *s, tn_error *err)
{
    tn__links links = {0};
    tn_status status = TN_OK;
    if (s->how->norms)
        status = tn__engine_store(s->engine, s->model, err);
    if (status == TN_OK)
        status = tn__links_create(&links, s->model, err);
    for (size_t g = 0; g < s->how->goal_count && status == TN_OK; g++) {
        tn__layer layer;
        if (tn__layer_of(&layer, s->model, &links, s->how->goals[g].node))
            status = tn__layer_scale(s->model, &layer, s->scale[g], s->shift[g], err);
    }
    tn__links_release(&links);
    return status;
}

tn_status tn__recalibrate(tn_model *model, size_t *layers, const tn__recalibration *how,
                          tn_error *err)
{
    sweep s = {.model = model, .how = how};
    tn_status status = sweep_create(&s, err);
    if (status == TN_OK) {
        tn__sweep callbacks = {.before = before, .after = after, .user = &s};
        status = tn__engine_sweep(s.engine, how->images, how->n, &callbacks, err);
    }
    if (status == TN_OK)
        status = write_back(&s, err);
    if (status == TN_OK && layers)
        *layers = s.layers;
    sweep_release(&s);
    return status;
}
