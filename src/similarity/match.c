/* match.c - corresponding nodes, values and groups of two networks; see match.h.
 *
 * Each graph is put into the order of a depth-first walk from its outputs that visits
 * inputs in the order of the operands. Two graphs have the same structure exactly where
 * these orders agree position by position. Operands are not exchanged: a + b and b + a
 * are different structures here.
 */
#include <string.h>

#include "similarity/match.h"

/* --- canonical order --- */

typedef struct order {
    size_t *nodes; /* [count] */
    size_t count;
} order;

typedef struct walk {
    const tn_model *model;
    const tn__links *links;
    bool *seen;    /* [nodes] */
    size_t *stack; /* [nodes] */
    size_t *next;  /* [nodes]: operand of stack[i] to visit next */
    order *out;
} walk;

/* Appends what `root` depends on, then root. */
static void visit(walk *w, size_t root)
{
    size_t depth = 0;
    w->seen[root] = true;
    w->stack[depth] = root;
    w->next[depth++] = 0;
    while (depth > 0) {
        const tn__node *node = &w->model->nodes[w->stack[depth - 1]];
        size_t k = w->next[depth - 1]++;
        if (k == node->input_count) {
            w->out->nodes[w->out->count++] = w->stack[--depth];
            continue;
        }
        size_t value = node->inputs[k];
        size_t producer = value == TN__NONE ? TN__NONE : w->links->producer[value];
        if (producer == TN__NONE || w->seen[producer])
            continue;
        w->seen[producer] = true;
        w->stack[depth] = producer;
        w->next[depth++] = 0;
    }
}

static tn_status order_create(order *out, const tn_model *model, tn_error *err)
{
    size_t nodes = model->node_count;
    tn__links links = {0};
    *out = (order){.nodes = tn__alloc(nodes, sizeof *out->nodes)};
    walk w = {.model = model,
              .links = &links,
              .seen = tn__alloc(nodes, sizeof *w.seen),
              .stack = tn__alloc(nodes, sizeof *w.stack),
              .next = tn__alloc(nodes, sizeof *w.next),
              .out = out};
    tn_status status = tn__links_create(&links, model, err);
    if (status != TN_OK)
        goto done;
    if (!out->nodes || !w.seen || !w.stack || !w.next) {
        status = tn__fail_memory(err, nodes * sizeof *w.stack);
        goto done;
    }
    for (size_t k = 0; k < model->output_count; k++) {
        size_t producer = links.producer[model->outputs[k]];
        if (producer != TN__NONE && !w.seen[producer])
            visit(&w, producer);
    }
done:
    tn__links_release(&links);
    tn__free(w.seen);
    tn__free(w.stack);
    tn__free(w.next);
    if (status != TN_OK) {
        tn__free(out->nodes);
        *out = (order){0};
    }
    return status;
}

/* --- one pair of nodes --- */

/* What an attribute means where it is left out, for those whose presence is a matter of
 * taste among exporters. Lists mean that number in every place. */
static const struct {
    const char *name;
    float value;
} defaults[] = {{"strides", 1},     {"dilations", 1},    {"pads", 0},
                {"group", 1},       {"transA", 0},       {"transB", 0},
                {"alpha", 1},       {"beta", 1},         {"epsilon", 1e-5F},
                {"axis", 1},        {"ceil_mode", 0},    {"storage_order", 0},
                {"keepdims", 1},    {"allowzero", 0},    {"count_include_pad", 0},
                {"momentum", 0.9F}, {"training_mode", 0}};

static bool is_default(const tn__attr *attr)
{
    if (!strcmp(attr->name, "kernel_shape"))
        return true; /* the weight says it too, and its rank and taps are compared */
    if (!strcmp(attr->name, "auto_pad"))
        return attr->length == 6 && !memcmp(attr->s, "NOTSET", 6);
    for (size_t i = 0; i < TN__COUNT(defaults); i++) {
        if (strcmp(attr->name, defaults[i].name))
            continue;
        bool all = true;
        for (size_t k = 0; attr->kind == TN__ATTR_INTS && k < attr->count; k++)
            all = all && (float)attr->ints[k] == defaults[i].value;
        if (attr->kind == TN__ATTR_INT)
            all = (float)attr->i == defaults[i].value;
        if (attr->kind == TN__ATTR_FLOAT)
            all = attr->f == defaults[i].value;
        return all;
    }
    return false;
}

static bool same_tensor(const tn__tensor *a, const tn__tensor *b)
{
    return a->dtype == b->dtype && tn__shape_equal(&a->shape, &b->shape) &&
           !memcmp(tn__tensor_data(a), tn__tensor_data(b), tn__tensor_bytes(a));
}

static bool same_attr(const tn__attr *a, const tn__attr *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    switch (a->kind) {
    case TN__ATTR_FLOAT:
        return a->f == b->f;
    case TN__ATTR_INT:
        return a->i == b->i;
    case TN__ATTR_STRING:
        return a->length == b->length && !memcmp(a->s, b->s, a->length);
    case TN__ATTR_TENSOR:
        return same_tensor(&a->tensor, &b->tensor);
    case TN__ATTR_FLOATS:
        return !memcmp(a->floats, b->floats, a->count * sizeof *a->floats);
    case TN__ATTR_INTS:
        return !memcmp(a->ints, b->ints, a->count * sizeof *a->ints);
    case TN__ATTR_STRINGS:
        for (size_t i = 0; i < a->count; i++) {
            if (strcmp(a->strings[i], b->strings[i]))
                return false;
        }
        return true;
    }
    return false;
}

/* The first attribute of a that b has not, or has with another value; or NULL. `group`
 * is a width, and a norm's momentum is of training only. */
static const char *attr_missing(const tn__node *a, const tn__node *b)
{
    for (size_t i = 0; i < a->attr_count; i++) {
        const tn__attr *attr = &a->attrs[i], *other = tn__node_attr(b, attr->name);
        if (!strcmp(attr->name, "group") || !strcmp(attr->name, "momentum"))
            continue;
        if (other ? !same_attr(attr, other) : !is_default(attr))
            return attr->name;
    }
    return NULL;
}

bool tn__match_node(const tn__node *a, const tn__node *b)
{
    return !strcmp(a->type, b->type) && !strcmp(a->domain, b->domain) &&
           !attr_missing(a, b) && !attr_missing(b, a) &&
           a->input_count == b->input_count && a->output_count == b->output_count;
}

typedef struct match {
    const tn_model *source, *target;
    size_t *value_of; /* [target values] */
    size_t *taken_by; /* [source values]: the target value it corresponds to */
} match;

/* Notes that the two values correspond; false where either has another partner. */
static bool pair_values(match *m, size_t source, size_t target)
{
    if (source == TN__NONE || target == TN__NONE)
        return source == target;
    if (m->value_of[target] == TN__NONE && m->taken_by[source] == TN__NONE) {
        m->value_of[target] = source;
        m->taken_by[source] = target;
    }
    return m->value_of[target] == source && m->taken_by[source] == target;
}

/* What a Pad adds before and behind each axis: equal but for the channels. */
static bool same_pads(const tn__tensor *a, const tn__tensor *b)
{
    size_t count = tn__tensor_count(a), axes = count / 2;
    if (a->dtype != TN_I64 || b->dtype != TN_I64 ||
        !tn__shape_equal(&a->shape, &b->shape))
        return same_tensor(a, b);
    for (size_t i = 0; i < count; i++) {
        if (i % axes != 1 && tn__tensor_get_f64(a, i) != tn__tensor_get_f64(b, i))
            return false;
    }
    return true;
}

/* Parameter k of nodes of that type fits where types are of one kind and ranks agree;
 * integers (axes, shapes) must be equal, except for a Reshape's target and the channels
 * that a Pad adds, which are widths. */
static bool fitting_parameters(const tn__tensor *a, const tn__tensor *b,
                               const char *type, size_t k)
{
    bool floating_a = a->dtype == TN_F32 || a->dtype == TN_F64 || a->dtype == TN_F16 ||
                      a->dtype == TN_BF16;
    bool floating_b = b->dtype == TN_F32 || b->dtype == TN_F64 || b->dtype == TN_F16 ||
                      b->dtype == TN_BF16;
    if (floating_a != floating_b || a->shape.rank != b->shape.rank)
        return false;
    if (floating_a)
        return true;
    if (k == 1 && !strcmp(type, "Reshape"))
        return tn__shape_equal(&a->shape, &b->shape);
    return k == 1 && !strcmp(type, "Pad") ? same_pads(a, b) : same_tensor(a, b);
}

static tn_status fail_pair(const match *m, size_t s, size_t t, tn_error *err,
                           const char *why, const char *what)
{
    char a[TN__LABEL_TEXT], b[TN__LABEL_TEXT];
    return tn__fail(err, TN_ERROR_MISMATCH,
                    "networks differ in structure: %s against %s: %s%s%s%s",
                    tn__node_label(m->source, s, a, sizeof a),
                    tn__node_label(m->target, t, b, sizeof b), why, what ? " '" : "",
                    what ? what : "", what ? "'" : "");
}

static tn_status match_operands(match *m, size_t s, size_t t, tn_error *err)
{
    const tn__node *a = &m->source->nodes[s], *b = &m->target->nodes[t];
    for (size_t k = 0; k < a->input_count; k++) {
        size_t v = a->inputs[k], w = b->inputs[k];
        const tn__value *left = v == TN__NONE ? NULL : &m->source->values[v];
        const tn__value *right = w == TN__NONE ? NULL : &m->target->values[w];
        bool held = left && tn__value_is_parameter(left);
        if (!left != !right || held != (right && tn__value_is_parameter(right)))
            return fail_pair(m, s, t, err, "one has an operand more, as",
                             left ? left->name : right->name);
        if (held &&
            !fitting_parameters(&left->parameter, &right->parameter, a->type, k))
            return fail_pair(m, s, t, err, "parameters do not fit:", left->name);
        if (!pair_values(m, v, w))
            return fail_pair(m, s, t, err, "they read different values:", left->name);
    }
    for (size_t k = 0; k < a->output_count; k++) {
        if (!pair_values(m, a->outputs[k], b->outputs[k]))
            return fail_pair(m, s, t, err, "their outputs differ", NULL);
    }
    return TN_OK;
}

static tn_status match_nodes(match *m, size_t s, size_t t, tn_error *err)
{
    const tn__node *a = &m->source->nodes[s], *b = &m->target->nodes[t];
    if (strcmp(a->type, b->type) || strcmp(a->domain, b->domain))
        return fail_pair(m, s, t, err, "the operators differ", NULL);
    const char *attr = attr_missing(a, b);
    if (!attr)
        attr = attr_missing(b, a);
    if (attr)
        return fail_pair(m, s, t, err, "they differ in attribute", attr);
    if (a->input_count != b->input_count || a->output_count != b->output_count)
        return fail_pair(m, s, t, err, "the numbers of operands differ", NULL);
    return match_operands(m, s, t, err);
}

/* --- whole graphs --- */

static tn_status match_ends(match *m, tn_error *err)
{
    if (m->source->input_count != m->target->input_count ||
        m->source->output_count != m->target->output_count)
        return tn__fail(
            err, TN_ERROR_MISMATCH,
            "networks differ in structure: %zu inputs and %zu outputs against "
            "%zu and %zu",
            m->source->input_count, m->source->output_count, m->target->input_count,
            m->target->output_count);
    for (size_t k = 0; k < m->target->input_count; k++) {
        if (!pair_values(m, m->source->inputs[k], m->target->inputs[k]))
            return tn__fail(
                err, TN_ERROR_MISMATCH,
                "networks differ in structure: input '%s' is declared twice",
                m->target->values[m->target->inputs[k]].name);
    }
    return TN_OK;
}

/* Node by node in canonical order, then what is left over in the longer one. */
static tn_status match_orders(match *m, const order *s, const order *t, tn_error *err)
{
    size_t both = TN__MIN(s->count, t->count);
    for (size_t i = 0; i < both; i++) {
        tn_status status = match_nodes(m, s->nodes[i], t->nodes[i], err);
        if (status != TN_OK)
            return status;
    }
    if (s->count != t->count) {
        const tn_model *longer = s->count > both ? m->source : m->target;
        size_t extra = s->count > both ? s->nodes[both] : t->nodes[both];
        char text[TN__LABEL_TEXT];
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "networks differ in structure: %zu nodes against %zu, nothing "
                        "corresponds to %s",
                        s->count, t->count,
                        tn__node_label(longer, extra, text, sizeof text));
    }
    for (size_t k = 0; k < m->target->output_count; k++) {
        if (!pair_values(m, m->source->outputs[k], m->target->outputs[k]))
            return tn__fail(
                err, TN_ERROR_MISMATCH,
                "networks differ in structure: output '%s' is another value",
                m->target->values[m->target->outputs[k]].name);
    }
    return TN_OK;
}

tn_status tn__match_values(size_t **value_of, const tn_model *source,
                           const tn_model *target, tn_error *err)
{
    match m = {.source = source, .target = target};
    order s = {0}, t = {0};
    tn_status status;
    m.value_of = tn__alloc(target->value_count, sizeof *m.value_of);
    m.taken_by = tn__alloc(source->value_count, sizeof *m.taken_by);
    if (!m.value_of || !m.taken_by) {
        status = tn__fail_memory(err, target->value_count * sizeof *m.value_of);
        goto done;
    }
    for (size_t v = 0; v < target->value_count; v++)
        m.value_of[v] = TN__NONE;
    for (size_t v = 0; v < source->value_count; v++)
        m.taken_by[v] = TN__NONE;
    if ((status = order_create(&s, source, err)) != TN_OK ||
        (status = order_create(&t, target, err)) != TN_OK ||
        (status = match_ends(&m, err)) != TN_OK ||
        (status = match_orders(&m, &s, &t, err)) != TN_OK)
        goto done;
    *value_of = m.value_of;
    m.value_of = NULL;
done:
    tn__free(s.nodes);
    tn__free(t.nodes);
    tn__free(m.value_of);
    tn__free(m.taken_by);
    return status;
}
