/* units.c - cuts a network into units and stages; see units.h. */
#include <string.h>

#include "depth/units.h"
#include "similarity/match.h"

static bool is_float(tn_dtype dtype)
{
    return dtype == TN_F32 || dtype == TN_F64 || dtype == TN_F16 || dtype == TN_BF16;
}

bool tn__node_is_layer(const tn_model *model, size_t node)
{
    const tn__node *n = &model->nodes[node];
    for (size_t k = 0; k < n->input_count; k++) {
        if (n->inputs[k] == TN__NONE)
            continue;
        const tn__tensor *parameter = &model->values[n->inputs[k]].parameter;
        if (is_float(parameter->dtype) && parameter->shape.rank >= 2)
            return true;
    }
    return false;
}

const char *tn__unit_name(const tn__units *units, size_t unit)
{
    const tn_model *model = units->model;
    const tn__node *node = &model->nodes[units->list[unit].layer];
    return node->name[0] ? node->name : model->values[node->outputs[0]].name;
}

/* --- cutting --- */

static bool same_resolution(const tn__shape *a, const tn__shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int axis = 2; axis < a->rank; axis++) {
        if (a->dims[axis] != b->dims[axis])
            return false;
    }
    return true;
}

/* The first layer among nodes [first, last), or TN__NONE. */
static size_t find_layer(const tn_model *model, size_t first, size_t last)
{
    for (size_t n = first; n < last; n++) {
        if (tn__node_is_layer(model, n))
            return n;
    }
    return TN__NONE;
}

static tn__unit_kind kind_of(const tn_model *model, const tn__unit *unit)
{
    size_t layers = 0;
    for (size_t n = unit->first; n < unit->last; n++) {
        const tn__node *node = &model->nodes[n];
        layers += tn__node_is_layer(model, n);
        if (!strcmp(node->type, "Add") &&
            (node->inputs[0] == unit->input || node->inputs[1] == unit->input))
            return TN__UNIT_RESIDUAL;
    }
    return layers == 1 ? TN__UNIT_PLAIN : TN__UNIT_OTHER;
}

/* Nodes between cuts, one run after another: layers open a unit, what keeps the shape
 * joins it, what changes the shape stands behind it. */
static void cut_units(tn__units *out, const size_t *cuts, size_t cut_count,
                      const tn__links *links)
{
    const tn_model *model = out->model;
    size_t from = 0;
    for (size_t i = 1; i < cut_count; i++) {
        size_t value = cuts[i], to = links->producer[value] + 1;
        size_t layer = find_layer(model, from, to);
        tn__unit *last = out->count ? &out->list[out->count - 1] : NULL;
        if (layer != TN__NONE) {
            out->list[out->count++] = (tn__unit){.first = from,
                                                 .last = to,
                                                 .input = cuts[i - 1],
                                                 .output = value,
                                                 .end = value,
                                                 .layer = layer};
        } else if (last && last->end == last->output &&
                   tn__shape_equal(&out->shapes.shape[last->output],
                                   &out->shapes.shape[value])) {
            last->last = to;
            last->output = last->end = value;
        } else if (last) {
            last->end = value;
        }
        from = to;
    }
}

static void number_stages(tn__units *units)
{
    const tn__shape *shape = units->shapes.shape;
    for (size_t u = 0; u < units->count; u++) {
        tn__unit *unit = &units->list[u];
        const tn__unit *before = u ? unit - 1 : NULL;
        unit->kind = kind_of(units->model, unit);
        unit->level = same_resolution(&shape[unit->input], &shape[unit->output]);
        if (!before)
            continue;
        bool joint = before->end != before->output;
        bool change = !same_resolution(&shape[before->output], &shape[unit->output]);
        unit->stage = before->stage + (joint || change);
    }
    units->stage_count = units->list[units->count - 1].stage + 1;
}

tn_status tn__units_find(tn__units *out, const tn_model *model, tn_error *err)
{
    tn__units made = {.model = model};
    tn__links links = {0};
    size_t *cuts = NULL, count = 0;
    if (model->input_count != 1 || model->output_count != 1)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "units want one input and one output, the graph has %zu and "
                        "%zu",
                        model->input_count, model->output_count);
    tn_status status = tn__model_cuts(&cuts, &count, model, err);
    if (status == TN_OK)
        status = tn__links_create(&links, model, err);
    if (status == TN_OK)
        status = tn__shapes_infer(&made.shapes, model, 1, err);
    if (status == TN_OK) {
        made.list = tn__alloc(count, sizeof *made.list);
        if (!made.list)
            status = tn__fail_memory(err, count * sizeof *made.list);
    }
    if (status == TN_OK) {
        cut_units(&made, cuts, count, &links);
        if (made.count)
            number_stages(&made);
        else
            status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                              "the graph has no layer between two cut points");
    }
    tn__links_release(&links);
    tn__free(cuts);
    if (status == TN_OK)
        *out = made;
    else
        tn__units_release(&made);
    return status;
}

void tn__units_release(tn__units *units)
{
    if (!units)
        return;
    tn__free(units->list);
    tn__shapes_release(&units->shapes);
    *units = (tn__units){0};
}

/* --- comparing --- */

/* Where value v of a unit comes from: 1 + node * 8 + output within the unit, 0 for the
 * unit's input, or a number that stands for all parameters. */
static size_t origin(const tn__units *units, const tn__unit *unit, size_t v)
{
    const size_t elsewhere = TN__NONE - 1;
    if (v == TN__NONE || v == unit->input)
        return v == TN__NONE ? v : 0;
    for (size_t n = unit->first; n < unit->last; n++) {
        const tn__node *node = &units->model->nodes[n];
        for (size_t k = 0; k < node->output_count; k++) {
            if (node->outputs[k] == v)
                return 1 + (n - unit->first) * 8 + k;
        }
    }
    return elsewhere;
}

/* Kernel taps are the same; integers may hold widths and are not compared. */
static bool parameters_alike(const tn__value *a, const tn__value *b)
{
    const tn__shape *s = &a->parameter.shape, *t = &b->parameter.shape;
    if (is_float(a->parameter.dtype) != is_float(b->parameter.dtype) ||
        s->rank != t->rank)
        return false;
    for (int axis = 2; axis < s->rank; axis++) {
        if (s->dims[axis] != t->dims[axis])
            return false;
    }
    return true;
}

static bool nodes_alike(const tn__units *a, const tn__unit *u, size_t m,
                        const tn__units *b, const tn__unit *v, size_t n)
{
    const tn__node *x = &a->model->nodes[m], *y = &b->model->nodes[n];
    if (!tn__match_node(x, y))
        return false;
    for (size_t k = 0; k < x->input_count; k++) {
        size_t p = x->inputs[k], q = y->inputs[k];
        if (origin(a, u, p) != origin(b, v, q))
            return false;
        if (p == TN__NONE || !tn__value_is_parameter(&a->model->values[p]))
            continue;
        if (!tn__value_is_parameter(&b->model->values[q]) ||
            !parameters_alike(&a->model->values[p], &b->model->values[q]))
            return false;
    }
    return true;
}

bool tn__units_alike(const tn__units *a, size_t i, const tn__units *b, size_t j)
{
    const tn__unit *u = &a->list[i], *v = &b->list[j];
    size_t nodes = u->last - u->first;
    if (v->last - v->first != nodes || u->kind != v->kind || u->level != v->level)
        return false;
    for (size_t n = 0; n < nodes; n++) {
        if (!nodes_alike(a, u, u->first + n, b, v, v->first + n))
            return false;
    }
    return true;
}
