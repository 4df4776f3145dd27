/* model.c - life cycle of a network and of its parts. */
#include "graph/model.h"

#include <string.h>

void tn__attr_release(tn__attr *attr)
{
    tn__free(attr->name);
    tn__free(attr->s);
    tn__tensor_release(&attr->tensor);
    tn__free(attr->floats);
    tn__free(attr->ints);
    for (size_t k = 0; attr->strings && k < attr->count; k++)
        tn__free(attr->strings[k]);
    tn__free(attr->strings);
    *attr = (tn__attr){0};
}

static void node_release(tn__node *node)
{
    tn__free(node->name);
    tn__free(node->type);
    tn__free(node->domain);
    tn__free(node->doc);
    tn__free(node->inputs);
    tn__free(node->outputs);
    for (size_t k = 0; k < node->attr_count; k++)
        tn__attr_release(&node->attrs[k]);
    tn__free(node->attrs);
    *node = (tn__node){0};
}

static void value_release(tn__value *value)
{
    tn__free(value->name);
    for (int axis = 0; axis < TN__MAX_RANK; axis++)
        tn__free(value->dim_names[axis]);
    tn__tensor_release(&value->parameter);
    *value = (tn__value){0};
}

tn_status tn__model_create(tn_model **out, const char *name, tn_error *err)
{
    tn_model *model = tn__alloc(1, sizeof *model);
    if (!model)
        return tn__fail_memory(err, sizeof *model);
    model->ir_version = 8;
    model->name = tn__strdup(name);
    model->opsets = tn__alloc(1, sizeof *model->opsets);
    if (model->opsets) {
        model->opsets[0] = (tn__opset){.domain = tn__strdup(""), .version = 13};
        model->opset_count = 1;
    }
    if (!model->name || !model->opsets || !model->opsets[0].domain) {
        tn_model_free(model);
        return tn__fail_memory(err, sizeof *model);
    }
    *out = model;
    return TN_OK;
}

void tn_model_free(tn_model *model)
{
    if (!model)
        return;
    tn__free(model->name);
    tn__free(model->doc);
    tn__free(model->graph_doc);
    tn__free(model->domain);
    tn__free(model->producer);
    tn__free(model->producer_version);
    tn__free(model->source);
    for (size_t k = 0; k < model->opset_count; k++)
        tn__free(model->opsets[k].domain);
    tn__free(model->opsets);
    for (size_t k = 0; k < model->metadata_count; k++) {
        tn__free(model->metadata[k].key);
        tn__free(model->metadata[k].text);
    }
    tn__free(model->metadata);
    for (size_t k = 0; k < model->value_count; k++)
        value_release(&model->values[k]);
    tn__free(model->values);
    for (size_t k = 0; k < model->node_count; k++)
        node_release(&model->nodes[k]);
    tn__free(model->nodes);
    tn__free(model->inputs);
    tn__free(model->outputs);
    tn__free(model);
}

size_t tn__model_find_value(const tn_model *model, const char *name)
{
    for (size_t v = 0; v < model->value_count; v++)
        if (strcmp(model->values[v].name, name) == 0)
            return v;
    return TN__NONE;
}

tn_status tn__model_add_value(size_t *out, tn_model *model, const char *name,
                              tn_error *err)
{
    tn_status status = tn__grow(&model->values, &model->value_capacity,
                                model->value_count, sizeof *model->values, err);
    if (status)
        return status;
    tn__value value = {.name = tn__strdup(name)};
    if (!value.name)
        return tn__fail_memory(err, strlen(name) + 1);
    model->values[model->value_count] = value;
    *out = model->value_count++;
    return TN_OK;
}

tn_status tn__model_add_parameter(size_t *out, tn_model *model, const char *name,
                                  const tn__tensor *tensor, tn_error *err)
{
    size_t v;
    tn_status status = tn__model_add_value(&v, model, name, err);
    if (status)
        return status;
    model->values[v].parameter = tn__tensor_ref(tensor);
    model->values[v].dtype = tensor->dtype;
    *out = v;
    return TN_OK;
}

/* Appends v to a list of values of count elements. */
static tn_status append(size_t **list, size_t *count, size_t v, tn_error *err)
{
    size_t *grown = tn__realloc(*list, *count + 1, sizeof **list);
    if (!grown)
        return tn__fail_memory(err, (*count + 1) * sizeof **list);
    grown[(*count)++] = v;
    *list = grown;
    return TN_OK;
}

tn_status tn__model_add_input(size_t *out, tn_model *model, const char *name,
                              tn_dtype dtype, int rank, const int64_t *dims,
                              tn_error *err)
{
    size_t v;
    tn_status status = tn__model_add_value(&v, model, name, err);
    if (status)
        return status;
    tn__value *value = &model->values[v];
    value->dtype = dtype;
    value->shaped = true;
    value->rank = rank;
    for (int axis = 0; axis < rank; axis++) {
        value->dims[axis] = dims[axis];
        if (dims[axis] < 0 && !(value->dim_names[axis] = tn__strdup("N")))
            return tn__fail_memory(err, 2);
    }
    status = append(&model->inputs, &model->input_count, v, err);
    if (!status)
        *out = v;
    return status;
}

tn_status tn__model_add_output(tn_model *model, size_t value, tn_error *err)
{
    return append(&model->outputs, &model->output_count, value, err);
}

static size_t *copy_indices(const size_t *list, size_t count)
{
    size_t *copy = tn__alloc(count, sizeof *copy);
    if (copy && count)
        memcpy(copy, list, count * sizeof *copy);
    return copy;
}

tn_status tn__model_add_node(size_t *out, tn_model *model, const char *type,
                             const char *name, size_t input_count, const size_t *inputs,
                             size_t output_count, const size_t *outputs, tn_error *err)
{
    tn_status status = tn__grow(&model->nodes, &model->node_capacity, model->node_count,
                                sizeof *model->nodes, err);
    if (status)
        return status;
    tn__node node = {.name = tn__strdup(name),
                     .type = tn__strdup(type),
                     .domain = tn__strdup(""),
                     .inputs = copy_indices(inputs, input_count),
                     .input_count = input_count,
                     .outputs = copy_indices(outputs, output_count),
                     .output_count = output_count};
    if (!node.name || !node.type || !node.domain || !node.inputs || !node.outputs) {
        node_release(&node);
        return tn__fail_memory(err, sizeof node);
    }
    model->nodes[model->node_count] = node;
    *out = model->node_count++;
    return TN_OK;
}

int64_t tn__model_opset(const tn_model *model)
{
    for (size_t k = 0; k < model->opset_count; k++)
        if (strcmp(model->opsets[k].domain, "") == 0 ||
            strcmp(model->opsets[k].domain, "ai.onnx") == 0)
            return model->opsets[k].version;
    return 0;
}

const char *tn__model_metadata(const tn_model *model, const char *key)
{
    for (size_t k = 0; k < model->metadata_count; k++)
        if (strcmp(model->metadata[k].key, key) == 0)
            return model->metadata[k].text;
    return NULL;
}

tn_status tn__model_set_metadata(tn_model *model, const char *key, const char *text,
                                 tn_error *err)
{
    char *copy = tn__strdup(text);
    if (!copy)
        return tn__fail_memory(err, strlen(text) + 1);
    for (size_t k = 0; k < model->metadata_count; k++)
        if (strcmp(model->metadata[k].key, key) == 0) {
            tn__free(model->metadata[k].text);
            model->metadata[k].text = copy;
            return TN_OK;
        }
    if (model->metadata_count == TN__METADATA_MAX) {
        tn__free(copy);
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "more than %d texts of metadata, from '%.100s' on",
                        TN__METADATA_MAX, key);
    }
    char *name = tn__strdup(key);
    tn__entry *grown =
        name ? tn__realloc(model->metadata, model->metadata_count + 1, sizeof *grown)
             : NULL;
    if (!grown) {
        tn__free(name);
        tn__free(copy);
        return tn__fail_memory(err, sizeof *grown);
    }
    model->metadata = grown;
    grown[model->metadata_count++] = (tn__entry){name, copy};
    return TN_OK;
}

void tn__model_remove_nodes(tn_model *model, const bool *marked)
{
    size_t kept = 0;
    for (size_t n = 0; n < model->node_count; n++) {
        if (marked[n])
            node_release(&model->nodes[n]);
        else
            model->nodes[kept++] = model->nodes[n];
    }
    if (kept < model->node_count) /* there may be no nodes at all */
        memset(model->nodes + kept, 0,
               (model->node_count - kept) * sizeof *model->nodes);
    model->node_count = kept;
}

void tn__model_redirect(tn_model *model, size_t from, size_t to)
{
    for (size_t n = 0; n < model->node_count; n++)
        for (size_t k = 0; k < model->nodes[n].input_count; k++)
            if (model->nodes[n].inputs[k] == from)
                model->nodes[n].inputs[k] = to;
    for (size_t k = 0; k < model->output_count; k++)
        if (model->outputs[k] == from)
            model->outputs[k] = to;
}

/* Frees what tn__model_prune_unused() found unused. */
static void drop_unused(tn_model *model, const bool *node_unused,
                        const size_t *renumber)
{
    tn__model_remove_nodes(model, node_unused);
    size_t kept = 0;
    for (size_t v = 0; v < model->value_count; v++) {
        if (renumber[v] == TN__NONE)
            value_release(&model->values[v]);
        else
            model->values[kept++] = model->values[v];
    }
    memset(model->values + kept, 0,
           (model->value_count - kept) * sizeof *model->values);
    model->value_count = kept;
    for (size_t n = 0; n < model->node_count; n++) {
        tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->input_count; k++)
            if (node->inputs[k] != TN__NONE)
                node->inputs[k] = renumber[node->inputs[k]];
        for (size_t k = 0; k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE)
                node->outputs[k] = renumber[node->outputs[k]];
    }
    for (size_t k = 0; k < model->input_count; k++)
        model->inputs[k] = renumber[model->inputs[k]];
    for (size_t k = 0; k < model->output_count; k++)
        model->outputs[k] = renumber[model->outputs[k]];
}

tn_status tn__model_prune_unused(tn_model *model, tn_error *err)
{
    bool *unused = tn__alloc(model->node_count, sizeof *unused);
    size_t *renumber = tn__alloc(model->value_count, sizeof *renumber); /* 1: used */
    if (!unused || !renumber) {
        tn__free(unused);
        tn__free(renumber);
        return tn__fail_memory(err, model->value_count * sizeof *renumber);
    }
    for (size_t k = 0; k < model->output_count; k++)
        renumber[model->outputs[k]] = 1;
    for (size_t k = 0; k < model->input_count; k++)
        renumber[model->inputs[k]] = 1;
    for (size_t n = model->node_count; n-- > 0;) {
        const tn__node *node = &model->nodes[n];
        unused[n] = true;
        for (size_t k = 0; k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE && renumber[node->outputs[k]])
                unused[n] = false;
        for (size_t k = 0; !unused[n] && k < node->input_count; k++)
            if (node->inputs[k] != TN__NONE)
                renumber[node->inputs[k]] = 1;
        for (size_t k = 0; !unused[n] && k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE)
                renumber[node->outputs[k]] = 1;
    }
    for (size_t v = 0, kept = 0; v < model->value_count; v++)
        renumber[v] = renumber[v] ? kept++ : TN__NONE;
    drop_unused(model, unused, renumber);
    tn__free(unused);
    tn__free(renumber);
    return TN_OK;
}
