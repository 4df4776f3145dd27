/* meetings.c - where groups meet parameters.
 *
 * Whoever carries a parameter asks which groups lie on an axis of it, often for one
 * group after another: the list is made once, with the groups, and asked by bisection.
 */
#include "neurons/groups.h"

/* Axes of a value, those beyond its rank too. */
#define AXES (TN__MAX_RANK + 2)

static bool meets(const tn_model *model, const tn__group_entry *entry)
{
    return tn__value_is_parameter(&model->values[entry->value]);
}

/* A counting sort by value and axis, stable in the order of the groups. */
tn_status tn__groups_index(tn__groups *groups, const tn_model *model, tn_error *err)
{
    size_t keys = model->value_count * AXES, n = 0;
    size_t *next = tn__alloc(keys, sizeof *next);
    if (!next)
        return tn__fail_memory(err, keys * sizeof *next);
    for (size_t g = 0; g < groups->count; g++) {
        for (size_t e = 0; e < groups->list[g].entry_count; e++) {
            const tn__group_entry *entry = &groups->list[g].entries[e];
            if (meets(model, entry))
                next[entry->value * AXES + (size_t)entry->axis]++;
        }
    }
    for (size_t k = 0; k < keys; k++) {
        size_t here = next[k];
        next[k] = n;
        n += here;
    }
    tn__meeting *list = tn__alloc(n, sizeof *list);
    for (size_t g = 0; list && g < groups->count; g++) {
        for (size_t e = 0; e < groups->list[g].entry_count; e++) {
            const tn__group_entry *entry = &groups->list[g].entries[e];
            if (meets(model, entry))
                list[next[entry->value * AXES + (size_t)entry->axis]++] =
                    (tn__meeting){entry->value, entry->axis, g, e};
        }
    }
    tn__free(next);
    if (!list)
        return tn__fail_memory(err, n * sizeof *list);
    groups->meetings = list;
    groups->meeting_count = n;
    return TN_OK;
}

const tn__meeting *tn__groups_on(size_t *count, const tn__groups *groups, size_t value,
                                 int axis)
{
    const tn__meeting *list = groups->meetings;
    size_t low = 0, high = groups->meeting_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const tn__meeting *m = &list[middle];
        if (m->value < value || (m->value == value && m->axis < axis))
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < groups->meeting_count && list[end].value == value &&
           list[end].axis == axis)
        end++;
    *count = end - low;
    return list + low;
}
