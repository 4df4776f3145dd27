/* readers.c - through which activations the layers of a network read its groups. */
#include "prune/prune.h"

/* The entry of the group on the channels of an activation, if its cells lie one after
 * another. */
static const tn__group_entry *channels_of(const tn__group *group, size_t value)
{
    for (size_t e = 0; e < group->entry_count; e++) {
        const tn__group_entry *entry = &group->entries[e];
        if (entry->value != value || entry->axis != 1)
            continue;
        for (size_t k = 0; k < group->neurons * entry->repeats; k++)
            if (entry->index[k] !=
                    entry->index[k - k % entry->repeats] + k % entry->repeats ||
                entry->index[k - k % entry->repeats] % entry->repeats)
                return NULL;
        return entry;
    }
    return NULL;
}

/* Whether a layer reads the neurons by it; a weight that is computed from parameters (a
 * Cast of short ones) is nothing that could be refitted. */
static bool is_read_by(const tn_model *model, const tn__group_entry *entry)
{
    return entry->role == TN__CONSUMER &&
           tn__value_is_parameter(&model->values[entry->value]);
}

static tn_status add_reader(tn__readers *all, const tn_model *model,
                            const tn__groups *groups, size_t g, size_t e, tn_error *err)
{
    const tn__group *group = &groups->list[g];
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        if (node->input_count < 2 || node->inputs[1] != group->entries[e].value)
            continue;
        const tn__group_entry *x = channels_of(group, node->inputs[0]);
        if (!x)
            continue;
        tn__reader made = {.node = n, .group = g, .entry = e, .x = x};
        tn_status status =
            tn__extent_of(&made.extent, &groups->shapes.shape[x->value], err);
        if (status == TN_OK)
            status = tn__grow(&all->list, &all->capacity, all->count, sizeof *all->list,
                              err);
        if (status != TN_OK)
            return status;
        made.extent.channels /= x->repeats;
        made.extent.positions *= x->repeats;
        all->list[all->count++] = made;
    }
    return TN_OK;
}

tn_status tn__readers_find(tn__readers *out, const bool *wanted, const tn_model *model,
                           const tn__groups *groups, tn_error *err)
{
    tn__readers all = {0};
    tn_status status = TN_OK;
    for (size_t g = 0; g < groups->count; g++)
        for (size_t e = 0;
             wanted[g] && e < groups->list[g].entry_count && status == TN_OK; e++)
            if (is_read_by(model, &groups->list[g].entries[e]))
                status = add_reader(&all, model, groups, g, e, err);
    all.keep = tn__alloc(all.count, sizeof *all.keep);
    if (status == TN_OK && all.count > 0 && !all.keep)
        status = tn__fail_memory(err, all.count * sizeof *all.keep);
    for (size_t i = 0; i < all.count && status == TN_OK; i++)
        all.keep[i] = all.list[i].x->value;
    if (status == TN_OK)
        *out = all;
    else
        tn__readers_release(&all);
    return status;
}

void tn__readers_release(tn__readers *readers)
{
    tn__free(readers->list);
    tn__free(readers->keep);
    *readers = (tn__readers){0};
}
