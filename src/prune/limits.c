/* limits.c - which groups may lose neurons, and how many of each stay at least and at
 * most. Names of groups and nodes come from the options. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prune/prune.h"

#define LEFT_MIN 2         /* a group is of two neurons or more */
#define UNEVEN_SHARE 0.125 /* stays of each group at least, where shares are uneven */

/* Whether an addition of two activations lies on the group: a residual stream. */
static bool on_stream(const tn_model *model, const tn__group *group)
{
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        if (strcmp(node->type, "Add") || node->input_count != 2 ||
            tn__value_is_parameter(&model->values[node->inputs[0]]) ||
            tn__value_is_parameter(&model->values[node->inputs[1]]))
            continue;
        for (size_t e = 0; e < group->entry_count; e++)
            if (group->entries[e].value == node->outputs[0])
                return true;
    }
    return false;
}

/* The group called text[0..length), or TN__NONE. */
static size_t find_group(const tn__groups *groups, const char *text, size_t length)
{
    for (size_t g = 0; g < groups->count; g++)
        if (strlen(groups->list[g].name) == length &&
            !strncmp(groups->list[g].name, text, length))
            return g;
    return TN__NONE;
}

static tn_status no_such(const char *what, const char *name, size_t length,
                         tn_error *err)
{
    return tn__fail(err, TN_ERROR_ARGUMENT, "no %s is called '%.*s'", what,
                    (int)TN__MIN(length, 200), name);
}

/* The next of "a,b,c": its length, and *names behind it. */
static size_t next_name(const char **names)
{
    size_t length = strcspn(*names, ",");
    *names += length + ((*names)[length] == ',');
    return length;
}

/* Blocks (heads) that hold groups lose what is inside, not themselves, unless named. */
static tn_status choose(bool *chosen, const tn_model *model, const tn__groups *groups,
                        const char *names, tn_error *err)
{
    bool all = !names || !strcmp(names, "all");
    if (all || !strcmp(names, "inner")) {
        for (size_t g = 0; g < groups->count; g++)
            chosen[g] =
                !groups->list[g].kinds && (all || !on_stream(model, &groups->list[g]));
        return TN_OK;
    }
    while (*names) {
        const char *name = names;
        size_t length = next_name(&names), g = find_group(groups, name, length);
        if (g == TN__NONE)
            return no_such("group", name, length, err);
        chosen[g] = true;
    }
    return TN_OK;
}

/* Takes the groups out that lie on what a node gives. */
static void spare(bool *chosen, const tn__groups *groups, const tn__node *node)
{
    for (size_t g = 0; g < groups->count; g++)
        for (size_t e = 0; e < groups->list[g].entry_count; e++)
            for (size_t k = 0; k < node->output_count; k++)
                if (groups->list[g].entries[e].value == node->outputs[k])
                    chosen[g] = false;
}

static tn_status exclude(bool *chosen, const tn_model *model, const tn__groups *groups,
                         const char *names, tn_error *err)
{
    while (names && *names) {
        const char *name = names;
        size_t length = next_name(&names);
        bool found = false;
        for (size_t n = 0; n < model->node_count; n++) {
            const tn__node *node = &model->nodes[n];
            if (strlen(node->name) != length || strncmp(node->name, name, length))
                continue;
            found = true;
            spare(chosen, groups, node);
        }
        if (!found)
            return no_such("node", name, length, err);
    }
    return TN_OK;
}

/* "NAME=N,NAME=N": so many stay, whatever else is asked. */
static tn_status fix(tn__limits *limits, const tn__groups *groups, const char *names,
                     tn_error *err)
{
    while (names && *names) {
        const char *name = names, *sign = NULL;
        size_t length = next_name(&names);
        for (size_t k = 0; k < length; k++)
            sign = name[k] == '=' ? name + k : sign;
        if (!sign)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "keep has '%.*s', expected NAME=N of a group",
                            (int)TN__MIN(length, 200), name);
        size_t g = find_group(groups, name, (size_t)(sign - name));
        if (g == TN__NONE)
            return no_such("group", name, (size_t)(sign - name), err);
        char *end = NULL;
        unsigned long long left = strtoull(sign + 1, &end, 10);
        size_t neurons = groups->list[g].neurons;
        if (end != name + length || end == sign + 1 || left < LEFT_MIN ||
            left > neurons)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "keep has '%.*s', expected %d to %zu neurons",
                            (int)TN__MIN(length, 200), name, LEFT_MIN, neurons);
        limits->chosen[g] = true;
        limits->least[g] = limits->most[g] = (size_t)left;
    }
    return TN_OK;
}

static void set_bounds(tn__limits *limits, const tn__groups *groups,
                       const tn_prune_options *options)
{
    double share = options->min_share;
    if (share <= 0 && options->allocate != TN_PRUNE_ALLOCATE_EVEN)
        share = UNEVEN_SHARE;
    for (size_t g = 0; g < groups->count; g++) {
        size_t neurons = groups->list[g].neurons;
        size_t least = (size_t)ceil(share * (double)neurons - 1e-9);
        limits->most[g] = neurons;
        limits->least[g] = limits->chosen[g] ? TN__MAX(least, LEFT_MIN) : neurons;
    }
}

tn_status tn__limits_create(tn__limits *out, const tn_model *model,
                            const tn__groups *groups, const tn_prune_options *options,
                            tn_error *err)
{
    tn__limits made = {.chosen = tn__alloc(groups->count, sizeof *made.chosen),
                       .least = tn__alloc(groups->count, sizeof *made.least),
                       .most = tn__alloc(groups->count, sizeof *made.most)};
    tn_status status = made.chosen && made.least && made.most
                           ? TN_OK
                           : tn__fail_memory(err, groups->count * sizeof *made.least);
    if (status == TN_OK)
        status = choose(made.chosen, model, groups, options->groups, err);
    if (status == TN_OK)
        status = exclude(made.chosen, model, groups, options->exclude, err);
    if (status == TN_OK) {
        set_bounds(&made, groups, options);
        status = fix(&made, groups, options->keep, err);
    }
    if (status == TN_OK)
        *out = made;
    else
        tn__limits_release(&made);
    return status;
}

void tn__limits_release(tn__limits *limits)
{
    tn__free(limits->chosen);
    tn__free(limits->least);
    tn__free(limits->most);
    *limits = (tn__limits){0};
}
