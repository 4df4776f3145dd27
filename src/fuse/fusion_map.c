/* fusion_map.c - the maps of a fusion, as its caller sees them. */
#include <string.h>

#include "fuse/fusion.h"

/* Entries of row j: of `select` one, of the identity (neither is there) itself. */
static size_t row_count(const tn__map *map, size_t j)
{
    return map->first ? map->first[j + 1] - map->first[j] : 1;
}

static size_t row_source(const tn__map *map, size_t j, size_t e)
{
    if (map->first)
        return map->column[map->first[j] + e];
    return map->select ? map->select[j] : j;
}

/* Sorted by source, then target: rows in order, dealt out to their sources. */
static tn_status fill_plan(tn_ot_plan *plan, const tn__map *map, tn_error *err)
{
    size_t *next = tn__alloc(plan->n + 1, sizeof *next);
    plan->source = tn__alloc(plan->count, sizeof *plan->source);
    plan->target = tn__alloc(plan->count, sizeof *plan->target);
    plan->mass = tn__alloc(plan->count, sizeof *plan->mass);
    if (!next || !plan->source || !plan->target || !plan->mass) {
        tn__free(next);
        return tn__fail_memory(err, plan->count * sizeof *plan->mass);
    }
    for (size_t j = 0; j < plan->m; j++)
        for (size_t e = 0; e < row_count(map, j); e++)
            next[row_source(map, j, e) + 1]++;
    for (size_t i = 0; i < plan->n; i++)
        next[i + 1] += next[i];
    for (size_t j = 0; j < plan->m; j++)
        for (size_t e = 0; e < row_count(map, j); e++) {
            size_t source = row_source(map, j, e), at = next[source]++;
            plan->source[at] = (uint32_t)source;
            plan->target[at] = (uint32_t)j;
            plan->mass[at] =
                (map->first ? map->out[map->first[j] + e] : 1) / (double)plan->m;
        }
    tn__free(next);
    return TN_OK;
}

tn_status tn_fusion_map(tn_ot_plan *out, const tn_fusion *fusion, size_t model,
                        const char *group, tn_error *err)
{
    const tn__fusion *f = &fusion->inner;
    if (model >= f->count || !f->parents[model].maps)
        return tn__fail(err, TN_ERROR_ARGUMENT, "model %zu of %zu was not aligned",
                        model, f->count);
    const tn__groups *target = f->parents[f->reference].groups;
    size_t g = 0;
    while (g < target->count && strcmp(target->list[g].name, group) != 0)
        g++;
    if (g == target->count)
        return tn__fail(err, TN_ERROR_ARGUMENT, "no group is called '%s'", group);
    const tn__map *map = &f->parents[model].maps[g];
    tn_ot_plan plan = {.n = f->parents[model].groups->list[g].neurons,
                       .m = target->list[g].neurons};
    plan.count = map->first ? map->first[plan.m] : plan.m;
    tn_status status = fill_plan(&plan, map, err);
    if (status == TN_OK)
        *out = plan;
    else
        tn_ot_plan_release(&plan);
    return status;
}
