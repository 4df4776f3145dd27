/* cut_features.c - Gram matrices of all cuts over probe images, CKA and regression.
 *
 * A member is run once. Of each shard of images a cut leaves a Gram matrix, so that
 * memory does not grow with its width, and of the first images the rows themselves, for
 * regression. Kornblith et al. 2019 (linear and RBF CKA); Nguyen et al. 2021, equation
 * 3 (HSIC averaged over batches before the quotient is taken).
 */
#include "assemble/cut_features.h"

#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "similarity/cka.h"
#include "tensor/linalg.h"

#define GRID 4
#define SHARD 64     /* images of a Gram matrix */
#define IMAGES_MIN 4 /* fewer have no unbiased estimate */
#define RIDGE 1e-3   /* relative to the mean diagonal */

void tn__zoo_features_release(tn__zoo_features *features)
{
    for (size_t c = 0; features->list && c < features->cuts; c++) {
        tn__free(features->list[c].rows);
        tn__free(features->list[c].gram);
    }
    tn__free(features->list);
    tn__free(features->offset);
    *features = (tn__zoo_features){0};
}

/* --- pooling -----------------------------------------------------------------------
 */

/* A value of one image as [channels, height, width], whatever its layout. */
typedef struct layout {
    size_t channels, height, width;
    size_t channel_step, position_step;
} layout;

static layout layout_of(const tn__shape *shape)
{
    size_t d[4] = {1, 1, 1, 1};
    for (int a = 1; a < shape->rank && a < 4; a++)
        d[a] = (size_t)shape->dims[a];
    if (shape->rank == 4)
        return (layout){d[1], d[2], d[3], d[2] * d[3], 1};
    if (shape->rank != 3)
        return (layout){d[1], 1, 1, 1, 1};
    size_t side = (size_t)floor(sqrt((double)d[1]) + 0.5); /* tokens [T, C] */
    bool square = side * side == d[1];
    return (layout){d[2], square ? side : d[1], square ? side : 1, 1, d[2]};
}

static size_t side_of(size_t extent, bool pooled)
{
    return pooled ? 1 : TN__MIN(extent, GRID);
}

/* Means over the cells of a grid: to [positions, channels]. */
static void pool(float *to, const float *x, const layout *l, bool pooled)
{
    size_t rows = side_of(l->height, pooled), columns = side_of(l->width, pooled);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++, to += l->channels) {
            size_t top = i * l->height / rows, left = j * l->width / columns;
            size_t bottom = ((i + 1) * l->height + rows - 1) / rows;
            size_t right = ((j + 1) * l->width + columns - 1) / columns;
            double count = (double)((bottom - top) * (right - left));
            for (size_t c = 0; c < l->channels; c++) {
                double sum = 0;
                for (size_t y = top; y < bottom; y++)
                    for (size_t z = left; z < right; z++)
                        sum += (double)x[c * l->channel_step +
                                         (y * l->width + z) * l->position_step];
                to[c] = (float)(sum / count);
            }
        }
}

/* --- one member --------------------------------------------------------------------
 */

typedef struct streaming {
    tn__zoo_features *out;
    tn__cut_features *list; /* of the member's cut 0 */
    const tn__probe *probe;
    const layout *layouts; /* [units + 1] */
    tn__images_share share;
    size_t units, input;
} streaming;

/* Off-diagonal entries less row and column means; the product of two such matrices over
 * n (n - 3) is the unbiased HSIC. Scaled by 1 / sqrt(n - 3). */
static void centre(float *to, size_t stride, const double *gram, size_t n)
{
    double total = 0, count = (double)n, scale = 1 / sqrt(count - 3);
    double sums[SHARD];
    for (size_t i = 0; i < n; i++) {
        sums[i] = -gram[i * n + i];
        for (size_t j = 0; j < n; j++)
            sums[i] += gram[i * n + j];
        total += sums[i];
    }
    double shift = total / ((count - 1) * (count - 2));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double at = gram[i * n + j] - (sums[i] + sums[j]) / (count - 2) + shift;
            to[i * stride + j] = i == j ? 0 : (float)(scale * at);
        }
}

static tn_status measure_cut(streaming *s, size_t cut, const float *x,
                             const tn__shard *shard, double *gram, tn_error *err)
{
    tn__cut_features *f = &s->list[cut];
    const layout *l = &s->layouts[cut];
    size_t width = f->channels * f->positions, n = shard->images, S = s->out->shard;
    size_t from = l->channels * l->height * l->width;
    size_t first = s->share.image + shard->first, index = s->share.shard + shard->index;
    float *pooled = tn__alloc(n, width * sizeof *pooled);
    if (!pooled)
        return tn__fail_memory(err, n * width * sizeof *pooled);
    for (size_t i = 0; i < n; i++)
        pool(pooled + i * width, x + i * from, l, s->probe->pooled);
    for (size_t i = 0; i < n && first + i < s->out->sampled; i++)
        memcpy(f->rows + (first + i) * width, pooled + i * width,
               width * sizeof *pooled);
    tn_status status = TN_OK;
    if (n >= IMAGES_MIN) {
        status = tn__gram_linear(gram, pooled, n, width, err);
        if (status == TN_OK && s->probe->rbf)
            status = tn__gram_rbf(gram, n, 1, err);
        if (status == TN_OK)
            centre(f->gram + index * S * S, S, gram, n);
    }
    tn__free(pooled);
    return status;
}

static tn_status measure_shard(void *user, const tn__shard *shard, size_t worker,
                               tn_error *err)
{
    streaming *s = user;
    size_t n = shard->images;
    double *gram = tn__alloc(n * n, sizeof *gram);
    tn_status status = gram ? TN_OK : tn__fail_memory(err, n * n * sizeof *gram);
    (void)worker;
    for (size_t c = 0; c <= s->units && status == TN_OK; c++) {
        const float *x = shard->outputs[0];
        if (c == 0)
            x = s->probe->images + (s->share.image + shard->first) * s->input;
        else if (c < s->units)
            x = shard->kept[0][c - 1];
        status = measure_cut(s, c, x, shard, gram, err);
    }
    tn__free(gram);
    return status;
}

static tn_status stream_member(tn__zoo_features *out, tn__cut_features *list,
                               const tn__member *m, const layout *layouts,
                               const tn__probe *probe, tn_error *err)
{
    tn__engine *engine = NULL;
    size_t *keep = tn__alloc(m->units, sizeof *keep);
    if (!keep)
        return tn__fail_memory(err, m->units * sizeof *keep);
    for (size_t u = 1; u < m->units; u++)
        keep[u - 1] = m->cuts[u].value;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = probe->workers;
    options.shard = (int64_t)out->shard;
    options.keep = keep;
    options.keep_count = m->units - 1;
    tn_status status = tn__engine_create(&engine, m->model, &options, err);
    if (status == TN_OK) {
        streaming s = {.out = out,
                       .list = list,
                       .probe = probe,
                       .layouts = layouts,
                       .units = m->units,
                       .input = tn__engine_input_count(engine)};
        tn__visitor visitor = {.map = measure_shard, .user = &s};
        tn__share_of(&s.share, out, probe, tn__cluster_rank(probe->cluster));
        if (s.share.images > 0)
            status =
                tn__engine_visit(&engine, 1, probe->images + s.share.image * s.input,
                                 s.share.images, &visitor, err);
    }
    tn__engine_free(engine);
    tn__free(keep);
    return status;
}

/* Room for what is kept of the member's cuts, and how their values lie. */
static tn_status make_room(tn__zoo_features *out, layout *layouts, size_t first,
                           const tn__member *m, const tn__probe *probe, tn_error *err)
{
    size_t square = out->shard * out->shard;
    for (size_t c = 0; c <= m->units; c++) {
        tn__cut_features *f = &out->list[first + c];
        layouts[c] = layout_of(&m->cuts[c].shape);
        f->channels = layouts[c].channels;
        f->positions = side_of(layouts[c].height, probe->pooled) *
                       side_of(layouts[c].width, probe->pooled);
        f->rows = tn__alloc(out->sampled * f->positions, f->channels * sizeof *f->rows);
        f->gram = tn__alloc(out->shards, square * sizeof *f->gram);
        if (!f->rows || !f->gram)
            return tn__fail_memory(err, out->shards * square * sizeof *f->gram);
    }
    return TN_OK;
}

/* What process 0 finds in the cache, nobody streams. */
static tn_status add_member(tn__zoo_features *out, size_t first, const tn__member *m,
                            const tn__probe *probe, tn_error *err)
{
    bool found = false, root = tn__cluster_rank(probe->cluster) == 0;
    layout *layouts = tn__alloc(m->units + 1, sizeof *layouts);
    tn_status status = layouts ? make_room(out, layouts, first, m, probe, err)
                               : tn__fail_memory(err, m->units * sizeof *layouts);
    if (status == TN_OK && probe->cache && root)
        status = tn__cache_read(&found, out, first, m->units + 1, m->model, probe, err);
    status = tn_cluster_agree(probe->cluster, status, err);
    if (status == TN_OK)
        status = tn__cluster_broadcast(probe->cluster, &found, sizeof found, 0, err);
    if (status == TN_OK && !found) {
        status = stream_member(out, &out->list[first], m, layouts, probe, err);
        status = tn_cluster_agree(probe->cluster, status, err);
        if (status == TN_OK)
            status = tn__shares_join(out, first, m->units + 1, probe, err);
        if (status == TN_OK && probe->cache && root)
            status = tn__cache_write(out, first, m->units + 1, m->model, probe, err);
    }
    out->cached += found;
    tn__free(layouts);
    return tn_cluster_agree(probe->cluster, status, err);
}

tn_status tn__zoo_features_create(tn__zoo_features *out, const tn_zoo *zoo,
                                  const tn__probe *probe, tn_error *err)
{
    tn__zoo_features made = {.shard = SHARD,
                             .sampled = TN__MIN(probe->sampled, probe->n)};
    made.shards = (probe->n + made.shard - 1) / made.shard;
    made.offset = tn__alloc(zoo->count, sizeof *made.offset);
    if (!made.offset)
        return tn__fail_memory(err, zoo->count * sizeof *made.offset);
    for (size_t i = 0; i < zoo->count; i++) {
        made.offset[i] = made.cuts;
        made.cuts += zoo->members[i].units + 1;
    }
    made.list = tn__alloc(made.cuts, sizeof *made.list);
    tn_status status = TN_OK;
    if (!made.list)
        status = tn__fail_memory(err, made.cuts * sizeof *made.list);
    for (size_t i = 0; i < zoo->count && status == TN_OK; i++)
        status = add_member(&made, made.offset[i], &zoo->members[i], probe, err);
    if (status == TN_OK)
        *out = made;
    else
        tn__zoo_features_release(&made);
    return status;
}

/* --- CKA ---------------------------------------------------------------------------
 */

tn_status tn__zoo_features_cka(double **out, const tn__zoo_features *features,
                               tn_error *err)
{
    size_t n = features->cuts, square = features->shard * features->shard;
    double *hsic = tn__alloc(n, n * sizeof *hsic);
    float *rows = tn__alloc(n, square * sizeof *rows);
    float *product = tn__alloc(n, n * sizeof *product);
    if (!hsic || !rows || !product) {
        tn__free(hsic);
        tn__free(rows);
        tn__free(product);
        return tn__fail_memory(err, n * square * sizeof *rows);
    }
    for (size_t s = 0; s < features->shards; s++) {
        for (size_t c = 0; c < n; c++)
            memcpy(rows + c * square, features->list[c].gram + s * square,
                   square * sizeof *rows);
        tn__gemm_f32(false, true, n, n, square, 1, rows, square, rows, square, 0,
                     product, n);
        for (size_t k = 0; k < n * n; k++)
            hsic[k] += (double)product[k];
    }
    for (size_t u = 0; u < n; u++)
        for (size_t v = 0; v < u; v++) {
            double both = hsic[u * n + u] * hsic[v * n + v];
            double cka = both > 0 ? hsic[u * n + v] / sqrt(both) : 0;
            hsic[u * n + v] = hsic[v * n + u] = cka;
        }
    for (size_t u = 0; u < n; u++)
        hsic[u * n + u] = 1;
    tn__free(rows);
    tn__free(product);
    *out = hsic;
    return TN_OK;
}

/* --- regression --------------------------------------------------------------------
 */

/* Rows [from, to) of cut f less their mean over the first `fitted` rows, with the
 * positions averaged where `single`. Returns [rows, channels], owned; NULL: no memory.
 */
static float *centred_rows(const tn__cut_features *f, size_t images, size_t fitted,
                           bool single)
{
    size_t per = single ? 1 : f->positions, rows = images * per, c = f->channels;
    size_t merge = f->positions / per;
    float *x = tn__alloc(rows, c * sizeof *x);
    double *mean = tn__alloc(c, sizeof *mean);
    for (size_t i = 0; x && mean && i < rows; i++)
        for (size_t k = 0; k < c; k++) {
            double sum = 0;
            for (size_t m = 0; m < merge; m++)
                sum += (double)f->rows[(i * merge + m) * c + k];
            x[i * c + k] = (float)(sum / (double)merge);
            if (i < fitted * per)
                mean[k] += sum / (double)(merge * fitted * per);
        }
    for (size_t i = 0; x && mean && i < rows; i++)
        for (size_t k = 0; k < c; k++)
            x[i * c + k] -= (float)mean[k];
    if (!mean) {
        tn__free(x);
        x = NULL;
    }
    tn__free(mean);
    return x;
}

/* Fits y = x A on the first rows; A [p, q] in double. */
static tn_status fit(double *a, const float *x, const float *y, size_t rows, size_t p,
                     size_t q, tn_error *err)
{
    float *product = tn__alloc(p, TN__MAX(p, q) * sizeof *product);
    double *gram = tn__alloc(p, p * sizeof *gram), trace = 0;
    tn_status status = product && gram ? TN_OK : tn__fail_memory(err, p * p * 8);
    if (status == TN_OK) {
        tn__gemm_f32(true, false, p, p, rows, 1, x, p, x, p, 0, product, p);
        for (size_t k = 0; k < p * p; k++)
            gram[k] = (double)product[k];
        for (size_t k = 0; k < p; k++)
            trace += gram[k * p + k];
        for (size_t k = 0; k < p; k++)
            gram[k * p + k] += RIDGE * trace / (double)p + 1e-12;
        tn__gemm_f32(true, false, p, q, rows, 1, x, p, y, q, 0, product, q);
        for (size_t k = 0; k < p * q; k++)
            a[k] = (double)product[k];
        status = tn__solve_spd(gram, a, p, q, err);
    }
    tn__free(product);
    tn__free(gram);
    return status;
}

/* |y - x A|^2 / |y|^2 over the given rows. */
static tn_status unexplained(double *out, const float *x, const float *y,
                             const double *a, size_t rows, size_t p, size_t q,
                             tn_error *err)
{
    float *rest = tn__alloc(rows, q * sizeof *rest);
    float *narrow = tn__alloc(p, q * sizeof *narrow);
    double left = 0, all = 0;
    if (!rest || !narrow) {
        tn__free(rest);
        tn__free(narrow);
        return tn__fail_memory(err, rows * q * sizeof *rest);
    }
    for (size_t k = 0; k < p * q; k++)
        narrow[k] = (float)a[k];
    memcpy(rest, y, rows * q * sizeof *rest);
    tn__gemm_f32(false, false, rows, q, p, -1, x, p, narrow, q, 1, rest, q);
    for (size_t k = 0; k < rows * q; k++) {
        left += (double)rest[k] * (double)rest[k];
        all += (double)y[k] * (double)y[k];
    }
    *out = all > 0 ? TN__MIN(left / all, 1) : 0;
    tn__free(rest);
    tn__free(narrow);
    return TN_OK;
}

tn_status tn__zoo_features_residual(double *out, const tn__zoo_features *features,
                                    size_t u, size_t v, tn_error *err)
{
    const tn__cut_features *from = &features->list[u], *to = &features->list[v];
    bool single = from->positions != to->positions;
    size_t p = from->channels, q = to->channels, images = features->sampled;
    size_t fitted = images / 2, per = single ? 1 : from->positions;
    if (u == v) {
        *out = 0;
        return TN_OK;
    }
    float *x = centred_rows(from, images, fitted, single);
    float *y = centred_rows(to, images, fitted, single);
    double *a = tn__alloc(p, q * sizeof *a);
    tn_status status =
        x && y && a ? TN_OK : tn__fail_memory(err, images * (p + q) * sizeof *x);
    if (status == TN_OK)
        status = fit(a, x, y, fitted * per, p, q, err);
    if (status == TN_OK)
        status = unexplained(out, x + fitted * per * p, y + fitted * per * q, a,
                             (images - fitted) * per, p, q, err);
    tn__free(x);
    tn__free(y);
    tn__free(a);
    return status;
}

typedef struct regressing {
    const tn__zoo_features *features;
    double *explained; /* [cuts, cuts] */
} regressing;

static tn_status regress_row(void *user, size_t u, size_t worker, tn_error *err)
{
    regressing *r = user;
    size_t n = r->features->cuts;
    tn_status status = TN_OK;
    (void)worker;
    for (size_t v = 0; v < n && status == TN_OK; v++) {
        double residual = 0;
        status = tn__zoo_features_residual(&residual, r->features, u, v, err);
        r->explained[u * n + v] = 1 - residual;
    }
    return status;
}

tn_status tn__zoo_features_regression(double **out, const tn__zoo_features *features,
                                      tn__workers *workers, tn_error *err)
{
    size_t n = features->cuts;
    regressing r = {features, tn__alloc(n, n * sizeof(double))};
    if (!r.explained)
        return tn__fail_memory(err, n * n * sizeof(double));
    tn_status status = tn__workers_run(workers, n, regress_row, &r, err);
    if (status != TN_OK) {
        tn__free(r.explained);
        return status;
    }
    for (size_t u = 0; u < n; u++)
        for (size_t v = 0; v < u; v++) {
            double both = (r.explained[u * n + v] + r.explained[v * n + u]) / 2;
            r.explained[u * n + v] = r.explained[v * n + u] = both;
        }
    *out = r.explained;
    return TN_OK;
}
