/* inspect.c - what a model is made of: nodes with their cost, cuts with what lies
 * before them. Costs are for one image. The groups are in inspect_groups.c.
 */
#include <string.h>

#include "neurons/line.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/operand.h"

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

/* --- nodes ------------------------------------------------------------------------ */

static tn_status describe_node(tn__line *l, const tn_model *model, const costs *c,
                               size_t n, tn_error *err)
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
    if ((status = tn__line_text(l, "name", node->name, err)) != TN_OK ||
        (status = tn__line_text(l, "type", node->type, err)) != TN_OK ||
        (known && (status = tn__line_shape(l, &c->shapes.shape[v], err)) != TN_OK) ||
        (status = tn__line_number(l, "params", c->node[n].parameters, err)) != TN_OK)
        return status;
    return tn__line_number(l, "macs", c->node[n].macs, err);
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
        tn__line l;
        status = tn__line_begin(&l, err);
        if (!status)
            status = describe_node(&l, model, &c, n, err);
        status = tn__line_end(&l, status, &stop, call, user, err);
    }
    release_costs(&c);
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

static tn_status describe_cut(tn__line *l, const tn_model *model, const costs *c,
                              size_t value, tn_error *err)
{
    char text[TN__SHAPE_TEXT];
    const char *name = model->values[value].name;
    node_cost before = cost_before(model, c, value);
    fprintf(l->stream, "%-28s  %-18s  %10llu parameters  %12llu MACs before", name,
            tn__shape_text(text, sizeof text, &c->shapes.shape[value]),
            (unsigned long long)before.parameters, (unsigned long long)before.macs);
    tn_status status;
    if ((status = tn__line_text(l, "value", name, err)) != TN_OK ||
        (status = tn__line_shape(l, &c->shapes.shape[value], err)) != TN_OK ||
        (status = tn__line_number(l, "params_before", before.parameters, err)) != TN_OK)
        return status;
    return tn__line_number(l, "macs_before", before.macs, err);
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
        tn__line l;
        status = tn__line_begin(&l, err);
        if (!status)
            status = describe_cut(&l, model, &c, values[i], err);
        status = tn__line_end(&l, status, &stop, call, user, err);
    }
    tn__free(values);
    release_costs(&c);
    return status;
}
