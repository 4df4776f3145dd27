/* attempt.c - one way of pruning, from beginning to end.
 *
 * Which neurons stay, then the maps, then what the maps make of the parameters, then
 * statistics and layers put right, then the error. All groups are chosen from the
 * network as it was.
 */
#include <math.h>

#include "neurons/resize_groups.h"
#include "prune/pruning.h"

void tn__attempt_release(tn__attempt *a, size_t groups)
{
    for (size_t g = 0; a->kept && g < groups; g++)
        tn__free(a->kept[g]);
    for (size_t g = 0; a->maps && g < groups; g++)
        tn__map_release(&a->maps[g]);
    tn__free(a->kept);
    tn__free(a->maps);
    tn__free(a->ways);
    tn_model_free(a->model);
    *a = (tn__attempt){0};
}

/* --- which neurons stay ------------------------------------------------------------
 */

tn_status tn__score_lists(double ***scores, bool *recovered, const tn__pruning *p,
                          const bool *wanted, tn_prune_importance by,
                          const tn_model *probe, tn_error *err)
{
    const tn__scoring how = {.by = by,
                             .model = p->model,
                             .folded = p->folded,
                             .probe = probe,
                             .groups = p->folded_groups,
                             .images = p->images,
                             .labels = p->labels,
                             .n = p->image_count,
                             .seed = p->options->seed,
                             .workers = p->workers};
    size_t count = p->groups->count;
    *scores = tn__alloc(count, sizeof **scores);
    if (!*scores)
        return tn__fail_memory(err, count * sizeof **scores);
    for (size_t g = 0; g < count; g++) {
        size_t neurons = p->groups->list[g].neurons;
        if (!wanted[g])
            continue;
        (*scores)[g] = tn__alloc(neurons, sizeof ***scores);
        if (!(*scores)[g])
            return tn__fail_memory(err, neurons * sizeof ***scores);
    }
    return tn__prune_scores(*scores, recovered, &how, err);
}

void tn__score_lists_free(double **scores, size_t groups)
{
    for (size_t g = 0; scores && g < groups; g++)
        tn__free(scores[g]);
    tn__free(scores);
}

static tn_status choose(tn__attempt *a, const tn__pruning *p, const tn_model *probe,
                        tn_error *err)
{
    size_t count = p->groups->count;
    double **scores = NULL;
    bool *wanted = tn__alloc(count, sizeof *wanted);
    a->kept = tn__alloc(count, sizeof *a->kept);
    for (size_t g = 0; wanted && g < count; g++)
        wanted[g] = p->left[g] < p->groups->list[g].neurons;
    tn_status status = wanted && a->kept ? tn__score_lists(&scores, NULL, p, wanted,
                                                           a->importance, probe, err)
                                         : tn__fail_memory(err, count);
    for (size_t g = 0; g < count && status == TN_OK; g++) {
        size_t neurons = p->groups->list[g].neurons;
        if (!wanted[g])
            continue;
        a->kept[g] = tn__alloc(neurons, sizeof **a->kept);
        status = a->kept[g]
                     ? tn__prune_keep(a->kept[g], scores[g], neurons, p->left[g], err)
                     : tn__fail_memory(err, neurons);
    }
    tn__score_lists_free(scores, count);
    tn__free(wanted);
    return status;
}

/* --- the maps and what they make ----------------------------------------------------
 */

bool tn__method_mixes(tn_prune_method method)
{
    return method == TN_PRUNE_INTRA_FUSION || method == TN_PRUNE_NEAREST ||
           method == TN_PRUNE_FOLD;
}

static tn_status make_maps(tn__attempt *a, const tn__pruning *p, tn_error *err)
{
    a->maps = tn__alloc(p->groups->count, sizeof *a->maps);
    tn_status status =
        a->maps ? TN_OK : tn__fail_memory(err, p->groups->count * sizeof *a->maps);
    for (size_t g = 0; g < p->groups->count && status == TN_OK; g++) {
        tn__features features = {0};
        if (!a->kept[g])
            continue;
        status = tn__features_create(&features, p->folded, p->folded_groups, g,
                                     !p->options->compat, err);
        if (status == TN_OK)
            status =
                tn__prune_absorb(&a->maps[g], &features, a->kept[g], p->left[g],
                                 a->method, p->options->compat, p->options->seed, err);
        tn__features_release(&features);
    }
    return status;
}

/* The authors' program never mixes the vectors of batch norms: `to` gets those that
 * selection left in `from`. A map whose rows do not sum to one would scale them. */
static void select_norms(tn_model *to, const tn_model *from)
{
    for (size_t n = 0; n < to->node_count; n++)
        for (size_t k = 1; tn__node_is_norm(&to->nodes[n]) && k < 5; k++) {
            size_t v = to->nodes[n].inputs[k];
            if (!tn__value_is_parameter(&to->values[v]))
                continue;
            tn__tensor_release(&to->values[v].parameter);
            to->values[v].parameter = tn__tensor_ref(&from->values[v].parameter);
        }
}

/* *out: `from` with the neurons of attempt `a`. */
static tn_status carry(tn_model **out, const tn__pruning *p, const tn_model *from,
                       const tn__attempt *a, tn_error *err)
{
    const tn__groups *groups = a->maps ? p->folded_groups : p->groups;
    tn_model *graph = NULL;
    tn__groups *onto = NULL;
    tn_status status =
        tn__resize(&graph, from, groups, (const uint8_t *const *)a->kept, err);
    if (status == TN_OK && !a->maps) {
        *out = graph;
        return TN_OK;
    }
    if (status == TN_OK)
        status = tn__groups_find(&onto, graph, err);
    if (status == TN_OK)
        status = tn__map_apply(out, from, groups, graph, onto, NULL, a->maps, err);
    if (status == TN_OK && p->options->compat)
        select_norms(*out, graph);
    tn__groups_free(onto);
    tn_model_free(graph);
    return status;
}

tn_status tn__attempt_run(tn__attempt *a, const tn__pruning *p, tn_error *err)
{
    bool mixing = tn__method_mixes(a->method), refits = a->method == TN_PRUNE_REFIT;
    const tn_model *base = mixing ? p->folded : p->model;
    const tn__groups *groups = mixing ? p->folded_groups : p->groups;
    tn_model *probe = NULL, *small_probe = NULL;
    tn_status status = tn__prune_probe(&probe, base, p, err);
    if (status == TN_OK && !a->kept)
        status = choose(a, p, probe, err);
    if (status == TN_OK && mixing && !a->maps)
        status = make_maps(a, p, err);
    if (status == TN_OK)
        status = carry(&a->model, p, base, a, err);
    if (status == TN_OK && (a->repair || p->images))
        status = carry(&small_probe, p, probe, a, err);
    tn__refitting how = {.probe = probe,
                         .groups = groups,
                         .kept = refits ? (const bool *const *)a->kept : NULL,
                         .norms = a->repair,
                         .hold = a->hold,
                         .small = a->model,
                         .small_probe = small_probe,
                         .images = p->images,
                         .n = p->image_count,
                         .seed = p->options->seed,
                         .workers = p->workers};
    if (status == TN_OK && (a->repair || refits)) {
        a->ways = tn__alloc(base->node_count, sizeof *a->ways);
        status = a->ways ? tn__prune_refit(a->ways, &a->norms, &how, err)
                         : tn__fail_memory(err, base->node_count * sizeof *a->ways);
    }
    a->error = (double)NAN;
    if (status == TN_OK && p->images)
        status = tn__prune_error(&a->error, p->model, a->model, p, err);
    tn_model_free(probe);
    tn_model_free(small_probe);
    return status;
}
