/* proxies.c - NASWOT, and Kendall's rank correlation to judge proxies by.
 *
 * States are written as +1 and -1, so that the number of units in which two images
 * agree is (units + s . s') / 2: one matrix product a layer.
 */
#include "assemble/proxies.h"

#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "tenon/assemble.h"
#include "tensor/linalg.h"

typedef struct counting {
    size_t count, shard;
    size_t *units;   /* [count]: of each rectifier's output for one image */
    double *log_det; /* [shards] */
    double all;      /* units in all */
} counting;

static tn_status count_shard(void *user, const tn__shard *at, size_t worker,
                             tn_error *err)
{
    counting *c = user;
    size_t n = at->images, widest = 0;
    (void)worker;
    if (n < c->shard)
        return TN_OK;
    for (size_t k = 0; k < c->count; k++)
        widest = TN__MAX(widest, c->units[k]);
    float *signs = tn__alloc(n, widest * sizeof *signs);
    float *product = tn__alloc(n, n * sizeof *product);
    double *kernel = tn__alloc(n, n * sizeof *kernel);
    tn_status status =
        signs && product && kernel ? TN_OK : tn__fail_memory(err, n * widest * 4);
    for (size_t k = 0; k < c->count && status == TN_OK; k++) {
        size_t u = c->units[k];
        for (size_t i = 0; i < n * u; i++)
            signs[i] = at->kept[0][k][i] > 0 ? 1.0F : -1.0F;
        tn__gemm_f32(false, true, n, n, u, 1, signs, u, signs, u, 0, product, n);
        for (size_t i = 0; i < n * n; i++)
            kernel[i] += ((double)u + (double)product[i]) / 2;
    }
    if (status == TN_OK)
        status = tn__log_det_spd(&c->log_det[at->index], kernel, n, err);
    tn__free(signs);
    tn__free(product);
    tn__free(kernel);
    return status;
}

/* Outputs of the rectifiers, and how many numbers each has. */
static tn_status find_rectifiers(size_t *keep, counting *c, const tn_model *model,
                                 tn_error *err)
{
    tn__shapes shapes = {0};
    tn_status status = tn__shapes_infer(&shapes, model, 1, err);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        if (strcmp(model->nodes[n].type, "Relu") != 0)
            continue;
        keep[c->count] = model->nodes[n].outputs[0];
        if (!tn__shape_count(&c->units[c->count], &shapes.shape[keep[c->count]]))
            status = tn__fail_memory(err, SIZE_MAX);
        c->all += (double)c->units[c->count++];
    }
    if (status == TN_OK && c->count == 0)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED, "'%s' has no rectifiers to count",
                          model->name);
    tn__shapes_release(&shapes);
    return status;
}

tn_status tn__naswot(double *score, double *per_unit, const tn_model *model,
                     const float *images, size_t n, tn__workers *workers, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    counting c = {.units = tn__alloc(model->node_count, sizeof *c.units)};
    size_t *keep = tn__alloc(model->node_count, sizeof *keep), full = 0;
    tn_status status =
        c.units && keep ? TN_OK : tn__fail_memory(err, model->node_count * 8);
    if (status == TN_OK)
        status = find_rectifiers(keep, &c, model, err);
    options.workers = workers;
    options.keep = keep;
    options.keep_count = c.count;
    if (status == TN_OK)
        status = tn__engine_create(&engine, model, &options, err);
    if (status == TN_OK) {
        c.shard = tn__engine_shard(engine);
        full = n / c.shard;
        c.log_det = tn__alloc(full + 1, sizeof *c.log_det);
        status = c.log_det ? TN_OK : tn__fail_memory(err, full * sizeof *c.log_det);
    }
    if (status == TN_OK && full == 0)
        status = tn__fail(err, TN_ERROR_MISMATCH, "%zu images, at least %zu are wanted",
                          n, c.shard);
    tn__visitor visitor = {.map = count_shard, .user = &c};
    if (status == TN_OK)
        status = tn__engine_visit(&engine, 1, images, full * c.shard, &visitor, err);
    if (status == TN_OK) {
        double sum = 0;
        for (size_t s = 0; s < full; s++)
            sum += c.log_det[s] / (double)c.shard / (double)full;
        *score = sum;
        *per_unit = sum - log(c.all); /* log det (K / u) = log det K - m log u */
    }
    tn__engine_free(engine);
    tn__free(c.units);
    tn__free(c.log_det);
    tn__free(keep);
    return status;
}

double tn_kendall(const double *x, const double *y, size_t n)
{
    double agree = 0, in_x = 0, in_y = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            int a = (x[i] > x[j]) - (x[i] < x[j]), b = (y[i] > y[j]) - (y[i] < y[j]);
            agree += a * b;
            in_x += a != 0;
            in_y += b != 0;
        }
    return in_x > 0 && in_y > 0 ? agree / sqrt(in_x * in_y) : 0;
}
