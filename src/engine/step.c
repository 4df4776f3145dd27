/* step.c - one training step: forward and backward over shards, summed in order.
 *
 * Whatever the number of workers, the gradient of a parameter is ((g0 + g1) + g2) ...
 * with g_s the gradient of shard s, itself summed over the parameter's readers.
 * Processes that share a step each sum the shards of theirs so; these sums are
 * exchanged while backward goes on (with one worker, whose thread is the caller's; else
 * after it).
 */
#include "engine/state.h"

#include <string.h>

typedef struct step_run {
    tn__engine *engine;
    const float *images;
    size_t n;
    size_t first, shards; /* of this process */
    double *losses;       /* [shards of all] */
    tn__loss *loss_of;
    void *user;
    tn__ticket ticket;
} step_run;

typedef struct collector {
    tn__engine *engine;
    size_t shard, worker; /* shard: of this process */
    bool last;            /* of its shards */
} collector;

static void add_into(float *to, const float *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void collect(void *user, size_t parameter, const float *gradient, size_t count)
{
    collector *c = user;
    float *to = c->engine->own[c->worker][parameter];
    bool first = c->shard == 0;
    if (to) {
        bool *seen = &c->engine->seen[c->worker][parameter];
        first = !*seen;
        *seen = true;
    } else {
        to = c->engine->gradient[parameter];
    }
    if (first)
        memcpy(to, gradient, count * sizeof *to);
    else
        add_into(to, gradient, count);
    if (c->last && c->engine->exchange && to == c->engine->gradient[parameter])
        tn__exchange_ready(c->engine->exchange, c->engine->exchanged[parameter]);
}

static void exchange_places(float **a, float **b)
{
    float *was = *a;
    *a = *b;
    *b = was;
}

/* Adds the worker's gradients of this shard to those of the shards before it. Those of
 * the first become the sum by changing places with it, where no exchange knows the
 * place. */
static void combine_gradients(tn__engine *engine, size_t shard, size_t worker)
{
    for (size_t v = 0; v < engine->source.model->value_count; v++) {
        float **own = &engine->own[worker][v], **sum = &engine->gradient[v];
        if (!*own || !engine->seen[worker][v])
            continue;
        size_t count = engine->source.count[v];
        if (shard > 0)
            add_into(*sum, *own, count);
        else if (engine->exchange)
            memcpy(*sum, *own, count * sizeof **own);
        else
            exchange_places(sum, own);
    }
}

static void combine_statistics(tn__engine *engine, const tn__plan *plan, size_t shard)
{
    size_t i = 0;
    for (size_t s = 0; s < plan->step_count; s++) {
        const tn__kernel *kernel = plan->steps[s].kernel;
        if (!kernel->batch_mean)
            continue;
        tn__norm_sums *sums = &engine->norms[i++];
        double positions = (double)kernel->positions;
        double unbiased = positions > 1 ? positions / (positions - 1) : 1;
        for (size_t c = 0; c < sums->channels; c++) {
            double mean = (double)kernel->batch_mean[c];
            double variance = (double)kernel->batch_variance[c] * unbiased;
            sums->mean[c] = shard ? sums->mean[c] + mean : mean;
            sums->variance[c] = shard ? sums->variance[c] + variance : variance;
        }
    }
}

/* `own` counts the shards of this process. */
static tn_status compute(step_run *r, tn__plan *plan, size_t own, size_t worker,
                         tn_error *err)
{
    tn__engine *engine = r->engine;
    size_t shard = r->first + own, first = shard * engine->shard;
    collector c = {engine, own, worker, own + 1 == r->shards};
    memset(engine->seen[worker], 0, engine->source.model->value_count);
    tn__engine_load(engine, plan, r->images, first, r->n);
    tn_status status = tn__plan_forward(plan, err);
    if (!status)
        status = r->loss_of(r->user, plan->seed.at, &r->losses[shard],
                            plan->exports[0].at, first, engine->shard, err);
    if (!status)
        status = tn__plan_backpropagate(plan, collect, &c, err);
    return status;
}

static tn_status step_task(void *user, size_t t, size_t worker, tn_error *err)
{
    step_run *r = user;
    tn__plan *plan;
    tn_status status = tn__engine_plan(&plan, r->engine, true, worker, err);
    if (!status)
        status = compute(r, plan, t, worker, err);
    if (!status && !tn__ticket_wait(&r->ticket, t))
        return tn__fail(err, TN_ERROR_CANCELLED, "an earlier shard failed");
    if (!status) {
        combine_gradients(r->engine, t, worker);
        combine_statistics(r->engine, plan, t);
    }
    tn__ticket_pass(&r->ticket, t, status);
    return status;
}

static void move_statistics(tn__engine *engine, size_t shards, double momentum)
{
    for (size_t i = 0; i < engine->norm_count; i++) {
        const tn__norm_sums *sums = &engine->norms[i];
        float *mean = engine->source.parameter[sums->mean_value];
        float *variance = engine->source.parameter[sums->variance_value];
        for (size_t c = 0; c < sums->channels; c++) {
            double m = sums->mean[c] / (double)shards;
            double v = sums->variance[c] / (double)shards;
            mean[c] = (float)((1 - momentum) * (double)mean[c] + momentum * m);
            variance[c] = (float)((1 - momentum) * (double)variance[c] + momentum * v);
        }
    }
    if (engine->norm_count)
        tn__engine_touch(engine);
}

/* --- what processes share ---
 */

static size_t numbers_shared(const tn__engine *engine, size_t shards)
{
    size_t count = shards;
    for (size_t i = 0; i < engine->norm_count; i++)
        count += 2 * engine->norms[i].channels;
    return count;
}

static void move(double *number, double *shared, bool back)
{
    if (back)
        *number = *shared;
    else
        *shared = *number;
}

/* Copies losses and the sums of batch norms to `numbers`, or (back) from there. */
static void move_numbers(double *numbers, const step_run *r, size_t shards, bool back)
{
    double *at = numbers;
    for (size_t s = 0; s < shards; s++)
        move(&r->losses[s], at++, back);
    for (size_t i = 0; i < r->engine->norm_count; i++) {
        tn__norm_sums *sums = &r->engine->norms[i];
        for (size_t c = 0; c < sums->channels; c++) {
            move(&sums->mean[c], at++, back);
            move(&sums->variance[c], at++, back);
        }
    }
}

/* Makes the sums of this process those of all. Every process comes here, whatever
 * `status` it has; all leave with the same. */
static tn_status share(const step_run *r, size_t shards, tn_status status,
                       tn_error *err)
{
    tn__engine *engine = r->engine;
    tn_error lost = {0};
    if (!engine->cluster)
        return status;
    size_t count = numbers_shared(engine, shards);
    double *numbers = tn__alloc(count, sizeof *numbers);
    if (!status && !numbers)
        status = tn__fail_memory(err, count * sizeof *numbers);
    for (size_t v = 0; v < engine->source.model->value_count && !status; v++)
        if (engine->gradient[v] && engine->own[0][v])
            tn__exchange_ready(engine->exchange, engine->exchanged[v]);
    if (tn__exchange_finish(engine->exchange, &lost) && !status)
        status = tn__fail(err, lost.code, "%s", lost.message);
    status = tn_cluster_agree(engine->cluster, status, err);
    if (!status) {
        move_numbers(numbers, r, shards, false);
        status = tn__cluster_sum(engine->cluster, numbers, count, err);
    }
    if (!status)
        move_numbers(numbers, r, shards, true);
    tn__free(numbers);
    return status;
}

tn_status tn__engine_step(tn__engine *engine, double *loss, const float *images,
                          size_t n, tn__loss *loss_of, void *user, double momentum,
                          tn_error *err)
{
    if (!engine->training)
        return tn__fail(err, TN_ERROR_ARGUMENT, "the engine was not made for training");
    if (n == 0 || n % engine->shard)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "a step of %zu images, expected a multiple of the shard, %zu",
                        n, engine->shard);
    size_t shards = n / engine->shard;
    if (shards < tn__cluster_size(engine->cluster))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "%zu processes for the %zu shards of a step: raise batch, or "
                        "lower shard",
                        tn__cluster_size(engine->cluster), shards);
    step_run r = {.engine = engine,
                  .images = images,
                  .n = n,
                  .losses = tn__alloc(shards, sizeof(double)),
                  .loss_of = loss_of,
                  .user = user};
    tn__cluster_share(&r.first, &r.shards, engine->cluster,
                      tn__cluster_rank(engine->cluster), shards);
    if (engine->exchange)
        tn__exchange_begin(engine->exchange);
    tn__ticket_init(&r.ticket);
    tn_status status =
        r.losses ? tn__workers_run(engine->workers, r.shards, step_task, &r, err)
                 : tn__fail_memory(err, shards * sizeof(double));
    tn__ticket_release(&r.ticket);
    status = share(&r, shards, status, err);
    if (!status) {
        double sum = 0;
        for (size_t s = 0; s < shards; s++)
            sum += r.losses[s];
        *loss = sum;
        move_statistics(engine, shards, momentum);
    }
    tn__free(r.losses);
    return status;
}

const float *tn__engine_gradient(const tn__engine *engine, size_t value)
{
    return engine->gradient && value < engine->source.model->value_count
               ? engine->gradient[value]
               : NULL;
}

/* --- buffers --- */

/* Times an operator reads parameter v, through Identity too. */
static size_t readers_of(const tn__source *source, size_t v)
{
    size_t readers = 0;
    for (size_t u = 0; u < source->model->value_count; u++)
        if (source->root[u] == v)
            readers += source->links.first_use[u + 1] - source->links.first_use[u];
    return readers;
}

static tn_status gradient_buffers(tn__engine *engine, size_t v, tn_error *err)
{
    const tn__source *source = &engine->source;
    size_t bytes = TN__MAX(source->count[v] * sizeof(float), 1);
    bool direct = engine->worker_count == 1 && readers_of(source, v) == 1;
    engine->gradient[v] = tn__alloc_aligned(bytes);
    if (!engine->gradient[v])
        return tn__fail_memory(err, bytes);
    for (size_t w = 0; w < engine->worker_count && !direct; w++)
        if (!(engine->own[w][v] = tn__alloc_aligned(bytes)))
            return tn__fail_memory(err, bytes);
    return TN_OK;
}

/* In the order of nodes, which is that of the plan's steps. */
static tn_status norm_buffers(tn__engine *engine, tn_error *err)
{
    const tn__source *source = &engine->source;
    const tn_model *model = source->model;
    engine->norms = tn__alloc(model->node_count, sizeof *engine->norms);
    if (!engine->norms)
        return tn__fail_memory(err, model->node_count * sizeof *engine->norms);
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        if (strcmp(node->type, "BatchNormalization") != 0)
            continue;
        if (source->root[node->inputs[3]] == TN__NONE ||
            source->root[node->inputs[4]] == TN__NONE)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "running statistics that are no parameters in training");
        tn__norm_sums *sums = &engine->norms[engine->norm_count++];
        sums->mean_value = source->root[node->inputs[3]];
        sums->variance_value = source->root[node->inputs[4]];
        sums->channels = source->count[sums->mean_value];
        sums->mean = tn__alloc(sums->channels, sizeof *sums->mean);
        sums->variance = tn__alloc(sums->channels, sizeof *sums->variance);
        if (!sums->mean || !sums->variance)
            return tn__fail_memory(err, sums->channels * sizeof *sums->mean);
    }
    return TN_OK;
}

/* Of gradients, in about the order in which backward makes them. */
static tn_status exchange_create(tn__engine *engine, tn_error *err)
{
    enum { BUCKET = 1 << 18 }; /* floats: 1 MiB a message */
    const tn_model *model = engine->source.model;
    size_t values = model->value_count, count = 0;
    float **arrays = tn__alloc(values, sizeof *arrays);
    size_t *counts = tn__alloc(values, sizeof *counts);
    engine->exchanged = tn__alloc(values, sizeof *engine->exchanged);
    tn_status status = TN_OK;
    if (!arrays || !counts || !engine->exchanged) {
        status = tn__fail_memory(err, values * sizeof *arrays);
        goto done;
    }
    for (size_t v = 0; v < values; v++)
        engine->exchanged[v] = TN__NONE;
    for (size_t n = model->node_count; n-- > 0;) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k];
            v = v == TN__NONE ? v : engine->source.root[v];
            if (v == TN__NONE || !engine->gradient[v] ||
                engine->exchanged[v] != TN__NONE)
                continue;
            engine->exchanged[v] = count;
            arrays[count] = engine->gradient[v];
            counts[count++] = engine->source.count[v];
        }
    }
    status = tn__exchange_create(&engine->exchange, engine->cluster, arrays, counts,
                                 count, BUCKET, err);
done:
    tn__free(arrays);
    tn__free(counts);
    return status;
}

tn_status tn__engine_prepare_training(tn__engine *engine, tn_error *err)
{
    size_t values = engine->source.model->value_count, workers = engine->worker_count;
    engine->gradient = tn__alloc(values, sizeof(float *));
    engine->own = tn__alloc(workers, sizeof(float **));
    engine->seen = tn__alloc(workers, sizeof(bool *));
    if (!engine->gradient || !engine->own || !engine->seen)
        return tn__fail_memory(err, values * sizeof(float *));
    for (size_t w = 0; w < workers; w++) {
        engine->own[w] = tn__alloc(values, sizeof(float *));
        engine->seen[w] = tn__alloc(values, sizeof(bool));
        if (!engine->own[w] || !engine->seen[w])
            return tn__fail_memory(err, values * sizeof(float *));
    }
    tn_status status = TN_OK;
    for (size_t v = 0; v < values && !status; v++)
        if (engine->source.trained[v])
            status = gradient_buffers(engine, v, err);
    if (!status)
        status = norm_buffers(engine, err);
    return status || !engine->cluster ? status : exchange_create(engine, err);
}

static void release_list(float **list, size_t count)
{
    for (size_t v = 0; list && v < count; v++)
        tn__free(list[v]);
    tn__free(list);
}

void tn__engine_release_training(tn__engine *engine)
{
    tn__exchange_free(engine->exchange);
    tn__free(engine->exchanged);
    size_t values = engine->source.model ? engine->source.model->value_count : 0;
    release_list(engine->gradient, values);
    for (size_t w = 0; w < engine->worker_count; w++) {
        if (engine->own)
            release_list(engine->own[w], values);
        if (engine->seen)
            tn__free(engine->seen[w]);
    }
    tn__free(engine->own);
    tn__free(engine->seen);
    for (size_t i = 0; i < engine->norm_count; i++) {
        tn__free(engine->norms[i].mean);
        tn__free(engine->norms[i].variance);
    }
    tn__free(engine->norms);
}
