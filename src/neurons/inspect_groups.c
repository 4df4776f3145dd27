/* inspect_groups.c - the groups of a model for people and programs: the tensors of
 * each, by which nodes they are tied to the one that the group is named after, and what
 * is frozen, where and why.
 */
#include <string.h>

#include "neurons/chains.h"
#include "neurons/line.h"

/* A chain of more nodes is shown without its middle. */
enum { SHOWN_WHOLE = 7, SHOWN_OF_ENDS = 3 };

typedef struct listing {
    const tn_model *model;
    tn__groups *groups;
    tn__chains *chains;
    size_t *nodes; /* [nodes]: the chain at hand */
    size_t
        *shown; /* [shown_count]: that of the tensors named last, still to be shown */
    size_t shown_count;
    int role; /* of these tensors; -1: there are none */
} listing;

/* "conv.weight[1]"; axis `rank` is shown as the axis 1 that it stands for. */
static int shown_axis(const tn_model *model, size_t value, int axis)
{
    return axis < model->values[value].parameter.shape.rank ? axis : 1;
}

static bool is_parameter(const tn_model *model, const tn__group_entry *entry)
{
    return tn__value_is_parameter(&model->values[entry->value]);
}

/* The name of a node, or what it is where it has none. */
static const char *node_name(const tn_model *model, size_t n, char *text, size_t size)
{
    const char *name = model->nodes[n].name;
    return *name ? name : tn__node_label(model, n, text, size);
}

static tn_status add_chain(cJSON *to, const listing *l, size_t count, tn_error *err)
{
    cJSON *list = cJSON_AddArrayToObject(to, "chain");
    char label[TN__LABEL_TEXT];
    bool done = list != NULL;
    for (size_t k = 0; k < count && done; k++) {
        cJSON *name =
            cJSON_CreateString(node_name(l->model, l->nodes[k], label, sizeof label));
        done = name && cJSON_AddItemToArray(list, name);
        if (!done)
            cJSON_Delete(name);
    }
    return done ? TN_OK : tn__fail_memory(err, 64);
}

/* "  by conv1 > relu1 > ... 17 more ... > conv9" */
static void print_chain(tn__line *line, const listing *l, const size_t *nodes,
                        size_t count)
{
    char label[TN__LABEL_TEXT];
    for (size_t k = 0; k < count; k++) {
        fputs(k ? " > " : "  by ", line->stream);
        if (count > SHOWN_WHOLE && k == SHOWN_OF_ENDS) {
            fprintf(line->stream, "... %zu more ...",
                    count - (size_t)(2 * SHOWN_OF_ENDS));
            k = count - SHOWN_OF_ENDS - 1;
            continue;
        }
        fputs(node_name(l->model, nodes[k], label, sizeof label), line->stream);
    }
}

/* --- groups ----------------------------------------------------------------------- */

static const char *role_name(tn__role role)
{
    return role == TN__PRODUCER ? "producer"
                                : (role == TN__CONSUMER ? "consumer" : "carrier");
}

static void end_names(tn__line *line, listing *l)
{
    if (l->role >= 0)
        print_chain(line, l, l->shown, l->shown_count);
    l->role = -1;
}

/* Tensors of one role that are tied by the same nodes share a line of text. */
static void print_entry(tn__line *line, listing *l, const tn__group_entry *entry,
                        size_t count)
{
    static const char *const verbs[] = {
        [TN__PRODUCER] = "makes", [TN__CARRIER] = "carries", [TN__CONSUMER] = "reads"};
    bool same = l->role == (int)entry->role && l->shown_count == count &&
                memcmp(l->shown, l->nodes, count * sizeof *l->nodes) == 0;
    if (!same) {
        end_names(line, l);
        memcpy(l->shown, l->nodes, count * sizeof *l->nodes);
        l->shown_count = count;
        l->role = (int)entry->role;
        fprintf(line->stream, "\n      %-7s  ", verbs[entry->role]);
    }
    fprintf(line->stream, "%s%s[%d]", same ? ", " : "",
            l->model->values[entry->value].name,
            shown_axis(l->model, entry->value, entry->axis));
    if (entry->repeats > 1)
        fprintf(line->stream, " x %zu", entry->repeats);
}

static tn_status describe_entry(tn__line *line, cJSON *list, listing *l, size_t g,
                                size_t e, tn_error *err)
{
    const tn__group_entry *entry = &l->groups->list[g].entries[e];
    const char *name = l->model->values[entry->value].name;
    int axis = shown_axis(l->model, entry->value, entry->axis);
    bool linked;
    size_t count = tn__chains_to(&linked, l->chains, g, e, l->nodes);
    print_entry(line, l, entry, count);
    cJSON *object = cJSON_CreateObject();
    if (!object || !cJSON_AddItemToArray(list, object)) {
        cJSON_Delete(object);
        return tn__fail_memory(err, 64);
    }
    if (!cJSON_AddStringToObject(object, "tensor", name) ||
        !cJSON_AddNumberToObject(object, "axis", axis) ||
        !cJSON_AddBoolToObject(object, "blocked", axis != entry->axis) ||
        !cJSON_AddStringToObject(object, "role", role_name(entry->role)) ||
        !cJSON_AddNumberToObject(object, "repeats", (double)entry->repeats))
        return tn__fail_memory(err, 64);
    return add_chain(object, l, count, err);
}

/* Makers first, then carriers, then readers. */
static tn_status describe_entries(tn__line *line, cJSON *list, listing *l, size_t g,
                                  tn_error *err)
{
    static const tn__role order[] = {TN__PRODUCER, TN__CARRIER, TN__CONSUMER};
    const tn__group *group = &l->groups->list[g];
    tn_status status = TN_OK;
    tn__chains_from(l->chains, g);
    for (size_t r = 0; r < TN__COUNT(order); r++)
        for (size_t e = 0; e < group->entry_count && !status; e++)
            if (group->entries[e].role == order[r] &&
                is_parameter(l->model, &group->entries[e]))
                status = describe_entry(line, list, l, g, e, err);
    end_names(line, l);
    return status;
}

static tn_status describe_group(tn__line *line, listing *l, size_t g, tn_error *err)
{
    const tn__group *group = &l->groups->list[g];
    size_t activations = 0;
    for (size_t e = 0; e < group->entry_count; e++)
        activations += !is_parameter(l->model, &group->entries[e]);
    fprintf(line->stream, "%s  %zu neurons on %zu tensors and %zu activations",
            group->name, group->neurons, group->entry_count - activations, activations);
    if (group->blocks != TN__NONE)
        fprintf(line->stream, ", inside block %zu of %s", group->within,
                l->groups->list[group->blocks].name);
    tn_status status;
    if ((status = tn__line_text(line, "kind", "group", err)) != TN_OK ||
        (status = tn__line_text(line, "name", group->name, err)) != TN_OK ||
        (status = tn__line_number(line, "neurons", group->neurons, err)) != TN_OK ||
        (status = tn__line_number(line, "activations", activations, err)) != TN_OK)
        return status;
    if (group->blocks != TN__NONE &&
        ((status = tn__line_text(line, "blocks", l->groups->list[group->blocks].name,
                                 err)) != TN_OK ||
         (status = tn__line_number(line, "within", group->within, err)) != TN_OK))
        return status;
    cJSON *list = cJSON_AddArrayToObject(line->json, "tensors");
    return list ? describe_entries(line, list, l, g, err) : tn__fail_memory(err, 64);
}

/* --- what is frozen --------------------------------------------------------------- */

static tn_status describe_frozen(tn__line *line, const listing *l, size_t k,
                                 tn_error *err)
{
    const tn__frozen_axis *axis = &l->groups->frozen[k];
    const char *name = l->model->values[axis->value].name;
    int shown = shown_axis(l->model, axis->value, axis->axis);
    char label[TN__LABEL_TEXT];
    size_t value, node;
    size_t count = tn__chains_frozen(&value, &node, l->chains, k, l->nodes);
    const char *by =
        node == TN__NONE ? NULL : node_name(l->model, node, label, sizeof label);
    fprintf(line->stream, "%s  %zu frozen on axis %d: %s", name, axis->cells, shown,
            axis->reason);
    if (value != TN__NONE)
        fprintf(line->stream, " at %s", l->model->values[value].name);
    if (by)
        fprintf(line->stream, " of %s", by);
    print_chain(line, l, l->nodes, count);
    tn_status status;
    if ((status = tn__line_text(line, "kind", "frozen", err)) != TN_OK ||
        (status = tn__line_text(line, "tensor", name, err)) != TN_OK ||
        (status = tn__line_number(line, "axis", (uint64_t)shown, err)) != TN_OK ||
        (status = tn__line_number(line, "frozen", axis->cells, err)) != TN_OK ||
        (status = tn__line_text(line, "reason", axis->reason, err)) != TN_OK ||
        (value != TN__NONE &&
         (status = tn__line_text(line, "at", l->model->values[value].name, err)) !=
             TN_OK) ||
        (by && (status = tn__line_text(line, "of", by, err)) != TN_OK))
        return status;
    return add_chain(line->json, l, count, err);
}

/* --- the list --------------------------------------------------------------------- */

tn_status tn_model_list_groups(const tn_model *model, tn_line_callback *call,
                               void *user, tn_error *err)
{
    listing l = {.model = model, .role = -1};
    bool stop = false;
    tn_status status = tn__chains_create(&l.chains, &l.groups, model, err);
    if (status)
        goto done;
    l.nodes = tn__alloc(model->node_count, sizeof *l.nodes);
    l.shown = tn__alloc(model->node_count, sizeof *l.shown);
    if (!l.nodes || !l.shown) {
        status = tn__fail_memory(err, model->node_count * sizeof *l.nodes);
        goto done;
    }
    size_t lines = l.groups->count + l.groups->frozen_count;
    for (size_t i = 0; i < lines && !stop && !status; i++) {
        tn__line line;
        status = tn__line_begin(&line, err);
        if (!status && i < l.groups->count)
            status = describe_group(&line, &l, i, err);
        else if (!status)
            status = describe_frozen(&line, &l, i - l.groups->count, err);
        status = tn__line_end(&line, status, &stop, call, user, err);
    }
done:
    tn__free(l.nodes);
    tn__free(l.shown);
    tn__chains_free(l.chains);
    tn__groups_free(l.groups);
    return status;
}
