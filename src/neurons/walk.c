/* walk.c - has the coupling rules of all nodes speak, and hears what they say.
 *
 * A rule that says nothing of an axis of its output, or of an axis of a parameter it
 * reads, gives no licence to permute that axis: it is frozen as a position (kernel
 * taps, pixels, time). Where operands have bundles, what the rule said of their axes is
 * kept until it has ended; lift.c then ties their bundles.
 */
#include "neurons/walk.h"

#include "neurons/bundles.h"
#include "ops/operand.h"

size_t tn__walker_value(const tn__walker *w, int operand)
{
    const tn__node *node = w->site->node;
    size_t k = operand < 0 ? (size_t)(-1 - operand) : (size_t)operand;
    if (operand < 0)
        return k < node->output_count ? node->outputs[k] : TN__NONE;
    return k < node->input_count ? node->inputs[k] : TN__NONE;
}

/* The slot of an axis of an operand, or TN__NONE where there is none. */
static size_t operand_slot(const tn__walker *w, int operand, int axis)
{
    size_t value = tn__walker_value(w, operand);
    if (value == TN__NONE || axis < 0)
        return TN__NONE;
    size_t slot = w->cells->first_slot[value] + (size_t)axis;
    return slot + TN__SLOT_BUNDLE < w->cells->first_slot[value + 1] - TN__SLOT_COLUMNS
               ? slot
               : TN__NONE;
}

static tn_status bad_rule(const tn__walker *w, int operand, int axis, tn_error *err)
{
    char label[TN__LABEL_TEXT];
    return tn__fail(
        err, TN_ERROR_UNSUPPORTED,
        "coupling rule of node '%s' names an index that axis %d of operand %d "
        "does not have",
        tn__node_label(w->site->model, w->site->node_index, label, sizeof label), axis,
        operand);
}

static tn_status hear_axis(size_t *slot, tn__walker *w, int operand, int axis,
                           tn_error *err)
{
    *slot = operand_slot(w, operand, axis);
    if (*slot == TN__NONE)
        return bad_rule(w, operand, axis, err);
    w->cells->heard[*slot] = (uint32_t)w->site->node_index + 1;
    return TN_OK;
}

static tn_status locate(tn__tie *tie, int side, tn__walker *w, const tn__spot *at,
                        size_t count, tn_error *err)
{
    const tn__cells *cells = w->cells;
    size_t slot, end;
    tn_status status = hear_axis(&slot, w, at->operand, at->axis, err);
    if (status)
        return status;
    if (!tn__add(&end, at->index, count) ||
        end > (size_t)(cells->first_cell[slot + 1] - cells->first_cell[slot]))
        return bad_rule(w, at->operand, at->axis, err);
    tie->operand[side] = at->operand;
    tie->value[side] = (uint32_t)tn__walker_value(w, at->operand);
    tie->slot[side] = (uint32_t)slot;
    tie->cell[side] = cells->first_cell[slot] + (uint32_t)at->index;
    tie->count = (uint32_t)count;
    return TN_OK;
}

static tn_status note_pair(tn__survey *survey, const tn__axis_pair *pair, tn_error *err)
{
    size_t n = survey->pair_count;
    const tn__axis_pair *last = n ? &survey->pairs[n - 1] : NULL;
    if (last && last->node == pair->node && last->value[0] == pair->value[0] &&
        last->value[1] == pair->value[1] && last->axis[0] == pair->axis[0] &&
        last->axis[1] == pair->axis[1])
        return TN_OK;
    tn_status status =
        tn__grow(&survey->pairs, &survey->pair_capacity, n, sizeof *survey->pairs, err);
    if (!status)
        survey->pairs[survey->pair_count++] = *pair;
    return status;
}

/* A tie that goes on where the last one ended is the same tie. */
static bool goes_on(const tn__tie *tie, const tn__tie *last)
{
    bool same = tie->node == last->node;
    for (int s = 0; s < 2; s++)
        same = same && tie->operand[s] == last->operand[s] &&
               tie->slot[s] == last->slot[s] &&
               tie->cell[s] == last->cell[s] + last->count;
    return same;
}

tn_status tn__walker_tie(tn__walker *w, const tn__tie *tie, tn_error *err)
{
    tn__cells *cells = w->cells;
    for (uint32_t i = 0; i < tie->count; i++)
        tn__cells_unite(cells, tie->cell[0] + i, tie->cell[1] + i);
    if (w->survey)
        return TN_OK;
    if (cells->tie_count && goes_on(tie, &cells->ties[cells->tie_count - 1])) {
        cells->ties[cells->tie_count - 1].count += tie->count;
        return TN_OK;
    }
    tn_status status = tn__grow(&cells->ties, &cells->tie_capacity, cells->tie_count,
                                sizeof *cells->ties, err);
    if (!status)
        cells->ties[cells->tie_count++] = *tie;
    return status;
}

static tn_status hear_tie(tn__coupling *c, tn__spot a, tn__spot b, size_t count,
                          tn_error *err)
{
    tn__walker *w = (tn__walker *)c;
    tn__tie tie = {.node = (uint32_t)w->site->node_index};
    if (count == 0)
        return TN_OK;
    tn_status status = locate(&tie, 0, w, &a, count, err);
    if (!status)
        status = locate(&tie, 1, w, &b, count, err);
    if (status)
        return status;
    if (w->survey) {
        const tn__axis_pair pair = {
            tie.node, {tie.value[0], tie.value[1]}, {a.axis, b.axis}};
        status = note_pair(w->survey, &pair, err);
    } else if (w->lifts) {
        status = tn__lift_tie(w, &a, &b, count, err);
    }
    return status ? status : tn__walker_tie(w, &tie, err);
}

static tn_status hear_freeze(tn__coupling *c, int operand, int axis, const char *reason,
                             tn_error *err)
{
    tn__walker *w = (tn__walker *)c;
    size_t slot;
    tn_status status = hear_axis(&slot, w, operand, axis, err);
    if (status)
        return status;
    tn__cells_freeze(w->cells, slot, reason);
    return tn__lift_demand(w, tn__walker_value(w, operand), (uint32_t)1 << axis, err);
}

/* A tensor that is read in two roles keeps the stronger: a producer makes the neuron
 * whoever else reads it. */
static void hear_role(tn__coupling *c, int operand, int axis, tn__role role)
{
    tn__walker *w = (tn__walker *)c;
    size_t slot = operand_slot(w, operand, axis);
    if (slot == TN__NONE || w->cells->role[slot] == TN__PRODUCER)
        return;
    if (role != TN__CARRIER)
        w->cells->role[slot] = role;
}

/* --- merges ----------------------------------------------------------------------- */

static tn_status note_merge(tn__walker *w, const tn__merge *merge, tn_error *err)
{
    tn__survey *survey = w->survey;
    tn_status status = tn__grow(&survey->merges, &survey->merge_capacity,
                                survey->merge_count, sizeof *survey->merges, err);
    if (status)
        return status;
    survey->merges[survey->merge_count++] = *merge;
    const tn__axis_pair pair = {merge->node, {merge->one, merge->many}, {-1, -1}};
    return note_pair(survey, &pair, err);
}

/* The one axis that counts moves in blocks of what lies behind it. */
static tn_status tie_merge(tn__walker *w, const tn__merge *m, int one, int many,
                           int live, tn_error *err)
{
    const tn__shape *shape = tn__site_shape(w->site, many);
    size_t inner = 1, extent = (size_t)shape->dims[live];
    size_t total = (size_t)tn__site_shape(w->site, one)->dims[m->one_axis];
    for (int a = live + 1; a <= m->last; a++)
        inner *= (size_t)shape->dims[a];
    tn_status status = TN_OK;
    for (size_t i = 0; i < total && !status; i++)
        status = hear_tie(&w->base, (tn__spot){one, m->one_axis, i},
                          (tn__spot){many, live, i / inner % extent}, 1, err);
    return status;
}

static tn_status hear_merge(tn__coupling *c, int one, int axis, int many, int first,
                            int last, tn_error *err)
{
    tn__walker *w = (tn__walker *)c;
    size_t slot;
    tn_status status = hear_axis(&slot, w, one, axis, err);
    const tn__shape *shape = status ? NULL : tn__site_shape(w->site, many);
    for (int a = first; a <= last && !status; a++)
        status = hear_axis(&slot, w, many, a, err);
    if (status)
        return status;
    tn__merge merge = {w->site->node_index,
                       tn__walker_value(w, one),
                       tn__walker_value(w, many),
                       axis,
                       first,
                       last};
    if (w->survey)
        return note_merge(w, &merge, err);
    uint32_t live = tn__merge_live(w->cells, shape, merge.many, first, last);
    bool still =
        w->cells->still[w->cells->first_slot[merge.one] + (size_t)axis] || !live;
    for (int a = first; a <= last && !status; a++)
        if (still || !(live >> a & 1))
            status = hear_freeze(c, many, a, still ? tn__position : "merged axis", err);
    if (status || still)
        return status ? status : hear_freeze(c, one, axis, tn__position, err);
    if (live & (live - 1))
        return tn__lift_merge(w, &merge, one, many, live, err);
    int only = first;
    while (!(live >> only & 1))
        only++;
    return tie_merge(w, &merge, one, many, only, err);
}

static tn_status hear_pick(tn__coupling *c, int operand, int axis, size_t index,
                           tn_error *err)
{
    tn__walker *w = (tn__walker *)c;
    size_t slot;
    tn_status status = hear_axis(&slot, w, operand, axis, err);
    if (status || w->survey)
        return status;
    tn__cells_freeze(w->cells, slot, "indexed axis");
    return tn__lift_pick(w, operand, axis, (uint32_t)index, err);
}

/* --- the walk --------------------------------------------------------------------- */

/* Freezes the axes of a value of which the node's rule said nothing. */
static tn_status freeze_silent(tn__walker *w, size_t value, tn_error *err)
{
    tn__cells *cells = w->cells;
    size_t begin = cells->first_slot[value], end = cells->first_slot[value + 1];
    tn_status status = TN_OK;
    for (size_t s = begin; s + TN__SLOT_EXTRA < end && !status; s++) {
        if (cells->heard[s] == w->site->node_index + 1)
            continue;
        tn__cells_freeze(cells, s, tn__position);
        status = tn__lift_demand(w, value, (uint32_t)1 << (s - begin), err);
    }
    return status;
}

static bool all_fixed(const tn__cells *cells, const tn__node *node)
{
    for (size_t k = 0; k < node->output_count; k++)
        if (node->outputs[k] != TN__NONE &&
            cells->nature[node->outputs[k]] != TN__FIXED)
            return false;
    return true;
}

static tn_status hear_rule(tn__walker *w, tn_error *err)
{
    const tn__site *site = w->site;
    const tn__node *node = site->node;
    const tn__op *op = tn__op_find(node->domain, node->type);
    char label[TN__LABEL_TEXT];
    if (!op || !op->couple)
        return tn__fail(
            err, TN_ERROR_UNSUPPORTED,
            "cannot find the neurons at %s: the operator has no coupling rule",
            tn__node_label(site->model, site->node_index, label, sizeof label));
    w->lifts = tn__lift_wanted(w);
    tn_status status = op->couple(&w->base, site, err);
    if (!status && w->lifts)
        status = tn__lift_node(w, op->joint, err);
    if (status)
        return tn__fail_in(
            err, status, "node '%s'",
            tn__node_label(site->model, site->node_index, label, sizeof label));
    return TN_OK;
}

static tn_status walk_node(tn__walker *w, tn_error *err)
{
    const tn__node *node = w->site->node;
    tn_status status = hear_rule(w, err);
    for (size_t k = 0; k < node->output_count && !status; k++)
        if (node->outputs[k] != TN__NONE)
            status = freeze_silent(w, node->outputs[k], err);
    for (size_t k = 0; k < node->input_count && !status; k++) {
        size_t v = node->inputs[k];
        /* Of an activation silence may mean indifference (a sum over the axis); a
         * parameter's axis that nobody explains must stay as it is. */
        if (v != TN__NONE && w->cells->nature[v] != TN__ACTIVATION)
            status = freeze_silent(w, v, err);
    }
    return status;
}

/* Rows and columns of a grouped weight lie in its blocks. */
static tn_status note_blocks(tn__walker *w, size_t value, tn_error *err)
{
    const tn__cells *cells = w->cells;
    size_t blocks = cells->blocks[value];
    size_t outer = tn__cells_extra(cells, value, TN__SLOT_BLOCKS);
    const size_t slots[2] = {cells->first_slot[value],
                             tn__cells_extra(cells, value, TN__SLOT_COLUMNS)};
    tn_status status = TN_OK;
    for (int k = 0; k < 2 && !status; k++) {
        size_t extent = cells->first_cell[slots[k] + 1] - cells->first_cell[slots[k]];
        const tn__inside inside = {slots[k], outer,
                                   (uint32_t)TN__MAX(extent / blocks, (size_t)1),
                                   (uint32_t)blocks};
        status = tn__walker_inside(w, &inside, err);
    }
    return status;
}

tn_status tn__walker_inside(tn__walker *w, const tn__inside *inside, tn_error *err)
{
    tn__cells *cells = w->cells;
    if (w->survey)
        return TN_OK;
    for (size_t k = 0; k < cells->inside_count; k++)
        if (cells->inside[k].slot == inside->slot &&
            cells->inside[k].outer == inside->outer)
            return TN_OK;
    tn_status status = tn__grow(&cells->inside, &cells->inside_capacity,
                                cells->inside_count, sizeof *cells->inside, err);
    if (!status)
        cells->inside[cells->inside_count++] = *inside;
    return status;
}

tn_status tn__cells_walk(tn__cells *cells, const tn_model *model,
                         const tn__shapes *shapes, tn__survey *survey, tn_error *err)
{
    tn__site site;
    tn__site_memory memory = {0};
    tn__walker w = {.base = {hear_tie, hear_freeze, hear_role, hear_merge, hear_pick},
                    .cells = cells,
                    .shapes = shapes,
                    .site = &site,
                    .survey = survey};
    tn_status status = TN_OK;
    for (size_t n = 0; n < model->node_count && !status; n++) {
        if (all_fixed(cells, &model->nodes[n]))
            continue;
        cells->node = n;
        status = tn__site_fill(&site, &memory, model, shapes, n, err);
        if (!status)
            status = walk_node(&w, err);
    }
    cells->node = TN__NONE;
    for (size_t v = 0; v < model->value_count && !status && !survey; v++)
        if (tn__cells_blocked(cells, v))
            status = note_blocks(&w, v, err);
    tn__site_memory_release(&memory);
    tn__lift_release(&w);
    return status;
}
