/* widths.c - how many neurons of each group stay.
 *
 * Every chosen group loses the same share, or groups lose neurons in a given order; in
 * each block (heads, groups of a convolution) as many are left.
 * Where a budget is given, the share is raised, by bisection, until it holds;
 * parameters and multiply-accumulates by the graph alone, latency by measurement: what
 * is found then is of this machine and this moment.
 */
#include <math.h>
#include <string.h>

#include "neurons/resize_groups.h"
#include "prune/prune.h"
#include "tenon/eval.h"

#define SPARSITY_MAX 0.98
#define BISECTIONS 12
#define TIMED_BISECTIONS 7
#define TIMED_RUNS 7
#define TIMED_ROUNDS 2 /* the quicker one counts: what else runs only slows */
#define ROUND_AUTO 8   /* see docs/results/intrafusion.md */
#define ROUND_AUTO_FROM 64

/* Up to a multiple of round_to, where 0 is 8 for groups that keep 64 or more. */
static size_t rounded(size_t left, size_t round_to)
{
    if (round_to == 0)
        round_to = left >= ROUND_AUTO_FROM ? ROUND_AUTO : 1;
    return (left + round_to - 1) / round_to * round_to;
}

/* floor(n (1 - s)) as the reference has it. */
static void set_even(size_t *left, const tn__sizing *how, double sparsity)
{
    for (size_t g = 0; g < how->groups->count; g++) {
        size_t neurons = how->groups->list[g].neurons;
        left[g] = (size_t)floor((double)neurons * (1 - sparsity) + 1e-9);
    }
}

static void set_ordered(size_t *left, const tn__sizing *how, double sparsity)
{
    size_t total = 0, gone = 0;
    for (size_t g = 0; g < how->groups->count; g++) {
        left[g] = how->limits->most[g];
        if (how->limits->chosen[g]) {
            total += how->groups->list[g].neurons;
            gone += how->groups->list[g].neurons - left[g];
        }
    }
    size_t goal = (size_t)floor(sparsity * (double)total + 1e-9);
    for (size_t i = 0; i < how->order->count && gone < goal; i++, gone++)
        left[how->order->group[i]]--;
}

size_t tn__sibling(const tn__groups *groups, size_t group, size_t block)
{
    const tn__group *g = &groups->list[group];
    if (g->blocks == TN__NONE)
        return group;
    const tn__group *blocks = &groups->list[g->blocks];
    return blocks->inner[block * blocks->kinds + g->kind];
}

size_t tn__siblings(const tn__groups *groups, size_t group)
{
    size_t blocks = groups->list[group].blocks;
    return blocks == TN__NONE ? 1 : groups->list[blocks].neurons;
}

/* Groups of one kind inside blocks keep as many: their mean, within all their limits.
 */
static void set_level(size_t *left, const tn__sizing *how, size_t group)
{
    const tn__limits *limits = how->limits;
    size_t count = tn__siblings(how->groups, group), sum = 0, least = 0;
    size_t most = SIZE_MAX;
    for (size_t k = 0; k < count; k++) {
        size_t g = tn__sibling(how->groups, group, k);
        sum += left[g];
        least = TN__MAX(least, limits->least[g]);
        most = TN__MIN(most, limits->most[g]);
    }
    size_t level = (sum + count / 2) / count;
    if (least < most)
        level = rounded(level, how->options->round_to);
    level = TN__MIN(TN__MAX(level, least), most);
    for (size_t k = 0; k < count; k++)
        left[tn__sibling(how->groups, group, k)] = level;
}

static void set_widths(size_t *left, const tn__sizing *how, double sparsity)
{
    if (how->order)
        set_ordered(left, how, sparsity);
    else
        set_even(left, how, sparsity);
    for (size_t g = 0; g < how->groups->count; g++) {
        size_t least = how->limits->least[g], most = how->limits->most[g];
        left[g] = TN__MAX(left[g], least);
        if (least < most)
            left[g] = rounded(left[g], how->options->round_to);
        left[g] = TN__MIN(left[g], most);
    }
    for (size_t g = 0; g < how->groups->count; g++)
        if (how->groups->list[g].blocks != TN__NONE && how->groups->list[g].within == 0)
            set_level(left, how, g);
}

tn_status tn__widths_cost(tn_model **out, tn_model_info *info, const size_t *left,
                          const tn_model *model, const tn__groups *groups,
                          tn_error *err)
{
    tn_model *graph = NULL;
    bool **kept = tn__alloc(groups->count, sizeof *kept);
    tn_status status = kept ? TN_OK : tn__fail_memory(err, groups->count);
    for (size_t g = 0; g < groups->count && status == TN_OK; g++) {
        if (left[g] == groups->list[g].neurons)
            continue;
        kept[g] = tn__alloc(groups->list[g].neurons, sizeof **kept);
        if (!kept[g])
            status = tn__fail_memory(err, groups->list[g].neurons);
        for (size_t j = 0; kept[g] && j < left[g]; j++)
            kept[g][j] = true;
    }
    if (status == TN_OK)
        status = tn__resize(&graph, model, groups, (const uint8_t *const *)kept, err);
    if (status == TN_OK)
        status = tn_model_info_get(info, graph, err);
    if (status == TN_OK && out) {
        *out = graph;
        graph = NULL;
    }
    for (size_t g = 0; kept && g < groups->count; g++)
        tn__free(kept[g]);
    tn__free(kept);
    tn_model_free(graph);
    return status;
}

static tn_status is_quick(bool *out, const tn_model *graph,
                          const tn_prune_options *options, tn_error *err)
{
    tn_status status = TN_OK;
    *out = options->max_latency <= 0;
    for (int k = 0; k < TIMED_ROUNDS && !*out && status == TN_OK; k++) {
        double seconds = 0;
        status = tn_latency(&seconds, graph, 1, TIMED_RUNS, err);
        *out = status == TN_OK && 1e3 * seconds <= options->max_latency;
    }
    return status;
}

/* Whether the graph with these widths is within the budgets. */
static tn_status fits(bool *out, const tn__sizing *how, const size_t *left,
                      tn_error *err)
{
    const tn_prune_options *options = how->options;
    tn_model *graph = NULL;
    tn_model_info info;
    tn_status status =
        tn__widths_cost(&graph, &info, left, how->model, how->groups, err);
    if (status == TN_OK)
        *out = (!options->max_params || info.parameters <= options->max_params) &&
               (!options->max_macs || info.macs <= options->max_macs);
    if (status == TN_OK && *out)
        status = is_quick(out, graph, options, err);
    tn_model_free(graph);
    return status;
}

/* The smallest sparsity that fits, to 1 / 2^BISECTIONS. */
static tn_status meet_budget(double *sparsity, size_t *left, const tn__sizing *how,
                             tn_error *err)
{
    int rounds = how->options->max_latency > 0 ? TIMED_BISECTIONS : BISECTIONS;
    double low = *sparsity, high = SPARSITY_MAX;
    bool fit = false;
    tn_status status = fits(&fit, how, left, err);
    if (status != TN_OK || fit)
        return status;
    set_widths(left, how, high);
    status = fits(&fit, how, left, err);
    if (status == TN_OK && !fit)
        status =
            tn__fail(err, TN_ERROR_ARGUMENT,
                     "the budget is out of reach: even with all removed that these "
                     "groups may lose the network is above it");
    for (int k = 0; k < rounds && status == TN_OK; k++) {
        double middle = (low + high) / 2;
        set_widths(left, how, middle);
        status = fits(&fit, how, left, err);
        *(fit ? &high : &low) = middle;
    }
    set_widths(left, how, high);
    *sparsity = high;
    return status;
}

tn_status tn__prune_widths(size_t *left, double *sparsity, const tn__sizing *how,
                           tn_error *err)
{
    const tn_prune_options *options = how->options;
    tn_status status = TN_OK;
    *sparsity = options->sparsity;
    set_widths(left, how, options->sparsity);
    if (options->max_params || options->max_macs || options->max_latency > 0)
        status = meet_budget(sparsity, left, how, err);
    return status;
}
