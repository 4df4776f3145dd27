/* carried.c - what each channel of an activation is made of after pruning: the channel
 * that stayed, or the mix that a map makes of several.
 *
 * Statistics and answers of the network before are carried like that to the network
 * now. Row j of a group's map is the neuron that stands where the j-th that stays did.
 */
#include "fuse/fusion.h"
#include "neurons/resize_groups.h"
#include "prune/prune.h"

void tn__carried_release(tn__carried *carried)
{
    tn__free(carried->first);
    tn__free(carried->channel);
    tn__free(carried->share);
    *carried = (tn__carried){0};
}

/* The entry of the group that lies on the channels of the value. */
static const tn__group_entry *entry_on(const tn__group *group, size_t value)
{
    for (size_t e = 0; e < group->entry_count; e++)
        if (group->entries[e].value == value && group->entries[e].axis == 1)
            return &group->entries[e];
    return NULL;
}

/* Entries that the channels of one value may have, all together. */
static size_t entries_most(const tn__groups *groups, const tn__map *maps,
                           size_t channels)
{
    for (size_t g = 0; maps && g < groups->count; g++)
        channels += maps[g].first ? maps[g].first[maps[g].rows] : 0;
    return channels;
}

static void add_share(tn__carried *to, size_t channel, double share)
{
    size_t e = to->first[to->count]++;
    to->channel[e] = (uint32_t)channel;
    to->share[e] = (float)share;
}

/* The row of the map for the place of `neuron`. */
static void add_row(tn__carried *to, const tn__map *map, const tn__group_entry *entry,
                    const bool *kept, size_t neuron)
{
    size_t row = 0;
    for (size_t i = 0; i < neuron; i++)
        row += kept[i];
    for (size_t e = map->first[row]; e < map->first[row + 1]; e++)
        add_share(to, entry->index[map->column[e]], map->out[e]);
}

tn_status tn__carried_find(tn__carried *out, const tn__groups *groups,
                           const bool *const *kept, const tn__map *maps, size_t value,
                           tn_error *err)
{
    tn__carried made = {0};
    tn__channels channels = {0};
    tn_status status = tn__channels_find(&channels, groups, value, err);
    if (status != TN_OK)
        return status;
    size_t most = entries_most(groups, maps, channels.count);
    uint8_t *stays = tn__alloc(channels.count, sizeof *stays);
    made.before = channels.count;
    made.first = tn__alloc(channels.count + 1, sizeof *made.first);
    made.channel = tn__alloc(most, sizeof *made.channel);
    made.share = tn__alloc(most, sizeof *made.share);
    if (stays && made.first && made.channel && made.share)
        tn__resize_cells(stays, groups, (const uint8_t *const *)kept, value, 1);
    else
        status = tn__fail_memory(err, most * sizeof *made.channel);
    for (size_t c = 0; c < channels.count && status == TN_OK; c++) {
        size_t g = channels.group[c];
        if (!stays[c])
            continue;
        made.first[made.count + 1] = made.first[made.count];
        made.count++;
        if (maps && g != TN__NONE && maps[g].first)
            add_row(&made, &maps[g], entry_on(&groups->list[g], value), kept[g],
                    channels.neuron[c]);
        else
            add_share(&made, c, 1);
    }
    tn__free(stays);
    tn__channels_release(&channels);
    if (status == TN_OK)
        *out = made;
    else
        tn__carried_release(&made);
    return status;
}
