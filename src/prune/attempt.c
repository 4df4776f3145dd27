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
    tn__free(a->refitted.ways);
    tn__free(a->refitted.missed);
    tn__free(a->by);
    tn_model_free(a->model);
    *a = (tn__attempt){0};
}

/* --- which neurons stay ------------------------------------------------------------
 */

tn_status tn__score_lists(double ***scores, bool *recovered, const tn__pruning *p,
                          const bool *wanted, tn_prune_importance by, tn_error *err)
{
    const tn__scoring how = {.by = by,
                             .model = p->model,
                             .folded = p->folded,
                             .probe = p->probe.model,
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

static tn_status choose(tn__attempt *a, const tn__pruning *p, tn_error *err)
{
    size_t count = p->groups->count;
    double **scores = NULL;
    bool *wanted = tn__alloc(count, sizeof *wanted);
    a->kept = tn__alloc(count, sizeof *a->kept);
    for (size_t g = 0; wanted && g < count; g++)
        wanted[g] = p->left[g] < p->groups->list[g].neurons;
    tn_status status = wanted && a->kept ? tn__score_lists(&scores, NULL, p, wanted,
                                                           a->importance, err)
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

/* The neurons that are kept, as they are. */
static tn_status select_map(tn__map *out, const bool *kept, size_t neurons, size_t left,
                            tn_error *err)
{
    uint32_t *select = tn__alloc(left, sizeof *select);
    tn_status status = select ? TN_OK : tn__fail_memory(err, left * sizeof *select);
    for (size_t i = 0, j = 0; select && i < neurons; i++)
        if (kept[i])
            select[j++] = (uint32_t)i;
    if (status == TN_OK)
        status = tn__map_select(out, left, neurons, select, err);
    tn__free(select);
    return status;
}

static tn_status mix_map(tn__map *out, const tn__attempt *a, const tn__pruning *p,
                         size_t g, tn_prune_method by, tn_error *err)
{
    tn__features features = {0};
    tn_status status = tn__features_create(&features, p->folded, p->folded_groups, g,
                                           !p->options->compat, err);
    if (status == TN_OK)
        status = tn__prune_absorb(out, &features, a->kept[g], p->left[g], by,
                                  p->options->compat, p->options->seed, err);
    tn__features_release(&features);
    return status;
}

/* a->maps, but for those that a plan gave. */
static tn_status make_maps(tn__attempt *a, const tn__pruning *p, tn_error *err)
{
    size_t count = p->groups->count;
    if (!a->maps)
        a->maps = tn__alloc(count, sizeof *a->maps);
    tn_status status = a->maps ? TN_OK : tn__fail_memory(err, count * sizeof *a->maps);
    for (size_t g = 0; g < count && status == TN_OK; g++) {
        tn_prune_method by = a->by ? a->by[g] : a->method;
        if (!a->kept[g] || a->maps[g].first)
            continue;
        status = tn__method_mixes(by)
                     ? mix_map(&a->maps[g], a, p, g, by, err)
                     : select_map(&a->maps[g], a->kept[g], p->groups->list[g].neurons,
                                  p->left[g], err);
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

/* Statistics and layers of a->model put right. */
static tn_status put_right(tn__attempt *a, const tn__pruning *p,
                           const tn__probe_models *probe, const tn__groups *groups,
                           tn_error *err)
{
    tn_model *small_probe = NULL, *goals = NULL;
    size_t nodes = a->model->node_count;
    tn_status status = carry(&small_probe, p, probe->model, a, err);
    if (status == TN_OK && probe->goals != probe->model)
        status = carry(&goals, p, probe->goals, a, err);
    a->refitted.ways = tn__alloc(nodes, sizeof *a->refitted.ways);
    a->refitted.missed = tn__alloc(nodes, sizeof *a->refitted.missed);
    if (status == TN_OK && (!a->refitted.ways || !a->refitted.missed))
        status = tn__fail_memory(err, nodes * sizeof *a->refitted.missed);
    const tn__refitting how = {.probe = probe->model,
                               .groups = groups,
                               .kept = (const bool *const *)a->kept,
                               .maps = a->maps,
                               .layers = a->method == TN_PRUNE_REFIT,
                               .repair = a->repair,
                               .small = a->model,
                               .small_probe = small_probe,
                               .goals = goals ? goals : small_probe,
                               .images = p->images,
                               .n = p->image_count,
                               .seed = p->options->seed,
                               .workers = p->workers};
    if (status == TN_OK)
        status = tn__prune_refit(&a->refitted, &how, err);
    tn_model_free(small_probe);
    tn_model_free(goals);
    return status;
}

tn_status tn__attempt_run(tn__attempt *a, const tn__pruning *p, tn_error *err)
{
    bool mixing = tn__method_mixes(a->method) || a->by;
    tn_status status = TN_OK;
    if (!a->kept)
        status = choose(a, p, err);
    if (status == TN_OK && mixing)
        status = make_maps(a, p, err);
    if (status == TN_OK)
        status = carry(&a->model, p, mixing ? p->folded : p->model, a, err);
    if (status == TN_OK && a->repair == TN_PRUNE_REPAIR_DATA_FREE)
        status = tn__prune_foresee(a->model, &a->refitted.repaired, a, p, err);
    else if (status == TN_OK &&
             (a->repair != TN_PRUNE_REPAIR_NONE || a->method == TN_PRUNE_REFIT))
        status = put_right(a, p, mixing ? &p->folded_probe : &p->probe,
                           mixing ? p->folded_groups : p->groups, err);
    a->error = (double)NAN;
    if (status == TN_OK && p->images)
        status = tn__prune_error(&a->error, p->model, a->model, p, err);
    return status;
}
