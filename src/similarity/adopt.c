/* adopt.c - a network over the graph of another, and whether their groups correspond.
 *
 * The result shares every parameter's bytes with the network it came from; only what
 * depends on widths (parameters, group counts) is taken over, the graph is the other's.
 */
#include <string.h>

#include "similarity/match.h"

/* Shapes declared for the widths of the target are dropped with its parameters. */
static void adopt_parameters(tn_model *made, const tn_model *source,
                             const size_t *value_of)
{
    for (size_t v = 0; v < made->value_count; v++) {
        tn__value *value = &made->values[v];
        bool input = false;
        for (size_t k = 0; k < made->input_count; k++)
            input = input || made->inputs[k] == v;
        value->shaped = value->shaped && input;
        if (!tn__value_is_parameter(value) || value_of[v] == TN__NONE)
            continue;
        tn__tensor tensor = tn__tensor_ref(&source->values[value_of[v]].parameter);
        tn__tensor_release(&value->parameter);
        value->parameter = tensor;
        value->dtype = tensor.dtype;
    }
}

/* The node of `source` that makes the partner of each node's first output of target. */
static tn_status adopt_groups(tn_model *made, const tn_model *source,
                              const size_t *value_of, tn_error *err)
{
    tn__links links = {0};
    tn_status status = tn__links_create(&links, source, err);
    for (size_t n = 0; n < made->node_count && status == TN_OK; n++) {
        tn__node *node = &made->nodes[n];
        if (!tn__node_attr(node, "group"))
            continue;
        size_t value = value_of[node->outputs[0]];
        if (value == TN__NONE)
            continue;
        const tn__node *from = &source->nodes[links.producer[value]];
        status = tn__node_set_int(node, "group", tn__node_int(from, "group", 1), err);
    }
    tn__links_release(&links);
    return status;
}

tn_status tn__match_adopt(tn_model **out, const tn_model *source,
                          const tn_model *target, tn_error *err)
{
    size_t *value_of = NULL;
    tn_model *made = NULL;
    tn_status status = tn__match_values(&value_of, source, target, err);
    if (status != TN_OK)
        return status;
    if ((status = tn__model_clone(&made, target, err)) != TN_OK)
        goto done;
    adopt_parameters(made, source, value_of);
    if ((status = adopt_groups(made, source, value_of, err)) != TN_OK)
        goto done;
    *out = made;
    made = NULL;
done:
    tn_model_free(made);
    tn__free(value_of);
    return status;
}

/* --- groups --- */

static tn_status match_group(const tn__group *s, const tn__group *t,
                             const tn_model *graph, tn_error *err)
{
    for (size_t e = 0; e < TN__MIN(s->entry_count, t->entry_count); e++) {
        const tn__group_entry *a = &s->entries[e], *b = &t->entries[e];
        if (a->value != b->value || a->axis != b->axis || a->role != b->role ||
            a->repeats != b->repeats)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "groups differ: '%s' lies on '%s' axis %d (%zu cells a "
                            "neuron), '%s' on '%s' axis %d (%zu)",
                            s->name, graph->values[a->value].name, a->axis, a->repeats,
                            t->name, graph->values[b->value].name, b->axis, b->repeats);
    }
    if (s->entry_count != t->entry_count)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "groups differ: '%s' lies on %zu axes, its counterpart on %zu",
                        t->name, s->entry_count, t->entry_count);
    return TN_OK;
}

/* Adds (or takes, sign -1) the cells of every group on axes of parameters to left[v *
 * TN__MAX_RANK + axis]. */
static void count_cells(int64_t *left, const tn__groups *groups, int64_t sign)
{
    for (size_t g = 0; g < groups->count; g++) {
        const tn__group *group = &groups->list[g];
        for (size_t e = 0; e < group->entry_count; e++) {
            const tn__group_entry *entry = &group->entries[e];
            if (entry->axis < TN__MAX_RANK)
                left[entry->value * TN__MAX_RANK + (size_t)entry->axis] +=
                    sign * (int64_t)(group->neurons * entry->repeats);
        }
    }
}

/* Cells of a parameter's axis that are in no group must be as many in both. */
static tn_status match_rest(const tn__groups *s, const tn__groups *t,
                            const tn_model *graph, tn_error *err)
{
    int64_t *left = tn__alloc(graph->value_count, TN__MAX_RANK * sizeof *left);
    if (!left)
        return tn__fail_memory(err, graph->value_count * TN__MAX_RANK * sizeof *left);
    tn_status status = TN_OK;
    count_cells(left, s, -1);
    count_cells(left, t, 1);
    for (size_t v = 0; v < graph->value_count && status == TN_OK; v++) {
        if (!tn__value_is_parameter(&graph->values[v]))
            continue;
        const tn__shape *a = &s->shapes.shape[v], *b = &t->shapes.shape[v];
        bool differ = a->rank != b->rank;
        for (int axis = 0; axis < b->rank && !differ; axis++)
            differ =
                a->dims[axis] - b->dims[axis] + left[v * TN__MAX_RANK + (size_t)axis] !=
                0;
        char text_a[TN__SHAPE_TEXT], text_b[TN__SHAPE_TEXT];
        if (differ)
            status = tn__fail(err, TN_ERROR_MISMATCH,
                              "shapes of '%s' do not correspond: %s against %s",
                              graph->values[v].name,
                              tn__shape_text(text_a, sizeof text_a, a),
                              tn__shape_text(text_b, sizeof text_b, b));
    }
    tn__free(left);
    return status;
}

tn_status tn__match_groups(const tn__groups *source, const tn__groups *target,
                           const tn_model *graph, tn_error *err)
{
    for (size_t g = 0; g < TN__MIN(source->count, target->count); g++) {
        tn_status status = match_group(&source->list[g], &target->list[g], graph, err);
        if (status != TN_OK)
            return status;
    }
    if (source->count != target->count)
        return tn__fail(err, TN_ERROR_MISMATCH, "groups differ: %zu against %zu",
                        source->count, target->count);
    return match_rest(source, target, graph, err);
}
