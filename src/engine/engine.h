/* engine.h - runs and trains a model, batch by batch, on worker threads.
 *
 * A batch is cut into shards of a fixed number of images; every shard is computed alone
 * by one worker with its own primitives, and everything summed over shards is summed in
 * shard order. Results therefore depend on the shard size, never on the number of
 * threads.
 *
 *     tn__engine *engine = NULL;
 *     tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
 *     TN_TRY(tn__engine_create(&engine, model, &options, err));
 *     TN_TRY(tn__engine_infer(engine, logits, images, 1000, err));
 */
#ifndef TN_ENGINE_ENGINE_H
#define TN_ENGINE_ENGINE_H

#include "base/threads.h"
#include "cluster/cluster.h"
#include "ops/op.h"

typedef struct tn__engine tn__engine;

typedef struct tn__engine_options {
    tn__workers *workers;      /* borrowed, must outlive the engine; NULL: one worker */
    int64_t shard;             /* images per shard; 0: 64 */
    const tn_cluster *cluster; /* borrowed: processes that share the shards of a step;
                                  NULL: this one does all */
    bool training;  /* backward can be called; batch norm uses batch statistics */
    bool reference; /* plain C kernels only: the oracle */
    tn_precision precision; /* of the fast kernels; sweeps are in f32 always */
    const size_t *keep;     /* values (activations) that visitors will read: they are
                               computed as the graph says, not folded or fused away */
    size_t keep_count;
} tn__engine_options;
#define TN__ENGINE_OPTIONS_INIT                                                        \
    {                                                                                  \
        0                                                                              \
    }

/* The element type that `wanted` means on this CPU, TN_F32 or TN_BF16.
 * TN_ERROR_UNSUPPORTED where it has no bf16 and that is wanted. */
tn_status tn__precision_resolve(tn_dtype *out, tn_precision wanted,
                                tn_error *err) TN_MUST_USE;

/* Compiles `model` (one image input of any rank with the batch first, one output [N, K]
 * or [N, ...]). Keeps f32 copies of the parameters; the model itself is not needed
 * afterwards and is never changed. */
tn_status tn__engine_create(tn__engine **out, const tn_model *model,
                            const tn__engine_options *options,
                            tn_error *err) TN_MUST_USE;
void tn__engine_free(tn__engine *engine); /* takes NULL */

/* Shapes for one image (batch 1). */
const tn__shape *tn__engine_input_shape(const tn__engine *engine);
const tn__shape *tn__engine_output_shape(const tn__engine *engine);
size_t tn__engine_input_count(const tn__engine *engine); /* floats per image */
size_t tn__engine_output_count(const tn__engine *engine);
size_t tn__engine_shard(const tn__engine *engine);

/* out [n, K] from images [n, input], any n; the last shard is padded with zeros. */
tn_status tn__engine_infer(tn__engine *engine, float *out, const float *images,
                           size_t n, tn_error *err) TN_MUST_USE;

/* What a visitor sees of one shard: kept values of each engine in plain row-major
 * layout [images, ...]. */
typedef struct tn__shard {
    size_t index;                    /* of the shard, from 0 */
    size_t first, images;            /* images first .. first + images - 1 of the run */
    const float *const *outputs;     /* [engines]: [images, K] */
    const float *const *const *kept; /* [engines][keep_count]: [images, ...] */
} tn__shard;

/* Runs `engines` (inference, equal shard size, the same workers) on the same images.
 * map() (may be NULL) is called from worker threads, at the same time; reduce() is
 * called for each shard in order of index, one at a time, from some worker's thread,
 * while other shards are being computed. */
typedef struct tn__visitor {
    tn_status (*map)(void *user, const tn__shard *shard, size_t worker, tn_error *err);
    tn_status (*reduce)(void *user, const tn__shard *shard, size_t worker,
                        tn_error *err);
    void *user;
} tn__visitor;
tn_status tn__engine_visit(tn__engine *const *engines, size_t count,
                           const float *images, size_t n, const tn__visitor *visitor,
                           tn_error *err) TN_MUST_USE;

/* --- parameters --------------------------------------------------------------------
 */

/* The engine's f32 copy of parameter `value` of the model it was made from, in ONNX
 * layout; NULL where it is not a float parameter. Call tn__engine_touch() after
 * writing. */
float *tn__engine_parameter(tn__engine *engine, size_t value);
/* Elements of that parameter; 0 where there is none. */
size_t tn__engine_parameter_count(const tn__engine *engine, size_t value);
void tn__engine_touch(tn__engine *engine);
/* Writes the engine's parameters (running statistics too) into `model`, which has the
 * structure of the one it was made from; each keeps its dtype. */
tn_status tn__engine_store(const tn__engine *engine, tn_model *model,
                           tn_error *err) TN_MUST_USE;

/* --- training -----------------------------------------------------------------------
 */

/* Fills dlogits [n, K] with the gradient of the shard's part of the loss (which must
 * already be divided by the images of the whole step), and adds to *loss. Called from
 * worker threads; first is the index of the shard's first image in the step. */
typedef tn_status tn__loss(void *user, float *dlogits, double *loss,
                           const float *logits, size_t first, size_t n, tn_error *err);

/* Forward and backward over images [n, input]; n must be a multiple of the shard size.
 * Gradients of all trainable parameters are then in tn__engine_gradient(), *loss has
 * the sum over shards in order. Running statistics of batch norm move by their momentum
 * (running = (1 - m) running + m batch, m = `momentum`, variance unbiased).
 *
 * With a cluster each process computes its run of the shards (tn__cluster_share()) and
 * reads those images alone; sums are then made in order of rank, so that with one shard
 * a process all has the bits of a single process, else it agrees to rounding. The
 * status is that of all. loss_of() sees the shards of this process. */
tn_status tn__engine_step(tn__engine *engine, double *loss, const float *images,
                          size_t n, tn__loss *loss_of, void *user, double momentum,
                          tn_error *err) TN_MUST_USE;
/* [parameter count], valid until the next step; NULL for what is not trained (running
 * statistics, integers). */
const float *tn__engine_gradient(const tn__engine *engine, size_t value);

/* --- a sweep: node by node over all images ------------------------------------------
 */

/* Runs the nodes in order, each over ALL images before the next (activations live as
 * long as they are read), unfolded and unfused. before() and after() see each node;
 * they may change the engine's parameters (of this node in before()) and the node's
 * outputs in after(): data(k, s) is the mutable plain array of output k (input k in
 * before()) for shard s. Used to re-estimate statistics with everything upstream
 * corrected already.
 *
 * Where `stops` says after which nodes the sweep stops, those between are run together
 * with the next that it does, fused; the callbacks see only that one, of which they
 * have the outputs and no inputs, and what comes after the last stop is not run. */
typedef struct tn__sweep_node {
    size_t node; /* in the model the engine was made from */
    size_t shards;
    size_t images; /* in all */
    void *context; /* for tn__sweep_data() */
} tn__sweep_node;
/* operand: input k, or TN__OUT(k). *images is the number in this shard. NULL where it
 * is a parameter or left out. */
float *tn__sweep_data(const tn__sweep_node *at, int operand, size_t shard,
                      size_t *images);
typedef struct tn__sweep {
    tn_status (*before)(void *user, const tn__sweep_node *at,
                        tn_error *err); /* or NULL */
    tn_status (*after)(void *user, const tn__sweep_node *at,
                       tn_error *err); /* or NULL */
    void *user;
    const bool *stops; /* [nodes], or NULL: all */
} tn__sweep;
tn_status tn__engine_sweep(tn__engine *engine, const float *images, size_t n,
                           const tn__sweep *sweep, tn_error *err) TN_MUST_USE;

#endif
