/* cells.c - cells and their disjoint-set forest.
 *
 * Union by size with path halving (Tarjan and van Leeuwen, "Worst-case analysis of set
 * union algorithms", 1984) over 32-bit numbers. A first walk over the rules tells which
 * axes are positions and which are bundles (bundles.c); where there are bundles the
 * cells are numbered anew and the rules heard again.
 */
#include "neurons/cells.h"

#include "neurons/walk.h"
#include "ops/operand.h"

const char *const tn__position = "position";

uint32_t tn__cells_find(tn__cells *cells, uint32_t cell)
{
    uint32_t *parent = cells->parent;
    while (parent[cell] != cell) {
        parent[cell] = parent[parent[cell]];
        cell = parent[cell];
    }
    return cell;
}

void tn__cells_unite(tn__cells *cells, uint32_t a, uint32_t b)
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

void tn__cells_freeze(tn__cells *cells, size_t slot, const char *reason)
{
    if (!cells->cause[slot].reason)
        cells->cause[slot] = (tn__cause){reason, cells->node};
    for (uint32_t c = cells->first_cell[slot]; c < cells->first_cell[slot + 1]; c++) {
        uint32_t root = tn__cells_find(cells, c);
        if (!cells->reason[root])
            cells->reason[root] = reason;
    }
}

static void freeze_value(tn__cells *cells, size_t value, const char *reason)
{
    for (size_t s = cells->first_slot[value]; s < cells->first_slot[value + 1]; s++)
        tn__cells_freeze(cells, s, reason);
}

const char *tn__cells_reason(tn__cells *cells, uint32_t cell)
{
    return cells->reason[tn__cells_find(cells, cell)];
}

size_t tn__cells_extra(const tn__cells *cells, size_t value, int which)
{
    return cells->first_slot[value + 1] - TN__SLOT_EXTRA + (size_t)which;
}

bool tn__cells_blocked(const tn__cells *cells, size_t value)
{
    return cells->first_slot[value + 1] > cells->first_slot[value] &&
           cells->heard[tn__cells_extra(cells, value, TN__SLOT_COLUMNS)] != 0;
}

static bool makes_learned(const tn__cells *cells, const tn__node *node)
{
    for (size_t k = 0; k < node->output_count; k++)
        if (node->outputs[k] != TN__NONE &&
            cells->nature[node->outputs[k]] == TN__LEARNED)
            return true;
    return false;
}

/* Whether a role has changed. */
static bool pass_role(tn__cells *cells, const tn_model *model, const tn__tie *tie)
{
    tn__role *role = cells->role;
    size_t a = tie->slot[0], b = tie->slot[1];
    if (cells->nature[tie->value[0]] != TN__LEARNED ||
        cells->nature[tie->value[1]] != TN__LEARNED || role[a] == role[b] ||
        !makes_learned(cells, &model->nodes[tie->node]))
        return false;
    if (role[a] == TN__CARRIER)
        role[a] = role[b];
    else if (role[b] == TN__CARRIER)
        role[b] = role[a];
    else
        return false;
    return true;
}

/* A parameter that is turned or reshaped before it is read has the roles of what
 * becomes of it. */
static void pass_roles(tn__cells *cells, const tn_model *model)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t k = 0; k < cells->tie_count; k++)
            changed |= pass_role(cells, model, &cells->ties[k]);
    }
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

/* Extent of a slot of a value; false where it does not fit. */
static bool extent_of(size_t *extent, const tn__cells *cells, const tn__shape *shape,
                      size_t value, int slot)
{
    size_t blocks = cells->blocks[value];
    bool grouped = blocks > 1 && shape->rank >= 3;
    *extent = 0;
    if (slot < shape->rank)
        *extent = (size_t)shape->dims[slot];
    else if (slot == shape->rank + TN__SLOT_COLUMNS && grouped)
        return tn__mul(extent, blocks, (size_t)shape->dims[1]);
    else if (slot == shape->rank + TN__SLOT_BLOCKS && grouped)
        *extent = blocks;
    else if (slot == shape->rank + TN__SLOT_BUNDLE && cells->bundle[value]) {
        *extent = 1;
        for (int a = 0; a < shape->rank; a++)
            if ((cells->bundle[value] >> a & 1) &&
                !tn__mul(extent, *extent, (size_t)shape->dims[a]))
                return false;
    }
    return true;
}

static tn_status number_cells(tn__cells *cells, const tn_model *model,
                              const tn__shapes *shapes, tn_error *err)
{
    size_t slots = 0, count = 0;
    for (size_t v = 0; v < model->value_count; v++) {
        cells->first_slot[v] = slots;
        slots += shapes->known[v] ? (size_t)shapes->shape[v].rank + TN__SLOT_EXTRA : 0;
    }
    cells->first_slot[model->value_count] = cells->slot_count = slots;
    cells->first_cell = tn__alloc(slots + 1, sizeof *cells->first_cell);
    cells->role = tn__alloc(slots, sizeof *cells->role);
    cells->heard = tn__alloc(slots, sizeof *cells->heard);
    cells->cause = tn__alloc(slots, sizeof *cells->cause);
    if (!cells->first_cell || !cells->role || !cells->heard || !cells->cause)
        return tn__fail_memory(err, (slots + 1) * sizeof *cells->first_cell);
    for (size_t v = 0; v < model->value_count; v++) {
        int end = shapes->shape[v].rank + TN__SLOT_EXTRA;
        for (int a = 0; shapes->known[v] && a < end; a++) {
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
        for (size_t s = begin; s + TN__SLOT_EXTRA - 1 < end; s++)
            if (cells->nature[v] != TN__ACTIVATION && !cells->heard[s])
                tn__cells_freeze(cells, s, tn__position);
        if (begin < end && !parameter)
            tn__cells_freeze(cells, tn__cells_extra(cells, v, TN__SLOT_COLUMNS),
                             "columns of a computed weight");
    }
    for (size_t k = 0; k < model->output_count; k++)
        freeze_value(cells, model->outputs[k], "graph output");
}

/* The slots that number_cells() and create_forest() make. */
static void release_numbers(tn__cells *cells)
{
    tn__free(cells->first_cell);
    tn__free(cells->parent);
    tn__free(cells->size);
    tn__free((void *)cells->reason);
    tn__free(cells->role);
    tn__free(cells->heard);
    tn__free(cells->cause);
    cells->first_cell = cells->parent = cells->size = cells->heard = NULL;
    cells->reason = NULL;
    cells->role = NULL;
    cells->cause = NULL;
}

/* Numbers the cells and hears the rules once. */
static tn_status hear_all(tn__cells *cells, const tn_model *model,
                          const tn__shapes *shapes, tn__survey *survey, tn_error *err)
{
    tn_status status;
    if ((status = number_cells(cells, model, shapes, err)) != TN_OK ||
        (status = create_forest(cells, err)) != TN_OK)
        return status;
    for (size_t k = 0; k < model->input_count; k++)
        freeze_value(cells, model->inputs[k], "graph input");
    status = tn__cells_walk(cells, model, shapes, survey, err);
    if (!status)
        freeze_rest(cells, model, shapes);
    return status;
}

static tn_status create_arrays(tn__cells *cells, size_t values, tn_error *err)
{
    cells->value_count = values;
    cells->node = TN__NONE;
    cells->first_slot = tn__alloc(values + 1, sizeof *cells->first_slot);
    cells->nature = tn__alloc(values, sizeof *cells->nature);
    cells->blocks = tn__alloc(values, sizeof *cells->blocks);
    cells->bundle = tn__alloc(values, sizeof *cells->bundle);
    if (!cells->first_slot || !cells->nature || !cells->blocks || !cells->bundle)
        return tn__fail_memory(err, (values + 1) * sizeof *cells->first_slot);
    return TN_OK;
}

tn_status tn__cells_create(tn__cells *out, const tn_model *model,
                           const tn__shapes *shapes, tn_error *err)
{
    tn__cells cells = {0};
    tn__survey survey = {0};
    tn_status status = create_arrays(&cells, model->value_count, err);
    if (status)
        goto done;
    find_nature(&cells, model, shapes);
    if ((status = find_blocks(&cells, model, err)) != TN_OK ||
        (status = hear_all(&cells, model, shapes, &survey, err)) != TN_OK ||
        (status = tn__bundles_find(&cells, &survey, shapes, err)) != TN_OK)
        goto done;
    release_numbers(&cells);
    if ((status = hear_all(&cells, model, shapes, NULL, err)) != TN_OK)
        goto done;
    pass_roles(&cells, model);
    *out = cells;
    cells = (tn__cells){0};
done:
    tn__survey_release(&survey);
    tn__cells_release(&cells);
    return status;
}

void tn__cells_release(tn__cells *cells)
{
    release_numbers(cells);
    tn__free(cells->first_slot);
    tn__free(cells->nature);
    tn__free(cells->blocks);
    tn__free(cells->bundle);
    tn__free(cells->still);
    tn__free(cells->inside);
    tn__free(cells->ties);
    *cells = (tn__cells){0};
}
