/* probe.c - the images that statistics come from, and what networks answer to them.
 *
 * Images are drawn from a data set; where there is none they are the caller's business
 * (leaves.c). The probe is a network whose batch norms are re-estimated on them, so
 * that every layer answers to drawn images with the mean and variance it has on real
 * ones. A network whose norms are folded into layers has another probe of the same
 * function: its norms do nothing on real images, but on these they make up for what
 * they differ by. The error of a pruned network is measured on the same images.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "fuse/recalibrate.h"
#include "ops/batch_norm/batch_norm.h"
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

void tn__probe_models_release(tn__probe_models *models)
{
    if (models->goals != models->model)
        tn_model_free(models->goals);
    tn_model_free(models->model);
    *models = (tn__probe_models){0};
}

static tn_status set_vector(tn_model *model, size_t value, const double *x,
                            tn_error *err)
{
    tn__tensor *to = &model->values[value].parameter;
    return tn__tensor_set_f64(to, &to->shape, x, err);
}

static double number_of(const tn_model *model, size_t value, size_t at)
{
    return tn__tensor_get_f64(&model->values[value].parameter, at);
}

/* A norm with scale g and shift b, folded away by its mean and variance m, v; m0, v0
 * are what enters it here. With a = g / sd(v), the folded layer answers a y + b - a m,
 * of mean a m0 + b - a m and variance a^2 v0: the goals. The probe's norm gives g (y -
 * m0) / sd(v0) + b of it, so it divides by r = sd(v0) / sd(v) and takes off what is
 * left of the mean beside b r. sd has epsilon in it. */
static tn_status fold_probe_norm(tn__pruning *p, const tn__node *norm, tn_error *err)
{
    const size_t *in = norm->inputs;
    double epsilon = (double)tn__node_float(norm, "epsilon", TN__BN_EPSILON);
    size_t channels = tn__tensor_count(&p->model->values[in[TN__BN_MEAN]].parameter);
    double *to = tn__alloc(channels, 4 * sizeof *to);
    if (!to)
        return tn__fail_memory(err, channels * 4 * sizeof *to);
    for (size_t c = 0; c < channels; c++) {
        double shift = number_of(p->model, in[TN__BN_BIAS], c);
        double v0 = number_of(p->probe.model, in[TN__BN_VARIANCE], c);
        double v = number_of(p->model, in[TN__BN_VARIANCE], c) + epsilon;
        double a = v > 0 ? number_of(p->model, in[TN__BN_SCALE], c) / sqrt(v) : 0;
        double r = v > 0 ? (v0 + epsilon) / v : 1;
        double mean = shift + a * (number_of(p->probe.model, in[TN__BN_MEAN], c) -
                                   number_of(p->model, in[TN__BN_MEAN], c));
        to[c] = mean;
        to[channels + c] = a * a * v0;
        to[2 * channels + c] = mean - shift * sqrt(r);
        to[3 * channels + c] = r - epsilon;
    }
    tn_model *const models[] = {p->folded_probe.goals, p->folded_probe.model};
    tn_status status = TN_OK;
    for (size_t k = 0; k < 4 && status == TN_OK; k++)
        status = set_vector(models[k / 2], in[k % 2 ? TN__BN_VARIANCE : TN__BN_MEAN],
                            to + k * channels, err);
    tn__free(to);
    return status;
}

/* A norm that stands elsewhere was not folded. */
static void copy_probe_norm(tn__pruning *p, const tn__node *norm)
{
    tn_model *const models[] = {p->folded_probe.goals, p->folded_probe.model};
    for (size_t k = 0; k < 4; k++) {
        size_t v = norm->inputs[k % 2 ? TN__BN_VARIANCE : TN__BN_MEAN];
        tn__tensor *to = &models[k / 2]->values[v].parameter;
        if (!tn__value_is_parameter(&p->model->values[v]))
            continue;
        tn__tensor_release(to);
        *to = tn__tensor_ref(&p->probe.model->values[v].parameter);
    }
}

/* p->folded_probe from p->probe. */
static tn_status fold_probe(tn__pruning *p, tn_error *err)
{
    tn__links links = {0};
    tn_status status = tn__links_create(&links, p->model, err);
    if (status == TN_OK)
        status = tn__model_clone(&p->folded_probe.goals, p->folded, err);
    for (size_t n = 0; n < p->model->node_count && status == TN_OK; n++)
        if (tn__node_is_norm(&p->model->nodes[n]))
            copy_probe_norm(p, &p->model->nodes[n]);
    for (size_t n = 0; n < p->model->node_count && status == TN_OK; n++) {
        tn__layer layer;
        if (tn__layer_of(&layer, p->model, &links, n) && layer.norm != TN__NONE &&
            tn__norm_is_own(p->model, &links, layer.norm))
            status = fold_probe_norm(p, &p->model->nodes[layer.norm], err);
    }
    tn__links_release(&links);
    return status;
}

tn_status tn__prune_probe(tn__pruning *p, tn_error *err)
{
    size_t norms = 0;
    tn__recalibration how = {
        .norms = true, .workers = p->workers, .images = p->images, .n = p->image_count};
    tn_status status = tn__model_clone(&p->probe.model, p->model, err);
    if (status == TN_OK)
        status = tn__model_clone(&p->folded_probe.model, p->folded, err);
    p->probe.goals = p->probe.model;
    p->folded_probe.goals = p->folded_probe.model;
    if (status == TN_OK && p->images)
        status = tn__recalibrate(p->probe.model, &norms, &how, err);
    return status == TN_OK && norms > 0 ? fold_probe(p, err) : status;
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
