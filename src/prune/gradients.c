/* gradients.c - weights times gradients: what the loss loses, to first order, without
 * them.
 *
 * Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, as
 * Torch-Pruning computes it: the gradient of the cross-entropy over all labelled images
 * together. Batch norms are folded away before, so that no batch statistics come in
 * between.
 */
#include <math.h>

#include "ops/batch_norm/batch_norm.h"
#include "prune/prune.h"
#include "train/loss.h"

#define SHARD 64

/* Whether every element of the parameter is x, to what a float holds. */
static bool holds(const tn_model *model, size_t value, double x)
{
    const tn__tensor *tensor = &model->values[value].parameter;
    if (!tn__value_is_parameter(&model->values[value]))
        return false;
    for (size_t i = 0; i < tn__tensor_count(tensor); i++)
        if (fabs(tn__tensor_get_f64(tensor, i) - x) > 1e-6)
            return false;
    return true;
}

static bool is_idle(const tn_model *model, const tn__node *node)
{
    if (!tn__node_is_norm(node))
        return false;
    const size_t *in = node->inputs;
    double epsilon = (double)tn__node_float(node, "epsilon", TN__BN_EPSILON);
    return holds(model, in[TN__BN_SCALE], 1) && holds(model, in[TN__BN_BIAS], 0) &&
           holds(model, in[TN__BN_MEAN], 0) &&
           (holds(model, in[TN__BN_VARIANCE], 1 - epsilon) ||
            holds(model, in[TN__BN_VARIANCE], 1));
}

/* Idle batch norms become Identity nodes. */
static tn_status drop_norms(tn_model *model, tn_error *err)
{
    for (size_t n = 0; n < model->node_count; n++) {
        tn__node *node = &model->nodes[n];
        if (!is_idle(model, node))
            continue;
        tn_status status = tn__node_become(node, "Identity", err);
        if (status != TN_OK)
            return status;
        node->input_count = 1;
    }
    return TN_OK;
}

/* The parameter [elements] times the gradient, in double. */
static tn_status multiply(tn__tensor *tensor, const float *gradient, tn_error *err)
{
    tn__tensor made = {0};
    void *data = NULL;
    tn_status status =
        tn__tensor_create(&made, TN_F64, tensor->shape.rank, tensor->shape.dims, err);
    if (status == TN_OK)
        status = tn__tensor_write(&made, &data, err);
    for (size_t i = 0; status == TN_OK && i < tn__tensor_count(&made); i++)
        ((double *)data)[i] = (double)gradient[i] * tn__tensor_get_f64(tensor, i);
    if (status != TN_OK) {
        tn__tensor_release(&made);
        return status;
    }
    tn__tensor_release(tensor);
    *tensor = made;
    return TN_OK;
}

/* Images of one class too many, and the loss would read past the outputs. */
static tn_status check_labels(const tn__scoring *how, size_t classes, tn_error *err)
{
    if (!how->labels)
        return tn__fail(
            err, TN_ERROR_ARGUMENT,
            "importance 'taylor' wants labelled images, and none were given");
    for (size_t i = 0; i < how->n; i++)
        if (how->labels[i] < 0 || (size_t)how->labels[i] >= classes)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "label %d of an image is beyond the %zu outputs",
                            (int)how->labels[i], classes);
    return TN_OK;
}

static tn_status measure(tn__engine *engine, const tn__scoring *how, tn_error *err)
{
    size_t shard = tn__engine_shard(engine), images = how->n / shard * shard;
    tn__cross_entropy_job job = {.classes = tn__engine_output_count(engine),
                                 .images = images,
                                 .labels = how->labels,
                                 .shard = shard};
    double loss = 0;
    tn_status status = check_labels(how, job.classes, err);
    if (status != TN_OK)
        return status;
    job.correct = tn__alloc(images / shard, sizeof *job.correct);
    status = job.correct ? tn__engine_step(engine, &loss, how->images, images,
                                           tn__cross_entropy, &job, 0, err)
                         : tn__fail_memory(err, images / shard * sizeof *job.correct);
    tn__free(job.correct);
    return status;
}

tn_status tn__prune_products(tn_model **out, const tn__scoring *how, tn_error *err)
{
    tn_model *made = NULL;
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = how->workers,
                                  .training = true,
                                  .shard = (int64_t)TN__MIN(how->n, SHARD)};
    if (!how->labels)
        return check_labels(how, 0, err);
    tn_status status = tn__model_clone(&made, how->folded, err);
    if (status == TN_OK)
        status = drop_norms(made, err);
    if (status == TN_OK)
        status = tn__engine_create(&engine, made, &options, err);
    if (status == TN_OK)
        status = measure(engine, how, err);
    for (size_t v = 0; status == TN_OK && v < made->value_count; v++) {
        const float *gradient = tn__engine_gradient(engine, v);
        if (gradient && made->values[v].parameter.shape.rank > 1)
            status = multiply(&made->values[v].parameter, gradient, err);
    }
    tn__engine_free(engine);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}
