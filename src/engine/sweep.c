/* sweep.c - node by node, or run by run of nodes, over all images.
 *
 * Every run is compiled alone, as a plan with plain arrays on both sides. A value that
 * leaves its run lives to its last reader, for all shards at once.
 */
#include "engine/state.h"

#include <string.h>

typedef struct block { /* memory that may be used again */
    char *memory;
    size_t bytes;
} block;

typedef struct sweep_run {
    tn__engine *engine;
    size_t n, shards;
    block *values;       /* [values] all shards, one after another */
    size_t *last_reader; /* [values] node */
    block spare[8];      /* given back by dead values */
    tn__plan **plans;    /* [workers] of the node at hand */
    size_t *imports, *exports, import_count, export_count;
    size_t first, node; /* of the run at hand: its first node and its last */
} sweep_run;

static size_t shard_bytes(const sweep_run *r, size_t v)
{
    const tn__shapes *shapes = &r->engine->source.shapes;
    size_t count = 0;
    return tn__shape_count(&count, &shapes->shape[v])
               ? count * tn__dtype_size(shapes->dtype[v])
               : 0;
}

static tn_status claim(sweep_run *r, size_t v, tn_error *err)
{
    size_t bytes;
    if (!tn__mul(&bytes, shard_bytes(r, v), r->shards))
        return tn__fail_memory(err, SIZE_MAX);
    for (size_t i = 0; i < TN__COUNT(r->spare); i++)
        if (r->spare[i].memory && r->spare[i].bytes == bytes) {
            r->values[v] = r->spare[i];
            r->spare[i] = (block){0};
            return TN_OK;
        }
    r->values[v] = (block){tn__realloc(NULL, TN__MAX(bytes, 1), 1), bytes};
    return r->values[v].memory ? TN_OK : tn__fail_memory(err, bytes);
}

static void give_back(sweep_run *r, size_t v)
{
    block old = r->values[v];
    r->values[v] = (block){0};
    size_t i = 0;
    while (i < TN__COUNT(r->spare) - 1 && r->spare[i].memory)
        i++;
    tn__free(r->spare[i].memory);
    r->spare[i] = old;
}

static char *shard_of(const sweep_run *r, size_t v, size_t shard)
{
    return r->values[v].memory + shard * shard_bytes(r, v);
}

float *tn__sweep_data(const tn__sweep_node *at, int operand, size_t shard,
                      size_t *images)
{
    const sweep_run *r = at->context;
    const tn__source *source = &r->engine->source;
    const tn__node *node = &source->model->nodes[at->node];
    bool out = operand < 0;
    size_t k = (size_t)(out ? -1 - operand : operand);
    if (k >= (out ? node->output_count : node->input_count) || shard >= r->shards)
        return NULL;
    size_t v = out ? node->outputs[k] : node->inputs[k];
    if (v == TN__NONE || !r->values[v].memory || source->shapes.dtype[v] != TN_F32)
        return NULL;
    if (images)
        *images = TN__MIN(r->engine->shard, r->n - shard * r->engine->shard);
    return (float *)(void *)shard_of(r, v, shard);
}

static tn_status node_task(void *user, size_t t, size_t worker, tn_error *err)
{
    sweep_run *r = user;
    tn_status status;
    if (!r->plans[worker]) {
        tn__plan_spec spec = {.source = &r->engine->source,
                              .first = r->first,
                              .last = r->node + 1,
                              .fuse = r->first < r->node && !r->engine->reference,
                              .reference = r->engine->reference,
                              .imports = r->imports,
                              .import_count = r->import_count,
                              .exports = r->exports,
                              .export_count = r->export_count};
        status = tn__plan_create(&r->plans[worker], &spec, err);
        if (status)
            return status;
    }
    tn__plan *plan = r->plans[worker];
    for (size_t i = 0; i < plan->import_count; i++)
        memcpy(plan->imports[i].at, shard_of(r, plan->imports[i].value, t),
               plan->imports[i].plain->bytes);
    if ((status = tn__plan_forward(plan, err)) != TN_OK)
        return status;
    for (size_t i = 0; i < plan->export_count; i++)
        memcpy(shard_of(r, plan->exports[i].value, t), plan->exports[i].at,
               plan->exports[i].plain->bytes);
    return TN_OK;
}

/* Activations the run reads, each once, and what it makes for later ones. */
static void list_operands(sweep_run *r)
{
    r->import_count = r->export_count = 0;
    for (size_t n = r->first; n <= r->node; n++) {
        const tn__node *node = &r->engine->source.model->nodes[n];
        if (!tn__source_runs(&r->engine->source, n))
            continue;
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k];
            bool listed = v == TN__NONE || !r->values[v].memory;
            for (size_t i = 0; i < r->import_count && !listed; i++)
                listed = r->imports[i] == v;
            if (!listed)
                r->imports[r->import_count++] = v;
        }
        for (size_t k = 0; k < node->output_count; k++) {
            size_t v = node->outputs[k];
            if (v != TN__NONE && (n == r->node || r->last_reader[v] > r->node))
                r->exports[r->export_count++] = v;
        }
    }
}

static tn_status run_node(sweep_run *r, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t i = 0; i < r->export_count && !status; i++)
        status = claim(r, r->exports[i], err);
    if (!status)
        status = tn__workers_run(r->engine->workers, r->shards, node_task, r, err);
    for (size_t w = 0; w < r->engine->worker_count; w++) {
        tn__plan_free(r->plans[w]);
        r->plans[w] = NULL;
    }
    return status;
}

static tn_status sweep_node(sweep_run *r, size_t n, const tn__sweep *sweep,
                            tn_error *err)
{
    tn__sweep_node at = {.node = n, .shards = r->shards, .images = r->n, .context = r};
    tn_status status = TN_OK;
    r->node = n;
    if (!sweep->stops)
        r->first = n;
    list_operands(r);
    if (sweep->before)
        status = sweep->before(sweep->user, &at, err);
    if (!status)
        status = run_node(r, err);
    if (!status && sweep->after)
        status = sweep->after(sweep->user, &at, err);
    for (size_t v = 0; v < r->engine->source.model->value_count && !status; v++)
        if (r->values[v].memory && r->last_reader[v] <= n)
            give_back(r, v);
    r->first = n + 1;
    return status;
}

static tn_status allocate(sweep_run *r, tn_error *err)
{
    const tn__source *source = &r->engine->source;
    const tn_model *model = source->model;
    size_t values = model->value_count;
    r->values = tn__alloc(values, sizeof *r->values);
    r->last_reader = tn__alloc(values, sizeof *r->last_reader);
    r->plans = tn__alloc(r->engine->worker_count, sizeof(tn__plan *));
    r->imports = tn__alloc(values, sizeof *r->imports);
    r->exports = tn__alloc(values, sizeof *r->exports);
    if (!r->values || !r->last_reader || !r->plans || !r->imports || !r->exports)
        return tn__fail_memory(err, values * sizeof *r->values);
    for (size_t v = 0; v < values; v++)
        for (size_t u = source->links.first_use[v]; u < source->links.first_use[v + 1];
             u++)
            r->last_reader[v] = TN__MAX(r->last_reader[v], source->links.uses[u].node);
    return claim(r, r->engine->input, err);
}

static void release(sweep_run *r)
{
    for (size_t v = 0; r->values && v < r->engine->source.model->value_count; v++)
        tn__free(r->values[v].memory);
    for (size_t i = 0; i < TN__COUNT(r->spare); i++)
        tn__free(r->spare[i].memory);
    tn__free(r->values);
    tn__free(r->last_reader);
    tn__free(r->plans);
    tn__free(r->imports);
    tn__free(r->exports);
}

tn_status tn__engine_sweep(tn__engine *engine, const float *images, size_t n,
                           const tn__sweep *sweep, tn_error *err)
{
    if (n == 0)
        return TN_OK;
    sweep_run r = {.engine = engine, .n = n, .shards = tn__engine_shards(engine, n)};
    tn_status status = allocate(&r, err);
    if (!status) {
        size_t bytes = n * engine->input_count * sizeof(float);
        block *input = &r.values[engine->input];
        memcpy(input->memory, images, bytes);
        memset(input->memory + bytes, 0, input->bytes - bytes);
    }
    for (size_t i = 0; i < engine->source.model->node_count && !status; i++)
        if (tn__source_runs(&engine->source, i) && (!sweep->stops || sweep->stops[i]))
            status = sweep_node(&r, i, sweep, err);
    release(&r);
    tn__engine_touch(engine); /* the callbacks may have written parameters */
    return status;
}
