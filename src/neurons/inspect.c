/* inspect.c - what a model is made of, for people (a line) and for programs (JSON).
 *
 * Nodes with their cost, groups with the tensors they lie on, cuts with what lies
 * before them. Costs are for one image.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neurons/groups.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/operand.h"

/* Names shown of a list before "and 3 more". */
#define NAMES_SHOWN 3

/* --- cost of each node ------------------------------------------------------------ */

typedef struct node_cost {
    uint64_t parameters; /* counted at the first node that reads them */
    uint64_t macs;
} node_cost;

typedef struct costs {
    tn__shapes shapes;
    node_cost *node; /* [nodes] */
    uint64_t unread; /* elements of parameters that no node reads */
} costs;

static void release_costs(costs *c)
{
    tn__shapes_release(&c->shapes);
    tn__free(c->node);
}

static tn_status count_parameters(costs *c, const tn_model *model, tn_error *err)
{
    bool *seen = tn__alloc(model->value_count, sizeof *seen);
    if (!seen)
        return tn__fail_memory(err, model->value_count * sizeof *seen);
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k];
            if (v == TN__NONE || seen[v] ||
                !tn__dtype_is_float(model->values[v].parameter.dtype))
                continue;
            seen[v] = true;
            if (!tn__batch_norm_measures(node, k))
                c->node[n].parameters += tn__tensor_count(&model->values[v].parameter);
        }
    }
    for (size_t v = 0; v < model->value_count; v++)
        if (!seen[v] && tn__dtype_is_float(model->values[v].parameter.dtype))
            c->unread += tn__tensor_count(&model->values[v].parameter);
    tn__free(seen);
    return TN_OK;
}

static tn_status count_macs(costs *c, const tn_model *model, tn_error *err)
{
    tn__site site;
    tn__site_memory memory = {0};
    tn_status status = TN_OK;
    for (size_t n = 0; n < model->node_count && !status; n++) {
        const tn__op *op = tn__op_find(model->nodes[n].domain, model->nodes[n].type);
        if (!op || !op->macs)
            continue;
        status = tn__site_fill(&site, &memory, model, &c->shapes, n, err);
        if (!status)
            c->node[n].macs = op->macs(&site);
    }
    tn__site_memory_release(&memory);
    return status;
}

static tn_status count_costs(costs *out, const tn_model *model, tn_error *err)
{
    costs c = {0};
    tn_status status = tn__shapes_infer(&c.shapes, model, 1, err);
    if (status)
        return status;
    c.node = tn__alloc(model->node_count, sizeof *c.node);
    if (!c.node)
        status = tn__fail_memory(err, model->node_count * sizeof *c.node);
    if (status || (status = count_parameters(&c, model, err)) != TN_OK ||
        (status = count_macs(&c, model, err)) != TN_OK)
        release_costs(&c);
    else
        *out = c;
    return status;
}

static void copy_shape(int64_t dims[8], int *rank, const costs *c, const size_t *values,
                       size_t count)
{
    if (count == 0 || !c->shapes.known[values[0]])
        return;
    const tn__shape *shape = &c->shapes.shape[values[0]];
    memcpy(dims, shape->dims, sizeof shape->dims);
    *rank = shape->rank;
}

tn_status tn_model_info_get(tn_model_info *out, const tn_model *model, tn_error *err)
{
    costs c;
    tn_status status = count_costs(&c, model, err);
    if (status)
        return status;
    tn_model_info info = {.name = model->name, .nodes = model->node_count};
    info.parameters = c.unread;
    for (size_t n = 0; n < model->node_count; n++) {
        info.parameters += c.node[n].parameters;
        info.macs += c.node[n].macs;
    }
    for (size_t v = 0; v < model->value_count; v++)
        if (tn__value_is_parameter(&model->values[v]))
            info.bytes += tn__tensor_bytes(&model->values[v].parameter);
    copy_shape(info.input, &info.input_rank, &c, model->inputs, model->input_count);
    copy_shape(info.output, &info.output_rank, &c, model->outputs, model->output_count);
    release_costs(&c);
    *out = info;
    return TN_OK;
}

/* --- lines ------------------------------------------------------------------------ */

/* A line being made: text through a stream, JSON as a tree. */
typedef struct line {
    char *text;
    size_t size;
    FILE *stream;
    cJSON *json;
} line;

static tn_status begin_line(line *l, tn_error *err)
{
    *l = (line){0};
    l->json = cJSON_CreateObject();
    l->stream = open_memstream(&l->text, &l->size);
    return l->stream && l->json ? TN_OK : tn__fail_memory(err, sizeof *l);
}

/* Hands the line over; *stop where the caller wants no more. Frees it in any case. */
static tn_status end_line(line *l, tn_status status, bool *stop, tn_line_callback *call,
                          void *user, tn_error *err)
{
    char *json = NULL;
    bool broken = !l->stream || fclose(l->stream) != 0;
    if (!status && l->json)
        json = cJSON_PrintUnformatted(l->json);
    if (!status && (broken || !json))
        status = tn__fail_memory(err, l->size);
    if (!status)
        *stop = call(user, l->text, json) != 0;
    cJSON_free(json);
    cJSON_Delete(l->json);
    free(l->text);
    return status;
}

static tn_status add_text(line *l, const char *key, const char *text, tn_error *err)
{
    return cJSON_AddStringToObject(l->json, key, text) ? TN_OK
                                                       : tn__fail_memory(err, 64);
}

static tn_status add_number(line *l, const char *key, uint64_t number, tn_error *err)
{
    return cJSON_AddNumberToObject(l->json, key, (double)number)
               ? TN_OK
               : tn__fail_memory(err, 64);
}

static tn_status add_shape(line *l, const tn__shape *shape, tn_error *err)
{
    double dims[TN__MAX_RANK];
    for (int a = 0; a < shape->rank; a++)
        dims[a] = (double)shape->dims[a];
    cJSON *array = cJSON_CreateDoubleArray(dims, shape->rank);
    if (array && cJSON_AddItemToObject(l->json, "shape", array))
        return TN_OK;
    cJSON_Delete(array);
    return tn__fail_memory(err, sizeof dims);
}

/* --- nodes ------------------------------------------------------------------------ */

static tn_status describe_node(line *l, const tn_model *model, const costs *c, size_t n,
                               tn_error *err)
{
    const tn__node *node = &model->nodes[n];
    char text[TN__SHAPE_TEXT] = "?";
    size_t v = node->output_count ? node->outputs[0] : TN__NONE;
    bool known = v != TN__NONE && c->shapes.known[v];
    if (known)
        tn__shape_text(text, sizeof text, &c->shapes.shape[v]);
    fprintf(l->stream, "%-18s  %-28s  %-18s  %10llu parameters  %12llu MACs",
            node->type, node->name, text, (unsigned long long)c->node[n].parameters,
            (unsigned long long)c->node[n].macs);
    tn_status status;
    if ((status = add_text(l, "name", node->name, err)) != TN_OK ||
        (status = add_text(l, "type", node->type, err)) != TN_OK ||
        (known && (status = add_shape(l, &c->shapes.shape[v], err)) != TN_OK) ||
        (status = add_number(l, "params", c->node[n].parameters, err)) != TN_OK)
        return status;
    return add_number(l, "macs", c->node[n].macs, err);
}

tn_status tn_model_list_nodes(const tn_model *model, tn_line_callback *call, void *user,
                              tn_error *err)
{
    costs c;
    bool stop = false;
    tn_status status = count_costs(&c, model, err);
    if (status)
        return status;
    for (size_t n = 0; n < model->node_count && !stop && !status; n++) {
        line l;
        status = begin_line(&l, err);
        if (!status)
            status = describe_node(&l, model, &c, n, err);
        status = end_line(&l, status, &stop, call, user, err);
    }
    release_costs(&c);
    return status;
}

/* --- groups ----------------------------------------------------------------------- */

/* "conv.weight[1]"; axis `rank` is shown as the axis 1 that it stands for. */
static int shown_axis(const tn_model *model, size_t value, int axis)
{
    return axis < model->values[value].parameter.shape.rank ? axis : 1;
}

static bool is_parameter(const tn_model *model, const tn__group_entry *entry)
{
    return tn__value_is_parameter(&model->values[entry->value]);
}

/* "  made by a[0], b[0] and 3 more" */
static void print_role(line *l, const tn_model *model, const tn__group *group,
                       tn__role role, const char *verb)
{
    size_t shown = 0, more = 0;
    for (size_t e = 0; e < group->entry_count; e++) {
        const tn__group_entry *entry = &group->entries[e];
        if (entry->role != role || !is_parameter(model, entry))
            continue;
        if (shown == NAMES_SHOWN) {
            more++;
            continue;
        }
        fprintf(l->stream, "%s%s[%d]", shown++ ? ", " : verb,
                model->values[entry->value].name,
                shown_axis(model, entry->value, entry->axis));
    }
    if (more)
        fprintf(l->stream, " and %zu more", more);
}

static const char *role_name(tn__role role)
{
    return role == TN__PRODUCER ? "producer"
                                : (role == TN__CONSUMER ? "consumer" : "carrier");
}

static tn_status add_entry(cJSON *list, const tn_model *model,
                           const tn__group_entry *entry, tn_error *err)
{
    cJSON *object = cJSON_CreateObject();
    if (!object || !cJSON_AddItemToArray(list, object)) {
        cJSON_Delete(object);
        return tn__fail_memory(err, 64);
    }
    int axis = shown_axis(model, entry->value, entry->axis);
    if (!cJSON_AddStringToObject(object, "tensor", model->values[entry->value].name) ||
        !cJSON_AddNumberToObject(object, "axis", axis) ||
        !cJSON_AddBoolToObject(object, "blocked", axis != entry->axis) ||
        !cJSON_AddStringToObject(object, "role", role_name(entry->role)) ||
        !cJSON_AddNumberToObject(object, "repeats", (double)entry->repeats))
        return tn__fail_memory(err, 64);
    return TN_OK;
}

static tn_status describe_group(line *l, const tn_model *model, const tn__group *group,
                                tn_error *err)
{
    size_t activations = 0;
    for (size_t e = 0; e < group->entry_count; e++)
        activations += !is_parameter(model, &group->entries[e]);
    fprintf(l->stream, "%-28s  %6zu neurons", group->name, group->neurons);
    print_role(l, model, group, TN__PRODUCER, "  made by ");
    print_role(l, model, group, TN__CARRIER, "  carried by ");
    print_role(l, model, group, TN__CONSUMER, "  read by ");
    fprintf(l->stream, "  in %zu activations", activations);
    tn_status status;
    if ((status = add_text(l, "kind", "group", err)) != TN_OK ||
        (status = add_text(l, "name", group->name, err)) != TN_OK ||
        (status = add_number(l, "neurons", group->neurons, err)) != TN_OK ||
        (status = add_number(l, "activations", activations, err)) != TN_OK)
        return status;
    cJSON *list = cJSON_AddArrayToObject(l->json, "tensors");
    if (!list)
        return tn__fail_memory(err, 64);
    for (size_t e = 0; e < group->entry_count && !status; e++)
        if (is_parameter(model, &group->entries[e]))
            status = add_entry(list, model, &group->entries[e], err);
    return status;
}

static tn_status describe_frozen(line *l, const tn_model *model,
                                 const tn__frozen_axis *axis, tn_error *err)
{
    const char *name = model->values[axis->value].name;
    int shown = shown_axis(model, axis->value, axis->axis);
    fprintf(l->stream, "%-28s  %6zu frozen on axis %d: %s", name, axis->cells, shown,
            axis->reason);
    tn_status status;
    if ((status = add_text(l, "kind", "frozen", err)) != TN_OK ||
        (status = add_text(l, "tensor", name, err)) != TN_OK ||
        (status = add_number(l, "axis", (uint64_t)shown, err)) != TN_OK ||
        (status = add_number(l, "frozen", axis->cells, err)) != TN_OK)
        return status;
    return add_text(l, "reason", axis->reason, err);
}

tn_status tn_model_list_groups(const tn_model *model, tn_line_callback *call,
                               void *user, tn_error *err)
{
    tn__groups *groups = NULL;
    bool stop = false;
    tn_status status = tn__groups_find(&groups, model, err);
    if (status)
        return status;
    size_t lines = groups->count + groups->frozen_count;
    for (size_t i = 0; i < lines && !stop && !status; i++) {
        line l;
        status = begin_line(&l, err);
        if (!status && i < groups->count)
            status = describe_group(&l, model, &groups->list[i], err);
        else if (!status)
            status =
                describe_frozen(&l, model, &groups->frozen[i - groups->count], err);
        status = end_line(&l, status, &stop, call, user, err);
    }
    tn__groups_free(groups);
    return status;
}

/* --- cuts ------------------------------------------------------------------------- */

/* What is computed up to the node that makes a value. */
static node_cost cost_before(const tn_model *model, const costs *c, size_t value)
{
    node_cost sum = {0};
    for (size_t n = 0; n < model->node_count; n++) {
        sum.parameters += c->node[n].parameters;
        sum.macs += c->node[n].macs;
        for (size_t k = 0; k < model->nodes[n].output_count; k++)
            if (model->nodes[n].outputs[k] == value)
                return sum;
    }
    return (node_cost){0}; /* an input of the graph */
}

static tn_status describe_cut(line *l, const tn_model *model, const costs *c,
                              size_t value, tn_error *err)
{
    char text[TN__SHAPE_TEXT];
    const char *name = model->values[value].name;
    node_cost before = cost_before(model, c, value);
    fprintf(l->stream, "%-28s  %-18s  %10llu parameters  %12llu MACs before", name,
            tn__shape_text(text, sizeof text, &c->shapes.shape[value]),
            (unsigned long long)before.parameters, (unsigned long long)before.macs);
    tn_status status;
    if ((status = add_text(l, "value", name, err)) != TN_OK ||
        (status = add_shape(l, &c->shapes.shape[value], err)) != TN_OK ||
        (status = add_number(l, "params_before", before.parameters, err)) != TN_OK)
        return status;
    return add_number(l, "macs_before", before.macs, err);
}

tn_status tn_model_list_cuts(const tn_model *model, tn_line_callback *call, void *user,
                             tn_error *err)
{
    costs c;
    size_t *values = NULL, count = 0;
    bool stop = false;
    tn_status status = count_costs(&c, model, err);
    if (status)
        return status;
    status = tn__model_cuts(&values, &count, model, err);
    for (size_t i = 0; i < count && !stop && !status; i++) {
        line l;
        status = begin_line(&l, err);
        if (!status)
            status = describe_cut(&l, model, &c, values[i], err);
        status = end_line(&l, status, &stop, call, user, err);
    }
    tn__free(values);
    release_costs(&c);
    return status;
}
