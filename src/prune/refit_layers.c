/* refit_layers.c - the layers of a pruned network that are refitted, one at a time.
 *
 * Where X are the patches a layer sees now and Y the answers wanted, its weights become
 * W0 + argmin |X (W0 + D)^T - Y|^2 + lambda |D|^2, centred where a bias or a batch norm
 * takes up the mean (ridge compensation as GRAIL's, arXiv 2602.23795, with a
 * coefficient for each tap instead of each channel, and against the inputs as they are
 * after pruning). A layer whose answers are added to a residual stream makes good what
 * the stream has drifted. Images held out choose lambda, and whether the layer is
 * refitted at all: where W0, as deletion leaves it, misses less of Y on them than the
 * best solution, it stays (lambda without end) and only the constant is fitted.
 */
#include <math.h>
#include <string.h>

#include "ops/batch_norm/batch_norm.h"
#include "prune/refit.h"
#include "stats/ridge.h"

#define POSITIONS_MAX 64                 /* of each image that are sampled */
#define SAMPLE_BYTES ((size_t)512 << 20) /* of all answers taken down */
#define WIDTH_MAX 4608                   /* wider layers are left as they are */
#define CHOICE_WIDTH 1536                /* wider ones take the ridge as it comes */
#define HELD_OUT 4                       /* of so many images one chooses */
#define STRENGTH 1e-3                    /* relative to the mean diagonal, at first */
#define STRENGTH_MIN 1e-5
#define STRENGTH_MAX 10.0
#define GAIN_MIN 1e-6 /* of a batch norm that carries drift */

void tn__places_release(tn__places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        tn__patches_release(&places->list[i].patches);
        tn__carried_release(&places->list[i].carried);
        tn__free(places->list[i].y);
        tn__free(places->list[i].drift);
        tn__free(places->list[i].more);
    }
    tn__free(places->list);
    tn__links_release(&places->links);
    tn__shapes_release(&places->shapes);
}

tn__place *tn__place_at(tn__places *places, size_t node)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->list[i].layer.node == node)
            return &places->list[i];
    return NULL;
}

/* --- which layers ------------------------------------------------------------------
 */

/* Whether node n is a layer whose weights can be fitted as one matrix. */
static bool is_fitted(tn__layer *out, const tn__places *all, size_t n)
{
    const tn_model *small = all->how->small;
    if (!tn__layer_of(out, small, &all->links, n) ||
        !tn__patches_has(small, &all->shapes, n))
        return false;
    const tn__shape *w = &small->values[out->weight].parameter.shape;
    size_t width = 1;
    for (int a = 0; a < w->rank; a++)
        width *= a == out->axis ? 1 : (size_t)w->dims[a];
    return width <= WIDTH_MAX;
}

/* The other operand of the addition that is all that reads the layer's answers, if it
 * is there before them: a residual stream. */
static size_t find_beside(const tn__places *all, const tn__layer *layer)
{
    const tn_model *small = all->how->small;
    const tn__links *links = &all->links;
    size_t v =
        layer->norm == TN__NONE ? layer->output : small->nodes[layer->norm].outputs[0];
    if (links->first_use[v + 1] - links->first_use[v] != 1)
        return TN__NONE;
    const tn__use *use = &links->uses[links->first_use[v]];
    const tn__node *add = &small->nodes[use->node];
    if (strcmp(add->type, "Add") || add->input_count != 2)
        return TN__NONE;
    size_t other = add->inputs[1 - use->input], made = links->producer[other];
    const tn__shape *a = &all->shapes.shape[v], *b = &all->shapes.shape[other];
    if (made == TN__NONE || made > layer->node || a->rank != b->rank)
        return TN__NONE;
    for (int k = 0; k < a->rank; k++)
        if (a->dims[k] != b->dims[k])
            return TN__NONE;
    return other;
}

static tn_status add_place(tn__places *all, const tn__layer *layer, tn_error *err)
{
    const tn__refitting *how = all->how;
    tn__place *p = &all->list[all->count++];
    p->layer = *layer;
    p->beside = find_beside(all, layer);
    tn_status status =
        tn__patches_create(&p->patches, how->small, &all->shapes, layer->node, err);
    if (status == TN_OK)
        status = tn__carried_find(&p->carried, how->groups, how->kept, how->maps,
                                  layer->output, err);
    p->sampled = TN__MIN(p->patches.area_out, POSITIONS_MAX);
    return status;
}

/* Fewer positions where the answers would take too much memory. */
static tn_status claim_answers(tn__places *all, tn_error *err)
{
    size_t total = 0, n = all->how->n;
    for (size_t i = 0; i < all->count; i++)
        total +=
            n * all->list[i].sampled * all->list[i].patches.outputs * 2 * sizeof(float);
    double share = total > SAMPLE_BYTES ? (double)SAMPLE_BYTES / (double)total : 1;
    for (size_t i = 0; i < all->count; i++) {
        tn__place *p = &all->list[i];
        p->sampled = (size_t)TN__MAX(share * (double)p->sampled, 1);
        size_t rows = n * p->sampled, outputs = p->patches.outputs;
        p->y = tn__alloc(rows, outputs * sizeof *p->y);
        p->more = tn__alloc(outputs, sizeof *p->more);
        if (p->beside != TN__NONE)
            p->drift = tn__alloc(rows, outputs * sizeof *p->drift);
        if (!p->y || !p->more || (p->beside != TN__NONE && !p->drift))
            return tn__fail_memory(err, rows * outputs * sizeof *p->y);
    }
    return TN_OK;
}

tn_status tn__places_find(tn__places *all, tn_error *err)
{
    const tn_model *small = all->how->small, *probe = all->how->probe;
    bool changed = false;
    all->list = tn__alloc(small->node_count, sizeof *all->list);
    tn_status status =
        all->list ? TN_OK : tn__fail_memory(err, small->node_count * sizeof *all->list);
    for (size_t n = 0; n < small->node_count && status == TN_OK; n++) {
        tn__layer layer;
        if (!is_fitted(&layer, all, n))
            continue;
        const tn__shape *w = &small->values[layer.weight].parameter.shape;
        const tn__shape *before = &probe->values[layer.weight].parameter.shape;
        int in = layer.axis == 0 ? 1 : 0;
        changed = changed || w->dims[in] != before->dims[in];
        if (changed)
            status = add_place(all, &layer, err);
    }
    all->strength = STRENGTH;
    return status == TN_OK ? claim_answers(all, err) : status;
}

/* --- what is taken down
 * ---------------------------------------------------------------
 */

/* row [outputs] += sign times one position of all channels, carried (NULL: as they
 * are). */
static void add_channels(float *row, float sign, const float *from, size_t area,
                         size_t outputs, const tn__carried *carried)
{
    for (size_t c = 0; c < outputs; c++) {
        float sum = carried ? 0 : from[c * area];
        for (size_t e = carried ? carried->first[c] : 0;
             carried && e < carried->first[c + 1]; e++)
            sum += carried->share[e] * from[carried->channel[e] * area];
        row[c] += sign * sum;
    }
}

/* to += sign times what is sampled of the node's output [images, channels, area]. */
static void sample(float *to, float sign, const tn__places *all, const tn__place *p,
                   const tn__sweep_node *at, const tn__carried *carried)
{
    size_t image = 0, outputs = p->patches.outputs, area = p->patches.area_out;
    size_t channels = carried ? carried->before : outputs;
    for (size_t s = 0; s < at->shards; s++) {
        size_t images = 0;
        const float *x = tn__sweep_data(at, TN__OUT(0), s, &images);
        for (size_t i = 0; i < images; i++, image++)
            for (size_t k = 0; k < p->sampled; k++) {
                size_t q = tn__patches_position(&p->patches, p->sampled, image, k,
                                                all->how->seed);
                add_channels(to + (image * p->sampled + k) * outputs, sign,
                             x + i * channels * area + q, area, outputs, carried);
            }
    }
}

void tn__places_take(tn__places *all, const tn__sweep_node *at, bool now)
{
    size_t made = all->how->small->nodes[at->node].outputs[0];
    for (size_t i = 0; i < all->count; i++) {
        tn__place *p = &all->list[i];
        if (p->layer.node == at->node && !now)
            sample(p->y, 1, all, p, at, &p->carried);
        if (p->beside == made)
            sample(p->drift, now ? -1 : 1, all, p, at, now ? NULL : &p->carried);
    }
}

/* --- one layer
 * --------------------------------------------------------------------------
 */

/* The answers wanted make good the drift beside them: through a batch norm that
 * multiplies by g, by drift / g. */
static void add_drift(const tn__places *all, tn__place *p)
{
    const tn_model *model = all->how->small_probe;
    size_t outputs = p->patches.outputs, total = all->how->n * p->sampled * outputs;
    for (size_t c = 0; p->drift && c < outputs; c++) {
        double gain = 1;
        if (p->layer.norm != TN__NONE) {
            const tn__node *norm = &model->nodes[p->layer.norm];
            const tn__tensor *scale =
                &model->values[norm->inputs[TN__BN_SCALE]].parameter;
            const tn__tensor *variance =
                &model->values[norm->inputs[TN__BN_VARIANCE]].parameter;
            double epsilon = (double)tn__node_float(norm, "epsilon", TN__BN_EPSILON);
            gain = tn__tensor_get_f64(scale, c) /
                   sqrt(tn__tensor_get_f64(variance, c) + epsilon);
        }
        for (size_t i = c; fabs(gain) > GAIN_MIN && i < total; i += outputs) {
            double more = (double)p->drift[i] / gain;
            p->y[i] += (float)more;
            p->more[c] += more * (double)outputs / (double)total;
        }
    }
}

typedef struct fit {
    const tn__places *all;
    const tn__place *place;
    const tn__sweep_node *node;
    tn__ridge sums;
    double *start, *w; /* [width, outputs] */
    double *constant;  /* [outputs], or NULL */
} fit;

/* Rows of the shard's images of that part, in the block. `image` is the shard's first.
 */
static size_t fill_block(fit *t, size_t shard, size_t *image, bool held)
{
    const tn__place *p = t->place;
    const tn__patches *patches = &p->patches;
    size_t images = 0, width = t->sums.d + t->sums.o, rows = 0;
    const float *x = tn__sweep_data(t->node, 0, shard, &images);
    for (size_t i = 0; i < images; i++, ++*image) {
        if ((*image % HELD_OUT == HELD_OUT - 1) != held)
            continue;
        for (size_t k = 0; k < p->sampled; k++, rows++) {
            float *row = t->sums.block + rows * width;
            tn__patches_row(row, patches, x + i * patches->inputs * patches->area_in,
                            tn__patches_position(patches, p->sampled, *image, k,
                                                 t->all->how->seed));
            memcpy(row + t->sums.d, p->y + (*image * p->sampled + k) * t->sums.o,
                   t->sums.o * sizeof *row);
        }
    }
    return rows;
}

static tn_status add_part(fit *t, bool held, tn_error *err)
{
    tn_status status = TN_OK;
    size_t image = 0;
    for (size_t s = 0; s < t->node->shards && status == TN_OK; s++)
        status = tn__ridge_add(&t->sums, fill_block(t, s, &image, held), err);
    return status;
}

static tn_status solve(fit *t, double strength, tn_error *err)
{
    memcpy(t->w, t->start, t->sums.d * t->sums.o * sizeof *t->w);
    return tn__ridge_solve(t->w, t->constant, &t->sums, strength, err);
}

/* The weights as deletion leaves them, with the constant that suits them. */
static void leave(fit *t)
{
    memcpy(t->w, t->start, t->sums.d * t->sums.o * sizeof *t->w);
    if (t->constant)
        tn__ridge_constant(t->constant, &t->sums, t->w);
}

/* What the weights miss on the images held out. */
static tn_status miss(double *out, fit *t, tn_error *err)
{
    tn_status status = TN_OK;
    size_t image = 0;
    *out = 0;
    for (size_t s = 0; s < t->node->shards && status == TN_OK; s++) {
        double missed = 0;
        size_t rows = fill_block(t, s, &image, true);
        status = tn__ridge_residual(&missed, &t->sums, t->w, t->constant, rows, err);
        *out += missed;
    }
    return status;
}

static tn_status miss_solved(double *out, fit *t, double strength, tn_error *err)
{
    tn_status status = solve(t, strength, err);
    return status == TN_OK ? miss(out, t, err) : status;
}

/* By factors of ten, up and then down, while it gets better. Layers need much the same
 * ridge: from that of the layer before. *least: what the best one misses. */
static tn_status choose_strength(double *best, double *least, fit *t, tn_error *err)
{
    double start = *best;
    bool wide = t->sums.d > CHOICE_WIDTH;
    tn_status status = miss_solved(least, t, start, err);
    for (int way = 0; way < 2 && !wide && *best == start && status == TN_OK; way++) {
        double factor = way == 0 ? 10 : 0.1, found = 0;
        for (double at = start * factor;
             at <= STRENGTH_MAX * 1.01 && at >= STRENGTH_MIN * 0.99; at *= factor) {
            status = miss_solved(&found, t, at, err);
            if (status != TN_OK || !(found < *least))
                break;
            *least = found;
            *best = at;
        }
    }
    return status;
}

bool tn__places_choose(const tn__places *all)
{
    return all->how->n >= HELD_OUT;
}

/* Too few images to hold some out: every layer is refitted. */
static tn_status fit_weights(tn__places *all, fit *t, tn__place *p, tn_error *err)
{
    double solved = 0, left = 0, whole = 0;
    bool choice = tn__places_choose(all);
    tn_status status = add_part(t, false, err);
    if (status == TN_OK && choice) {
        memset(t->w, 0, t->sums.d * t->sums.o * sizeof *t->w);
        if (t->constant)
            tn__ridge_constant(t->constant, &t->sums, t->w);
        status = miss(&whole, t, err);
    }
    if (status == TN_OK && choice) {
        leave(t);
        status = miss(&left, t, err);
    }
    if (status == TN_OK && choice)
        status = choose_strength(&all->strength, &solved, t, err);
    if (status == TN_OK)
        status = add_part(t, true, err);
    p->refitted = !choice || solved <= left;
    p->missed = TN__MIN(solved, left) / TN__MAX(whole, 1e-30);
    if (status == TN_OK && !p->refitted)
        leave(t);
    else if (status == TN_OK)
        status = solve(t, all->strength, err);
    return status;
}

tn_status tn__place_fit(tn__places *all, tn__place *p, tn__engine *engine,
                        const tn__sweep_node *at, tn_error *err)
{
    const tn__patches *patches = &p->patches;
    const tn__node *node = &all->how->small->nodes[at->node];
    size_t d = patches->width, o = patches->outputs;
    float *w = tn__engine_parameter(engine, p->layer.weight), *bias = NULL;
    if (!w || !tn__sweep_data(at, 0, 0, NULL))
        return TN_OK;
    if (node->input_count > 2 && node->inputs[2] != TN__NONE &&
        tn__engine_parameter_count(engine, node->inputs[2]) == o)
        bias = tn__engine_parameter(engine, node->inputs[2]);
    double *memory = tn__alloc(2 * d + 1, o * sizeof *memory);
    if (!memory)
        return tn__fail_memory(err, (2 * d + 1) * o * sizeof *memory);
    bool shifts = bias || p->layer.norm != TN__NONE;
    fit t = {.all = all,
             .place = p,
             .node = at,
             .start = memory,
             .w = memory + d * o,
             .constant = shifts ? memory + 2 * d * o : NULL};
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < o; j++)
            t.start[i * o + j] = (double)w[tn__patches_weight(patches, j, i)];
    add_drift(all, p);
    tn_status status = tn__ridge_create(
        &t.sums, d, o, tn__engine_shard(engine) * p->sampled, all->how->workers, err);
    if (status == TN_OK)
        status = fit_weights(all, &t, p, err);
    for (size_t j = 0; j < o && status == TN_OK; j++) {
        for (size_t i = 0; i < d; i++)
            w[tn__patches_weight(patches, j, i)] = (float)t.w[i * o + j];
        if (bias)
            bias[j] = (float)t.constant[j];
    }
    tn__ridge_release(&t.sums);
    tn__free(memory);
    tn__engine_touch(engine);
    return status;
}
