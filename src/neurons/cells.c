/* cells.c - cells, their disjoint-set forest, and the listener of the coupling rules.
 *
 * Union by size with path halving (Tarjan and van Leeuwen, "Worst-case analysis of set
 * union algorithms", 1984) over 32-bit numbers. A rule that says nothing of an axis of
 * its output, or of an axis of a parameter it reads, gives no licence to permute that
 * axis: it is frozen as a position (kernel taps, pixels, time).
 */
#include "neurons/cells.h"

#include "ops/operand.h"

static const char *const POSITION = "position";

uint32_t tn__cells_find(tn__cells *cells, uint32_t cell)
{
    uint32_t *parent = cells->parent;
    while (parent[cell] != cell) {
        parent[cell] = parent[parent[cell]];
        cell = parent[cell];
    }
    return cell;
}

static void unite(tn__cells *cells, uint32_t a, uint32_t b)
{
    a = tn__cells_find(cells, a);
    b = tn__cells_find(cells, b);
    if (a == b)
        return;
    const char *reason = cells->reason[a] ? cells->reason[a] : cells->reason[b];
    if (cells->size[a] < cells->size[b]) {
        uint32_t swap = a;
        a = b;
        b = swap;
    }
    cells->parent[b] = a;
    cells->size[a] += cells->size[b];
    cells->reason[a] = reason;
}

static void freeze_slot(tn__cells *cells, size_t slot, const char *reason)
{
    for (uint32_t c = cells->first_cell[slot]; c < cells->first_cell[slot + 1]; c++) {
        uint32_t root = tn__cells_find(cells, c);
        if (!cells->reason[root])
            cells->reason[root] = reason;
    }
}

static void freeze_value(tn__cells *cells, size_t value, const char *reason)
{
    for (size_t s = cells->first_slot[value]; s < cells->first_slot[value + 1]; s++)
        freeze_slot(cells, s, reason);
}

const char *tn__cells_reason(tn__cells *cells, uint32_t cell)
{
    return cells->reason[tn__cells_find(cells, cell)];
}

bool tn__cells_blocked(const tn__cells *cells, size_t value)
{
    size_t end = cells->first_slot[value + 1];
    return end > cells->first_slot[value] && cells->heard[end - 1] != 0;
}

/* --- what the rules say ----------------------------------------------------------- */

typedef struct walker {
    tn__coupling base; /* first: the rules hand it back */
    tn__cells *cells;
    const tn__site *site;
    tn__tie_listener *listener;
    void *user;
} walker;

/* The value that an operand of the node is, or TN__NONE. */
static size_t operand_value(const tn__site *site, int operand)
{
    size_t k = operand < 0 ? (size_t)(-1 - operand) : (size_t)operand;
    if (operand < 0)
        return k < site->node->output_count ? site->node->outputs[k] : TN__NONE;
    return k < site->node->input_count ? site->node->inputs[k] : TN__NONE;
}

/* The slot of an axis of an operand, or TN__NONE where there is none. */
static size_t operand_slot(const walker *w, int operand, int axis)
{
    size_t value = operand_value(w->site, operand);
    if (value == TN__NONE || axis < 0)
        return TN__NONE;
    size_t slot = w->cells->first_slot[value] + (size_t)axis;
    return slot < w->cells->first_slot[value + 1] ? slot : TN__NONE;
}

static tn_status bad_rule(const walker *w, int operand, int axis, tn_error *err)
{
    char label[TN__LABEL_TEXT];
    return tn__fail(
        err, TN_ERROR_UNSUPPORTED,
        "coupling rule of node '%s' names an index that axis %d of operand %d "
        "does not have",
        tn__node_label(w->site->model, w->site->node_index, label, sizeof label), axis,
        operand);
}

static tn_status locate(tn__tie *tie, int side, walker *w, int operand, int axis,
                        size_t index, tn_error *err)
{
    tn__cells *cells = w->cells;
    size_t slot = operand_slot(w, operand, axis);
    if (slot == TN__NONE ||
        index >= (size_t)(cells->first_cell[slot + 1] - cells->first_cell[slot]))
        return bad_rule(w, operand, axis, err);
    cells->heard[slot] = (uint32_t)w->site->node_index + 1;
    tie->operand[side] = operand;
    tie->value[side] = operand_value(w->site, operand);
    tie->slot[side] = slot;
    tie->cell[side] = cells->first_cell[slot] + (uint32_t)index;
    return TN_OK;
}

static tn_status hear_tie(tn__coupling *c, int a, int a_axis, size_t a_index, int b,
                          int b_axis, size_t b_index, tn_error *err)
{
    walker *w = (walker *)c;
    tn__tie tie = {.node = w->site->node_index};
    tn_status status = locate(&tie, 0, w, a, a_axis, a_index, err);
    if (!status)
        status = locate(&tie, 1, w, b, b_axis, b_index, err);
    if (!status)
        w->listener(w->user, &tie);
    return status;
}

static tn_status hear_freeze(tn__coupling *c, int operand, int axis, const char *reason,
                             tn_error *err)
{
    walker *w = (walker *)c;
    size_t slot = operand_slot(w, operand, axis);
    if (slot == TN__NONE)
        return bad_rule(w, operand, axis, err);
    w->cells->heard[slot] = (uint32_t)w->site->node_index + 1;
    freeze_slot(w->cells, slot, reason);
    return TN_OK;
}

/* A tensor that is read in two roles keeps the stronger: a producer makes the neuron
 * whoever else reads it. */
static void hear_role(tn__coupling *c, int operand, int axis, tn__role role)
{
    walker *w = (walker *)c;
    size_t slot = operand_slot(w, operand, axis);
    if (slot == TN__NONE || w->cells->role[slot] == TN__PRODUCER)
        return;
    if (role != TN__CARRIER)
        w->cells->role[slot] = role;
}

/* --- the walk --------------------------------------------------------------------- */

/* Freezes the axes of a value of which the node's rule said nothing. */
static void freeze_silent(tn__cells *cells, size_t value, size_t node)
{
    size_t begin = cells->first_slot[value], end = cells->first_slot[value + 1];
    for (size_t s = begin; s + 1 < end; s++)
        if (cells->heard[s] != node + 1)
            freeze_slot(cells, s, POSITION);
}

static bool all_fixed(const tn__cells *cells, const tn__node *node)
{
    for (size_t k = 0; k < node->output_count; k++)
        if (node->outputs[k] != TN__NONE &&
            cells->nature[node->outputs[k]] != TN__FIXED)
            return false;
    return true;
}

static tn_status walk_node(walker *w, tn_error *err)
{
    const tn__site *site = w->site;
    const tn__node *node = site->node;
    const tn__op *op = tn__op_find(node->domain, node->type);
    if (!op || !op->couple) {
        char label[TN__LABEL_TEXT];
        return tn__fail(
            err, TN_ERROR_UNSUPPORTED,
            "cannot find the neurons at %s: the operator has no coupling rule",
            tn__node_label(site->model, site->node_index, label, sizeof label));
    }
    tn_status status = op->couple(&w->base, site, err);
    if (status) {
        char label[TN__LABEL_TEXT];
        return tn__fail_in(
            err, status, "node '%s'",
            tn__node_label(site->model, site->node_index, label, sizeof label));
    }
    for (size_t k = 0; k < node->output_count; k++)
        if (node->outputs[k] != TN__NONE)
            freeze_silent(w->cells, node->outputs[k], site->node_index);
    for (size_t k = 0; k < node->input_count; k++) {
        size_t v = node->inputs[k];
        /* Of an activation silence may mean indifference (a sum over the axis); a
         * parameter's axis that nobody explains must stay as it is. */
        if (v != TN__NONE && w->cells->nature[v] != TN__ACTIVATION)
            freeze_silent(w->cells, v, site->node_index);
    }
    return TN_OK;
}

tn_status tn__cells_replay(tn__cells *cells, const tn_model *model,
                           const tn__shapes *shapes, tn__tie_listener *listener,
                           void *user, tn_error *err)
{
    tn__site site;
    tn__site_memory memory = {0};
    walker w = {{hear_tie, hear_freeze, hear_role}, cells, &site, listener, user};
    tn_status status = TN_OK;
    for (size_t n = 0; n < model->node_count; n++) {
        if (all_fixed(cells, &model->nodes[n]))
            continue;
        status = tn__site_fill(&site, &memory, model, shapes, n, err);
        if (!status)
            status = walk_node(&w, err);
        if (status)
            break;
    }
    tn__site_memory_release(&memory);
    return status;
}

static void unite_tie(void *user, const tn__tie *tie)
{
    unite(user, tie->cell[0], tie->cell[1]);
}

/* A parameter that is turned or reshaped before it is read has the roles of what
 * becomes of it. */
typedef struct role_passing {
    tn__cells *cells;
    bool changed;
} role_passing;

static void pass_role(void *user, const tn__tie *tie)
{
    role_passing *p = user;
    tn__role *role = p->cells->role;
    size_t a = tie->slot[0], b = tie->slot[1];
    if (p->cells->nature[tie->value[0]] != TN__LEARNED ||
        p->cells->nature[tie->value[1]] != TN__LEARNED || role[a] == role[b])
        return;
    if (role[a] == TN__CARRIER)
        role[a] = role[b];
    else if (role[b] == TN__CARRIER)
        role[b] = role[a];
    else
        return;
    p->changed = true;
}

static tn_status pass_roles(tn__cells *cells, const tn_model *model,
                            const tn__shapes *shapes, tn_error *err)
{
    bool computed = false;
    for (size_t v = 0; v < model->value_count && !computed; v++)
        computed = cells->nature[v] == TN__LEARNED &&
                   !tn__value_is_parameter(&model->values[v]);
    role_passing passing = {cells, computed};
    tn_status status = TN_OK;
    while (passing.changed && !status) {
        passing.changed = false;
        status = tn__cells_replay(cells, model, shapes, pass_role, &passing, err);
    }
    return status;
}

/* --- numbering -------------------------------------------------------------------- */

/* What a node's outputs are, from what its inputs are. */
static void find_nature(tn__cells *cells, const tn_model *model,
                        const tn__shapes *shapes)
{
    for (size_t v = 0; v < model->value_count; v++) {
        const tn__value *value = &model->values[v];
        cells->nature[v] = TN__FIXED;
        if (tn__value_is_parameter(value) && tn__dtype_is_float(value->parameter.dtype))
            cells->nature[v] = TN__LEARNED;
    }
    for (size_t i = 0; i < model->input_count; i++)
        cells->nature[model->inputs[i]] = TN__ACTIVATION;
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        bool active = false, learned = false;
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k];
            active |= v != TN__NONE && cells->nature[v] == TN__ACTIVATION;
            learned |= v != TN__NONE && cells->nature[v] == TN__LEARNED;
        }
        for (size_t k = 0; k < node->output_count; k++) {
            size_t v = node->outputs[k];
            if (v == TN__NONE)
                continue;
            /* A constant that hangs on activations follows from their shapes alone. */
            if (active && shapes->constant[v].dtype == TN_UNDEFINED)
                cells->nature[v] = TN__ACTIVATION;
            else if (!active && learned && tn__dtype_is_float(shapes->dtype[v]))
                cells->nature[v] = TN__LEARNED;
        }
    }
}

/* Groups of the convolutions that read each value as their weight. Axis `rank` stands
 * for its columns then, which nobody else may read in another way. */
static tn_status find_blocks(tn__cells *cells, const tn_model *model, tn_error *err)
{
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        int64_t group = tn__node_int(node, "group", 1);
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k],
                   groups = k == 1 && group > 1 ? (size_t)group : 1;
            if (v == TN__NONE)
                continue;
            if (cells->blocks[v] && cells->blocks[v] != groups)
                return tn__fail(err, TN_ERROR_UNSUPPORTED,
                                "weight '%s' is read with %zu groups and with %zu",
                                model->values[v].name, cells->blocks[v], groups);
            cells->blocks[v] = groups;
        }
    }
    for (size_t v = 0; v < model->value_count; v++)
        cells->blocks[v] = TN__MAX(cells->blocks[v], 1);
    return TN_OK;
}

static tn_status too_many(const tn_model *model, size_t value, tn_error *err)
{
    return tn__fail(err, TN_ERROR_UNSUPPORTED,
                    "too many indices for groups at value '%s': more than %zu",
                    model->values[value].name, TN__CELLS_MAX);
}

/* Extent of axis `rank`: all input channels of a grouped convolution. */
static bool extent_of(size_t *extent, const tn__cells *cells, const tn__shape *shape,
                      size_t value, int axis)
{
    *extent = 0;
    if (axis < shape->rank)
        *extent = (size_t)shape->dims[axis];
    else if (cells->blocks[value] > 1 && shape->rank >= 3)
        return tn__mul(extent, cells->blocks[value], (size_t)shape->dims[1]);
    return true;
}

static tn_status number_cells(tn__cells *cells, const tn_model *model,
                              const tn__shapes *shapes, tn_error *err)
{
    size_t slots = 0, count = 0;
    for (size_t v = 0; v < model->value_count; v++) {
        cells->first_slot[v] = slots;
        slots += shapes->known[v] ? (size_t)shapes->shape[v].rank + 1 : 0;
    }
    cells->first_slot[model->value_count] = cells->slot_count = slots;
    cells->first_cell = tn__alloc(slots + 1, sizeof *cells->first_cell);
    cells->role = tn__alloc(slots, sizeof *cells->role);
    cells->heard = tn__alloc(slots, sizeof *cells->heard);
    if (!cells->first_cell || !cells->role || !cells->heard)
        return tn__fail_memory(err, (slots + 1) * sizeof *cells->first_cell);
    for (size_t v = 0; v < model->value_count; v++) {
        for (int a = 0; shapes->known[v] && a <= shapes->shape[v].rank; a++) {
            size_t extent;
            if (!extent_of(&extent, cells, &shapes->shape[v], v, a) ||
                extent > TN__CELLS_MAX - count)
                return too_many(model, v, err);
            count += extent;
            cells->first_cell[cells->first_slot[v] + (size_t)a + 1] = (uint32_t)count;
        }
    }
    cells->count = count;
    return TN_OK;
}

static tn_status create_forest(tn__cells *cells, tn_error *err)
{
    cells->parent = tn__alloc(cells->count, sizeof *cells->parent);
    cells->size = tn__alloc(cells->count, sizeof *cells->size);
    cells->reason = tn__alloc(cells->count, sizeof *cells->reason);
    if (!cells->parent || !cells->size || !cells->reason)
        return tn__fail_memory(err, cells->count * sizeof *cells->reason);
    for (size_t c = 0; c < cells->count; c++) {
        cells->parent[c] = (uint32_t)c;
        cells->size[c] = 1;
    }
    return TN_OK;
}

/* Freezes what no node speaks of (parameters without a reader), constants without known
 * content, and columns of a grouped convolution where no parameter holds them. */
static void freeze_rest(tn__cells *cells, const tn_model *model,
                        const tn__shapes *shapes)
{
    for (size_t v = 0; v < model->value_count; v++) {
        size_t begin = cells->first_slot[v], end = cells->first_slot[v + 1];
        bool parameter = cells->nature[v] == TN__LEARNED &&
                         tn__value_is_parameter(&model->values[v]);
        if (cells->nature[v] == TN__FIXED && shapes->constant[v].dtype == TN_UNDEFINED)
            freeze_value(cells, v, "constant of unknown content");
        for (size_t s = begin; s < end; s++)
            if (cells->nature[v] != TN__ACTIVATION && !cells->heard[s])
                freeze_slot(cells, s, POSITION);
        if (begin < end && !parameter)
            freeze_slot(cells, end - 1, "columns of a computed weight");
    }
    for (size_t k = 0; k < model->output_count; k++)
        freeze_value(cells, model->outputs[k], "graph output");
}

tn_status tn__cells_create(tn__cells *out, const tn_model *model,
                           const tn__shapes *shapes, tn_error *err)
{
    size_t values = model->value_count;
    tn__cells cells = {.value_count = values};
    tn_status status = TN_OK;
    cells.first_slot = tn__alloc(values + 1, sizeof *cells.first_slot);
    cells.nature = tn__alloc(values, sizeof *cells.nature);
    cells.blocks = tn__alloc(values, sizeof *cells.blocks);
    if (!cells.first_slot || !cells.nature || !cells.blocks) {
        status = tn__fail_memory(err, (values + 1) * sizeof *cells.first_slot);
        goto done;
    }
    find_nature(&cells, model, shapes);
    if ((status = find_blocks(&cells, model, err)) != TN_OK ||
        (status = number_cells(&cells, model, shapes, err)) != TN_OK ||
        (status = create_forest(&cells, err)) != TN_OK)
        goto done;
    for (size_t k = 0; k < model->input_count; k++)
        freeze_value(&cells, model->inputs[k], "graph input");
    status = tn__cells_replay(&cells, model, shapes, unite_tie, &cells, err);
    if (status)
        goto done;
    freeze_rest(&cells, model, shapes);
    if ((status = pass_roles(&cells, model, shapes, err)) != TN_OK)
        goto done;
    *out = cells;
    cells = (tn__cells){0};
done:
    tn__cells_release(&cells);
    return status;
}

void tn__cells_release(tn__cells *cells)
{
    tn__free(cells->first_slot);
    tn__free(cells->first_cell);
    tn__free(cells->parent);
    tn__free(cells->size);
    tn__free((void *)cells->reason);
    tn__free(cells->role);
    tn__free(cells->heard);
    tn__free(cells->nature);
    tn__free(cells->blocks);
    *cells = (tn__cells){0};
}
