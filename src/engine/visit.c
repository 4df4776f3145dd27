/* visit.c - inference over many images: shards in parallel, visitors in order. */
#include "engine/state.h"

#include <string.h>

typedef struct visit {
    tn__engine *const *engines;
    size_t count; /* of engines */
    const float *images;
    size_t n;
    const tn__visitor *visitor;
    tn__ticket ticket;
    /* [workers] x what one shard shows */
    const float **outputs;     /* [workers][engines] */
    const float *const **kept; /* [workers][engines] */
    const float **kept_values; /* [workers][all kept of all engines] */
    size_t all_kept;
} visit;

static tn_status forward_one(visit *v, size_t e, size_t first, size_t worker,
                             const float **kept, tn_error *err)
{
    tn__engine *engine = v->engines[e];
    tn__plan *plan;
    tn_status status = tn__engine_plan(&plan, engine, false, worker, err);
    if (status)
        return status;
    tn__engine_load(engine, plan, v->images, first, v->n);
    if ((status = tn__plan_forward(plan, err)) != TN_OK)
        return status;
    v->outputs[worker * v->count + e] = plan->exports[0].at;
    v->kept[worker * v->count + e] = kept;
    for (size_t i = 0; i < engine->keep_count; i++)
        kept[i] = plan->exports[i + 1].at;
    return TN_OK;
}

static tn_status compute(visit *v, tn__shard *shard, size_t worker, tn_error *err)
{
    const float **kept = v->kept_values + worker * v->all_kept;
    tn_status status = TN_OK;
    for (size_t e = 0; e < v->count && !status; e++) {
        status = forward_one(v, e, shard->first, worker, kept, err);
        kept += v->engines[e]->keep_count;
    }
    if (!status && v->visitor->map)
        status = v->visitor->map(v->visitor->user, shard, worker, err);
    return status;
}

static tn_status visit_task(void *user, size_t t, size_t worker, tn_error *err)
{
    visit *v = user;
    size_t size = v->engines[0]->shard;
    tn__shard shard = {.index = t,
                       .first = t * size,
                       .images = TN__MIN(size, v->n - t * size),
                       .outputs = v->outputs + worker * v->count,
                       .kept = v->kept + worker * v->count};
    tn_status status = compute(v, &shard, worker, err);
    if (!v->visitor->reduce)
        return status;
    if (!status && !tn__ticket_wait(&v->ticket, t))
        return tn__fail(err, TN_ERROR_CANCELLED, "an earlier shard failed");
    if (!status)
        status = v->visitor->reduce(v->visitor->user, &shard, worker, err);
    tn__ticket_pass(&v->ticket, t, status);
    return status;
}

static tn_status check(tn__engine *const *engines, size_t count, tn_error *err)
{
    for (size_t e = 1; e < count; e++) {
        if (engines[e]->shard != engines[0]->shard)
            return tn__fail(
                err, TN_ERROR_ARGUMENT,
                "engines with shards of %zu and %zu images visited together",
                engines[0]->shard, engines[e]->shard);
        if (engines[e]->input_count != engines[0]->input_count)
            return tn__fail(
                err, TN_ERROR_MISMATCH,
                "models with inputs of %zu and %zu elements visited together",
                engines[0]->input_count, engines[e]->input_count);
        if (engines[e]->worker_count < engines[0]->worker_count)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "engines with %zu and %zu workers visited together",
                            engines[0]->worker_count, engines[e]->worker_count);
    }
    return TN_OK;
}

tn_status tn__engine_visit(tn__engine *const *engines, size_t count,
                           const float *images, size_t n, const tn__visitor *visitor,
                           tn_error *err)
{
    if (count == 0 || n == 0)
        return TN_OK;
    visit v = {.engines = engines,
               .count = count,
               .images = images,
               .n = n,
               .visitor = visitor};
    size_t workers = engines[0]->worker_count;
    tn_status status = check(engines, count, err);
    if (status)
        return status;
    for (size_t e = 0; e < count; e++)
        v.all_kept += engines[e]->keep_count;
    v.outputs = tn__alloc(workers * count, sizeof(float *));
    v.kept = tn__alloc(workers * count, sizeof(float **));
    v.kept_values = tn__alloc(workers * v.all_kept, sizeof(float *));
    tn__ticket_init(&v.ticket);
    if (v.outputs && v.kept && v.kept_values)
        status = tn__workers_run(engines[0]->workers, tn__engine_shards(engines[0], n),
                                 visit_task, &v, err);
    else
        status = tn__fail_memory(err, workers * count * sizeof(float *));
    tn__ticket_release(&v.ticket);
    tn__free(v.outputs);
    tn__free(v.kept);
    tn__free(v.kept_values);
    return status;
}

typedef struct copy {
    float *out;
    size_t count; /* floats of one image */
} copy;

static tn_status copy_outputs(void *user, const tn__shard *shard, size_t worker,
                              tn_error *err)
{
    copy *c = user;
    (void)worker;
    (void)err;
    memcpy(c->out + shard->first * c->count, shard->outputs[0],
           shard->images * c->count * sizeof *c->out);
    return TN_OK;
}

tn_status tn__engine_infer(tn__engine *engine, float *out, const float *images,
                           size_t n, tn_error *err)
{
    copy c = {.out = out, .count = engine->output_count};
    tn__visitor visitor = {.map = copy_outputs, .user = &c};
    return tn__engine_visit(&engine, 1, images, n, &visitor, err);
}
