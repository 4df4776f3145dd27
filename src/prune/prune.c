/* prune.c - the order in which a network is pruned.
 *
 * Options, groups, limits and widths (spread.c); images and folded batch norms where
 * they are wanted; then the way that is asked for, or the best (ways.c); then the
 * report (account.c).
 */
#include <math.h>

#include "fuse/recalibrate.h"
#include "neurons/shuffles.h"
#include "prune/pruning.h"

static tn_status check_options(const tn_prune_options *options, tn_error *err)
{
    if (!(options->sparsity >= 0 && options->sparsity < 1))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "sparsity is %g, expected 0 or more and less than 1",
                        options->sparsity);
    if (options->samples == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "samples is 0, expected at least 1");
    if (!(options->min_share >= 0 && options->min_share <= 1) ||
        !(options->max_latency >= 0))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "min_share is %g and max_latency %g, expected a share and "
                        "milliseconds",
                        options->min_share, options->max_latency);
    if (options->compat && options->method != TN_PRUNE_INTRA_FUSION)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "compat wants the method to be intra-fusion");
    if (options->repair == TN_PRUNE_REPAIR_DATA_FREE &&
        !tn__method_mixes(options->method))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "repair without data puts back what mixing takes from the "
                        "variance: it wants the method to be fold, nearest or "
                        "intra-fusion");
    return TN_OK;
}

/* *out: `options`, or what a plan puts in their place. */
static tn_status take_options(tn_prune_options *out, const tn_prune_options *options,
                              const tn_dataset *data, tn_error *err)
{
    static const tn_prune_options defaults = TN_PRUNE_OPTIONS_INIT;
    *out = options ? *options : defaults;
    const tn_prune_plan *plan = out->plan;
    if (!plan)
        return check_options(out, err);
    if (plan->images > 0 && !plan->synthetic && !data)
        return tn__fail(err, TN_ERROR_ARGUMENT, "the plan wants its images again%s%s",
                        plan->data ? ": " : "", plan->data ? plan->data : "");
    out->method = plan->method;
    out->importance = TN_PRUNE_IMPORTANCE_L1;
    out->repair = plan->repair;
    out->compat = plan->compat;
    out->seed = plan->seed;
    out->samples = plan->images;
    return TN_OK;
}

static bool asks_for_less(const tn_prune_options *options)
{
    return options->sparsity > 0 || options->max_params || options->max_macs ||
           options->max_latency > 0 || options->keep;
}

static bool nothing_to_do(const tn__pruning *p)
{
    for (size_t g = 0; g < p->groups->count; g++)
        if (p->left[g] < p->groups->list[g].neurons)
            return false;
    return true;
}

static bool wants_images(const tn_prune_options *options)
{
    return !options->compat &&
           (options->method == TN_PRUNE_AUTO || options->method == TN_PRUNE_REFIT ||
            tn__importance_wants_images(options->importance) ||
            options->allocate == TN_PRUNE_ALLOCATE_ERROR ||
            options->repair != TN_PRUNE_REPAIR_NONE);
}

static tn_status take_images(tn__pruning *p, const tn_dataset *data, tn_error *err)
{
    if (data)
        return tn__prune_draw(p, data, err);
    p->synthetic = true;
    p->image_count = p->options->samples;
    return tn__leaves_create(&p->images, p->image_count,
                             &p->groups->shapes.shape[p->model->inputs[0]],
                             p->options->seed, err);
}

static tn_status prepare(tn__pruning *p, const tn_dataset *data, tn_error *err)
{
    const tn_prune_options *options = p->options;
    tn__fold_kind kind = options->compat ? TN__FOLD_COMPAT : TN__FOLD_ALL;
    tn_status status = tn__norms_fold(&p->folded, p->model, kind, err);
    if (status == TN_OK)
        status = tn__groups_find(&p->folded_groups, p->folded, err);
    if (status == TN_OK && p->folded_groups->count != p->groups->count)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "the groups are others once batch norms are folded");
    if (status == TN_OK)
        status = tn__workers_create(&p->workers, options->threads, err);
    if (status == TN_OK && wants_images(options))
        status = take_images(p, data, err);
    return status == TN_OK ? tn__prune_probe(p, err) : status;
}

static void pruning_release(tn__pruning *p)
{
    tn__groups_free(p->groups);
    tn__groups_free(p->folded_groups);
    tn__probe_models_release(&p->probe);
    tn__probe_models_release(&p->folded_probe);
    tn_model_free(p->folded);
    tn_model_free(p->gathered);
    tn__workers_free(p->workers);
    tn__limits_release(&p->limits);
    tn__free(p->left);
    tn__free(p->images);
    tn__free(p->labels);
}

/* Shuffles as gathers, groups, limits and widths; images and what is made ready where
 * there is something to do. */
static tn_status begin(tn__pruning *p, const tn_dataset *data, tn_error *err)
{
    const tn_prune_options *options = p->options;
    bool late = !options->plan && options->allocate != TN_PRUNE_ALLOCATE_EVEN;
    tn_status status = tn__shuffles_gather(&p->gathered, p->model, err);
    if (p->gathered)
        p->model = p->gathered;
    if (status == TN_OK)
        status = tn__groups_find(&p->groups, p->model, err);
    if (status == TN_OK && !options->plan)
        status = tn__limits_create(&p->limits, p->model, p->groups, options, err);
    if (status != TN_OK)
        return status;
    p->left = tn__alloc(p->groups->count, sizeof *p->left);
    if (!p->left)
        return tn__fail_memory(err, p->groups->count * sizeof *p->left);
    for (size_t g = 0; g < p->groups->count; g++)
        p->left[g] = p->groups->list[g].neurons;
    if (!options->plan && !asks_for_less(options))
        return TN_OK;
    if (!late)
        status = tn__prune_spread(p, err);
    if (status == TN_OK && (late || !nothing_to_do(p)))
        status = prepare(p, data, err);
    if (status == TN_OK && late)
        status = tn__prune_spread(p, err);
    return status;
}

tn_status tn_prune(tn_model **out, tn_prune_report *report, const tn_model *model,
                   const tn_dataset *data, const tn_prune_options *options,
                   const tn_observer *observer, tn_error *err)
{
    tn_prune_options asked;
    tn__pruning p = {.options = &asked, .model = model};
    tn__attempt best = {.error = (double)NAN};
    tn_status status = take_options(&asked, options, data, err);
    if (status == TN_OK)
        status = begin(&p, data, err);
    if (status == TN_OK && nothing_to_do(&p))
        status = tn__model_clone(&best.model, model, err);
    else if (status == TN_OK)
        status = asked.plan ? tn__prune_repeat(&best, &p, asked.plan, observer, err)
                            : tn__prune_try(&best, &p, observer, err);
    if (status == TN_OK && report)
        status = tn__prune_account(report, &p, &best, data, err);
    if (status == TN_OK) {
        *out = best.model;
        best.model = NULL;
    }
    tn__attempt_release(&best, p.groups ? p.groups->count : 0);
    pruning_release(&p);
    return status;
}
