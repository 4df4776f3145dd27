/* judge.c - for each group the way that the layers behind it miss least by.
 *
 * A refit fits what reads a group to the answers it gave before; from the neurons that
 * stay, from the means of clusters or from what Intra-Fusion makes of them. Each is
 * tried in the whole network, and what the readers of a group miss of their answers on
 * images held out says which it is to be there. The network of all these choices is one
 * more attempt, taken where it moves the outputs less.
 */
#include <string.h>

#include "prune/pruning.h"

/* What a group may be read from: itself, where nothing is mixed. */
static const tn_prune_method mixtures[] = {TN_PRUNE_FOLD, TN_PRUNE_INTRA_FUSION};

bool tn__node_reads(const tn__node *node, const tn__group *group)
{
    for (size_t e = 0; e < group->entry_count; e++)
        for (size_t k = 0; k < node->input_count; k++)
            if (group->entries[e].role == TN__CONSUMER &&
                node->inputs[k] == group->entries[e].value)
                return true;
    return false;
}

/* Sum over the fitted readers of the group; *readers is how many. */
static double missed_by(size_t *readers, const tn__attempt *a, const tn__pruning *p,
                        size_t group)
{
    double sum = 0;
    *readers = 0;
    for (size_t n = 0; n < p->model->node_count; n++)
        if (a->refitted.ways[n] != TN__LAYER_OTHER &&
            tn__node_reads(&p->model->nodes[n], &p->groups->list[group])) {
            sum += a->refitted.missed[n];
            ++*readers;
        }
    return sum;
}

/* Everything refitted, all groups by one mixture. */
static tn_status try_mixture(tn__attempt *out, tn_prune_method by,
                             tn_prune_repair repair, const tn__pruning *p,
                             const tn_observer *observer, tn_error *err)
{
    size_t groups = p->groups->count;
    tn__attempt a = {.method = TN_PRUNE_REFIT, .repair = repair};
    a.by = tn__alloc(groups, sizeof *a.by);
    tn_status status = a.by ? TN_OK : tn__fail_memory(err, groups * sizeof *a.by);
    for (size_t g = 0; a.by && g < groups; g++)
        a.by[g] = by;
    if (status == TN_OK)
        status = tn__prune_try_one(
            &a, p, by == TN_PRUNE_FOLD ? "refit, folded" : "refit, intra-fusion",
            observer, err);
    if (status == TN_OK)
        *out = a;
    else
        tn__attempt_release(&a, groups);
    return status;
}

/* to->kept and to->by of the trial that misses least for each group; the first trial is
 * the one that mixes nothing. *mixed: groups that do. */
static tn_status choose_groups(tn__attempt *to, size_t *mixed,
                               const tn__attempt *trials, size_t count,
                               const tn__pruning *p, tn_error *err)
{
    for (size_t g = 0; g < p->groups->count; g++) {
        size_t best = 0, readers = 0, neurons = p->groups->list[g].neurons;
        to->by[g] = TN_PRUNE_DELETE;
        if (!trials[0].kept[g])
            continue;
        double least = missed_by(&readers, &trials[0], p, g);
        for (size_t k = 1; k < count && readers > 0; k++) {
            double missed = missed_by(&readers, &trials[k], p, g);
            if (missed < least) {
                least = missed;
                best = k;
            }
        }
        to->kept[g] = tn__alloc(neurons, sizeof **to->kept);
        if (!to->kept[g])
            return tn__fail_memory(err, neurons);
        memcpy(to->kept[g], trials[best].kept[g], neurons * sizeof **to->kept);
        if (best > 0)
            to->by[g] = mixtures[best - 1];
        *mixed += best > 0;
    }
    return TN_OK;
}

/* *to, which is empty, becomes the attempt of the best trial for each group, if some
 * group mixes. */
static tn_status try_mixed(tn__attempt *to, const tn__attempt *trials, size_t count,
                           const tn__pruning *p, const tn_observer *observer,
                           tn_error *err)
{
    size_t groups = p->groups->count, mixed = 0;
    tn__attempt a = {.method = TN_PRUNE_REFIT, .repair = trials[0].repair};
    a.kept = tn__alloc(groups, sizeof *a.kept);
    a.by = tn__alloc(groups, sizeof *a.by);
    tn_status status =
        a.kept && a.by ? TN_OK : tn__fail_memory(err, groups * sizeof *a.kept);
    if (status == TN_OK)
        status = choose_groups(&a, &mixed, trials, count, p, err);
    if (status == TN_OK && mixed > 0)
        status = tn__prune_try_one(&a, p, "refit, by group", observer, err);
    if (status == TN_OK && mixed > 0)
        *to = a;
    else
        tn__attempt_release(&a, groups);
    return status;
}

tn_status tn__prune_judge(tn__attempt *refit, const tn__pruning *p,
                          const tn_observer *observer, tn_error *err)
{
    enum { MIXED = 1 + TN__COUNT(mixtures), COUNT };
    tn__attempt trials[COUNT] = {*refit};
    tn_status status = TN_OK;
    size_t best = 0;
    if (!refit->refitted.judged)
        return TN_OK;
    for (size_t k = 1; k < MIXED && status == TN_OK; k++)
        status =
            try_mixture(&trials[k], mixtures[k - 1], refit->repair, p, observer, err);
    if (status == TN_OK)
        status = try_mixed(&trials[MIXED], trials, MIXED, p, observer, err);
    for (size_t k = 1; k < COUNT && status == TN_OK; k++)
        if (trials[k].model && trials[k].error < trials[best].error)
            best = k;
    for (size_t k = 0; k < COUNT; k++)
        if (k != best)
            tn__attempt_release(&trials[k], p->groups->count);
    *refit = trials[best];
    return status;
}
