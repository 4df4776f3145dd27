/* channels.c - the neuron in each channel of an activation. */
#include "fuse/fusion.h"

tn_status tn__channels_find(tn__channels *out, const tn__groups *groups, size_t value,
                            tn_error *err)
{
    const tn__shape *shape = &groups->shapes.shape[value];
    size_t count = shape->rank > 1 ? (size_t)shape->dims[1] : 0;
    tn__channels made = {.count = count};
    made.group = tn__alloc(count, sizeof *made.group);
    made.neuron = tn__alloc(count, sizeof *made.neuron);
    if (!made.group || !made.neuron) {
        tn__channels_release(&made);
        return tn__fail_memory(err, count * sizeof *made.group);
    }
    for (size_t c = 0; c < count; c++)
        made.group[c] = TN__NONE;
    for (size_t g = 0; g < groups->count; g++) {
        const tn__group *group = &groups->list[g];
        for (size_t e = 0; e < group->entry_count; e++) {
            const tn__group_entry *entry = &group->entries[e];
            if (entry->value != value || entry->axis != 1 || entry->repeats != 1)
                continue;
            for (size_t i = 0; i < group->neurons; i++) {
                made.group[entry->index[i]] = g;
                made.neuron[entry->index[i]] = i;
            }
        }
    }
    *out = made;
    return TN_OK;
}

void tn__channels_release(tn__channels *channels)
{
    if (!channels)
        return;
    tn__free(channels->group);
    tn__free(channels->neuron);
    *channels = (tn__channels){0};
}
