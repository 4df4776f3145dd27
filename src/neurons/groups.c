/* groups.c - from classes of cells to groups of neurons.
 *
 * Classes that are not frozen and touch a parameter are sorted by block and signature;
 * two or more of one signature in one block are a group. A block counts with all that
 * lies in it. Order and names follow the node that first makes
 * the neurons, so that graphs of the same structure and other widths have the same
 * groups in the same order.
 */
#include "neurons/groups.h"

#include <stdlib.h>
#include <string.h>

#include "neurons/bundles.h"
#include "neurons/signature.h"

#define NO_BLOCK UINT32_MAX

/* Where a value is first read: by which node and as which input. */
typedef struct first_use {
    size_t node, input;
} first_use;

typedef struct builder {
    const tn_model *model;
    tn__shapes shapes;
    tn__cells cells;
    tn__classes classes;
    size_t *slot_value;  /* [slots] */
    first_use *use;      /* [values]; node TN__NONE where nobody reads it */
    size_t *first_inner; /* [classes + 1]: of the classes in a block, */
    uint32_t *inner;     /* by signature and number */
    uint32_t *candidate; /* classes, by block and signature */
    size_t candidate_count;
    bool *grouped; /* [classes] */
    tn__groups groups;
    size_t group_capacity, frozen_capacity;
} builder;

static bool is_learned_parameter(const builder *b, size_t value)
{
    return b->cells.nature[value] == TN__LEARNED &&
           tn__value_is_parameter(&b->model->values[value]);
}

/* --- candidates ------------------------------------------------------------------- */

static tn_status index_model(builder *b, tn_error *err)
{
    const tn_model *model = b->model;
    b->slot_value = tn__alloc(b->cells.slot_count, sizeof *b->slot_value);
    b->use = tn__alloc(model->value_count, sizeof *b->use);
    b->candidate = tn__alloc(b->classes.count, sizeof *b->candidate);
    b->grouped = tn__alloc(b->classes.count, sizeof *b->grouped);
    if (!b->slot_value || !b->use || !b->candidate || !b->grouped)
        return tn__fail_memory(err, b->classes.count * sizeof *b->candidate);
    for (size_t v = 0; v < model->value_count; v++) {
        b->use[v].node = TN__NONE;
        for (size_t s = b->cells.first_slot[v]; s < b->cells.first_slot[v + 1]; s++)
            b->slot_value[s] = v;
    }
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k];
            if (v != TN__NONE && b->use[v].node == TN__NONE)
                b->use[v] = (first_use){n, k};
        }
    }
    return TN_OK;
}

static bool is_blocks(const builder *b, size_t slot)
{
    size_t value = b->slot_value[slot];
    return slot == tn__cells_extra(&b->cells, value, TN__SLOT_BLOCKS);
}

/* Whether a class, or what lies in it, has cells on a parameter. */
static bool touches_parameter(const builder *b, size_t class)
{
    for (size_t i = b->classes.first[class]; i < b->classes.first[class + 1]; i++) {
        size_t slot = b->classes.slot[b->classes.cell[i]];
        if (is_learned_parameter(b, b->slot_value[slot]) && !is_blocks(b, slot))
            return true;
    }
    for (size_t i = b->first_inner[class]; i < b->first_inner[class + 1]; i++)
        if (touches_parameter(b, b->inner[i]))
            return true;
    return false;
}

static int compare_candidates(const void *x, const void *y, void *user)
{
    const tn__classes *classes = user;
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    if (classes->block[a] != classes->block[b])
        return classes->block[a] < classes->block[b] ? -1 : 1;
    int order = tn__signature_compare(&classes->signature[a], &classes->signature[b]);
    return order ? order : (a > b) - (a < b);
}

/* Lists what lies in each block, and adds it to the signature of the block. */
static tn_status list_inner(builder *b, tn_error *err)
{
    size_t count = b->classes.count, inside = 0;
    for (size_t k = 0; k < count; k++)
        inside += b->classes.block[k] != NO_BLOCK;
    b->first_inner = tn__alloc(count + 1, sizeof *b->first_inner);
    b->inner = tn__alloc(inside, sizeof *b->inner);
    if (!b->first_inner || !b->inner)
        return tn__fail_memory(err, (count + 1) * sizeof *b->first_inner);
    for (size_t k = 0, n = 0; k < count && inside; k++)
        if (b->classes.block[k] != NO_BLOCK)
            b->inner[n++] = (uint32_t)k;
    qsort_r(b->inner, inside, sizeof *b->inner, compare_candidates, &b->classes);
    for (size_t i = 0; i < inside; i++)
        b->first_inner[b->classes.block[b->inner[i]] + 1]++;
    for (size_t k = 0; k < count; k++)
        b->first_inner[k + 1] += b->first_inner[k];
    for (size_t i = 0; i < inside; i++) {
        uint32_t block = b->classes.block[b->inner[i]];
        tn__signature_nest(&b->classes.signature[block],
                           &b->classes.signature[b->inner[i]]);
    }
    return TN_OK;
}

static tn_status collect_candidates(builder *b, tn_error *err)
{
    tn_status status = list_inner(b, err);
    if (status)
        return status;
    for (size_t k = 0; k < b->classes.count; k++) {
        uint32_t cell = b->classes.cell[b->classes.first[k]];
        if (!tn__cells_reason(&b->cells, cell) && touches_parameter(b, k))
            b->candidate[b->candidate_count++] = (uint32_t)k;
    }
    qsort_r(b->candidate, b->candidate_count, sizeof *b->candidate, compare_candidates,
            &b->classes);
    return TN_OK;
}

/* --- one group -------------------------------------------------------------------- */

static void release_group(tn__group *group)
{
    for (size_t e = 0; e < group->entry_count; e++)
        tn__free(group->entries[e].index);
    tn__free(group->entries);
    tn__free(group->name);
    tn__free(group->inner);
    tn__free(group->class);
    *group = (tn__group){0};
}

/* A cell of a neuron: those of one slot follow one another, in the same order in every
 * neuron of the group. The order is found for the first neuron; `from` is where a part
 * was before. */
typedef struct part {
    uint32_t slot, child, place, cell, from;
} part;

static int compare_parts(const void *x, const void *y)
{
    const part *a = x, *b = y;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->child != b->child)
        return a->child < b->child ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static size_t add_parts(part *parts, const builder *b, size_t class, uint32_t child)
{
    const tn__classes *classes = &b->classes;
    size_t n = 0;
    for (size_t i = classes->first[class]; i < classes->first[class + 1]; i++) {
        uint32_t c = classes->cell[i];
        if (!is_blocks(b, classes->slot[c]))
            parts[n++] = (part){classes->slot[c], child, classes->place[c], c, 0};
    }
    return n;
}

/* Cells of a class and of all that lies in it: its parts, or some more. */
static size_t count_cells(const builder *b, size_t class)
{
    const tn__classes *classes = &b->classes;
    size_t count = classes->first[class + 1] - classes->first[class];
    for (size_t i = b->first_inner[class]; i < b->first_inner[class + 1]; i++)
        count += classes->first[b->inner[i] + 1] - classes->first[b->inner[i]];
    return count;
}

/* The cells of a class and of all that lies in it; returns how many. */
static size_t list_parts(part *parts, const builder *b, size_t class)
{
    size_t first = b->first_inner[class], last = b->first_inner[class + 1];
    size_t n = add_parts(parts, b, class, 0);
    for (size_t i = first; i < last; i++)
        n += add_parts(parts + n, b, b->inner[i], (uint32_t)(i - first + 1));
    return n;
}

/* Sorts the parts of the first neuron and makes the entries from them. */
static tn_status open_entries(tn__group *group, const builder *b, part *parts,
                              size_t count, tn_error *err)
{
    size_t entries = 0, next;
    for (size_t i = 0; i < count; i++)
        parts[i].from = (uint32_t)i;
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count; i++)
        entries += i == 0 || parts[i].slot != parts[i - 1].slot;
    group->entries = tn__alloc(entries, sizeof *group->entries);
    if (!group->entries)
        return tn__fail_memory(err, entries * sizeof *group->entries);
    for (size_t i = 0; i < count; i = next) {
        next = i + 1;
        while (next < count && parts[next].slot == parts[i].slot)
            next++;
        tn__group_entry *entry = &group->entries[group->entry_count++];
        size_t value = b->slot_value[parts[i].slot], room;
        *entry =
            (tn__group_entry){.value = value,
                              .axis = (int)(parts[i].slot - b->cells.first_slot[value]),
                              .role = b->cells.role[parts[i].slot],
                              .repeats = next - i};
        if (!tn__mul(&room, group->neurons, entry->repeats))
            return tn__fail_memory(err, SIZE_MAX);
        entry->index = tn__alloc(room, sizeof *entry->index);
        if (!entry->index)
            return tn__fail_memory(err, room * sizeof *entry->index);
    }
    return TN_OK;
}

/* Neuron k's cells from its parts, of which there are as many as of the first neuron;
 * false where they do not lie as those do. */
static bool fill_neuron(tn__group *group, const builder *b, size_t k, const part *first,
                        const part *parts)
{
    for (size_t e = 0; e < group->entry_count; e++) {
        tn__group_entry *entry = &group->entries[e];
        uint32_t *index = &entry->index[k * entry->repeats];
        for (size_t p = 0; p < entry->repeats; p++, first++) {
            const part *own = &parts[first->from];
            if (own->slot != first->slot || own->child != first->child ||
                own->place != first->place)
                return false;
            index[p] = own->cell - b->cells.first_cell[own->slot];
        }
    }
    return true;
}

typedef struct by_index {
    uint32_t index, neuron;
} by_index;

static int compare_index(const void *x, const void *y)
{
    const by_index *a = x, *b = y;
    return (a->index > b->index) - (a->index < b->index);
}

/* Puts the cells of the first neuron in ascending order, those of the others in the
 * same. */
static tn_status sort_cells(tn__group_entry *entry, size_t neurons, tn_error *err)
{
    size_t r = entry->repeats;
    if (r == 1)
        return TN_OK;
    by_index *order = tn__alloc(r, sizeof *order);
    uint32_t *sorted = tn__alloc(neurons * r, sizeof *sorted);
    if (!order || !sorted) {
        tn__free(order);
        tn__free(sorted);
        return tn__fail_memory(err, neurons * r * sizeof *sorted);
    }
    for (size_t p = 0; p < r; p++)
        order[p] = (by_index){entry->index[p], (uint32_t)p};
    qsort(order, r, sizeof *order, compare_index);
    for (size_t k = 0; k < neurons; k++)
        for (size_t p = 0; p < r; p++)
            sorted[k * r + p] = entry->index[k * r + order[p].neuron];
    tn__free(order);
    tn__free(entry->index);
    entry->index = sorted;
    return TN_OK;
}

/* *alike is false where hashes of different structures met. */
static tn_status fill_group(tn__group *group, bool *alike, const builder *b,
                            const uint32_t *members, size_t neurons, tn_error *err)
{
    tn_status status = TN_OK;
    group->neurons = neurons;
    group->blocks = TN__NONE;
    group->lies_in = b->classes.block[members[0]];
    group->class = tn__alloc(neurons, sizeof *group->class);
    if (!group->class)
        return tn__fail_memory(err, neurons * sizeof *group->class);
    *alike = true;
    size_t room = count_cells(b, members[0]);
    part *first = tn__alloc(room, 2 * sizeof *first);
    if (!first)
        return tn__fail_memory(err, room * 2 * sizeof *first);
    part *parts = first + room;
    size_t count = list_parts(first, b, members[0]);
    status = open_entries(group, b, first, count, err);
    for (size_t k = 0; k < neurons && *alike && !status; k++) {
        group->class[k] = members[k];
        *alike = count_cells(b, members[k]) == room &&
                 list_parts(parts, b, members[k]) == count &&
                 fill_neuron(group, b, k, first, parts);
    }
    tn__free(first);
    for (size_t e = 0; e < group->entry_count && !status; e++)
        status = sort_cells(&group->entries[e], neurons, err);
    return status;
}

/* --- order and names -------------------------------------------------------------- */

/* The entry after which the group is named: the parameter that is read first in the
 * role of producer; where there is none, the one that is read first. */
static size_t leading_entry(const builder *b, const tn__group *group)
{
    size_t best = 0;
    bool found = false;
    for (size_t e = 0; e < group->entry_count; e++) {
        const tn__group_entry *x = &group->entries[e], *y = &group->entries[best];
        if (!is_learned_parameter(b, x->value))
            continue;
        first_use p = b->use[x->value], q = b->use[y->value];
        bool producer = x->role == TN__PRODUCER, other = y->role == TN__PRODUCER;
        bool earlier = p.node != q.node ? p.node < q.node : p.input < q.input;
        if (!found || (producer != other ? producer : earlier))
            best = e;
        found = true;
    }
    return best;
}

/* Neurons in the order in which the leading entry has them, whatever the numbers of the
 * values: then neuron i is neuron i in every graph of the same structure. */
static tn_status sort_neurons(tn__group *group, size_t leading, tn_error *err)
{
    const tn__group_entry *lead = &group->entries[leading];
    tn_status status = TN_OK;
    by_index *order = tn__alloc(group->neurons, sizeof *order);
    if (!order)
        return tn__fail_memory(err, group->neurons * sizeof *order);
    for (size_t i = 0; i < group->neurons; i++)
        order[i] = (by_index){lead->index[i * lead->repeats], (uint32_t)i};
    qsort(order, group->neurons, sizeof *order, compare_index);
    for (size_t e = 0; e < group->entry_count && !status; e++) {
        tn__group_entry *entry = &group->entries[e];
        size_t r = entry->repeats;
        uint32_t *sorted = tn__alloc(group->neurons * r, sizeof *sorted);
        if (!sorted) {
            status = tn__fail_memory(err, group->neurons * r * sizeof *sorted);
            break;
        }
        for (size_t i = 0; i < group->neurons; i++)
            memcpy(&sorted[i * r], &entry->index[order[i].neuron * r],
                   r * sizeof *sorted);
        tn__free(entry->index);
        entry->index = sorted;
    }
    uint32_t *classes = tn__alloc(group->neurons, sizeof *classes);
    for (size_t i = 0; i < group->neurons && classes; i++)
        classes[i] = group->class[order[i].neuron];
    if (classes) {
        tn__free(group->class);
        group->class = classes;
    } else if (!status)
        status = tn__fail_memory(err, group->neurons * sizeof *classes);
    tn__free(order);
    return status;
}

static tn_status add_group(builder *b, const uint32_t *members, size_t neurons,
                           tn_error *err)
{
    tn__group group = {0};
    bool alike = false;
    tn_status status = tn__grow(&b->groups.list, &b->group_capacity, b->groups.count,
                                sizeof *b->groups.list, err);
    if (status ||
        (status = fill_group(&group, &alike, b, members, neurons, err)) != TN_OK ||
        !alike)
        goto done;
    group.leading = leading_entry(b, &group);
    if ((status = sort_neurons(&group, group.leading, err)) != TN_OK)
        goto done;
    for (size_t i = 0; i < neurons; i++) {
        b->grouped[members[i]] = true;
        for (size_t k = b->first_inner[members[i]]; k < b->first_inner[members[i] + 1];
             k++)
            b->grouped[b->inner[k]] = true;
    }
    b->groups.list[b->groups.count++] = group;
    group = (tn__group){0};
done:
    release_group(&group);
    return status;
}

static int compare_groups(const void *x, const void *y, void *user)
{
    const builder *b = user;
    const tn__group *g = x, *h = y;
    const tn__group_entry *p = &g->entries[g->leading];
    const tn__group_entry *q = &h->entries[h->leading];
    first_use u = b->use[p->value], v = b->use[q->value];
    if (u.node != v.node)
        return u.node < v.node ? -1 : 1;
    if (u.input != v.input)
        return u.input < v.input ? -1 : 1;
    if (p->axis != q->axis)
        return p->axis < q->axis ? -1 : 1;
    if (p->index[0] != q->index[0])
        return p->index[0] < q->index[0] ? -1 : 1;
    /* Blocks go before what lies in them. */
    return (h->lies_in == NO_BLOCK) - (g->lies_in == NO_BLOCK);
}

/* --- blocks ----------------------------------------------------------------------- */

static void link_inner(builder *b, size_t blocks, size_t within, size_t *kind)
{
    tn__group *outer = &b->groups.list[blocks];
    for (size_t g = 0; g < b->groups.count; g++) {
        tn__group *group = &b->groups.list[g];
        if (group->lies_in != outer->class[within])
            continue;
        group->blocks = blocks;
        group->within = within;
        group->kind = (*kind)++;
        if (outer->inner)
            outer->inner[within * outer->kinds + group->kind] = g;
    }
}

/* Connects the groups of blocks with the groups inside. Those are in the same order in
 * each block, as the order is that of leading entries. */
static tn_status link_blocks(builder *b, tn_error *err)
{
    for (size_t g = 0; g < b->groups.count; g++) {
        tn__group *group = &b->groups.list[g];
        if (group->lies_in != NO_BLOCK)
            continue;
        link_inner(b, g, 0, &group->kinds);
        if (!group->kinds)
            continue;
        group->inner = tn__alloc(group->neurons * group->kinds, sizeof *group->inner);
        if (!group->inner)
            return tn__fail_memory(err, group->neurons * sizeof *group->inner);
        for (size_t i = 0; i < group->neurons; i++) {
            size_t kind = 0;
            link_inner(b, g, i, &kind);
        }
    }
    return TN_OK;
}

/* Several groups may be made by one parameter (blocks of a grouped convolution): from
 * the second on they are called "name:2" and so on, and the blocks "name/blocks". */
static tn_status name_groups(builder *b, tn_error *err)
{
    size_t same = 1, last = TN__NONE;
    for (size_t g = 0; g < b->groups.count; g++) {
        tn__group *group = &b->groups.list[g];
        size_t value = group->entries[group->leading].value;
        const char *name = b->model->values[value].name;
        if (group->kinds) {
            group->name = tn__format("%s/blocks", name);
        } else {
            same = value == last ? same + 1 : 1;
            last = value;
            group->name =
                same == 1 ? tn__strdup(name) : tn__format("%s:%zu", name, same);
        }
        if (!group->name)
            return tn__fail_memory(err, strlen(name) + 1);
    }
    return TN_OK;
}

static tn_status build_groups(builder *b, tn_error *err)
{
    size_t next;
    for (size_t i = 0; i < b->candidate_count; i = next) {
        const uint32_t *members = &b->candidate[i];
        next = i + 1;
        while (next < b->candidate_count &&
               !tn__signature_compare(&b->classes.signature[members[0]],
                                      &b->classes.signature[b->candidate[next]]) &&
               b->classes.block[members[0]] == b->classes.block[b->candidate[next]])
            next++;
        tn_status status = next - i < 2 ? TN_OK : add_group(b, members, next - i, err);
        if (status)
            return status;
    }
    if (b->groups.count > 1)
        qsort_r(b->groups.list, b->groups.count, sizeof *b->groups.list, compare_groups,
                b);
    tn_status status = link_blocks(b, err);
    return status ? status : name_groups(b, err);
}

/* --- what is in no group ---------------------------------------------------------- */

static tn_status add_frozen(builder *b, size_t from, const tn__frozen_axis *axis,
                            tn_error *err)
{
    for (size_t k = from; k < b->groups.frozen_count; k++) {
        if (strcmp(b->groups.frozen[k].reason, axis->reason) == 0) {
            b->groups.frozen[k].cells++;
            return TN_OK;
        }
    }
    tn_status status = tn__grow(&b->groups.frozen, &b->frozen_capacity,
                                b->groups.frozen_count, sizeof *b->groups.frozen, err);
    if (!status)
        b->groups.frozen[b->groups.frozen_count++] = *axis;
    return status;
}

static tn_status list_frozen(builder *b, tn_error *err)
{
    for (size_t s = 0; s < b->cells.slot_count; s++) {
        size_t v = b->slot_value[s], from = b->groups.frozen_count;
        if (!is_learned_parameter(b, v) || is_blocks(b, s))
            continue;
        tn__frozen_axis axis = {.value = v, .cells = 1};
        axis.axis = (int)(s - b->cells.first_slot[v]);
        for (uint32_t c = b->cells.first_cell[s]; c < b->cells.first_cell[s + 1]; c++) {
            if (b->grouped[b->classes.of[c]])
                continue;
            uint32_t root = tn__cells_find(&b->cells, c);
            axis.reason = b->cells.reason[root];
            if (axis.reason && b->cells.size[root] == 1)
                continue; /* tied to nothing: a kernel tap, a row of a table */
            if (!axis.reason)
                axis.reason = "the only neuron of its kind";
            tn_status status = add_frozen(b, from, &axis, err);
            if (status)
                return status;
        }
    }
    return TN_OK;
}

static void release_builder(builder *b)
{
    for (size_t g = 0; g < b->groups.count; g++)
        release_group(&b->groups.list[g]);
    tn__free(b->groups.list);
    tn__free(b->groups.frozen);
    tn__free(b->groups.blocks);
    tn__free(b->groups.bundle);
    tn__free(b->groups.meetings);
    tn__free(b->slot_value);
    tn__free(b->use);
    tn__free(b->first_inner);
    tn__free(b->inner);
    tn__free(b->candidate);
    tn__free(b->grouped);
    tn__classes_release(&b->classes);
    tn__cells_release(&b->cells);
    tn__shapes_release(&b->shapes);
}

/* Groups and cells both know the blocks and bundles of values. */
static tn_status share_arrays(tn__groups *groups, const tn__cells *cells, tn_error *err)
{
    size_t values = cells->value_count;
    groups->value_count = values;
    groups->blocks = tn__alloc(values, sizeof *groups->blocks);
    groups->bundle = tn__alloc(values, sizeof *groups->bundle);
    if (!groups->blocks || !groups->bundle)
        return tn__fail_memory(err, values * sizeof *groups->blocks);
    memcpy(groups->blocks, cells->blocks, values * sizeof *groups->blocks);
    memcpy(groups->bundle, cells->bundle, values * sizeof *groups->bundle);
    return TN_OK;
}

tn_status tn__groups_trace(tn__groups **out, tn__cells *cells, tn__classes *classes,
                           const tn_model *model, tn_error *err)
{
    builder b = {.model = model};
    tn__groups *groups = tn__alloc(1, sizeof *groups);
    tn_status status = groups ? TN_OK : tn__fail_memory(err, sizeof *groups);
    if (status || (status = tn__shapes_infer(&b.shapes, model, 1, err)) != TN_OK ||
        (status = tn__cells_create(&b.cells, model, &b.shapes, err)) != TN_OK ||
        (status = tn__classes_create(&b.classes, &b.cells, &b.shapes, err)) != TN_OK ||
        (status = index_model(&b, err)) != TN_OK)
        goto done;
    if ((status = collect_candidates(&b, err)) != TN_OK ||
        (status = build_groups(&b, err)) != TN_OK ||
        (status = list_frozen(&b, err)) != TN_OK ||
        (status = share_arrays(&b.groups, &b.cells, err)) != TN_OK ||
        (status = tn__groups_index(&b.groups, model, err)) != TN_OK)
        goto done;
    *groups = b.groups;
    groups->shapes = b.shapes;
    *cells = b.cells;
    *classes = b.classes;
    b.groups = (tn__groups){0};
    b.shapes = (tn__shapes){0};
    b.cells = (tn__cells){0};
    b.classes = (tn__classes){0};
    *out = groups;
    groups = NULL;
done:
    release_builder(&b);
    tn__free(groups);
    return status;
}

tn_status tn__groups_find(tn__groups **out, const tn_model *model, tn_error *err)
{
    tn__cells cells = {0};
    tn__classes classes = {0};
    tn_status status = tn__groups_trace(out, &cells, &classes, model, err);
    tn__classes_release(&classes);
    tn__cells_release(&cells);
    return status;
}

void tn__groups_free(tn__groups *groups)
{
    if (!groups)
        return;
    for (size_t g = 0; g < groups->count; g++)
        release_group(&groups->list[g]);
    tn__free(groups->list);
    tn__free(groups->frozen);
    tn__free(groups->blocks);
    tn__free(groups->bundle);
    tn__free(groups->meetings);
    tn__shapes_release(&groups->shapes);
    tn__free(groups);
}
