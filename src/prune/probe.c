/* probe.c - the images that statistics come from, and what networks answer to them.
 *
 * Images are drawn from a data set; where there is none they are the caller's business
 * (leaves.c). The probe is a network whose batch norms are re-estimated on them, so
 * that every layer answers to drawn images with the mean and variance it has on real
 * ones. The error of a pruned network is measured on the same images.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "fuse/recalibrate.h"
#include "prune/pruning.h"

tn_status tn__prune_draw(tn__pruning *p, const tn_dataset *data, tn_error *err)
{
    int64_t shape[3];
    size_t wanted = 0, input = p->model->inputs[0];
    tn_dataset_shape(shape, data);
    size_t pixels = (size_t)(shape[0] * shape[1] * shape[2]);
    size_t n = tn_dataset_count(data);
    if (!tn__shape_count(&wanted, &p->groups->shapes.shape[input]) || wanted != pixels)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "images of %zu numbers do not fit input '%s' of %zu", pixels,
                        p->model->values[input].name, wanted);
    p->image_count = TN__MIN(p->options->samples, n);
    uint32_t *order = tn__alloc(n, sizeof *order);
    p->images = tn__alloc(p->image_count, pixels * sizeof *p->images);
    p->labels = tn__alloc(p->image_count, sizeof *p->labels);
    tn_status status = order && p->images && p->labels
                           ? TN_OK
                           : tn__fail_memory(err, n * sizeof *order);
    if (status == TN_OK) {
        tn__rng rng;
        tn__rng_seed(&rng, p->options->seed, 0);
        tn__rng_permutation(&rng, order, n);
        status =
            tn_dataset_read(p->images, p->labels, data, order, 0, p->image_count, err);
    }
    tn__free(order);
    return status;
}

void tn__prune_hash(char out[TN__SHA256_HEX], const tn__pruning *p)
{
    int64_t pixels = 1;
    const tn__shape *shape = &p->groups->shapes.shape[p->model->inputs[0]];
    for (int a = 1; a < shape->rank; a++)
        pixels *= shape->dims[a];
    tn__sha256_hex(out, p->images, p->image_count * (size_t)pixels * sizeof *p->images);
}

bool tn__prune_images_tell(const tn__pruning *p)
{
    bool norms = false;
    for (size_t n = 0; n < p->model->node_count; n++)
        norms = norms || tn__node_is_norm(&p->model->nodes[n]);
    return norms || !p->synthetic;
}

tn_status tn__prune_probe(tn_model **out, const tn_model *model, const tn__pruning *p,
                          tn_error *err)
{
    tn_model *made = NULL;
    size_t layers = 0;
    tn_status status = tn__model_clone(&made, model, err);
    tn__recalibration how = {
        .norms = true, .workers = p->workers, .images = p->images, .n = p->image_count};
    if (status == TN_OK && p->images)
        status = tn__recalibrate(made, &layers, &how, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_model_free(made);
    return status;
}

static tn_status infer(float **out, size_t *count, const tn_model *model,
                       const tn__pruning *p, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = p->workers};
    tn_status status = tn__engine_create(&engine, model, &options, err);
    if (status != TN_OK)
        return status;
    *count = p->image_count * tn__engine_output_count(engine);
    *out = tn__alloc(*count, sizeof **out);
    status = *out ? tn__engine_infer(engine, *out, p->images, p->image_count, err)
                  : tn__fail_memory(err, *count * sizeof **out);
    tn__engine_free(engine);
    return status;
}

tn_status tn__prune_error(double *out, const tn_model *before, const tn_model *after,
                          const tn__pruning *p, tn_error *err)
{
    float *x = NULL, *y = NULL;
    size_t count = 0;
    double mean = 0, variance = 0, change = 0;
    tn_status status = infer(&x, &count, before, p, err);
    if (status == TN_OK)
        status = infer(&y, &count, after, p, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        mean += (double)x[i] / (double)count;
    for (size_t i = 0; i < count && status == TN_OK; i++) {
        double d = (double)y[i] - (double)x[i], v = (double)x[i] - mean;
        change += d * d;
        variance += v * v;
    }
    if (status == TN_OK)
        *out = isfinite(change) ? change / TN__MAX(variance, 1e-30) : HUGE_VAL;
    tn__free(x);
    tn__free(y);
    return status;
}
