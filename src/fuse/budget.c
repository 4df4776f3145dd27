/* budget.c - which neurons stay apart, for so many multiply-accumulates.
 *
 * With K parents and shares r_a, r_b of separate neurons in the groups before and
 * behind it, a layer of M multiply-accumulates has
 *
 *     M ((1 - r_b) (1 + (K - 1) r_a) + K r_b)
 *
 * that are not zero by construction (PLeaS, arXiv 2407.02447, for K = 2: (1 + r_a) (1 +
 * r_b) - 2 r_a r_b). Neurons are taken one by one: of each group's next worst that with
 * most loss for its cost, costs counted anew after each. PLeaS solves a non-convex
 * quadratic program over accuracies of one pair of networks instead.
 */
#include <math.h>
#include <stdlib.h>

#include "fuse/partial.h"

/* Of one layer: its cost, and how much of its axes belongs to each group. */
typedef struct layer {
    double macs;
    double *in, *out; /* [groups] */
} layer;

typedef struct candidate {
    double loss;
    size_t neuron;
} candidate;

typedef struct budget {
    const tn__fusion *fusion;
    const tn__groups *groups;
    layer *layers;
    size_t layer_count;
    double *shares;         /* memory of the layers' in and out */
    candidate **candidates; /* [groups][neurons], worst first */
    size_t *taken;          /* [groups] */
    double *ratio;          /* [groups]: taken over neurons */
    double copies;          /* K */
} budget;

static double layer_cost(const budget *b, const layer *l)
{
    double read = 1, apart = 0;
    for (size_t g = 0; g < b->groups->count; g++) {
        read += l->in[g] * (b->copies - 1) * b->ratio[g];
        apart += l->out[g] * b->ratio[g];
    }
    return l->macs * ((1 - apart) * read + b->copies * apart);
}

static double cost_of(const budget *b)
{
    double sum = 0;
    for (size_t i = 0; i < b->layer_count; i++)
        sum += layer_cost(b, &b->layers[i]);
    return sum;
}

/* What the next neuron of group g adds. */
static double next_cost(budget *b, size_t g)
{
    double before = b->ratio[g], more = 0;
    for (size_t i = 0; i < b->layer_count; i++) {
        const layer *l = &b->layers[i];
        if (l->in[g] == 0 && l->out[g] == 0)
            continue;
        more -= layer_cost(b, l);
        b->ratio[g] = (double)(b->taken[g] + 1) / (double)b->groups->list[g].neurons;
        more += layer_cost(b, l);
        b->ratio[g] = before;
    }
    return more;
}

/* --- what there is --- */

static void find_shares(layer *l, const budget *b, size_t weight)
{
    for (size_t g = 0; g < b->groups->count; g++) {
        const tn__group *group = &b->groups->list[g];
        for (size_t e = 0; e < group->entry_count; e++) {
            const tn__group_entry *entry = &group->entries[e];
            const tn__shape *shape = &b->groups->shapes.shape[weight];
            if (entry->value != weight || entry->axis >= shape->rank)
                continue;
            double share = (double)(group->neurons * entry->repeats) /
                           (double)shape->dims[entry->axis];
            (entry->role == TN__CONSUMER ? l->in : l->out)[g] += share;
        }
    }
}

/* The float parameter that node n multiplies by, or TN__NONE. */
static size_t weight_of(const tn_model *model, const tn__node *node)
{
    for (size_t k = 0; k < TN__MIN(node->input_count, 2); k++) {
        size_t v = node->inputs[k];
        if (v != TN__NONE && tn__value_is_parameter(&model->values[v]) &&
            model->values[v].parameter.shape.rank >= 2)
            return v;
    }
    return TN__NONE;
}

static tn_status find_layers(budget *b, tn_error *err)
{
    const tn_model *model = b->fusion->parents[b->fusion->reference].model;
    size_t groups = b->groups->count;
    tn__site_memory memory = {0};
    tn_status status = TN_OK;
    b->layers = tn__alloc(model->node_count, sizeof *b->layers);
    b->shares = tn__alloc(model->node_count, 2 * groups * sizeof *b->shares);
    if (!b->layers || !b->shares)
        return tn__fail_memory(err, model->node_count * 2 * groups * sizeof(double));
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        const tn__node *node = &model->nodes[n];
        const tn__op *op = tn__op_find(node->domain, node->type);
        size_t weight = op && op->macs ? weight_of(model, node) : TN__NONE;
        tn__site site;
        if (weight == TN__NONE)
            continue;
        status = tn__site_fill(&site, &memory, model, &b->groups->shapes, n, err);
        if (status != TN_OK)
            break;
        double *shares = b->shares + b->layer_count * 2 * groups;
        layer *l = &b->layers[b->layer_count++];
        *l = (layer){(double)op->macs(&site), shares, shares + groups};
        find_shares(l, b, weight);
    }
    tn__site_memory_release(&memory);
    return status;
}

static int compare_candidates(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    if (a->loss != b->loss)
        return a->loss > b->loss ? -1 : 1;
    return (a->neuron > b->neuron) - (a->neuron < b->neuron);
}

static tn_status find_candidates(budget *b, size_t g, const tn__mergers *mergers,
                                 tn_error *err)
{
    size_t n = b->groups->list[g].neurons;
    double *loss = tn__alloc(n, sizeof *loss);
    b->candidates[g] = tn__alloc(n, sizeof *b->candidates[g]);
    tn_status status = loss && b->candidates[g]
                           ? tn__mergers_loss(loss, mergers, g, err)
                           : tn__fail_memory(err, n * sizeof *loss);
    for (size_t j = 0; j < n && status == TN_OK; j++)
        b->candidates[g][j] = (candidate){loss[j], j};
    if (status == TN_OK)
        qsort(b->candidates[g], n, sizeof *b->candidates[g], compare_candidates);
    tn__free(loss);
    return status;
}

static void budget_release(budget *b)
{
    for (size_t g = 0; b->candidates && g < b->groups->count; g++)
        tn__free(b->candidates[g]);
    tn__free(b->candidates);
    tn__free(b->layers);
    tn__free(b->shares);
    tn__free(b->taken);
    tn__free(b->ratio);
}

static tn_status budget_create(budget *b, tn_error *err)
{
    size_t groups = b->groups->count;
    tn__mergers mergers = tn__mergers_of(b->fusion);
    b->candidates = tn__alloc(groups, sizeof *b->candidates);
    b->taken = tn__alloc(groups, sizeof *b->taken);
    b->ratio = tn__alloc(groups, sizeof *b->ratio);
    if (!b->candidates || !b->taken || !b->ratio)
        return tn__fail_memory(err, groups * sizeof *b->ratio);
    tn_status status = find_layers(b, err);
    for (size_t g = 0; g < groups && status == TN_OK; g++)
        status = find_candidates(b, g, &mergers, err);
    return status;
}

/* --- spending --- */

/* The group whose next neuron gives most for its cost among those that `left` pays for,
 * or TN__NONE. */
static size_t best_group(budget *b, double left)
{
    size_t best = TN__NONE;
    double most = -1;
    for (size_t g = 0; g < b->groups->count; g++) {
        if (b->taken[g] == b->groups->list[g].neurons)
            continue;
        double cost = next_cost(b, g), loss = b->candidates[g][b->taken[g]].loss;
        if (cost > left)
            continue;
        double worth = cost > 0 ? loss / cost : HUGE_VAL;
        if (worth > most) {
            most = worth;
            best = g;
        }
    }
    return best;
}

tn_status tn__budget_spend(bool *const *separate, const tn__fusion *fusion,
                           double width, tn_error *err)
{
    const tn__groups *groups = fusion->parents[fusion->reference].groups;
    budget b = {.fusion = fusion, .groups = groups, .copies = (double)fusion->count};
    tn_status status = budget_create(&b, err);
    double limit = status == TN_OK ? width * cost_of(&b) * (1 + 1e-9) : 0;
    while (status == TN_OK) {
        size_t g = best_group(&b, limit - cost_of(&b));
        if (g == TN__NONE)
            break;
        separate[g][b.candidates[g][b.taken[g]].neuron] = true;
        b.taken[g]++;
        b.ratio[g] = (double)b.taken[g] / (double)groups->list[g].neurons;
    }
    budget_release(&b);
    return status;
}
