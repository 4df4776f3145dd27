/* refit.c - layers and batch norms of a pruned network put right in one sweep.
 *
 * A first sweep takes down what each layer of the network before answered, at a sample
 * of positions. A second, over the pruned network, meets the layers in order, with all
 * that is before them corrected already. Where X are the patches a layer sees now and Y
 * the answers wanted, its weights W0 become
 *
 *     W = W0 + argmin |X (W0 + D)^T - Y|^2 + lambda |D|^2 :  (G + lambda) D^T = X^T Y -
 * G W0^T
 *
 * centred where a bias or a batch norm takes up the mean (ridge compensation as
 * GRAIL's, arXiv 2602.23795, with a coefficient for each tap instead of each channel,
 * and against the inputs as they are after pruning). A batch norm then keeps the
 * relation it had to the images: mean' = m + (mean - m0) s / s0 and variance' =
 * variance s^2 / s0^2, where m0, s0 are what `probe` says of these images and m, s what
 * is found now.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fuse/recalibrate.h"
#include "neurons/resize_groups.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/window.h"
#include "prune/prune.h"
#include "tensor/linalg.h"

#define POSITIONS_MAX 64                 /* of each image that are sampled */
#define SAMPLE_BYTES ((size_t)512 << 20) /* of all answers taken down */
#define WIDTH_MAX 4608                   /* wider layers are left as they are */
#define RIDGE 1e-3                       /* relative to the mean diagonal */
#define VARIANCE_MIN 1e-12

/* A layer that is refitted. */
typedef struct place {
    tn__layer layer;
    bool conv;
    size_t taps, *table; /* conv: [outputs, taps] input positions */
    size_t inputs;       /* input channels before, positions of one */
    size_t area_in, area_out;
    size_t answers, wanted; /* output channels before and now */
    uint32_t *channel;      /* [wanted]: their numbers before */
    size_t sampled;         /* positions an image */
    float *y;               /* [images * sampled, wanted] */
} place;

typedef struct refit {
    const tn__refitting *how;
    place *list;
    size_t count;
    tn__engine *engine; /* of the second sweep */
    tn__shapes shapes;  /* of the small network */
    tn__links links;
    size_t layers, norms;
} refit;

static void place_release(place *p)
{
    tn__free(p->table);
    tn__free(p->channel);
    tn__free(p->y);
}

static place *place_at(refit *r, size_t node)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].layer.node == node)
            return &r->list[i];
    return NULL;
}

/* --- which layers ------------------------------------------------------------------
 */

static tn_status read_window(place *p, const tn_model *model, const tn__shapes *shapes,
                             tn_error *err)
{
    tn__site site;
    tn__site_memory memory = {0};
    tn__window window;
    const tn__shape *w = &model->values[p->layer.weight].parameter.shape;
    tn_status status = tn__site_fill(&site, &memory, model, shapes, p->layer.node, err);
    if (status == TN_OK)
        status = tn__window_read(&window, &site, w->dims + 2, err);
    if (status == TN_OK)
        status = tn__window_table(&p->table, &window, err);
    if (status == TN_OK) {
        p->taps = tn__window_taps(&window);
        p->area_in = tn__window_inputs(&window);
        p->area_out = tn__window_outputs(&window);
    }
    tn__site_memory_release(&memory);
    return status;
}

static tn_status keep_channels(place *p, const refit *r, tn_error *err)
{
    const tn__refitting *how = r->how;
    uint8_t *flags = tn__alloc(p->answers, sizeof *flags);
    p->channel = tn__alloc(p->answers, sizeof *p->channel);
    if (!flags || !p->channel) {
        tn__free(flags);
        return tn__fail_memory(err, p->answers * sizeof *p->channel);
    }
    tn__resize_cells(flags, how->groups, (const uint8_t *const *)how->kept,
                     p->layer.output, 1);
    for (size_t c = 0; c < p->answers; c++)
        if (flags[c])
            p->channel[p->wanted++] = (uint32_t)c;
    tn__free(flags);
    return TN_OK;
}

/* Whether node n is a layer whose weights can be fitted as one matrix. */
static bool is_fitted(tn__layer *out, const refit *r, size_t n)
{
    const tn_model *small = r->how->small;
    const tn__node *node = &small->nodes[n];
    if (!tn__layer_of(out, small, &r->links, n) ||
        tn__node_int(node, "group", 1) != 1 || tn__node_int(node, "transA", 0) ||
        (double)tn__node_float(node, "alpha", 1) != 1 ||
        (double)tn__node_float(node, "beta", 1) != 1)
        return false;
    const tn__shape *w = &small->values[out->weight].parameter.shape;
    const tn__shape *x = &r->shapes.shape[node->inputs[0]];
    size_t width = 1;
    for (int a = 0; a < w->rank; a++)
        width *= a == out->axis ? 1 : (size_t)w->dims[a];
    return width <= WIDTH_MAX && x->rank == w->rank;
}

static tn_status find_places(refit *r, tn_error *err)
{
    const tn__refitting *how = r->how;
    const tn_model *small = how->small;
    r->list = tn__alloc(small->node_count, sizeof *r->list);
    if (!r->list)
        return tn__fail_memory(err, small->node_count * sizeof *r->list);
    bool changed = false;
    for (size_t n = 0; n < small->node_count; n++) {
        place made = {.taps = 1, .area_in = 1, .area_out = 1};
        if (!is_fitted(&made.layer, r, n))
            continue;
        const tn__shape *w = &small->values[made.layer.weight].parameter.shape;
        const tn__shape *before =
            &how->probe->values[made.layer.weight].parameter.shape;
        made.conv = !strcmp(small->nodes[n].type, "Conv");
        int in = made.layer.axis == 0 ? 1 : 0;
        made.inputs = (size_t)w->dims[in];
        made.answers = (size_t)before->dims[made.layer.axis];
        changed = changed || w->dims[in] != before->dims[in];
        if (!changed)
            continue;
        place *p = &r->list[r->count++];
        *p = made;
        tn_status status = keep_channels(p, r, err);
        if (status == TN_OK && p->conv)
            status = read_window(p, small, &r->shapes, err);
        if (status != TN_OK)
            return status;
        p->sampled = TN__MIN(p->area_out, POSITIONS_MAX);
    }
    return TN_OK;
}

/* Fewer positions where the answers would take too much memory. */
static tn_status claim_answers(refit *r, tn_error *err)
{
    size_t total = 0, n = r->how->n;
    for (size_t i = 0; i < r->count; i++)
        total += n * r->list[i].sampled * r->list[i].wanted * sizeof(float);
    double share = total > SAMPLE_BYTES ? (double)SAMPLE_BYTES / (double)total : 1;
    for (size_t i = 0; i < r->count; i++) {
        place *p = &r->list[i];
        p->sampled = (size_t)TN__MAX(share * (double)p->sampled, 1);
        p->y = tn__alloc(n * p->sampled, p->wanted * sizeof *p->y);
        if (!p->y)
            return tn__fail_memory(err, n * p->sampled * p->wanted * sizeof *p->y);
    }
    return TN_OK;
}

/* The sampled position k of an image: the same in both sweeps. */
static size_t position(const refit *r, const place *p, size_t image, size_t k)
{
    tn__rng rng;
    if (p->sampled == p->area_out)
        return k;
    tn__rng_seed(&rng, r->how->seed, image * POSITIONS_MAX + k);
    return (size_t)tn__rng_below(&rng, p->area_out);
}

/* --- first sweep -------------------------------------------------------------------
 */

static tn_status take_down(void *user, const tn__sweep_node *at, tn_error *err)
{
    (void)err;
    refit *r = user;
    place *p = place_at(r, at->node);
    size_t image = 0;
    for (size_t s = 0; p && s < at->shards; s++) {
        size_t images = 0;
        const float *x = tn__sweep_data(at, TN__OUT(0), s, &images);
        for (size_t i = 0; i < images; i++, image++)
            for (size_t k = 0; k < p->sampled; k++) {
                size_t q = position(r, p, image, k);
                float *y = p->y + (image * p->sampled + k) * p->wanted;
                for (size_t c = 0; c < p->wanted; c++)
                    y[c] = x[(i * p->answers + p->channel[c]) * p->area_out + q];
            }
    }
    return TN_OK;
}

/* --- second sweep: layers ----------------------------------------------------------
 */

/* Sums over rows [x, y], each less `shift`. */
typedef struct sums {
    size_t d, o; /* widths of x and y */
    double rows;
    float *shift;   /* [d + o] */
    double *first;  /* [d + o] */
    double *second; /* [d, d + o] */
    float *block, *product;
} sums;

static void sums_release(sums *s)
{
    tn__free(s->shift);
    tn__free(s->first);
    tn__free(s->second);
    tn__free(s->block);
    tn__free(s->product);
}

static tn_status sums_create(sums *s, size_t rows, tn_error *err)
{
    size_t width = s->d + s->o;
    s->shift = tn__alloc(width, sizeof *s->shift);
    s->first = tn__alloc(width, sizeof *s->first);
    s->second = tn__alloc(s->d, width * sizeof *s->second);
    s->block = tn__alloc(rows, width * sizeof *s->block);
    s->product = tn__alloc(s->d, width * sizeof *s->product);
    if (s->shift && s->first && s->second && s->block && s->product)
        return TN_OK;
    sums_release(s);
    return tn__fail_memory(err, s->d * width * sizeof *s->second);
}

/* Adds the rows of `block`; the first block's mean becomes the shift. */
static void sums_add(sums *s, size_t rows)
{
    size_t width = s->d + s->o;
    for (size_t c = 0; c < width && s->rows == 0; c++) {
        double sum = 0;
        for (size_t i = 0; i < rows; i++)
            sum += (double)s->block[i * width + c];
        s->shift[c] = (float)(sum / (double)rows);
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < width; c++) {
            s->block[i * width + c] -= s->shift[c];
            s->first[c] += (double)s->block[i * width + c];
        }
    tn__gemm_f32(true, false, s->d, width, rows, 1, s->block, width, s->block, width, 0,
                 s->product, width);
    for (size_t i = 0; i < s->d * width; i++)
        s->second[i] += (double)s->product[i];
    s->rows += (double)rows;
}

/* Sums become means: second moments about the mean, or about zero. */
static void sums_finish(sums *s, bool centred)
{
    size_t width = s->d + s->o;
    for (size_t c = 0; c < width; c++)
        s->first[c] /= s->rows;
    for (size_t i = 0; i < s->d; i++)
        for (size_t j = 0; j < width; j++) {
            double at = s->second[i * width + j] / s->rows - s->first[i] * s->first[j];
            if (!centred)
                at += (s->first[i] + (double)s->shift[i]) *
                      (s->first[j] + (double)s->shift[j]);
            s->second[i * width + j] = at;
        }
}

static double mean_of(const sums *s, size_t c)
{
    return s->first[c] + (double)s->shift[c];
}

/* One row: the patch that the layer sees at position q of an image, then the answer. */
static void fill_row(float *row, const place *p, const float *x, size_t q,
                     const float *y)
{
    for (size_t c = 0; c < p->inputs && !p->conv; c++)
        row[c] = x[c];
    for (size_t c = 0; c < p->inputs && p->conv; c++)
        for (size_t t = 0; t < p->taps; t++) {
            size_t from = p->table[q * p->taps + t];
            row[c * p->taps + t] = from == TN__NONE ? 0 : x[c * p->area_in + from];
        }
    memcpy(row + p->inputs * p->taps, y, p->wanted * sizeof *y);
}

static void add_all(sums *s, const refit *r, const place *p, const tn__sweep_node *at)
{
    size_t image = 0, width = s->d + s->o;
    for (size_t shard = 0; shard < at->shards; shard++) {
        size_t images = 0;
        const float *x = tn__sweep_data(at, 0, shard, &images);
        float *row = s->block;
        for (size_t i = 0; i < images; i++, image++)
            for (size_t k = 0; k < p->sampled; k++, row += width)
                fill_row(row, p, x + i * p->inputs * p->area_in,
                         position(r, p, image, k),
                         p->y + (image * p->sampled + k) * p->wanted);
        if (images > 0)
            sums_add(s, images * p->sampled);
    }
}

/* Index of coefficient (o, k) in the layer's weight. */
static size_t weight_at(const place *p, size_t width, size_t o, size_t k)
{
    return p->layer.axis == 0 ? o * width + k : k * p->wanted + o;
}

/* Solves for the change of w and makes it; bias may be NULL. */
static tn_status solve(float *w, float *bias, const place *p, const sums *s,
                       tn_error *err)
{
    size_t d = s->d, o = s->o, width = d + o;
    double ridge = 0;
    double *g = tn__alloc(d, d * sizeof *g), *b = tn__alloc(d, o * sizeof *b);
    tn_status status = g && b ? TN_OK : tn__fail_memory(err, d * d * sizeof *g);
    for (size_t i = 0; i < d && status == TN_OK; i++) {
        ridge += RIDGE * s->second[i * width + i] / (double)d;
        for (size_t j = 0; j < d; j++)
            g[i * d + j] = (s->second[i * width + j] + s->second[j * width + i]) / 2;
        for (size_t j = 0; j < o; j++)
            b[i * o + j] = (double)w[weight_at(p, d, j, i)];
    }
    if (status != TN_OK || ridge <= 0)
        goto done;
    double *wanted = tn__alloc(d, o * sizeof *wanted);
    if (!wanted) {
        status = tn__fail_memory(err, d * o * sizeof *wanted);
        goto done;
    }
    for (size_t i = 0; i < d; i++)
        memcpy(wanted + i * o, s->second + i * width + d, o * sizeof *wanted);
    tn__gemm_f64(false, false, d, o, d, -1, g, d, b, o, 1, wanted, o);
    for (size_t i = 0; i < d; i++)
        g[i * d + i] += ridge;
    status = tn__solve_spd(g, wanted, d, o, err);
    for (size_t j = 0; j < o && status == TN_OK; j++) {
        double shift = mean_of(s, d + j);
        for (size_t i = 0; i < d; i++) {
            float *at = &w[weight_at(p, d, j, i)];
            *at = (float)((double)*at + wanted[i * o + j]);
            shift -= mean_of(s, i) * (double)*at;
        }
        if (bias)
            bias[j] = (float)shift;
    }
    tn__free(wanted);
done:
    tn__free(g);
    tn__free(b);
    return status;
}

static tn_status fit_layer(refit *r, place *p, const tn__sweep_node *at, tn_error *err)
{
    const tn__node *node = &r->how->small->nodes[at->node];
    size_t images = 0;
    float *w = tn__engine_parameter(r->engine, p->layer.weight), *bias = NULL;
    if (!w || !tn__sweep_data(at, 0, 0, &images))
        return TN_OK;
    if (node->input_count > 2 && node->inputs[2] != TN__NONE &&
        tn__engine_parameter_count(r->engine, node->inputs[2]) == p->wanted)
        bias = tn__engine_parameter(r->engine, node->inputs[2]);
    sums s = {.d = p->inputs * p->taps, .o = p->wanted};
    tn_status status = sums_create(&s, tn__engine_shard(r->engine) * p->sampled, err);
    if (status != TN_OK)
        return status;
    add_all(&s, r, p, at);
    sums_finish(&s, bias || p->layer.norm != TN__NONE);
    status = solve(w, bias, p, &s, err);
    sums_release(&s);
    tn__engine_touch(r->engine);
    r->layers++;
    return status;
}

/* --- second sweep: batch norms -----------------------------------------------------
 */

static tn_status write_vector(tn_model *model, size_t value, const double *x,
                              tn_error *err)
{
    tn__tensor *to = &model->values[value].parameter;
    tn__tensor wide = {0}, made = {0};
    void *data = NULL;
    tn_status status =
        tn__tensor_create(&wide, TN_F64, to->shape.rank, to->shape.dims, err);
    if (status == TN_OK)
        status = tn__tensor_write(&wide, &data, err);
    if (status == TN_OK) {
        memcpy(data, x, tn__tensor_bytes(&wide));
        status = tn__tensor_convert(&made, &wide, to->dtype, err);
    }
    tn__tensor_release(&wide);
    if (status != TN_OK)
        return status;
    tn__tensor_release(to);
    *to = made;
    return TN_OK;
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
    tn_status status =
        tn__sweep_moments(&found, at, 0, &r->shapes.shape[in[0]], r->how->workers, err);
    if (status != TN_OK)
        return status;
    double *to = tn__alloc(found.channels, 2 * sizeof *to);
    if (!to)
        status = tn__fail_memory(err, found.channels * 2 * sizeof *to);
    for (size_t c = 0; c < found.channels && status == TN_OK; c++) {
        double now = tn__moments_variance(&found, c), before = (double)variance[c];
        double ratio = now > VARIANCE_MIN && before > VARIANCE_MIN ? now / before : 1;
        double old[2];
        for (int k = 0; k < 2; k++)
            old[k] =
                tn__tensor_get_f64(&small->values[in[TN__BN_MEAN + k]].parameter, c);
        to[c] = found.mean[c] + (old[0] - (double)mean[c]) * sqrt(ratio);
        to[found.channels + c] = old[1] * ratio;
        mean[c] = (float)found.mean[c];
        variance[c] = (float)(before * ratio);
    }
    for (size_t k = 0; k < 2 && status == TN_OK; k++)
        status = write_vector(small, in[TN__BN_MEAN + k], to + k * found.channels, err);
    tn__free(to);
    tn__moments_release(&found);
    tn__engine_touch(r->engine);
    r->norms++;
    return status;
}

static tn_status before(void *user, const tn__sweep_node *at, tn_error *err)
{
    refit *r = user;
    place *p = place_at(r, at->node);
    if (p)
        return fit_layer(r, p, at, err);
    if (r->how->norms && tn__node_is_norm(&r->how->small->nodes[at->node]))
        return fit_norm(r, at, err);
    return TN_OK;
}

/* --- the whole ----------------------------------------------------------------------
 */

static tn_status sweep(const tn_model *model, refit *r, bool second, tn_error *err)
{
    tn__engine *engine = NULL;
    tn__engine_options options = {.workers = r->how->workers};
    tn__sweep callbacks = {.user = r};
    tn_status status = tn__engine_create(&engine, model, &options, err);
    if (status != TN_OK)
        return status;
    if (second) {
        r->engine = engine;
        callbacks.before = before;
    } else {
        callbacks.after = take_down;
    }
    status = tn__engine_sweep(engine, r->how->images, r->how->n, &callbacks, err);
    if (!second)
        tn__engine_free(engine);
    return status;
}

/* The refitted weights, from the engine into the model. */
static tn_status write_layers(refit *r, tn_error *err)
{
    tn_model *stored = NULL, *small = r->how->small;
    tn_status status = tn__model_clone(&stored, r->how->small_probe, err);
    if (status == TN_OK)
        status = tn__engine_store(r->engine, stored, err);
    for (size_t i = 0; i < r->count && status == TN_OK; i++) {
        const tn__node *node = &small->nodes[r->list[i].layer.node];
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

tn_status tn__prune_refit(size_t *layers, size_t *norms, const tn__refitting *how,
                          tn_error *err)
{
    refit r = {.how = how};
    tn_status status = tn__shapes_infer(&r.shapes, how->small, 1, err);
    if (status == TN_OK)
        status = tn__links_create(&r.links, how->small, err);
    if (status == TN_OK && how->kept)
        status = find_places(&r, err);
    if (status == TN_OK)
        status = claim_answers(&r, err);
    if (status == TN_OK && r.count > 0)
        status = sweep(how->probe, &r, false, err);
    if (status == TN_OK)
        status = sweep(how->small_probe, &r, true, err);
    if (status == TN_OK)
        status = write_layers(&r, err);
    if (status == TN_OK) {
        *layers = r.layers;
        *norms = r.norms;
    }
    for (size_t i = 0; i < r.count; i++)
        place_release(&r.list[i]);
    tn__free(r.list);
    tn__engine_free(r.engine);
    tn__links_release(&r.links);
    tn__shapes_release(&r.shapes);
    return status;
}
