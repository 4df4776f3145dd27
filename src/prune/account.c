/* account.c - what a pruning did: its report and its plan. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "prune/pruning.h"

void tn_prune_report_release(tn_prune_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->group_count; i++) {
        tn__free(report->groups[i].name);
        tn__free(report->groups[i].kept);
    }
    tn__free(report->groups);
    tn_prune_plan_free(report->plan);
    *report = (tn_prune_report){0};
}

static tn_status make_plan(tn_prune_plan **out, const tn__pruning *p,
                           const tn__attempt *a, const tn_dataset *data, tn_error *err)
{
    bool images =
        p->images && (a->repair != TN_PRUNE_REPAIR_NONE || a->method == TN_PRUNE_REFIT);
    const char *hash = tn_model_source_sha256(p->model);
    tn_prune_plan *made = tn__alloc(1, sizeof *made);
    if (!made)
        return tn__fail_memory(err, sizeof *made);
    made->method = a->kept ? a->method : TN_PRUNE_DELETE;
    made->repair = a->repair;
    made->compat = p->options->compat;
    made->seed = p->options->seed;
    made->sparsity = p->sparsity;
    made->images = images ? p->image_count : 0;
    made->synthetic = images && p->synthetic;
    snprintf(made->model, sizeof made->model, "%s", hash ? hash : "");
    if (images)
        tn__prune_hash(made->images_hash, p);
    tn_status status =
        tn__plan_fill(made, p->groups, p->left, a->kept, a->maps, a->by, err);
    if (status == TN_OK && images && data) {
        made->data = tn__strdup(tn_dataset_spec(data));
        if (!made->data)
            status = tn__fail_memory(err, strlen(tn_dataset_spec(data)));
    }
    if (status == TN_OK)
        *out = made;
    else
        tn_prune_plan_free(made);
    return status;
}

/* How the group was dealt with: by what became of the layers that read it. */
static void tell_way(tn_prune_group *to, size_t g, const tn__pruning *p,
                     const tn__attempt *a)
{
    const tn__layer_way *ways = a->refitted.ways;
    double missed = 0;
    for (size_t n = 0; ways && n < p->model->node_count; n++) {
        if (ways[n] == TN__LAYER_OTHER ||
            !tn__node_reads(&p->model->nodes[n], &p->groups->list[g]))
            continue;
        to->readers++;
        missed += a->refitted.missed[n];
        to->readers_refitted += ways[n] == TN__LAYER_REFITTED;
    }
    to->error = to->readers ? missed / (double)to->readers : (double)NAN;
    to->method = a->method;
    if (a->by && a->by[g] != TN_PRUNE_DELETE)
        to->method = a->by[g];
    else if (a->method == TN_PRUNE_REFIT && to->readers_refitted == 0)
        to->method = TN_PRUNE_DELETE;
}

static size_t count_refitted(const tn__pruning *p, const tn__attempt *a)
{
    size_t count = 0;
    const tn__layer_way *ways = a->refitted.ways;
    for (size_t n = 0; ways && n < p->model->node_count; n++)
        count += ways[n] == TN__LAYER_REFITTED;
    return count;
}

static tn_status fill_groups(tn_prune_report *to, const tn__pruning *p,
                             const tn__attempt *a, tn_error *err)
{
    to->groups = tn__alloc(p->groups->count, sizeof *to->groups);
    bool enough = to->groups != NULL;
    for (size_t g = 0; g < p->groups->count && enough; g++) {
        const tn__group *group = &p->groups->list[g];
        if (!a->kept || !a->kept[g])
            continue;
        tn_prune_group *item = &to->groups[to->group_count++];
        item->name = tn__strdup(group->name);
        item->neurons = group->neurons;
        item->left = p->left[g];
        tell_way(item, g, p, a);
        enough = item->name != NULL;
        if (item->method == TN_PRUNE_FOLD || !enough)
            continue;
        item->kept = tn__alloc(item->left, sizeof *item->kept);
        enough = item->kept != NULL;
        for (size_t i = 0, j = 0; i < group->neurons && enough; i++)
            if (a->kept[g][i])
                item->kept[j++] = (uint32_t)i;
    }
    return enough ? TN_OK : tn__fail_memory(err, p->groups->count * sizeof *to->groups);
}

tn_status tn__prune_account(tn_prune_report *out, const tn__pruning *p,
                            const tn__attempt *a, const tn_dataset *data, tn_error *err)
{
    tn_prune_report made = {.sparsity = p->sparsity,
                            .method = a->method,
                            .error = a->error,
                            .images = p->image_count,
                            .synthetic = p->synthetic,
                            .layers_refitted = count_refitted(p, a),
                            .norms = a->refitted.norms,
                            .layers_repaired = a->refitted.repaired};
    tn_status status = fill_groups(&made, p, a, err);
    if (status == TN_OK)
        status = make_plan(&made.plan, p, a, data, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_prune_report_release(&made);
    return status;
}
