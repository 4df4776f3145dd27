/* state.h - what the files of the engine share: the engine itself, and tickets. */
#ifndef TN_ENGINE_STATE_H
#define TN_ENGINE_STATE_H

#include <pthread.h>

#include "cluster/exchange.h"
#include "engine/engine.h"
#include "engine/plan.h"

/* Running statistics of one batch norm: parameters, and sums over the step's shards. */
typedef struct tn__norm_sums {
    size_t mean_value, variance_value, channels;
    double *mean, *variance; /* [channels]; variance unbiased */
} tn__norm_sums;

struct tn__engine {
    tn__source source;
    tn__workers *workers;
    bool owns_workers, training, reference, bf16;
    size_t shard, worker_count;
    size_t *keep, keep_count;
    size_t input, output;                /* values */
    tn__shape input_shape, output_shape; /* of one image */
    size_t input_count, output_count;    /* floats of one image */
    tn__plan **infer, **train;           /* [workers], compiled when first run */

    /* Training. Gradients are summed over shards in order: at once where one worker
     * does all and the parameter has one reader, else through the worker's own copy. */
    float **gradient; /* [values] of the step */
    float ***own;     /* [workers][values], NULL where added at once */
    bool **seen;      /* [workers][values] in this shard */
    tn__norm_sums *norms;
    size_t norm_count;

    /* What processes share (NULL, or a cluster of several). */
    const tn_cluster *cluster;
    tn__exchange *exchange; /* of gradients */
    size_t *exchanged;      /* [values] their number in it, or TN__NONE */
};

/* The worker's plan; called on the worker's thread. */
tn_status tn__engine_plan(tn__plan **out, tn__engine *engine, bool training,
                          size_t worker, tn_error *err) TN_MUST_USE;
/* Copies images first .. of n to the plan's import; what is missing is zero. */
void tn__engine_load(const tn__engine *engine, tn__plan *plan, const float *images,
                     size_t first, size_t n);
static inline size_t tn__engine_shards(const tn__engine *engine, size_t n)
{
    return n / engine->shard + (n % engine->shard != 0);
}
/* Buffers for training (step.c). */
tn_status tn__engine_prepare_training(tn__engine *engine, tn_error *err) TN_MUST_USE;
void tn__engine_release_training(tn__engine *engine);

/* --- tickets: shards pass one at a time, in order (ticket.c) --- */

typedef struct tn__ticket {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t next;   /* shard whose turn it is */
    size_t failed; /* the smallest shard that failed */
} tn__ticket;

void tn__ticket_init(tn__ticket *ticket);
void tn__ticket_release(tn__ticket *ticket);
/* Waits for the turn of `shard`; false where an earlier one failed. */
bool tn__ticket_wait(tn__ticket *ticket, size_t shard);
/* The turn goes on: to the next shard, or on failure to none. */
void tn__ticket_pass(tn__ticket *ticket, size_t shard, tn_status status);

#endif
