/* widths.c - which groups lose neurons, and how many.
 *
 * Every chosen group loses the same share. Where a budget is given, the share is
 * raised, by bisection on the cost of the graph alone, until it holds.
 */
#include <math.h>
#include <string.h>

#include "neurons/resize_groups.h"
#include "prune/prune.h"

#define SPARSITY_MAX 0.98
#define BISECTIONS 12
#define LEFT_MIN 2 /* a group is of two neurons or more */

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

/* Marks the group called text[0..length). */
static bool mark_name(bool *chosen, const tn__groups *groups, const char *text,
                      size_t length)
{
    for (size_t g = 0; g < groups->count; g++)
        if (strlen(groups->list[g].name) == length &&
            !strncmp(groups->list[g].name, text, length))
            return chosen[g] = true;
    return false;
}

static tn_status choose(bool *chosen, const tn_model *model, const tn__groups *groups,
                        const char *names, tn_error *err)
{
    bool all = !names || !strcmp(names, "all");
    if (all || !strcmp(names, "inner")) {
        for (size_t g = 0; g < groups->count; g++)
            chosen[g] = all || !on_stream(model, &groups->list[g]);
        return TN_OK;
    }
    while (*names) {
        size_t length = strcspn(names, ",");
        if (!mark_name(chosen, groups, names, length))
            return tn__fail(err, TN_ERROR_ARGUMENT, "no group is called '%.*s'",
                            (int)TN__MIN(length, 200), names);
        names += length + (names[length] == ',');
    }
    return TN_OK;
}

/* floor(n (1 - s)) as the reference has it, up to a multiple of `round_to`. */
static size_t width_of(size_t neurons, double sparsity, size_t round_to)
{
    size_t left = (size_t)floor((double)neurons * (1 - sparsity) + 1e-9);
    left = TN__MAX(left, LEFT_MIN);
    if (round_to > 1)
        left = (left + round_to - 1) / round_to * round_to;
    return TN__MIN(left, neurons);
}

static void set_widths(size_t *left, const tn__groups *groups, const bool *chosen,
                       double sparsity, size_t round_to)
{
    for (size_t g = 0; g < groups->count; g++) {
        size_t neurons = groups->list[g].neurons;
        left[g] = chosen[g] ? width_of(neurons, sparsity, round_to) : neurons;
    }
}

/* Whether the graph with these widths is within the budgets. */
static tn_status fits(bool *out, const tn_model *model, const tn__groups *groups,
                      const size_t *left, const tn_prune_options *options,
                      tn_error *err)
{
    tn_model *graph = NULL;
    tn_model_info info;
    bool **kept = tn__alloc(groups->count, sizeof *kept);
    tn_status status = kept ? TN_OK : tn__fail_memory(err, groups->count);
    for (size_t g = 0; g < groups->count && status == TN_OK; g++) {
        kept[g] = tn__alloc(groups->list[g].neurons, sizeof **kept);
        if (!kept[g])
            status = tn__fail_memory(err, groups->list[g].neurons);
        for (size_t j = 0; kept[g] && j < left[g]; j++)
            kept[g][j] = true;
    }
    if (status == TN_OK)
        status = tn__resize(&graph, model, groups, (const uint8_t *const *)kept, err);
    if (status == TN_OK)
        status = tn_model_info_get(&info, graph, err);
    if (status == TN_OK)
        *out = (!options->max_params || info.parameters <= options->max_params) &&
               (!options->max_macs || info.macs <= options->max_macs);
    for (size_t g = 0; kept && g < groups->count; g++)
        tn__free(kept[g]);
    tn__free(kept);
    tn_model_free(graph);
    return status;
}

/* The smallest sparsity, to 1 / 2^BISECTIONS, that fits. */
static tn_status meet_budget(double *sparsity, size_t *left, const bool *chosen,
                             const tn_model *model, const tn__groups *groups,
                             const tn_prune_options *options, tn_error *err)
{
    double low = *sparsity, high = SPARSITY_MAX;
    bool fit = false;
    tn_status status = fits(&fit, model, groups, left, options, err);
    if (status != TN_OK || fit)
        return status;
    set_widths(left, groups, chosen, high, options->round_to);
    status = fits(&fit, model, groups, left, options, err);
    if (status == TN_OK && !fit)
        status = tn__fail(err, TN_ERROR_ARGUMENT,
                          "the budget is out of reach: even with %.0f %% of these "
                          "neurons removed the network is above it",
                          100 * SPARSITY_MAX);
    for (int k = 0; k < BISECTIONS && status == TN_OK; k++) {
        double middle = (low + high) / 2;
        set_widths(left, groups, chosen, middle, options->round_to);
        status = fits(&fit, model, groups, left, options, err);
        *(fit ? &high : &low) = middle;
    }
    set_widths(left, groups, chosen, high, options->round_to);
    *sparsity = high;
    return status;
}

tn_status tn__prune_widths(size_t *left, double *sparsity, const tn_model *model,
                           const tn__groups *groups, const tn_prune_options *options,
                           tn_error *err)
{
    bool *chosen = tn__alloc(groups->count, sizeof *chosen);
    if (!chosen)
        return tn__fail_memory(err, groups->count);
    *sparsity = options->sparsity;
    tn_status status = choose(chosen, model, groups, options->groups, err);
    if (status == TN_OK) {
        set_widths(left, groups, chosen, options->sparsity, options->round_to);
        if (options->max_params || options->max_macs)
            status = meet_budget(sparsity, left, chosen, model, groups, options, err);
    }
    tn__free(chosen);
    return status;
}
