/* lift.c - ties of bundles, from what a rule says of single axes. See walk.h. */
#include <string.h>

#include "neurons/walk.h"
#include "ops/operand.h"

#define MANY UINT32_MAX

/* Axes of two operands that the rule relates. Plainly, one axis with one: to[s][i] is 1
 * + the index on the other side of index i of side s, 0 where there is none, MANY where
 * there are several. In a merge side 0 is the one axis and side 1 the live ones among
 * first .. last. */
typedef struct tn__link {
    int operand[2];
    uint32_t axes[2]; /* bits */
    uint32_t *to[2];
    bool merge;
    int first, last;
    int from; /* the side from which a crossing goes at hand; -1: it does not matter */
} tn__link;

/* What is to be tied: slots of the two operands, and the links that lead across. */
typedef struct crossing {
    tn__walker *w;
    int operand[2];
    size_t value[2];
    const tn__shape *shape[2];
    uint32_t axes[2];   /* of the slots */
    uint32_t linked[2]; /* axes of the links that matter */
    uint32_t picked[2];
} crossing;

bool tn__lift_wanted(const tn__walker *w)
{
    const tn__node *node = w->site->node;
    if (w->survey)
        return false;
    for (size_t k = 0; k < node->input_count; k++)
        if (node->inputs[k] != TN__NONE && w->cells->bundle[node->inputs[k]])
            return true;
    for (size_t k = 0; k < node->output_count; k++)
        if (node->outputs[k] != TN__NONE && w->cells->bundle[node->outputs[k]])
            return true;
    return false;
}

/* --- hearing ---------------------------------------------------------------------- */

static tn_status add_link(tn__walker *w, const tn__link *link, tn_error *err)
{
    tn_status status =
        tn__grow(&w->links, &w->link_capacity, w->link_count, sizeof *w->links, err);
    if (!status)
        w->links[w->link_count++] = *link;
    return status;
}

static tn_status open_link(tn__link **out, tn__walker *w, const int operand[2],
                           const int axis[2], tn_error *err)
{
    for (size_t k = w->link_count; k-- > 0;) {
        tn__link *l = &w->links[k];
        if (!l->merge && l->operand[0] == operand[0] && l->operand[1] == operand[1] &&
            l->axes[0] == (uint32_t)1 << axis[0] &&
            l->axes[1] == (uint32_t)1 << axis[1]) {
            *out = l;
            return TN_OK;
        }
    }
    tn__link link = {.operand = {operand[0], operand[1]},
                     .axes = {(uint32_t)1 << axis[0], (uint32_t)1 << axis[1]}};
    tn_status status = TN_OK;
    for (int s = 0; s < 2; s++) {
        size_t slot =
            w->cells->first_slot[tn__walker_value(w, operand[s])] + (size_t)axis[s];
        size_t extent = w->cells->first_cell[slot + 1] - w->cells->first_cell[slot];
        link.to[s] = tn__alloc(extent, sizeof **link.to);
        if (!link.to[s])
            status = tn__fail_memory(err, extent * sizeof **link.to);
    }
    if (!status)
        status = add_link(w, &link, err);
    if (status) {
        tn__free(link.to[0]);
        tn__free(link.to[1]);
        return status;
    }
    *out = &w->links[w->link_count - 1];
    return TN_OK;
}

tn_status tn__lift_tie(tn__walker *w, const tn__spot *a, const tn__spot *b,
                       size_t count, tn_error *err)
{
    const int operand[2] = {a->operand, b->operand}, axis[2] = {a->axis, b->axis};
    const uint32_t index[2] = {(uint32_t)a->index, (uint32_t)b->index};
    tn__link *link;
    tn_status status = open_link(&link, w, operand, axis, err);
    for (int s = 0; s < 2 && !status; s++) {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t *to = &link->to[s][index[s] + i], other = 1 + index[1 - s] + i;
            *to = *to == 0 || *to == other ? other : MANY;
        }
    }
    return status;
}

tn_status tn__lift_merge(tn__walker *w, const tn__merge *merge, int one, int many,
                         uint32_t live, tn_error *err)
{
    const tn__link link = {.operand = {one, many},
                           .axes = {(uint32_t)1 << merge->one_axis, live},
                           .merge = true,
                           .first = merge->first,
                           .last = merge->last};
    return add_link(w, &link, err);
}

tn_status tn__lift_pick(tn__walker *w, int operand, int axis, uint32_t index,
                        tn_error *err)
{
    tn_status status =
        tn__grow(&w->picks, &w->pick_capacity, w->pick_count, sizeof *w->picks, err);
    if (!status)
        w->picks[w->pick_count++] = (tn__pick){operand, axis, index};
    return status;
}

tn_status tn__lift_demand(tn__walker *w, size_t value, uint32_t axes, tn_error *err)
{
    const tn__cells *cells = w->cells;
    const tn__shape *shape = &w->shapes->shape[value];
    uint32_t bundle = cells->bundle[value], inner = 1;
    tn_status status = TN_OK;
    for (int a = shape->rank - 1; a >= 0 && (axes & bundle) && !status; a--) {
        if (!(bundle >> a & 1))
            continue;
        const tn__inside inside = {tn__cells_extra(cells, value, TN__SLOT_BUNDLE),
                                   cells->first_slot[value] + (size_t)a, inner,
                                   (uint32_t)shape->dims[a]};
        if (axes >> a & 1)
            status = tn__walker_inside(w, &inside, err);
        inner *= (uint32_t)shape->dims[a];
    }
    return status;
}

/* --- crossings -------------------------------------------------------------------- */

/* The side of a link that is the crossing's operand k, or -1 where the link is of
 * other operands or of axes that do not matter. */
static int side_of(const tn__link *l, const crossing *x, int k)
{
    const uint32_t *bundle = x->w->cells->bundle;
    for (int s = 0; s < 2; s++)
        if (l->operand[s] == x->operand[k] && l->operand[1 - s] == x->operand[1 - k] &&
            ((l->axes[s] & bundle[x->value[k]]) ||
             (l->axes[1 - s] & bundle[x->value[1 - k]])))
            return s;
    return -1;
}

/* Which slot a side is: false where the links neither span its bundle nor are one axis
 * outside of it. */
static bool find_slot(crossing *x, int k)
{
    uint32_t bundle = x->w->cells->bundle[x->value[k]], linked = x->linked[k];
    if (linked & bundle)
        x->axes[k] = bundle;
    else
        x->axes[k] = linked;
    if (linked & bundle)
        return (linked | (x->picked[k] & bundle)) == bundle;
    return (linked & (linked - 1)) == 0;
}

static size_t slot_of(const crossing *x, int k)
{
    const tn__cells *cells = x->w->cells;
    if (x->axes[k] & (x->axes[k] - 1))
        return tn__cells_extra(cells, x->value[k], TN__SLOT_BUNDLE);
    int a = 0;
    while (!(x->axes[k] >> a & 1))
        a++;
    return cells->first_slot[x->value[k]] + (size_t)a;
}

/* Whether every index of side k of the links has at most one on the other. */
static bool is_function(const crossing *x, int k)
{
    for (size_t i = 0; i < x->w->link_count; i++) {
        const tn__link *l = &x->w->links[i];
        int s = side_of(l, x, k);
        if (s < 0)
            continue;
        if (l->merge) {
            for (int a = l->first; a <= l->last && s == 1; a++)
                if (x->shape[k]->dims[a] > 1 && !(l->axes[1] >> a & 1))
                    return false;
            continue;
        }
        int axis = 0;
        while (!(l->axes[s] >> axis & 1))
            axis++;
        for (int64_t c = 0; c < x->shape[k]->dims[axis]; c++)
            if (l->to[s][c] == MANY)
                return false;
    }
    return true;
}

static int axis_in(uint32_t axes)
{
    int a = 0;
    while (!(axes >> a & 1))
        a++;
    return a;
}

/* Takes indices through one link; false where there is no other side. */
static bool follow(const tn__link *l, int s, const crossing *x, int k,
                   const int64_t *from, int64_t *to)
{
    if (!l->merge) {
        uint32_t t = l->to[s][from[axis_in(l->axes[s])]];
        to[axis_in(l->axes[1 - s])] = (int64_t)t - 1;
        return t != 0;
    }
    const tn__shape *many = x->shape[s == 1 ? k : 1 - k];
    int64_t rest = s == 0 ? from[axis_in(l->axes[0])] : 0;
    if (s == 0) {
        for (int a = l->last; a >= l->first; a--) {
            to[a] = rest % many->dims[a];
            rest /= many->dims[a];
        }
        return true;
    }
    for (int a = l->first; a <= l->last; a++)
        rest = rest * many->dims[a] + (l->axes[1] >> a & 1 ? from[a] : 0);
    to[axis_in(l->axes[0])] = rest;
    return true;
}

/* Whether the indices are those that are picked; fills in those of the other side. */
static bool meet_picks(const crossing *x, int k, const int64_t *from, int64_t *to)
{
    for (size_t i = 0; i < x->w->pick_count; i++) {
        const tn__pick *p = &x->w->picks[i];
        if (p->operand == x->operand[k] && from[p->axis] != (int64_t)p->index)
            return false;
        if (p->operand == x->operand[1 - k])
            to[p->axis] = (int64_t)p->index;
    }
    return true;
}

static bool cross(const crossing *x, int k, const int64_t *from, int64_t *to)
{
    if (!meet_picks(x, k, from, to))
        return false;
    for (size_t i = 0; i < x->w->link_count; i++) {
        const tn__link *l = &x->w->links[i];
        if (l->from >= 0 && !follow(l, l->from, x, k, from, to))
            return false;
    }
    return true;
}

/* To the next cell of a slot, row-major over its axes. */
static void step(int64_t *index, const tn__shape *shape, uint32_t axes)
{
    for (int a = shape->rank - 1; a >= 0; a--) {
        if (!(axes >> a & 1))
            continue;
        if (++index[a] < shape->dims[a])
            return;
        index[a] = 0;
    }
}

static size_t encode(const int64_t *index, const tn__shape *shape, uint32_t axes)
{
    size_t cell = 0;
    for (int a = 0; a < shape->rank; a++)
        if (axes >> a & 1)
            cell = cell * (size_t)shape->dims[a] + (size_t)index[a];
    return cell;
}

/* Ties the slots cell by cell, from side k on. */
static tn_status tie_slots(const crossing *x, int k, tn_error *err)
{
    const tn__cells *cells = x->w->cells;
    const size_t slot[2] = {slot_of(x, 0), slot_of(x, 1)};
    int64_t from[TN__MAX_RANK] = {0}, to[TN__MAX_RANK];
    size_t extent = cells->first_cell[slot[k] + 1] - cells->first_cell[slot[k]];
    tn_status status = TN_OK;
    for (size_t i = 0; i < x->w->link_count; i++)
        x->w->links[i].from = side_of(&x->w->links[i], x, k);
    tn__tie tie = {.node = (uint32_t)x->w->site->node_index, .count = 1};
    for (int s = 0; s < 2; s++) {
        tie.operand[s] = x->operand[s];
        tie.value[s] = (uint32_t)x->value[s];
        tie.slot[s] = (uint32_t)slot[s];
    }
    for (size_t c = 0; c < extent && !status; c++) {
        memset(to, 0, sizeof to);
        if (cross(x, k, from, to)) {
            size_t at = encode(to, x->shape[1 - k], x->axes[1 - k]);
            tie.cell[k] = cells->first_cell[slot[k]] + (uint32_t)c;
            tie.cell[1 - k] = cells->first_cell[slot[1 - k]] + (uint32_t)at;
            status = tn__walker_tie(x->w, &tie, err);
        }
        step(from, x->shape[k], x->axes[k]);
    }
    return status;
}

/* The axes that link the two keep each to itself. A merge says nothing of single axes:
 * where its bundle is not spanned nothing may move. */
static tn_status keep_apart(const crossing *x, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t i = 0; i < x->w->link_count; i++) {
        const tn__link *l = &x->w->links[i];
        int s = side_of(l, x, 0);
        for (int k = 0; k < 2 && s >= 0 && l->merge; k++)
            for (int a = 0; a < x->shape[k]->rank; a++)
                if (l->axes[k == 0 ? s : 1 - s] >> a & 1)
                    tn__cells_freeze(x->w->cells,
                                     x->w->cells->first_slot[x->value[k]] + (size_t)a,
                                     "reshaped axis");
    }
    for (int k = 0; k < 2 && !status; k++)
        status = tn__lift_demand(x->w, x->value[k], x->linked[k] | x->picked[k], err);
    return status;
}

static tn_status lift_pair(tn__walker *w, int a, int b, bool joint, tn_error *err)
{
    crossing x = {.w = w, .operand = {a, b}};
    for (int k = 0; k < 2; k++) {
        x.value[k] = tn__walker_value(w, x.operand[k]);
        if (x.value[k] == TN__NONE || !w->shapes->known[x.value[k]])
            return TN_OK;
        x.shape[k] = &w->shapes->shape[x.value[k]];
        for (size_t i = 0; i < w->pick_count; i++)
            if (w->picks[i].operand == x.operand[k])
                x.picked[k] |= (uint32_t)1 << w->picks[i].axis;
    }
    for (size_t i = 0; i < w->link_count; i++) {
        int s = side_of(&w->links[i], &x, 0);
        if (s < 0)
            continue;
        x.linked[0] |= w->links[i].axes[s];
        x.linked[1] |= w->links[i].axes[1 - s];
    }
    if (!x.linked[0])
        return TN_OK;
    bool spans = find_slot(&x, 0);
    spans = find_slot(&x, 1) && spans;
    int from = spans && is_function(&x, 0) ? 0 : 1;
    spans = spans && (from == 0 || is_function(&x, 1));
    tn_status status = spans ? tie_slots(&x, from, err) : TN_OK;
    return status || (spans && joint) ? status : keep_apart(&x, err);
}

static void forget(tn__walker *w)
{
    for (size_t k = 0; k < w->link_count; k++) {
        tn__free(w->links[k].to[0]);
        tn__free(w->links[k].to[1]);
    }
    w->link_count = w->pick_count = 0;
}

tn_status tn__lift_node(tn__walker *w, bool joint, tn_error *err)
{
    int last = (int)w->site->node->input_count;
    tn_status status = TN_OK;
    for (int a = -(int)w->site->node->output_count; a < last && !status; a++)
        for (int b = a + 1; b < last && !status; b++)
            status = lift_pair(w, a, b, joint, err);
    forget(w);
    return status;
}

void tn__lift_release(tn__walker *w)
{
    forget(w);
    tn__free(w->links);
    tn__free(w->picks);
}
