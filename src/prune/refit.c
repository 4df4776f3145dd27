/* refit.c - layers and batch norms of a pruned network put right in one sweep.
 *
 * A first sweep takes down what each layer of the network before answered, at a sample
 * of positions. A second, over the pruned network, meets the layers in order, with all
 * that is before them corrected already: refit_layers.c fits their weights, or leaves
 * them. A batch
 * norm then keeps the relation it had to the images: mean' = m + (mean - m0) s / s0 and
 * variance' = variance s^2 / s0^2, where m0, s0 are what `probe` says of these images
 * and m, s what is found now. Behind a refitted layer `hold` may leave s / s0 = 1: what
 * least squares could not explain is missing then, not made up for by more of the rest.
 */
#include <math.h>
#include <string.h>

#include "ops/batch_norm/batch_norm.h"
#include "prune/refit.h"

#define VARIANCE_MIN 1e-12

typedef struct refit {
    const tn__refitting *how;
    tn__places places;
    tn__engine *engine; /* of the second sweep */
    size_t norms;
} refit;

/* --- batch norms -------------------------------------------------------------------
 */

static bool is_held(const refit *r, size_t norm)
{
    for (size_t i = 0; r->how->hold && i < r->places.count; i++)
        if (r->places.list[i].layer.norm == norm)
            return r->places.list[i].refitted;
    return false;
}

static tn_status fit_norm(refit *r, const tn__sweep_node *at, tn_error *err)
{
    tn_model *small = r->how->small;
    const size_t *in = small->nodes[at->node].inputs;
    float *mean = tn__engine_parameter(r->engine, in[TN__BN_MEAN]);
    float *variance = tn__engine_parameter(r->engine, in[TN__BN_VARIANCE]);
    tn__moments found = {0};
    if (!mean || !variance)
        return TN_OK;
    tn_status status = tn__sweep_moments(&found, at, 0, &r->places.shapes.shape[in[0]],
                                         r->how->workers, err);
    if (status != TN_OK)
        return status;
    bool held = is_held(r, at->node);
    double *to = tn__alloc(found.channels, 2 * sizeof *to);
    if (!to)
        status = tn__fail_memory(err, found.channels * 2 * sizeof *to);
    for (size_t c = 0; c < found.channels && status == TN_OK; c++) {
        double now = tn__moments_variance(&found, c), before = (double)variance[c];
        bool known = now > VARIANCE_MIN && before > VARIANCE_MIN;
        double ratio = known && !held ? now / before : 1, old[2];
        for (int k = 0; k < 2; k++)
            old[k] =
                tn__tensor_get_f64(&small->values[in[TN__BN_MEAN + k]].parameter, c);
        to[c] = found.mean[c] + (old[0] - (double)mean[c]) * sqrt(ratio);
        to[found.channels + c] = old[1] * ratio;
        mean[c] = (float)found.mean[c];
        variance[c] = (float)(before * ratio);
    }
    for (size_t k = 0; k < 2 && status == TN_OK; k++) {
        tn__tensor *vector = &small->values[in[TN__BN_MEAN + k]].parameter;
        status =
            tn__tensor_set_f64(vector, &vector->shape, to + k * found.channels, err);
    }
    tn__free(to);
    tn__moments_release(&found);
    tn__engine_touch(r->engine);
    r->norms++;
    return status;
}

/* --- the sweeps ----------------------------------------------------------------------
 */

static tn_status after_first(void *user, const tn__sweep_node *at, tn_error *err)
{
    (void)err;
    tn__places_take(user, at, false);
    return TN_OK;
}

static tn_status before(void *user, const tn__sweep_node *at, tn_error *err)
{
    refit *r = user;
    tn__place *p = tn__place_at(&r->places, at->node);
    if (p)
        return tn__place_fit(&r->places, p, r->engine, at, err);
    if (r->how->norms && tn__node_is_norm(&r->how->small->nodes[at->node]))
        return fit_norm(r, at, err);
    return TN_OK;
}

static tn_status after(void *user, const tn__sweep_node *at, tn_error *err)
{
    (void)err;
    refit *r = user;
    tn__places_take(&r->places, at, true);
    return TN_OK;
}

static tn_status sweep_before(refit *r, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = r->how->workers};
    tn__sweep callbacks = {.after = after_first, .user = &r->places};
    tn_status status = tn__engine_create(&engine, r->how->probe, &options, err);
    if (status == TN_OK)
        status = tn__engine_sweep(engine, r->how->images, r->how->n, &callbacks, err);
    tn__engine_free(engine);
    return status;
}

static tn_status sweep_now(refit *r, tn_error *err)
{
    tn__engine_options options = {.workers = r->how->workers};
    tn__sweep callbacks = {.before = before, .after = after, .user = r};
    tn_status status =
        tn__engine_create(&r->engine, r->how->small_probe, &options, err);
    if (status == TN_OK)
        status =
            tn__engine_sweep(r->engine, r->how->images, r->how->n, &callbacks, err);
    return status;
}

/* The refitted weights, from the engine into the model. */
static tn_status write_layers(refit *r, tn_error *err)
{
    tn_model *stored = NULL, *small = r->how->small;
    tn_status status = tn__model_clone(&stored, r->how->small_probe, err);
    if (status == TN_OK)
        status = tn__engine_store(r->engine, stored, err);
    for (size_t i = 0; i < r->places.count && status == TN_OK; i++) {
        const tn__node *node = &small->nodes[r->places.list[i].layer.node];
        for (size_t k = 1; k < node->input_count; k++) {
            if (node->inputs[k] == TN__NONE)
                continue;
            tn__tensor *to = &small->values[node->inputs[k]].parameter;
            tn__tensor_release(to);
            *to = tn__tensor_ref(&stored->values[node->inputs[k]].parameter);
        }
    }
    tn_model_free(stored);
    return status;
}

tn_status tn__prune_refit(tn__layer_way *ways, size_t *norms, const tn__refitting *how,
                          tn_error *err)
{
    refit r = {.how = how, .places = {.how = how}};
    tn_status status = tn__shapes_infer(&r.places.shapes, how->small, 1, err);
    if (status == TN_OK)
        status = tn__links_create(&r.places.links, how->small, err);
    if (status == TN_OK && how->kept)
        status = tn__places_find(&r.places, err);
    if (status == TN_OK && r.places.count > 0)
        status = sweep_before(&r, err);
    if (status == TN_OK)
        status = sweep_now(&r, err);
    if (status == TN_OK)
        status = write_layers(&r, err);
    if (status == TN_OK) {
        for (size_t i = 0; i < r.places.count; i++)
            ways[r.places.list[i].layer.node] =
                r.places.list[i].refitted ? TN__LAYER_REFITTED : TN__LAYER_LEFT;
        *norms = r.norms;
    }
    tn__places_release(&r.places);
    tn__engine_free(r.engine);
    return status;
}
