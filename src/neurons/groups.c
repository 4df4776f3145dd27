/* groups.c - from classes of cells to groups of neurons.
 *
 * Classes that are not frozen and touch a parameter are sorted by signature; two or
 * more of one signature are a group. Order and names follow the node that first makes
 * the neurons, so that graphs of the same structure and other widths have the same
 * groups in the same order.
 */
#include "neurons/groups.h"

#include <stdlib.h>
#include <string.h>

#include "neurons/cells.h"
#include "neurons/signature.h"

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
    uint32_t *candidate; /* classes, by signature */
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

static bool touches_parameter(const builder *b, size_t class)
{
    for (size_t i = b->classes.first[class]; i < b->classes.first[class + 1]; i++)
        if (is_learned_parameter(b, b->slot_value[b->classes.slot[b->classes.cell[i]]]))
            return true;
    return false;
}

static int compare_candidates(const void *x, const void *y, void *user)
{
    const tn__classes *classes = user;
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    int order = tn__signature_compare(&classes->signature[a], &classes->signature[b]);
    return order ? order : (a > b) - (a < b);
}

static void collect_candidates(builder *b)
{
    for (size_t k = 0; k < b->classes.count; k++) {
        uint32_t cell = b->classes.cell[b->classes.first[k]];
        if (!tn__cells_reason(&b->cells, cell) && touches_parameter(b, k))
            b->candidate[b->candidate_count++] = (uint32_t)k;
    }
    qsort_r(b->candidate, b->candidate_count, sizeof *b->candidate, compare_candidates,
            &b->classes);
}

/* --- one group -------------------------------------------------------------------- */

static void release_group(tn__group *group)
{
    for (size_t e = 0; e < group->entry_count; e++)
        tn__free(group->entries[e].index);
    tn__free(group->entries);
    tn__free(group->name);
    *group = (tn__group){0};
}

/* Index of the class's cells on the entry's slot, which begin at its i-th cell. */
static tn_status fill_entry(tn__group_entry *entry, const builder *b,
                            const uint32_t *members, size_t neurons, size_t i,
                            size_t repeats, tn_error *err)
{
    const tn__classes *classes = &b->classes;
    size_t slot = classes->slot[classes->cell[classes->first[members[0]] + i]];
    size_t value = b->slot_value[slot], count;
    *entry = (tn__group_entry){.value = value,
                               .axis = (int)(slot - b->cells.first_slot[value]),
                               .role = b->cells.role[slot],
                               .repeats = repeats};
    if (!tn__mul(&count, neurons, repeats))
        return tn__fail_memory(err, SIZE_MAX);
    entry->index = tn__alloc(count, sizeof *entry->index);
    if (!entry->index)
        return tn__fail_memory(err, count * sizeof *entry->index);
    for (size_t k = 0; k < neurons; k++)
        for (size_t p = 0; p < repeats; p++)
            entry->index[k * repeats + p] =
                classes->cell[classes->first[members[k]] + i + p] -
                b->cells.first_cell[slot];
    return TN_OK;
}

static tn_status fill_group(tn__group *group, const builder *b, const uint32_t *members,
                            size_t neurons, tn_error *err)
{
    const tn__classes *classes = &b->classes;
    const uint32_t *cell = &classes->cell[classes->first[members[0]]];
    size_t count = classes->first[members[0] + 1] - classes->first[members[0]];
    size_t entries = 0, next = 0;
    for (size_t i = 0; i < count; i++)
        entries += classes->place[cell[i]] == 0;
    group->neurons = neurons;
    group->entries = tn__alloc(entries, sizeof *group->entries);
    if (!group->entries)
        return tn__fail_memory(err, entries * sizeof *group->entries);
    for (size_t i = 0; i < count; i = next) {
        next = i + 1;
        while (next < count && classes->place[cell[next]] != 0)
            next++;
        tn_status status = fill_entry(&group->entries[group->entry_count++], b, members,
                                      neurons, i, next - i, err);
        if (status)
            return status;
    }
    return TN_OK;
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
typedef struct by_index {
    uint32_t index, neuron;
} by_index;

static int compare_index(const void *x, const void *y)
{
    const by_index *a = x, *b = y;
    return (a->index > b->index) - (a->index < b->index);
}

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
    tn__free(order);
    return status;
}

static tn_status add_group(builder *b, const uint32_t *members, size_t neurons,
                           tn_error *err)
{
    tn__group group = {0};
    tn_status status = tn__grow(&b->groups.list, &b->group_capacity, b->groups.count,
                                sizeof *b->groups.list, err);
    if (status || (status = fill_group(&group, b, members, neurons, err)) != TN_OK ||
        (status = sort_neurons(&group, leading_entry(b, &group), err)) != TN_OK)
        goto done;
    for (size_t i = 0; i < neurons; i++)
        b->grouped[members[i]] = true;
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
    const tn__group_entry *p = &g->entries[leading_entry(b, g)];
    const tn__group_entry *q = &h->entries[leading_entry(b, h)];
    first_use u = b->use[p->value], v = b->use[q->value];
    if (u.node != v.node)
        return u.node < v.node ? -1 : 1;
    if (u.input != v.input)
        return u.input < v.input ? -1 : 1;
    if (p->axis != q->axis)
        return p->axis < q->axis ? -1 : 1;
    return p->index[0] < q->index[0] ? -1 : p->index[0] > q->index[0];
}

/* Several groups may be made by one parameter (blocks of a grouped convolution): from
 * the second on they are called "name:2" and so on. */
static tn_status name_groups(builder *b, tn_error *err)
{
    size_t same = 1, last = TN__NONE;
    for (size_t g = 0; g < b->groups.count; g++) {
        tn__group *group = &b->groups.list[g];
        size_t value = group->entries[leading_entry(b, group)].value;
        const char *name = b->model->values[value].name;
        same = value == last ? same + 1 : 1;
        last = value;
        group->name = same == 1 ? tn__strdup(name) : tn__format("%s:%zu", name, same);
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
               tn__classes_alike(&b->classes, members[0], b->candidate[next]))
            next++;
        tn_status status = next - i < 2 ? TN_OK : add_group(b, members, next - i, err);
        if (status)
            return status;
    }
    if (b->groups.count > 1)
        qsort_r(b->groups.list, b->groups.count, sizeof *b->groups.list, compare_groups,
                b);
    return name_groups(b, err);
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
        if (!is_learned_parameter(b, v))
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
    tn__free(b->slot_value);
    tn__free(b->use);
    tn__free(b->candidate);
    tn__free(b->grouped);
    tn__classes_release(&b->classes);
    tn__cells_release(&b->cells);
    tn__shapes_release(&b->shapes);
}

tn_status tn__groups_find(tn__groups **out, const tn_model *model, tn_error *err)
{
    builder b = {.model = model};
    tn__groups *groups = tn__alloc(1, sizeof *groups);
    tn_status status = groups ? TN_OK : tn__fail_memory(err, sizeof *groups);
    if (status || (status = tn__shapes_infer(&b.shapes, model, 1, err)) != TN_OK ||
        (status = tn__cells_create(&b.cells, model, &b.shapes, err)) != TN_OK ||
        (status = tn__classes_create(&b.classes, &b.cells, model, &b.shapes, err)) !=
            TN_OK ||
        (status = index_model(&b, err)) != TN_OK)
        goto done;
    collect_candidates(&b);
    if ((status = build_groups(&b, err)) != TN_OK ||
        (status = list_frozen(&b, err)) != TN_OK)
        goto done;
    *groups = b.groups;
    groups->shapes = b.shapes;
    groups->value_count = model->value_count;
    groups->blocks = b.cells.blocks;
    b.groups = (tn__groups){0};
    b.shapes = (tn__shapes){0};
    b.cells.blocks = NULL;
    *out = groups;
    groups = NULL;
done:
    release_builder(&b);
    tn__free(groups);
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
    tn__shapes_release(&groups->shapes);
    tn__free(groups);
}
