/* side_by_side.c - see side_by_side.h.
 *
 * With s, t the affine function of a block's last norm (of its statistics), the branch
 * is s W2 h + t. The rows of W1 and the vectors of the first norm are put one after
 * another, the columns of s W2 too, and the t are summed; the last norm is left with s
 * = 1.
 */
#include <math.h>
#include <string.h>

#include "depth/compose.h"
#include "depth/fit_layer.h"
#include "depth/side_by_side.h"
#include "similarity/match.h"
#include "stats/stats.h"

/* The branch of a residual block of two layers. */
typedef struct block {
    size_t conv[2]; /* nodes */
    size_t norm[2]; /* nodes, or TN__NONE */
    /* Of the first layer as fitted to another input, or NULL: its own. */
    double *weight;   /* [inner, inputs, taps] */
    double *constant; /* [inner]: stands for its bias, or is taken from the mean of its
                         norm */
} block;

/* The convolution that makes `value`, norms and activations between, or TN__NONE. */
static size_t conv_behind(const tn__row_of_units *row, const tn__unit *unit,
                          size_t value)
{
    const tn_model *model = row->units->model;
    size_t n = row->links->producer[value];
    while (n != TN__NONE && n >= unit->first && n < unit->last) {
        const tn__node *node = &model->nodes[n];
        if (tn__node_is_layer(model, n))
            return !strcmp(node->type, "Conv") && tn__node_int(node, "group", 1) == 1
                       ? n
                       : TN__NONE;
        if (!tn__node_is_norm(node) && !tn__node_is_activation(node))
            return TN__NONE;
        n = row->links->producer[node->inputs[0]];
    }
    return TN__NONE;
}

/* The branch of unit u: the operand of its last Add that two convolutions make of the
 * unit's input. What is added to it may be anything that is not made of it. */
static bool find_branch(block *out, const tn__row_of_units *row, size_t u)
{
    const tn__unit *unit = &row->units->list[u];
    const tn_model *model = row->units->model;
    size_t add = unit->last;
    while (add > unit->first && strcmp(model->nodes[add - 1].type, "Add") != 0)
        add--;
    for (size_t k = 0; add > unit->first && k < 2; k++) {
        size_t second = conv_behind(row, unit, model->nodes[add - 1].inputs[k]);
        size_t first = second == TN__NONE
                           ? TN__NONE
                           : conv_behind(row, unit, model->nodes[second].inputs[0]);
        if (first == TN__NONE || model->nodes[first].inputs[0] != unit->input)
            continue;
        for (size_t c = 0; c < 2; c++) {
            size_t conv = c ? second : first;
            out->conv[c] = conv;
            out->norm[c] =
                tn__value_norm(model, row->links, model->nodes[conv].outputs[0]);
        }
        return true;
    }
    return false;
}

/* Whether what lies between the two convolutions, the second and the norms are alike,
 * so that the inner neurons of both can stand side by side. */
static bool branches_alike(const tn__row_of_units *row, const block *a, const block *b)
{
    const tn_model *model = row->units->model;
    size_t m = a->conv[1], n = b->conv[1];
    while (m != a->conv[0] && n != b->conv[0]) {
        if (!tn__match_node(&model->nodes[m], &model->nodes[n]))
            return false;
        m = row->links->producer[model->nodes[m].inputs[0]];
        n = row->links->producer[model->nodes[n].inputs[0]];
    }
    const tn__shape *x =
        &model->values[model->nodes[a->conv[1]].inputs[1]].parameter.shape;
    const tn__shape *y =
        &model->values[model->nodes[b->conv[1]].inputs[1]].parameter.shape;
    return m == a->conv[0] && n == b->conv[0] && x->dims[0] == y->dims[0] &&
           x->dims[2] == y->dims[2] && x->dims[3] == y->dims[3] &&
           model->nodes[m].input_count == model->nodes[n].input_count &&
           (a->norm[1] == TN__NONE) == (b->norm[1] == TN__NONE);
}

static const tn__tensor *operand(const tn_model *model, size_t node, size_t k)
{
    const tn__node *n = &model->nodes[node];
    return k < n->input_count && n->inputs[k] != TN__NONE
               ? &model->values[n->inputs[k]].parameter
               : NULL;
}

/* The affine function of norm `node` (TN__NONE: none) on channel c, a bias before it
 * included. */
static void affine(double *s, double *t, const tn_model *model, size_t norm,
                   const tn__tensor *bias, size_t c)
{
    double b = bias ? tn__tensor_get_f64(bias, c) : 0;
    *s = 1;
    *t = b;
    if (norm == TN__NONE)
        return;
    double epsilon = (double)tn__node_float(&model->nodes[norm], "epsilon", 1e-5F);
    double variance = tn__tensor_get_f64(operand(model, norm, 4), c);
    *s = tn__tensor_get_f64(operand(model, norm, 1), c) / sqrt(variance + epsilon);
    *t = *s * (b - tn__tensor_get_f64(operand(model, norm, 3), c)) +
         tn__tensor_get_f64(operand(model, norm, 2), c);
}

typedef struct merging {
    tn_model *model; /* written */
    const tn__row_of_units *row;
    block *blocks; /* [count] */
    size_t count, kept;
    size_t inner, stream; /* inner neurons in all, channels of the stream */
} merging;

/* Operand k of the first conv or norm of block j, as it is fitted: its numbers are put
 * behind each other at `to`; returns the end. */
static double *copy_first(double *to, const merging *m, size_t j, bool norm, size_t k)
{
    const tn_model *from = m->row->units->model;
    const block *b = &m->blocks[j];
    const tn__tensor *part = operand(from, norm ? b->norm[0] : b->conv[0], k);
    const tn__tensor *weight = operand(from, m->blocks[m->kept].conv[0], 1);
    size_t inner = (size_t)operand(from, b->conv[0], 1)->shape.dims[0];
    size_t width = tn__tensor_count(weight) / (size_t)weight->shape.dims[0];
    bool biased = operand(from, b->conv[0], 2) != NULL;
    if (b->weight && !norm) {
        const double *fitted = k == 1 ? b->weight : b->constant;
        size_t count = k == 1 ? inner * width : inner;
        memcpy(to, fitted, count * sizeof *to);
        return to + count;
    }
    for (size_t i = 0; i < tn__tensor_count(part); i++)
        to[i] = tn__tensor_get_f64(part, i) -
                (b->weight && k == 3 && !biased ? b->constant[i] : 0);
    return to + tn__tensor_count(part);
}

/* Operand k of the first conv or norm of all blocks, one after another along axis 0. */
static tn_status join_first(const merging *m, bool norm, size_t k, tn_error *err)
{
    const tn_model *from = m->row->units->model;
    size_t node = norm ? m->blocks[m->kept].norm[0] : m->blocks[m->kept].conv[0];
    const tn__tensor *first = operand(from, node, k);
    if (!first)
        return TN_OK;
    size_t width = tn__tensor_count(first) / (size_t)first->shape.dims[0];
    double *numbers = tn__alloc(m->inner, width * sizeof *numbers), *to = numbers;
    if (!numbers)
        return tn__fail_memory(err, m->inner * width * sizeof *numbers);
    for (size_t j = 0; j < m->count; j++)
        to = copy_first(to, m, j, norm, k);
    tn__shape shape = first->shape;
    shape.dims[0] = (int64_t)m->inner;
    tn_status status = tn__parameter_write(m->model, from->nodes[node].inputs[k],
                                           shape.rank, shape.dims, numbers, err);
    tn__free(numbers);
    return status;
}

/* [stream, inner, taps]: the second convolutions, scaled; shift [stream]: the sum of t.
 */
static void join_second(double *weight, double *shift, const merging *m)
{
    const tn_model *from = m->row->units->model;
    size_t at = 0;
    for (size_t j = 0; j < m->count; j++) {
        const block *b = &m->blocks[j];
        const tn__tensor *w = operand(from, b->conv[1], 1);
        const tn__tensor *bias = operand(from, b->conv[1], 2);
        size_t width = (size_t)w->shape.dims[1];
        size_t taps = tn__tensor_count(w) / (m->stream * width);
        for (size_t o = 0; o < m->stream; o++) {
            double s, t;
            affine(&s, &t, from, b->norm[1], bias, o);
            shift[o] += t;
            for (size_t i = 0; i < width * taps; i++)
                weight[(o * m->inner + at) * taps + i] =
                    s * tn__tensor_get_f64(w, o * width * taps + i);
        }
        at += width;
    }
}

/* The last norm adds `shift` and does nothing else; without norm the bias does. */
static tn_status write_shift(const merging *m, double *shift, tn_error *err)
{
    const tn_model *from = m->row->units->model;
    const block *b = &m->blocks[m->kept];
    const int64_t dims[1] = {(int64_t)m->stream};
    const tn__node *conv = &from->nodes[b->conv[1]];
    bool biased = conv->input_count > 2 && conv->inputs[2] != TN__NONE;
    if (b->norm[1] == TN__NONE)
        return biased
                   ? tn__parameter_write(m->model, conv->inputs[2], 1, dims, shift, err)
                   : TN_OK;
    const tn__node *norm = &from->nodes[b->norm[1]];
    double *numbers = tn__alloc(m->stream, sizeof *numbers);
    if (!numbers)
        return tn__fail_memory(err, m->stream * sizeof *numbers);
    tn_status status =
        tn__parameter_write(m->model, norm->inputs[2], 1, dims, shift, err);
    if (status == TN_OK)
        status = tn__parameter_write(m->model, norm->inputs[3], 1, dims, numbers, err);
    if (status == TN_OK && biased)
        status = tn__parameter_write(m->model, conv->inputs[2], 1, dims, numbers, err);
    for (size_t c = 0; c < m->stream; c++)
        numbers[c] = 1;
    if (status == TN_OK)
        status = tn__parameter_write(m->model, norm->inputs[1], 1, dims, numbers, err);
    double epsilon = (double)tn__node_float(norm, "epsilon", 1e-5F);
    for (size_t c = 0; c < m->stream; c++)
        numbers[c] = 1 - epsilon;
    if (status == TN_OK)
        status = tn__parameter_write(m->model, norm->inputs[4], 1, dims, numbers, err);
    tn__free(numbers);
    return status;
}

static tn_status write_block(const merging *m, tn_error *err)
{
    const block *b = &m->blocks[m->kept];
    const tn_model *from = m->row->units->model;
    tn__shape shape = operand(from, b->conv[1], 1)->shape;
    shape.dims[1] = (int64_t)m->inner;
    size_t count;
    if (!tn__shape_count(&count, &shape))
        return tn__fail_memory(err, SIZE_MAX);
    double *weight = tn__alloc(count + m->stream, sizeof *weight);
    if (!weight)
        return tn__fail_memory(err, count * sizeof *weight);
    join_second(weight, weight + count, m);
    tn_status status = TN_OK;
    for (size_t k = 1; k <= 2 && status == TN_OK; k++)
        status = join_first(m, false, k, err);
    for (size_t k = 1; k <= 4 && b->norm[0] != TN__NONE && status == TN_OK; k++)
        status = join_first(m, true, k, err);
    if (status == TN_OK)
        status = tn__parameter_write(m->model, from->nodes[b->conv[1]].inputs[1],
                                     shape.rank, shape.dims, weight, err);
    if (status == TN_OK)
        status = write_shift(m, weight + count, err);
    tn__free(weight);
    return status;
}

/* Behind a change of shape the first layers of blocks cannot read what the first block
 * reads, and are fitted to it. */
static tn_status fit_first(merging *m, tn_error *err)
{
    const tn_model *from = m->row->units->model;
    for (size_t j = 1; j < m->count; j++) {
        block *b = &m->blocks[j];
        tn__layer_fit fit = {m->row->units, m->blocks[0].conv[0], b->conv[0],
                             m->row->probe};
        const tn__tensor *w = operand(from, b->conv[0], 1);
        const tn__tensor *like = operand(from, fit.like, 1);
        bool holds = operand(from, b->conv[0], 2) || b->norm[0] != TN__NONE;
        size_t inner = (size_t)w->shape.dims[0];
        size_t width = tn__tensor_count(like) / (size_t)like->shape.dims[0];
        b->weight = tn__alloc(inner, (width + 1) * sizeof *b->weight);
        if (!b->weight)
            return tn__fail_memory(err, inner * (width + 1) * sizeof *b->weight);
        b->constant = b->weight + inner * width;
        tn_status status =
            tn__fit_layer(b->weight, holds ? b->constant : NULL, &fit, err);
        if (status != TN_OK)
            return status;
    }
    return TN_OK;
}

/* All branches, and how wide they are together. */
static tn_status find_branches(merging *m, tn_error *err)
{
    const tn__row_of_units *row = m->row;
    for (size_t j = 0; j < m->count; j++) {
        const tn__unit *unit = &row->units->list[row->first + j];
        bool plain = unit->kind == TN__UNIT_RESIDUAL && unit->level;
        if (!(plain || (j == 0 && m->kept == 0)) ||
            !find_branch(&m->blocks[j], row, row->first + j) ||
            (j > 0 && !branches_alike(row, &m->blocks[0], &m->blocks[j])))
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "cannot put unit '%s' beside its neighbours: wanted "
                            "residual blocks of two convolutions each, of which only "
                            "the first may change the shape",
                            tn__unit_name(row->units, row->first + j));
        const tn__tensor *w = operand(row->units->model, m->blocks[j].conv[1], 1);
        m->stream = (size_t)w->shape.dims[0];
        m->inner += (size_t)w->shape.dims[1];
    }
    return TN_OK;
}

tn_status tn__units_beside(tn_model *model, size_t *norm, const tn__row_of_units *row,
                           tn_error *err)
{
    const tn__unit *first = &row->units->list[row->first];
    size_t count = row->last - row->first + 1;
    block *blocks = tn__alloc(count, sizeof *blocks);
    if (!blocks)
        return tn__fail_memory(err, count * sizeof *blocks);
    merging m = {.model = model,
                 .row = row,
                 .blocks = blocks,
                 .count = count,
                 .kept = row->slot - row->first};
    tn_status status = find_branches(&m, err);
    if (status == TN_OK && (first->kind != TN__UNIT_RESIDUAL || !first->level))
        status = fit_first(&m, err);
    if (status == TN_OK)
        status = write_block(&m, err);
    for (size_t u = row->last + 1; status == TN_OK && u-- > row->first;) {
        if (u != row->slot)
            tn__model_redirect(model, row->units->list[u].output,
                               row->units->list[u].input);
    }
    if (status == TN_OK)
        *norm = blocks[m.kept].norm[1];
    for (size_t j = 0; j < count; j++)
        tn__free(blocks[j].weight);
    tn__free(blocks);
    return status;
}

/* --- statistics --- */

static tn_status settle(tn_model *model, size_t norm, const tn__moments *seen,
                        tn_error *err)
{
    const tn__node *node = &model->nodes[norm];
    const int64_t dims[1] = {(int64_t)seen->channels};
    double epsilon = (double)tn__node_float(node, "epsilon", 1e-5F);
    double *numbers = tn__alloc(seen->channels, 4 * sizeof *numbers);
    if (!numbers)
        return tn__fail_memory(err, seen->channels * 4 * sizeof *numbers);
    for (size_t c = 0; c < seen->channels; c++) {
        double s, t, variance = tn__moments_variance(seen, c);
        affine(&s, &t, model, norm, NULL, c);
        numbers[c] = s * sqrt(variance + epsilon);
        numbers[seen->channels + c] = t + s * seen->mean[c];
        numbers[2 * seen->channels + c] = seen->mean[c];
        numbers[3 * seen->channels + c] = variance;
    }
    tn_status status = TN_OK;
    for (size_t k = 0; k < 4 && status == TN_OK; k++)
        status = tn__parameter_write(model, node->inputs[k + 1], 1, dims,
                                     numbers + k * seen->channels, err);
    tn__free(numbers);
    return status;
}

tn_status tn__settle_norms(tn_model *model, const size_t *norms, size_t count,
                           const tn__shapes *shapes, const tn__probe *probe,
                           tn_error *err)
{
    size_t *keep = tn__alloc(count, sizeof *keep);
    tn__moments *seen = tn__alloc(count, sizeof *seen);
    tn__engine *engine = NULL;
    tn_status status =
        keep && seen ? TN_OK : tn__fail_memory(err, count * sizeof *seen);
    for (size_t i = 0; i < count && status == TN_OK; i++) {
        keep[i] = model->nodes[norms[i]].inputs[0];
        status = tn__extent_of(&seen[i].extent, &shapes->shape[keep[i]], err);
    }
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = probe->workers;
    options.keep = keep;
    options.keep_count = count;
    if (status == TN_OK)
        status = tn__engine_create(&engine, model, &options, err);
    if (status == TN_OK)
        status = tn__stats_moments(seen, engine, count, probe->images, probe->n, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        status = settle(model, norms[i], &seen[i], err);
    for (size_t i = 0; seen && i < count; i++)
        tn__moments_release(&seen[i]);
    tn__free(seen);
    tn__free(keep);
    tn__engine_free(engine);
    return status;
}
