/* fit_layer.c - ridge regression of one layer's answers on the patches of another's
 * input; see fit_layer.h.
 *
 * The ridge is relative to the number of coefficients for each row, as is the noise of
 * the fit.
 */
#include "depth/fit_layer.h"

#include "stats/patches.h"
#include "stats/ridge.h"

#define RIDGE 1e-2        /* for as many rows as coefficients */
#define POSITIONS_MAX 64  /* of each image that are read */
#define POSITIONS_SEED 11 /* by which they are drawn */

typedef struct run {
    tn__patches patches;
    tn__ridge sums;
    size_t sampled;
} run;

/* kept: the input of `like`, the output of `layer`. */
static tn_status reduce(void *user, const tn__shard *shard, size_t worker,
                        tn_error *err)
{
    (void)worker;
    run *r = user;
    const tn__patches *p = &r->patches;
    size_t outputs = r->sums.o, width = r->sums.d + outputs;
    float *row = r->sums.block;
    for (size_t i = 0; i < shard->images; i++) {
        const float *x = shard->kept[0][0] + i * p->inputs * p->area_in;
        const float *y = shard->kept[0][1] + i * outputs * p->area_out;
        for (size_t k = 0; k < r->sampled; k++, row += width) {
            size_t q = tn__patches_position(p, r->sampled, shard->first + i, k,
                                            POSITIONS_SEED);
            tn__patches_row(row, p, x, q);
            for (size_t o = 0; o < outputs; o++)
                row[r->sums.d + o] = y[o * p->area_out + q];
        }
    }
    return tn__ridge_add(&r->sums, shard->images * r->sampled, err);
}

static tn_status gather(run *r, const tn__layer_fit *fit, tn_error *err)
{
    const tn_model *model = fit->units->model;
    size_t keep[2] = {model->nodes[fit->like].inputs[0],
                      model->nodes[fit->layer].outputs[0]};
    tn__visitor visitor = {NULL, reduce, r};
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = fit->probe->workers;
    options.keep = keep;
    options.keep_count = 2;
    tn_status status = tn__engine_create(&engine, model, &options, err);
    if (status == TN_OK)
        status = tn__ridge_create(&r->sums, r->patches.width, r->sums.o,
                                  tn__engine_shard(engine) * r->sampled,
                                  r->sums.workers, err);
    if (status == TN_OK)
        status = tn__engine_visit(&engine, 1, fit->probe->images, fit->probe->n,
                                  &visitor, err);
    tn__engine_free(engine);
    return status;
}

/* weight [outputs, d] from w [d, outputs]. */
static tn_status solve(double *weight, double *constant, const run *r, tn_error *err)
{
    size_t d = r->sums.d, o = r->sums.o;
    double *w = tn__alloc(d, o * sizeof *w);
    if (!w)
        return tn__fail_memory(err, d * o * sizeof *w);
    tn_status status =
        tn__ridge_solve(w, constant, &r->sums, RIDGE * (double)d / r->sums.rows, err);
    for (size_t k = 0; k < d && status == TN_OK; k++) {
        for (size_t c = 0; c < o; c++)
            weight[c * d + k] = w[k * o + c];
    }
    tn__free(w);
    return status;
}

tn_status tn__fit_layer(double *weight, double *constant, const tn__layer_fit *fit,
                        tn_error *err)
{
    const tn_model *model = fit->units->model;
    const tn__shape *made =
        &fit->units->shapes.shape[model->nodes[fit->layer].outputs[0]];
    tn__workers *alone = NULL; /* sums are made while the engine's workers compute */
    run r = {0};
    size_t count = 0;
    tn_status status = tn__workers_create(&alone, 1, err);
    if (status == TN_OK)
        status =
            tn__patches_create(&r.patches, model, &fit->units->shapes, fit->like, err);
    if (status == TN_OK && (!tn__shape_count(&count, made) ||
                            count != (size_t)made->dims[1] * r.patches.area_out))
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "'%s' and '%s' do not answer at the same positions",
                          model->nodes[fit->like].name, model->nodes[fit->layer].name);
    r.sampled = TN__MIN(r.patches.area_out, POSITIONS_MAX);
    r.sums.o = (size_t)made->dims[1];
    r.sums.workers = alone;
    if (status == TN_OK)
        status = gather(&r, fit, err);
    if (status == TN_OK)
        status = solve(weight, constant, &r, err);
    tn__ridge_release(&r.sums);
    tn__patches_release(&r.patches);
    tn__workers_free(alone);
    return status;
}
