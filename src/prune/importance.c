/* importance.c - how much each neuron of a group is worth.
 *
 * By weights: the sum over layers of a norm of the neuron's weights, as in
 * Torch-Pruning (Fang et al., CVPR 2023); LAMP (Lee et al., ICLR 2021), the square of
 * that norm over the sum of all that are not smaller; the distance from all others
 * (FPGM: He et al., CVPR 2019); the scale of batch norms (Liu et al., ICCV 2017).
 * Taylor (Molchanov et al., CVPR 2019) is the l1 norm of weights times gradients.
 * Scores of different groups can be compared: their mean is 1, but for LAMP and the
 * error of recovery, which are shares of their group.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "ops/batch_norm/batch_norm.h"
#include "prune/prune.h"

typedef struct scored {
    double score;
    size_t neuron;
} scored;

/* Most important first; equal ones by index. */
static int compare(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return a->neuron < b->neuron ? -1 : a->neuron > b->neuron;
}

static tn_status sorted(scored **out, const double *score, size_t n, tn_error *err)
{
    scored *list = tn__alloc(n, sizeof *list);
    if (!list)
        return tn__fail_memory(err, n * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(score[i])) {
            tn__free(list);
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "the weights of neuron %zu are not finite", i);
        }
        list[i] = (scored){score[i], i};
    }
    qsort(list, n, sizeof *list, compare);
    *out = list;
    return TN_OK;
}

tn_status tn__prune_keep(bool *kept, const double *score, size_t n, size_t left,
                         tn_error *err)
{
    scored *list = NULL;
    tn_status status = sorted(&list, score, n, err);
    for (size_t j = 0; j < n && status == TN_OK; j++)
        kept[list[j].neuron] = j < left;
    tn__free(list);
    return status;
}

/* --- by weights ---------------------------------------------------------------------
 */

static double norm_of(const double *row, size_t width, bool squared)
{
    double sum = 0;
    for (size_t k = 0; k < width; k++)
        sum += squared ? row[k] * row[k] : fabs(row[k]);
    return squared ? sqrt(sum) : sum;
}

static void score_norm(double *score, const tn__features *f, bool squared)
{
    for (size_t i = 0; i < f->neurons; i++)
        for (size_t b = 0; b < f->count; b++)
            score[i] += norm_of(f->rows + i * f->width + f->first[b],
                                f->first[b + 1] - f->first[b], squared);
}

/* Of each layer the share among those that are not smaller; their mean over layers. */
static tn_status score_lamp(double *score, const tn__features *f, tn_error *err)
{
    double *square = tn__alloc(f->neurons, sizeof *square);
    tn_status status =
        square ? TN_OK : tn__fail_memory(err, f->neurons * sizeof *square);
    for (size_t b = 0; b < f->count && status == TN_OK; b++) {
        scored *list = NULL;
        double sum = 0;
        for (size_t i = 0; i < f->neurons; i++) {
            double norm = norm_of(f->rows + i * f->width + f->first[b],
                                  f->first[b + 1] - f->first[b], true);
            square[i] = norm * norm;
        }
        status = sorted(&list, square, f->neurons, err);
        for (size_t j = 0; j < f->neurons && status == TN_OK; j++) {
            sum += list[j].score;
            if (sum > 0)
                score[list[j].neuron] += list[j].score / sum / (double)f->count;
        }
        tn__free(list);
    }
    tn__free(square);
    return status;
}

/* Sum of the distances from all others. */
static double distance_of(const tn__features *f, size_t i)
{
    double total = 0;
    for (size_t j = 0; j < f->neurons; j++) {
        double sum = 0;
        for (size_t k = 0; k < f->width; k++) {
            double d = f->rows[i * f->width + k] - f->rows[j * f->width + k];
            sum += d * d;
        }
        total += sqrt(sum);
    }
    return total;
}

static tn_status score_weights(double *score, const tn_model *model,
                               const tn__scoring *how, size_t group, tn_error *err)
{
    tn__features f = {0};
    tn_status status = tn__features_create(&f, model, how->groups, group, false, err);
    if (status != TN_OK)
        return status;
    if (how->by == TN_PRUNE_IMPORTANCE_LAMP)
        status = score_lamp(score, &f, err);
    else if (how->by == TN_PRUNE_IMPORTANCE_MEDIAN)
        for (size_t i = 0; i < f.neurons; i++)
            score[i] = distance_of(&f, i);
    else
        score_norm(score, &f, how->by == TN_PRUNE_IMPORTANCE_L2);
    tn__features_release(&f);
    return status;
}

static tn_status score_batch_norms(double *score, const tn__scoring *how, size_t group,
                                   tn_error *err)
{
    const tn__group *g = &how->groups->list[group];
    const tn_model *model = how->model;
    size_t found = 0;
    for (size_t n = 0; n < model->node_count; n++) {
        if (!tn__node_is_norm(&model->nodes[n]))
            continue;
        size_t scale = model->nodes[n].inputs[TN__BN_SCALE];
        for (size_t e = 0; e < g->entry_count; e++) {
            const tn__group_entry *entry = &g->entries[e];
            if (entry->value != scale || !tn__value_is_parameter(&model->values[scale]))
                continue;
            found++;
            for (size_t k = 0; k < g->neurons * entry->repeats; k++)
                score[k / entry->repeats] += fabs(tn__tensor_get_f64(
                    &model->values[scale].parameter, entry->index[k]));
        }
    }
    return found ? TN_OK
                 : tn__fail(err, TN_ERROR_ARGUMENT,
                            "no batch norm carries group '%s': its scale says nothing",
                            g->name);
}

static void score_random(double *score, size_t n, uint64_t seed)
{
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++)
        score[i] = tn__rng_uniform(&rng);
}

/* --- by images
 * ------------------------------------------------------------------------
 */

bool tn__importance_wants_images(tn_prune_importance by)
{
    return by == TN_PRUNE_IMPORTANCE_ERROR || by == TN_PRUNE_IMPORTANCE_TAYLOR ||
           by == TN_PRUNE_IMPORTANCE_ACTIVATION || by == TN_PRUNE_IMPORTANCE_CHIP;
}

/* done[g]: of the groups that some layer reads through an activation. */
static tn_status score_activations(double *const *scores, bool *done,
                                   const tn__scoring *how, tn_error *err)
{
    tn__readers readers = {0};
    for (size_t g = 0; g < how->groups->count; g++)
        done[g] = scores[g] != NULL; /* here: wanted */
    tn_status status = tn__readers_find(&readers, done, how->folded, how->groups, err);
    memset(done, 0, how->groups->count * sizeof *done);
    if (status == TN_OK && readers.count > 0 && how->by == TN_PRUNE_IMPORTANCE_ERROR)
        status = tn__prune_recover(scores, &readers, how, err);
    else if (status == TN_OK && readers.count > 0)
        status = tn__prune_activity(scores, &readers, how, err);
    for (size_t i = 0; i < readers.count; i++)
        done[readers.list[i].group] = true;
    tn__readers_release(&readers);
    return status;
}

/* --- the whole
 * --------------------------------------------------------------------------
 */

static void normalise(double *score, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += score[i] / (double)n;
    for (size_t i = 0; mean > 0 && i < n; i++)
        score[i] /= mean;
}

static tn_status score_group(double *score, const tn_model *products,
                             const tn__scoring *how, size_t g, tn_error *err)
{
    switch (how->by) {
    case TN_PRUNE_IMPORTANCE_RANDOM:
        score_random(score, how->groups->list[g].neurons, how->seed + g);
        return TN_OK;
    case TN_PRUNE_IMPORTANCE_NORM:
        return score_batch_norms(score, how, g, err);
    default:
        return score_weights(score, products ? products : how->folded, how, g, err);
    }
}

tn_status tn__prune_scores(double *const *scores, bool *recovered,
                           const tn__scoring *how, tn_error *err)
{
    tn_model *products = NULL;
    bool *done = tn__alloc(how->groups->count, sizeof *done);
    tn_status status = done ? TN_OK : tn__fail_memory(err, how->groups->count);
    if (status == TN_OK && how->by == TN_PRUNE_IMPORTANCE_TAYLOR)
        status = tn__prune_products(&products, how, err);
    else if (status == TN_OK && tn__importance_wants_images(how->by))
        status = score_activations(scores, done, how, err);
    for (size_t g = 0; g < how->groups->count && status == TN_OK; g++) {
        if (!scores[g])
            continue;
        if (!done[g])
            status = score_group(scores[g], products, how, g, err);
        bool error = how->by == TN_PRUNE_IMPORTANCE_ERROR && done[g];
        bool share = how->by == TN_PRUNE_IMPORTANCE_LAMP || error;
        if (recovered)
            recovered[g] = error;
        if (status == TN_OK && !share)
            normalise(scores[g], how->groups->list[g].neurons);
    }
    tn__free(done);
    tn_model_free(products);
    return status;
}
