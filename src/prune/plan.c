/* plan.c - a plan from what a pruning did, and a plan against the model it is for. */
#include <string.h>

#include "prune/plan.h"
#include "prune/prune.h"

void tn__plan_groups_free(tn__plan_group *groups, size_t count)
{
    for (size_t i = 0; groups && i < count; i++) {
        tn__free(groups[i].name);
        tn__free(groups[i].kept);
        tn__map_release(&groups[i].map);
    }
    tn__free(groups);
}

void tn_prune_plan_free(tn_prune_plan *plan)
{
    if (!plan)
        return;
    tn__plan_groups_free(plan->groups, plan->group_count);
    tn__free(plan->note);
    tn__free(plan->data);
    tn__free(plan);
}

const char *tn_prune_plan_note(const tn_prune_plan *plan)
{
    return plan->note;
}

static void *copy_of(const void *from, size_t count, size_t size)
{
    void *to = tn__alloc(count, size);
    if (to && count > 0)
        memcpy(to, from, count * size);
    return to;
}

static tn_status copy_map(tn__map *out, const tn__map *map, tn_error *err)
{
    tn__map made = {.rows = map->rows, .columns = map->columns};
    size_t entries = map->first[map->rows];
    made.first = copy_of(map->first, map->rows + 1, sizeof *made.first);
    made.column = copy_of(map->column, entries, sizeof *made.column);
    made.out = copy_of(map->out, entries, sizeof *made.out);
    made.in = copy_of(map->in, entries, sizeof *made.in);
    if (!made.first || !made.column || !made.out || !made.in) {
        tn__map_release(&made);
        return tn__fail_memory(err, entries * sizeof *made.out);
    }
    *out = made;
    return TN_OK;
}

static tn_status fill_group(tn__plan_group *to, const tn__group *group,
                            const bool *kept, const tn__map *map, tn_error *err)
{
    to->neurons = group->neurons;
    to->name = tn__strdup(group->name);
    to->kept = copy_of(kept, group->neurons, sizeof *kept);
    if (!to->name || !to->kept)
        return tn__fail_memory(err, group->neurons);
    return map && map->first ? copy_map(&to->map, map, err) : TN_OK;
}

bool tn__plan_is_mixed(const tn_prune_plan *plan)
{
    for (size_t i = 0; i < plan->group_count; i++)
        if (plan->method == TN_PRUNE_REFIT && tn__method_mixes(plan->groups[i].by))
            return true;
    return false;
}

tn_status tn__plan_fill(tn_prune_plan *plan, const tn__groups *groups,
                        const size_t *left, bool *const *kept, const tn__map *maps,
                        const tn_prune_method *by, tn_error *err)
{
    tn__plan_group *made = tn__alloc(groups->count, sizeof *made);
    tn_status status =
        made ? TN_OK : tn__fail_memory(err, groups->count * sizeof *made);
    size_t count = 0;
    for (size_t g = 0; kept && g < groups->count && status == TN_OK; g++) {
        if (!kept[g])
            continue;
        tn__plan_group *to = &made[count++];
        to->group = g;
        to->left = left[g];
        to->by = by ? by[g] : plan->method;
        if (!tn__method_mixes(to->by))
            to->by = TN_PRUNE_DELETE;
        status = fill_group(to, &groups->list[g], kept[g], maps ? &maps[g] : NULL, err);
    }
    if (status != TN_OK) {
        tn__plan_groups_free(made, count);
        return status;
    }
    plan->groups = made;
    plan->group_count = count;
    return TN_OK;
}

static tn_status check_group(const tn__plan_group *from, const tn__groups *groups,
                             tn_error *err)
{
    if (from->group >= groups->count)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the plan is for another model: it has group %zu '%.200s', the "
                        "model %zu groups",
                        from->group, from->name, groups->count);
    const tn__group *group = &groups->list[from->group];
    if (strcmp(from->name, group->name) || from->neurons != group->neurons)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the plan is for another model: its group %zu is '%.200s' of "
                        "%zu neurons, the model's '%.200s' of %zu",
                        from->group, from->name, from->neurons, group->name,
                        group->neurons);
    return TN_OK;
}

tn_status tn__plan_widths(size_t *left, const tn_prune_plan *plan,
                          const tn_model *model, const tn__groups *groups,
                          tn_error *err)
{
    const char *hash = tn_model_source_sha256(model);
    tn_status status = TN_OK;
    if (plan->model[0] && hash && strcmp(plan->model, hash))
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the plan is for another model: SHA-256 %.12s..., this one has "
                        "%.12s...",
                        plan->model, hash);
    for (size_t i = 0; i < plan->group_count && status == TN_OK; i++)
        status = check_group(&plan->groups[i], groups, err);
    if (status != TN_OK)
        return status;
    for (size_t g = 0; g < groups->count; g++)
        left[g] = groups->list[g].neurons;
    for (size_t i = 0; i < plan->group_count; i++)
        left[plan->groups[i].group] = plan->groups[i].left;
    return TN_OK;
}

tn_status tn__plan_copy(bool **kept, tn__map *maps, tn_prune_method *by,
                        const tn_prune_plan *plan, tn_error *err)
{
    for (size_t i = 0; by && i < plan->group_count; i++)
        by[plan->groups[i].group] = plan->groups[i].by;
    tn_status status = TN_OK;
    for (size_t i = 0; i < plan->group_count && status == TN_OK; i++) {
        const tn__plan_group *from = &plan->groups[i];
        kept[from->group] = copy_of(from->kept, from->neurons, sizeof *from->kept);
        if (!kept[from->group])
            status = tn__fail_memory(err, from->neurons);
        else if (maps && tn__method_mixes(plan->method) && !from->map.first)
            status = tn__fail(err, TN_ERROR_MISMATCH,
                              "the plan has no 'map' of group '%.200s', which its "
                              "method needs",
                              from->name);
        else if (maps && from->map.first)
            status = copy_map(&maps[from->group], &from->map, err);
    }
    return status;
}
