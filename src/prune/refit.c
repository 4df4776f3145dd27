/* refit.c - layers and batch norms of a pruned network put right in one sweep.
 *
 * A first sweep takes down what each layer of the network before answered, at a sample
 * of positions. A second, over the pruned network, meets the layers in order, with all
 * that is before them corrected already: refit_layers.c fits their weights, or leaves
 * them. A batch norm then keeps the relation it had to the images:
 * mean' = m + (mean - m0) s / s0 and variance' = variance s^2 / s0^2, where m0, s0 are
 * what entered it before and m, s what is found now; a layer without one is scaled and
 * shifted itself (repair.c). Where answers make drift good, m0 is moved by its mean.
 * Behind a refitted layer TN_PRUNE_REPAIR_MEAN leaves s / s0 = 1: what least squares
 * could not explain is missing then, not made up for by more of the rest.
 */
#include <math.h>
#include <string.h>

#include "ops/batch_norm/batch_norm.h"
#include "prune/refit.h"

#define VARIANCE_MIN 1e-12

typedef struct refit {
    const tn__refitting *how;
    tn__places places;
    tn__repairs repairs;
    tn__engine *engine; /* of the second sweep */
    size_t norms;
} refit;

/* --- batch norms -------------------------------------------------------------------
 */

/* The layer before the norm, where it was refitted. */
static const tn__place *refitted_before(const refit *r, size_t norm)
{
    for (size_t i = 0; i < r->places.count; i++)
        if (r->places.list[i].layer.norm == norm && r->places.list[i].refitted)
            return &r->places.list[i];
    return NULL;
}

static double number_of(const tn_model *model, size_t value, size_t at)
{
    return tn__tensor_get_f64(&model->values[value].parameter, at);
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
    const tn__place *layer = refitted_before(r, at->node);
    bool held = layer && r->how->repair == TN_PRUNE_REPAIR_MEAN;
    double *to = tn__alloc(found.channels, 2 * sizeof *to);
    if (!to)
        status = tn__fail_memory(err, found.channels * 2 * sizeof *to);
    for (size_t c = 0; c < found.channels && status == TN_OK; c++) {
        double now = tn__moments_variance(&found, c);
        double before = number_of(r->how->goals, in[TN__BN_VARIANCE], c);
        double m0 = number_of(r->how->goals, in[TN__BN_MEAN], c);
        bool known = now > VARIANCE_MIN && before > VARIANCE_MIN;
        double ratio = known && !held ? now / before : 1;
        m0 += layer ? layer->more[c] : 0;
        to[c] =
            found.mean[c] + (number_of(small, in[TN__BN_MEAN], c) - m0) * sqrt(ratio);
        to[found.channels + c] = number_of(small, in[TN__BN_VARIANCE], c) * ratio;
        mean[c] = (float)(found.mean[c] + ((double)mean[c] - m0) * sqrt(ratio));
        variance[c] = (float)((double)variance[c] * ratio);
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
    refit *r = user;
    tn__places_take(&r->places, at, false);
    return tn__repairs_aim(&r->repairs, at, err);
}

static tn_status before(void *user, const tn__sweep_node *at, tn_error *err)
{
    refit *r = user;
    tn__place *p = tn__place_at(&r->places, at->node);
    if (p)
        return tn__place_fit(&r->places, p, r->engine, at, err);
    if (r->how->repair != TN_PRUNE_REPAIR_NONE &&
        tn__node_is_norm(&r->how->small->nodes[at->node]))
        return fit_norm(r, at, err);
    return TN_OK;
}

static tn_status after(void *user, const tn__sweep_node *at, tn_error *err)
{
    refit *r = user;
    const tn__place *p = tn__place_at(&r->places, at->node);
    bool refitted = p && p->refitted;
    tn_status status = TN_OK;
    if (!p || r->how->repair != TN_PRUNE_REPAIR_MEAN)
        status = tn__repairs_meet(&r->repairs, at, &r->places.shapes,
                                  refitted ? p->more : NULL, err);
    tn__places_take(&r->places, at, true);
    return status;
}

static tn_status sweep_before(refit *r, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = r->how->workers};
    tn__sweep callbacks = {.after = after_first, .user = r};
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

tn_status tn__prune_refit(tn__refitted *out, const tn__refitting *how, tn_error *err)
{
    refit r = {.how = how, .places = {.how = how}};
    bool repair =
        how->repair == TN_PRUNE_REPAIR_REPAIR || how->repair == TN_PRUNE_REPAIR_MEAN;
    tn_status status = tn__shapes_infer(&r.places.shapes, how->small, 1, err);
    if (status == TN_OK)
        status = tn__links_create(&r.places.links, how->small, err);
    if (status == TN_OK && how->layers)
        status = tn__places_find(&r.places, err);
    if (status == TN_OK && repair)
        status = tn__repairs_find(&r.repairs, how->probe, how->groups, how->kept,
                                  how->maps, how->workers, err);
    if (status == TN_OK && r.places.count + r.repairs.count > 0)
        status = sweep_before(&r, err);
    if (status == TN_OK)
        status = sweep_now(&r, err);
    if (status == TN_OK)
        status = write_layers(&r, err);
    if (status == TN_OK)
        status = tn__repairs_write(&out->repaired, &r.repairs, how->small, err);
    for (size_t i = 0; i < r.places.count && status == TN_OK; i++) {
        const tn__place *p = &r.places.list[i];
        out->ways[p->layer.node] = p->refitted ? TN__LAYER_REFITTED : TN__LAYER_LEFT;
        out->missed[p->layer.node] = p->missed;
    }
    if (status == TN_OK) {
        out->norms = r.norms;
        out->judged = tn__places_choose(&r.places);
    }
    tn__places_release(&r.places);
    tn__repairs_release(&r.repairs);
    tn__engine_free(r.engine);
    return status;
}
