/* topology.c - who makes and reads each value, validation, order, and cut points. */
#include "graph/model.h"

#include <string.h>

void tn__links_release(tn__links *links)
{
    tn__free(links->producer);
    tn__free(links->first_use);
    tn__free(links->uses);
    *links = (tn__links){0};
}

tn_status tn__links_create(tn__links *out, const tn_model *model, tn_error *err)
{
    size_t values = model->value_count, total = 0;
    tn__links links = {.producer = tn__alloc(values, sizeof(size_t)),
                       .first_use = tn__alloc(values + 2, sizeof(size_t))};
    if (!links.producer || !links.first_use)
        goto fail;
    for (size_t v = 0; v < values; v++)
        links.producer[v] = TN__NONE;
    /* first_use[v + 2] counts, so that filling leaves first_use[v + 1] at v's end */
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE)
                links.producer[node->outputs[k]] = n;
        for (size_t k = 0; k < node->input_count; k++)
            if (node->inputs[k] != TN__NONE) {
                links.first_use[node->inputs[k] + 2]++;
                total++;
            }
    }
    for (size_t v = 2; v < values + 2; v++)
        links.first_use[v] += links.first_use[v - 1];
    links.uses = tn__alloc(total, sizeof *links.uses);
    if (!links.uses)
        goto fail;
    for (size_t n = 0; n < model->node_count; n++)
        for (size_t k = 0; k < model->nodes[n].input_count; k++) {
            size_t v = model->nodes[n].inputs[k];
            if (v != TN__NONE)
                links.uses[links.first_use[v + 1]++] = (tn__use){n, k};
        }
    *out = links;
    return TN_OK;
fail:
    tn__links_release(&links);
    return tn__fail_memory(err, values * sizeof(size_t));
}

/* Every value number is in range, made at most once, and never both made and given. */
static tn_status check_references(const tn_model *model, bool *made, tn_error *err)
{
    char label[TN__LABEL_TEXT];
    for (size_t v = 0; v < model->value_count; v++)
        made[v] = tn__value_is_parameter(&model->values[v]);
    for (size_t k = 0; k < model->input_count; k++) {
        if (made[model->inputs[k]])
            return tn__fail(err, TN_ERROR_FORMAT, "'%s' is defined twice",
                            model->values[model->inputs[k]].name);
        made[model->inputs[k]] = true;
    }
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->output_count; k++) {
            size_t v = node->outputs[k];
            if (v == TN__NONE)
                continue;
            if (made[v])
                return tn__fail(err, TN_ERROR_FORMAT,
                                "'%s', an output of %s, is defined "
                                "twice",
                                model->values[v].name,
                                tn__node_label(model, n, label, sizeof label));
            made[v] = true;
        }
    }
    for (size_t n = 0; n < model->node_count; n++)
        for (size_t k = 0; k < model->nodes[n].input_count; k++) {
            size_t v = model->nodes[n].inputs[k];
            if (v != TN__NONE && !made[v])
                return tn__fail(err, TN_ERROR_FORMAT,
                                "'%s', an input of %s, is not defined",
                                model->values[v].name,
                                tn__node_label(model, n, label, sizeof label));
        }
    for (size_t k = 0; k < model->output_count; k++)
        if (!made[model->outputs[k]])
            return tn__fail(err, TN_ERROR_FORMAT, "output '%s' is not defined",
                            model->values[model->outputs[k]].name);
    return TN_OK;
}

/* Takes node n: its readers wait for one value less. */
static void take(size_t n, size_t *waiting, const tn_model *model,
                 const tn__links *links)
{
    const tn__node *node = &model->nodes[n];
    waiting[n] = TN__NONE;
    for (size_t k = 0; k < node->output_count; k++) {
        size_t v = node->outputs[k];
        if (v == TN__NONE)
            continue;
        for (size_t u = links->first_use[v]; u < links->first_use[v + 1]; u++)
            waiting[links->uses[u].node]--;
    }
}

/* order[] gets the nodes in topological order, as they stand where they stand in order
 * already, else by Kahn's algorithm; returns how many could be placed. O(nodes + uses).
 */
static size_t sort_nodes(size_t *order, size_t *waiting, const tn_model *model,
                         const tn__links *links)
{
    size_t taken = 0;
    while (taken < model->node_count && waiting[taken] == 0) {
        take(taken, waiting, model, links);
        order[taken] = taken;
        taken++;
    }
    if (taken == model->node_count)
        return taken;
    size_t placed = taken;
    for (size_t n = 0; n < model->node_count; n++)
        if (waiting[n] == 0)
            order[placed++] = n;
    for (; taken < placed; taken++) {
        const tn__node *node = &model->nodes[order[taken]];
        take(order[taken], waiting, model, links);
        for (size_t k = 0; k < node->output_count; k++) {
            size_t v = node->outputs[k];
            size_t end = v == TN__NONE ? 0 : links->first_use[v + 1];
            for (size_t u = v == TN__NONE ? 0 : links->first_use[v]; u < end; u++) {
                size_t reader = links->uses[u].node;
                if (waiting[reader] == 0) {
                    order[placed++] = reader;
                    waiting[reader] = TN__NONE - 1;
                }
            }
        }
    }
    return taken;
}

static tn_status put_in_order(tn_model *model, size_t *order, size_t *waiting,
                              const tn__links *links, tn_error *err)
{
    char label[TN__LABEL_TEXT];
    for (size_t n = 0; n < model->node_count; n++)
        for (size_t k = 0; k < model->nodes[n].input_count; k++) {
            size_t v = model->nodes[n].inputs[k];
            if (v != TN__NONE && links->producer[v] != TN__NONE)
                waiting[n]++;
        }
    size_t count = sort_nodes(order, waiting, model, links);
    if (count < model->node_count) {
        size_t stuck = 0;
        while (waiting[stuck] == TN__NONE)
            stuck++;
        return tn__fail(err, TN_ERROR_FORMAT, "the graph has a cycle through %s",
                        tn__node_label(model, stuck, label, sizeof label));
    }
    tn__node *sorted = tn__alloc(count, sizeof *sorted);
    if (!sorted)
        return tn__fail_memory(err, count * sizeof *sorted);
    for (size_t n = 0; n < count; n++)
        sorted[n] = model->nodes[order[n]];
    if (count)
        memcpy(model->nodes, sorted, count * sizeof *sorted);
    tn__free(sorted);
    return TN_OK;
}

tn_status tn__model_check(tn_model *model, tn_error *err)
{
    tn__links links = {0};
    bool *made = tn__alloc(model->value_count, sizeof *made);
    size_t *order = tn__alloc(model->node_count, sizeof *order);
    size_t *waiting = tn__alloc(model->node_count, sizeof *waiting);
    tn_status status = TN_OK;
    if (!made || !order || !waiting)
        status = tn__fail_memory(err, model->value_count);
    else if (model->output_count == 0)
        status = tn__fail(err, TN_ERROR_FORMAT, "the graph has no output");
    if (!status)
        status = check_references(model, made, err);
    if (!status)
        status = tn__links_create(&links, model, err);
    if (!status)
        status = put_in_order(model, order, waiting, &links, err);
    tn__links_release(&links);
    tn__free(made);
    tn__free(order);
    tn__free(waiting);
    return status;
}

/* The last position, in node order, at which value v is still needed. */
static size_t last_use(const tn_model *model, const tn__links *links, size_t v)
{
    for (size_t k = 0; k < model->output_count; k++)
        if (model->outputs[k] == v)
            return model->node_count;
    size_t end = links->first_use[v + 1];
    return end > links->first_use[v] ? links->uses[end - 1].node : 0;
}

/* carries[v]: v depends on a graph input. */
static void find_carriers(bool *carries, const tn_model *model)
{
    for (size_t k = 0; k < model->input_count; k++)
        carries[model->inputs[k]] = true;
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        bool carried = false;
        for (size_t k = 0; k < node->input_count; k++)
            carried |= node->inputs[k] != TN__NONE && carries[node->inputs[k]];
        for (size_t k = 0; carried && k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE)
                carries[node->outputs[k]] = true;
    }
}

/* Sweeps over the nodes and counts the activations that are alive after each. */
static void sweep_cuts(size_t *list, size_t *count, size_t *ends, const bool *carries,
                       const tn_model *model, const tn__links *links)
{
    size_t alive = 0;
    for (size_t k = 0; k < model->input_count; k++) {
        alive++;
        ends[last_use(model, links, model->inputs[k])]++;
    }
    if (alive == 1)
        list[(*count)++] = model->inputs[0];
    for (size_t n = 0; n < model->node_count; n++) {
        alive -= ends[n];
        const tn__node *node = &model->nodes[n];
        size_t made = TN__NONE;
        for (size_t k = 0; k < node->output_count; k++) {
            size_t v = node->outputs[k];
            if (v == TN__NONE || !carries[v])
                continue;
            size_t end = last_use(model, links, v);
            if (end > n) {
                alive++;
                ends[end]++;
                made = v;
            }
        }
        if (alive == 1 && made != TN__NONE)
            list[(*count)++] = made;
    }
}

tn_status tn__model_cuts(size_t **values, size_t *count, const tn_model *model,
                         tn_error *err)
{
    tn__links links = {0};
    size_t *list = tn__alloc(model->node_count + 1, sizeof *list), found = 0;
    size_t *ends = tn__alloc(model->node_count + 1, sizeof *ends);
    bool *carries = tn__alloc(model->value_count, sizeof *carries);
    tn_status status = TN_OK;
    if (!list || !ends || !carries)
        status = tn__fail_memory(err, model->node_count * sizeof *list);
    if (!status)
        status = tn__links_create(&links, model, err);
    if (!status) {
        find_carriers(carries, model);
        sweep_cuts(list, &found, ends, carries, model, &links);
        *values = list;
        *count = found;
        list = NULL;
    }
    tn__links_release(&links);
    tn__free(list);
    tn__free(ends);
    tn__free(carries);
    return status;
}
