/* spread.c - how many neurons stay of each group: a plan's, even shares, or shares by
 * what the groups lose (importance.c) for what they save (allocate.c).
 */
#include "prune/pruning.h"

/* loss [n + 1] of a group by the scores of its neurons: recovery says what is lost with
 * a neuron and all that are worth less, others say it of each alone. */
static tn_status lose(double *loss, const double *score, size_t n, bool recovered,
                      bool share, tn_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += score[i];
    tn_status status =
        tn__prune_losses(loss, score, n, share ? sum : sum / (double)n, err);
    if (status == TN_OK && recovered)
        tn__prune_levels(loss, score, n);
    return status;
}

/* loss[g] of the groups that may lose neurons. */
static tn_status find_losses(double **loss, const bool *wanted, bool *recovered,
                             const tn__pruning *p, tn_error *err)
{
    bool by_error = p->options->allocate == TN_PRUNE_ALLOCATE_ERROR;
    tn_prune_importance by =
        by_error ? TN_PRUNE_IMPORTANCE_ERROR : p->options->importance;
    double **scores = NULL;
    if (by == TN_PRUNE_IMPORTANCE_AUTO)
        by = TN_PRUNE_IMPORTANCE_L1;
    tn_status status = tn__score_lists(&scores, recovered, p, wanted, by, err);
    for (size_t g = 0; g < p->groups->count && status == TN_OK; g++) {
        size_t n = p->groups->list[g].neurons;
        if (!wanted[g])
            continue;
        loss[g] = tn__alloc(n + 1, sizeof **loss);
        status = loss[g] ? lose(loss[g], scores[g], n, recovered[g], by_error, err)
                         : tn__fail_memory(err, n * sizeof **loss);
    }
    tn__score_lists_free(scores, p->groups->count);
    return status;
}

static tn_status order_removals(tn__removals *out, const tn__pruning *p,
                                const tn__sizing *how, tn_error *err)
{
    size_t count = p->groups->count;
    double **loss = tn__alloc(count, sizeof *loss);
    double *saving = tn__alloc(count, sizeof *saving);
    bool *wanted = tn__alloc(count, 2 * sizeof *wanted), *recovered = wanted + count;
    for (size_t g = 0; wanted && g < count; g++)
        wanted[g] = p->limits.least[g] < p->limits.most[g];
    tn_status status = loss && saving && wanted
                           ? find_losses(loss, wanted, recovered, p, err)
                           : tn__fail_memory(err, count * sizeof *saving);
    if (status == TN_OK && p->options->allocate == TN_PRUNE_ALLOCATE_ERROR)
        status = tn__prune_savings(saving, how, err);
    for (size_t g = 0; saving && g < count; g++)
        if (p->options->allocate == TN_PRUNE_ALLOCATE_RANK)
            saving[g] = 1;
    if (status == TN_OK)
        status = tn__prune_allocate(out, loss, saving, &p->limits, count, err);
    tn__score_lists_free(loss, count);
    tn__free(saving);
    tn__free(wanted);
    return status;
}

tn_status tn__prune_spread(tn__pruning *p, tn_error *err)
{
    const tn_prune_plan *plan = p->options->plan;
    tn__removals order = {0};
    tn__sizing how = {.model = p->model,
                      .groups = p->groups,
                      .limits = &p->limits,
                      .options = p->options};
    tn_status status = TN_OK;
    if (plan) {
        p->sparsity = plan->sparsity;
        return tn__plan_widths(p->left, plan, p->model, p->groups, err);
    }
    if (p->options->allocate != TN_PRUNE_ALLOCATE_EVEN) {
        status = order_removals(&order, p, &how, err);
        how.order = &order;
    }
    if (status == TN_OK)
        status = tn__prune_widths(p->left, &p->sparsity, &how, err);
    tn__removals_release(&order);
    return status;
}
