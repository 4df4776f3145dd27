/* watch.c - on which values of a network the neurons of a group are best watched.
 *
 * A neuron is watched before its activation function: what stands behind it has lost
 * half of its answers to ReLU. A residual stream is watched behind each of its
 * additions.
 */
#include <string.h>

#include "stats/stats.h"

static const char *const activations[] = {
    "Relu",     "LeakyRelu",   "PRelu", "Elu",       "Selu",           "Celu",
    "Sigmoid",  "HardSigmoid", "Tanh",  "HardSwish", "Clip",           "Softplus",
    "Softsign", "Gelu",        "Erf",   "Mish",      "ThresholdedRelu"};

bool tn__node_is_activation(const tn__node *node)
{
    for (size_t i = 0; i < TN__COUNT(activations); i++) {
        if (!strcmp(node->type, activations[i]))
            return true;
    }
    return false;
}

bool tn__node_is_norm(const tn__node *node)
{
    return !strcmp(node->type, "BatchNormalization");
}

size_t tn__value_norm(const tn_model *model, const tn__links *links, size_t value)
{
    size_t first = links->first_use[value];
    if (links->first_use[value + 1] - first != 1 || links->uses[first].input != 0)
        return TN__NONE;
    size_t node = links->uses[first].node;
    return tn__node_is_norm(&model->nodes[node]) ? node : TN__NONE;
}

/* An activation value with the group on its channel axis, once for each neuron. */
static bool is_channel_entry(const tn_model *model, const tn__group_entry *entry)
{
    return !tn__value_is_parameter(&model->values[entry->value]) && entry->axis == 1 &&
           entry->repeats == 1;
}

static bool read_by_activation(const tn_model *model, const tn__links *links,
                               size_t value)
{
    size_t producer = links->producer[value];
    if (producer == TN__NONE || tn__node_is_activation(&model->nodes[producer]))
        return false;
    for (size_t u = links->first_use[value]; u < links->first_use[value + 1]; u++) {
        if (tn__node_is_activation(&model->nodes[links->uses[u].node]))
            return true;
    }
    return false;
}

/* Made by a node that has parameters, or by an addition; before a norm, the norm
 * counts. */
static bool is_layer_output(const tn_model *model, const tn__links *links, size_t value)
{
    size_t producer = links->producer[value];
    if (producer == TN__NONE || tn__value_norm(model, links, value) != TN__NONE)
        return false;
    const tn__node *node = &model->nodes[producer];
    if (!strcmp(node->type, "Add"))
        return true;
    for (size_t k = 1; k < node->input_count; k++) {
        if (node->inputs[k] != TN__NONE &&
            tn__value_is_parameter(&model->values[node->inputs[k]]))
            return true;
    }
    return false;
}

static bool anywhere(const tn_model *model, const tn__links *links, size_t value)
{
    (void)model;
    return links->producer[value] != TN__NONE;
}

tn_status tn__group_watch(size_t **entries, size_t *count, const tn_model *model,
                          const tn__links *links, const tn__group *group, tn_error *err)
{
    static bool (*const tiers[])(const tn_model *, const tn__links *, size_t) = {
        read_by_activation, is_layer_output, anywhere};
    size_t *list = tn__alloc(group->entry_count, sizeof *list), found = 0;
    if (!list)
        return tn__fail_memory(err, group->entry_count * sizeof *list);
    for (size_t t = 0; t < TN__COUNT(tiers) && found == 0; t++) {
        for (size_t e = 0; e < group->entry_count; e++) {
            const tn__group_entry *entry = &group->entries[e];
            if (is_channel_entry(model, entry) && tiers[t](model, links, entry->value))
                list[found++] = e;
        }
    }
    *entries = list;
    *count = found;
    return TN_OK;
}
