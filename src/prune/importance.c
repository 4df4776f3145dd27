/* importance.c - which neurons stay, by their weights.
 *
 * One score a neuron: the mean over layers of a norm of its weights, as in
 * Torch-Pruning (Fang et al., CVPR 2023), the distance from all others (FPGM: He et
 * al., CVPR 2019), or the scale of batch norms (Liu et al., ICCV 2017). LAMP orders the
 * neurons of one layer as l2 does and has no name of its own.
 */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "ops/batch_norm/batch_norm.h"
#include "prune/prune.h"
#include "stats/stats.h"

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

tn_status tn__prune_keep(bool *kept, const double *score, size_t n, size_t left,
                         tn_error *err)
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
        kept[i] = false;
    }
    qsort(list, n, sizeof *list, compare);
    for (size_t j = 0; j < left; j++)
        kept[list[j].neuron] = true;
    tn__free(list);
    return TN_OK;
}

static double norm_of(const double *row, size_t width, tn_prune_importance importance)
{
    double sum = 0;
    for (size_t k = 0; k < width; k++)
        sum += importance == TN_PRUNE_IMPORTANCE_L2 ? row[k] * row[k] : fabs(row[k]);
    return importance == TN_PRUNE_IMPORTANCE_L2 ? sqrt(sum) : sum;
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

void tn__prune_scores(double *score, const tn__features *features,
                      tn_prune_importance importance, uint64_t seed)
{
    const tn__features *f = features;
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < f->neurons; i++) {
        score[i] = 0;
        if (importance == TN_PRUNE_IMPORTANCE_RANDOM)
            score[i] = tn__rng_uniform(&rng);
        else if (importance == TN_PRUNE_IMPORTANCE_MEDIAN)
            score[i] = distance_of(f, i);
        else
            for (size_t b = 0; b < f->count; b++)
                score[i] += norm_of(f->rows + i * f->width + f->first[b],
                                    f->first[b + 1] - f->first[b], importance);
    }
}

tn_status tn__prune_scores_norm(double *score, const tn_model *model,
                                const tn__groups *groups, size_t group, tn_error *err)
{
    const tn__group *g = &groups->list[group];
    size_t found = 0;
    for (size_t i = 0; i < g->neurons; i++)
        score[i] = 0;
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
    if (found)
        return TN_OK;
    return tn__fail(err, TN_ERROR_ARGUMENT,
                    "no batch norm carries group '%s': its scale says nothing",
                    g->name);
}
