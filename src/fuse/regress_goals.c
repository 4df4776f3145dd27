/* regress_goals.c - which layers are fitted to what, and the parents' answers there.
 *
 * Goals lie behind norms, in front of activation functions. Answers are kept as each
 * parent gave them, at a sample of positions, and mixed by the maps when they are
 * wanted.
 */
#include <math.h>
#include <string.h>

#include "fuse/regress.h"
#include "tensor/linalg.h"

#define POSITIONS_MAX 64                  /* of each image that are sampled */
#define ANSWER_BYTES ((size_t)1024 << 20) /* of all answers kept */
#define WIDTH_MAX 4608                    /* wider layers are left as they are */

static void fitted_release(tn__fitted *at)
{
    for (size_t k = 0; k < at->parents; k++) {
        tn__free(at->answers ? at->answers[k] : NULL);
        tn__free(at->mix ? at->mix[k] : NULL);
    }
    tn__patches_release(&at->patches);
    tn__free(at->channels);
    tn__free(at->answers);
    tn__free(at->mix);
    tn__free(at->present);
    tn__free(at->centre);
    tn__free(at->constant);
}

void tn__fitted_free(tn__fitted *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        fitted_release(&list[i]);
    tn__free(list);
}

/* --- which layers --- */

static bool same_shape(const tn__shape *a, const tn__shape *b)
{
    return a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* Where the goal is only read by an addition whose other operand is made before the
 * layer, the sum becomes the goal. */
static void reach_sum(tn__fitted *at, const tn_model *model, const tn__links *links,
                      const tn__shapes *shapes)
{
    size_t first = links->first_use[at->goal];
    if (links->first_use[at->goal + 1] - first != 1)
        return;
    const tn__node *sum = &model->nodes[links->uses[first].node];
    if (strcmp(sum->type, "Add") != 0 || sum->domain[0] || sum->input_count != 2)
        return;
    size_t other = sum->inputs[sum->inputs[0] == at->goal];
    size_t maker = other == at->goal ? TN__NONE : links->producer[other];
    if (maker == TN__NONE || maker > at->layer.node ||
        !same_shape(&shapes->shape[other], &shapes->shape[at->goal]))
        return;
    at->other = other;
    at->goal = sum->outputs[0];
}

static bool is_output(const tn_model *model, size_t value)
{
    for (size_t k = 0; k < model->output_count; k++)
        if (model->outputs[k] == value)
            return true;
    return false;
}

/* Whether neurons are to be matched anew: not where some have to stay apart. */
static bool regroups(const tn__fusion *f)
{
    return (f->options->refit == TN_REFIT_PAIRS ||
            f->options->refit == TN_REFIT_CLUSTERS) &&
           f->options->width <= 1 && !f->level.models;
}

static tn_status find_layers(tn__fitted *list, size_t *count, const tn_model *fused,
                             const tn__fusion *f, tn_error *err)
{
    const tn__shapes *shapes = &f->parents[f->reference].groups->shapes;
    tn_status status = TN_OK;
    for (size_t n = 0; n < fused->node_count && status == TN_OK; n++) {
        tn__fitted made = {.other = TN__NONE};
        if (!tn__layer_of(&made.layer, fused, &f->links, n) ||
            !tn__patches_has(fused, shapes, n))
            continue;
        size_t norm = made.layer.norm;
        if (norm != TN__NONE && !tn__norm_is_own(fused, &f->links, norm))
            continue;
        status = tn__patches_create(&made.patches, fused, shapes, n, err);
        if (status == TN_OK && made.patches.width > WIDTH_MAX) {
            tn__patches_release(&made.patches);
            continue;
        }
        made.goal =
            norm == TN__NONE ? made.layer.output : fused->nodes[norm].outputs[0];
        reach_sum(&made, fused, &f->links, shapes);
        made.is_output = is_output(fused, made.goal);
        made.own = made.other == TN__NONE && regroups(f)
                       ? tn__group_of_layer(f, fused, made.goal, made.layer.weight)
                       : TN__NONE;
        if (status == TN_OK)
            list[(*count)++] = made;
    }
    return status;
}

/* --- memory --- */

/* Fewer positions where the answers would take too much memory. */
static void choose_positions(tn__fitted *list, size_t count, const tn__fusion *f)
{
    size_t total = 0, n = f->calibration_count;
    for (size_t i = 0; i < count; i++) {
        list[i].sampled = TN__MIN(list[i].patches.area_out, POSITIONS_MAX);
        total += n * list[i].sampled * list[i].patches.outputs * sizeof(float);
    }
    total *= f->count + 1;
    double share = total > ANSWER_BYTES ? (double)ANSWER_BYTES / (double)total : 1;
    for (size_t i = 0; i < count; i++)
        list[i].sampled = (size_t)TN__MAX(share * (double)list[i].sampled, 1);
}

static tn_status claim(tn__fitted *at, const tn__fusion *f, tn_error *err)
{
    size_t rows = f->calibration_count * at->sampled, o = at->patches.outputs;
    at->channels = tn__alloc(f->count, sizeof *at->channels);
    at->answers = tn__alloc(f->count, sizeof *at->answers);
    at->mix = tn__alloc(f->count, sizeof *at->mix);
    at->constant = tn__alloc(o, sizeof *at->constant);
    if (!at->channels || !at->answers || !at->mix || !at->constant)
        return tn__fail_memory(err, o * sizeof *at->constant);
    at->parents = f->count;
    for (size_t k = 0; k < f->count; k++) {
        const tn__shapes *shapes = &f->parents[k].groups->shapes;
        size_t c = (size_t)shapes->shape[at->goal].dims[1];
        at->channels[k] = c;
        at->answers[k] = tn__alloc(rows, c * sizeof *at->answers[k]);
        at->mix[k] = tn__alloc(c, o * sizeof *at->mix[k]);
        if (!at->answers[k] || !at->mix[k])
            return tn__fail_memory(err, rows * c * sizeof *at->answers[k]);
    }
    if (at->other != TN__NONE) {
        at->present = tn__alloc(rows, o * sizeof *at->present);
        if (!at->present)
            return tn__fail_memory(err, rows * o * sizeof *at->present);
    }
    return TN_OK;
}

/* --- the parents' answers --- */

void tn__fitted_sample(float *rows, const tn__fitted *at, const float *x,
                       size_t channels, size_t image, uint64_t seed)
{
    size_t area = at->patches.area_out;
    for (size_t k = 0; k < at->sampled; k++, rows += channels) {
        size_t q = tn__patches_position(&at->patches, at->sampled, image, k, seed);
        for (size_t c = 0; c < channels; c++)
            rows[c] = x[c * area + q];
    }
}

typedef struct visit {
    tn__fitted *list;
    size_t count, parent;
    uint64_t seed;
} visit;

static tn_status take_down(void *user, const tn__shard *shard, size_t worker,
                           tn_error *err)
{
    (void)worker;
    (void)err;
    const visit *v = user;
    for (size_t i = 0; i < v->count; i++) {
        const tn__fitted *at = &v->list[i];
        size_t c = at->channels[v->parent], area = at->patches.area_out;
        for (size_t k = 0; k < shard->images; k++) {
            size_t image = shard->first + k;
            tn__fitted_sample(at->answers[v->parent] + image * at->sampled * c, at,
                              shard->kept[0][i] + k * c * area, c, image, v->seed);
        }
    }
    return TN_OK;
}

static tn_status ask_parent(tn__fitted *list, size_t count, const tn__fusion *f,
                            size_t parent, tn_error *err)
{
    tn__engine *engine = NULL;
    size_t *keep = tn__alloc(count, sizeof *keep);
    if (!keep)
        return tn__fail_memory(err, count * sizeof *keep);
    for (size_t i = 0; i < count; i++)
        keep[i] = list[i].goal;
    tn__engine_options options = {
        .workers = f->workers, .keep = keep, .keep_count = count};
    visit v = {list, count, parent, f->options->seed};
    tn__visitor visitor = {.map = take_down, .user = &v};
    tn_status status =
        tn__engine_create(&engine, f->parents[parent].model, &options, err);
    if (status == TN_OK)
        status = tn__engine_visit(&engine, 1, f->calibration, f->calibration_count,
                                  &visitor, err);
    tn__engine_free(engine);
    tn__free(keep);
    return status;
}

/* --- what is made of them --- */

const tn__group_entry *tn__entry_on(const tn__group *group, size_t value)
{
    for (size_t e = 0; e < group->entry_count; e++)
        if (group->entries[e].value == value && group->entries[e].axis == 1)
            return &group->entries[e];
    return NULL;
}

/* Column c of the mix of parent k: its weight times row c of the map. */
static void mix_column(tn__fitted *at, const tn__fusion *f, size_t k, size_t c,
                       const tn__channels *channels)
{
    /* a stream goes on in all parents, the inside of a block only in those that have it
     */
    double share =
        at->other != TN__NONE ? f->weights[k] : tn__fusion_weight(f, k, at->goal);
    float *mix = at->mix[k] + c, weight = (float)share;
    size_t o = at->patches.outputs, g = channels->group[c];
    if (g == TN__NONE) {
        if (c < at->channels[k])
            mix[c * o] = weight;
        return;
    }
    const tn__map *map = &f->parents[k].maps[g];
    const uint32_t *index =
        tn__entry_on(&f->parents[k].groups->list[g], at->goal)->index;
    size_t j = channels->neuron[c];
    if (!map->first) {
        mix[index[map->select ? map->select[j] : j] * o] = weight;
        return;
    }
    for (size_t e = map->first[j]; e < map->first[j + 1]; e++)
        mix[index[map->column[e]] * o] = (float)(share * map->out[e]);
}

static tn_status mix_parents(tn__fitted *at, const tn__fusion *f, tn_error *err)
{
    tn__channels channels = {0};
    tn_status status =
        tn__channels_find(&channels, f->parents[f->reference].groups, at->goal, err);
    for (size_t k = 0; status == TN_OK && k < f->count; k++)
        for (size_t c = 0; c < at->patches.outputs; c++)
            mix_column(at, f, k, c, &channels);
    tn__channels_release(&channels);
    return status;
}

/* The answers of all parents, side by side. */
static void copy_answers(float *y, size_t stride, const tn__fitted *at, size_t image)
{
    for (size_t k = 0, before = 0; k < at->parents; before += at->channels[k++])
        for (size_t r = 0; r < at->sampled; r++)
            memcpy(y + r * stride + before,
                   at->answers[k] + (image * at->sampled + r) * at->channels[k],
                   at->channels[k] * sizeof *y);
}

size_t tn__fitted_outputs(const tn__fitted *at)
{
    size_t all = 0;
    for (size_t k = 0; k < at->parents; k++)
        all += at->channels[k];
    return at->raw ? all : at->patches.outputs;
}

void tn__fitted_matrix(double *m, double *added, const tn__fitted *at)
{
    size_t o = at->patches.outputs;
    for (size_t k = 0; k < at->parents; k++)
        for (size_t i = 0; i < at->channels[k] * o; i++)
            *m++ = (double)at->mix[k][i] * (at->centre ? at->spread[i % o] : 1);
    for (size_t c = 0; c < o; c++)
        added[c] = at->centre ? (1 - at->spread[c]) * at->centre[c] : 0;
}

void tn__fitted_goal(float *y, size_t stride, const tn__fitted *at, size_t image)
{
    size_t o = at->patches.outputs;
    if (at->raw) {
        copy_answers(y, stride, at, image);
        return;
    }
    for (size_t k = 0; k < at->parents; k++)
        tn__gemm_f32(false, false, at->sampled, o, at->channels[k], 1,
                     at->answers[k] + image * at->sampled * at->channels[k],
                     at->channels[k], at->mix[k], o, k > 0, y, stride);
    const float *present = at->present;
    for (size_t r = 0; r < at->sampled; r++)
        for (size_t c = 0; c < o; c++) {
            float *to = &y[r * stride + c];
            if (at->centre)
                *to = (float)(at->centre[c] +
                              at->spread[c] * ((double)*to - at->centre[c]));
            if (present)
                *to -= present[(image * at->sampled + r) * o + c];
        }
}

/* Moments of rows [rows, channels]. */
static tn_status row_moments(tn__moments *out, const float *x, size_t rows,
                             size_t channels, tn_error *err)
{
    tn_status status = tn__moments_create(out, channels, err);
    if (status == TN_OK)
        tn__moments_add(out, x, rows, 1);
    return status;
}

/* Standard deviations of the goal become the mean of the parents': neurons that are
 * averaged vary less than either. */
static tn_status keep_spread(tn__fitted *at, const tn__fusion *f, tn_error *err)
{
    size_t o = at->patches.outputs, n = f->calibration_count, rows = n * at->sampled;
    tn__moments found = {0};
    float *y = tn__alloc(rows, o * sizeof *y);
    double *centre = tn__alloc(o, 2 * sizeof *centre), *spread = centre + o;
    tn_status status = y && centre ? TN_OK : tn__fail_memory(err, rows * o * sizeof *y);
    for (size_t k = 0; k < at->parents && status == TN_OK; k++) {
        tn__moments of = {0};
        status = row_moments(&of, at->answers[k], rows, at->channels[k], err);
        for (size_t i = 0; status == TN_OK && i < of.channels; i++)
            for (size_t c = 0; c < o; c++)
                spread[c] +=
                    (double)at->mix[k][i * o + c] * sqrt(tn__moments_variance(&of, i));
        tn__moments_release(&of);
    }
    for (size_t i = 0; i < n && status == TN_OK; i++)
        tn__fitted_goal(y + i * at->sampled * o, o, at, i);
    if (status == TN_OK)
        status = row_moments(&found, y, rows, o, err);
    for (size_t c = 0; c < o && status == TN_OK; c++) {
        double sd = sqrt(tn__moments_variance(&found, c));
        centre[c] = found.mean[c];
        spread[c] = sd > 0 ? TN__MIN(TN__MAX(spread[c] / sd, 1), 8) : 1;
    }
    tn__moments_release(&found);
    tn__free(y);
    if (status != TN_OK) {
        tn__free(centre);
        return status;
    }
    at->centre = centre;
    at->spread = spread;
    return TN_OK;
}

tn_status tn__fitted_mix(tn__fitted *at, const tn__fusion *fusion, tn_error *err)
{
    for (size_t k = 0; k < at->parents; k++)
        memset(at->mix[k], 0,
               at->channels[k] * at->patches.outputs * sizeof *at->mix[k]);
    tn__free(at->centre);
    at->centre = NULL;
    tn_status status = mix_parents(at, fusion, err);
    if (status == TN_OK && fusion->options->refit_goal == TN_REFIT_SPREAD &&
        !at->is_output)
        status = keep_spread(at, fusion, err);
    return status;
}

tn_status tn__fitted_find(tn__fitted **out, size_t *out_count, const tn_model *fused,
                          const tn__fusion *fusion, tn_error *err)
{
    size_t count = 0;
    tn__fitted *list = tn__alloc(fused->node_count, sizeof *list);
    if (!list)
        return tn__fail_memory(err, fused->node_count * sizeof *list);
    tn_status status = find_layers(list, &count, fused, fusion, err);
    choose_positions(list, count, fusion);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        status = claim(&list[i], fusion, err);
    for (size_t k = 0; k < fusion->count && status == TN_OK; k++)
        status = ask_parent(list, count, fusion, k, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        status = tn__fitted_mix(&list[i], fusion, err);
    if (status != TN_OK) {
        tn__fitted_free(list, count);
        return status;
    }
    *out = list;
    *out_count = count;
    return TN_OK;
}
