/* slim.c - tn_slim(): pruning with training.
 *
 * One network: pruned in steps, trained after each, trained on. Several, each trained
 * on a part of the data: Prune-and-Fuse does that with every one and fuses the small
 * ones; Fuse-and-Prune fuses first (Theus et al. 2024, appendix D). What can be done
 * for all networks at the same time is timed for each, so that the report says what
 * that would take; here it is done one after another.
 */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "data/subset.h"
#include "tenon/slim.h"

/* Streams of the seed: each training has one of its own. */
enum { SEED_START = 100, SEED_STEP = 200, SEED_LAST = 300, SEED_FUSED = 400 };

typedef struct slimming {
    const tn_slim_options *options;
    const tn_dataset *data;
    const tn_observer *observer;
    tn_slim_report report;
} slimming;

size_t tn_slim_starts(size_t parts)
{
    size_t count = 1;
    for (size_t k = 1; k <= parts / 2; k++)
        count = count * (parts - parts / 2 + k) / k;
    return count;
}

static tn_status check_options(const tn_slim_options *options, size_t count,
                               tn_error *err)
{
    size_t parts = options->parts;
    if (parts % 2 || parts > TN_SLIM_PARTS_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "parts is %zu, expected an even number up to %d", parts,
                        TN_SLIM_PARTS_MAX);
    if (count != tn_slim_starts(parts))
        return tn__fail(err, TN_ERROR_ARGUMENT, "%zu networks, %zu parts want %zu",
                        count, parts, tn_slim_starts(parts));
    if (options->steps == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "steps is 0, expected at least 1");
    if (options->prune.plan || options->prune.max_params || options->prune.max_macs ||
        options->prune.max_latency > 0)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "pruning in steps wants a sparsity, no budget and no plan");
    return TN_OK;
}

/* Trains *model on, in its place. */
static tn_status train(tn_model **model, const slimming *s, const tn_dataset *data,
                       size_t epochs, double rate, uint64_t stream, tn_error *err)
{
    tn_train_options options = s->options->train;
    tn_model *made = NULL;
    if (epochs == 0)
        return TN_OK;
    options.epochs = epochs;
    options.learning_rate = rate;
    options.seed += stream;
    options.warmup_epochs = TN__MIN(options.warmup_epochs, (double)epochs / 2);
    tn_status status = tn_train(&made, NULL, *model, data, &options, s->observer, err);
    if (status != TN_OK)
        return status;
    tn_model_free(*model);
    *model = made;
    return TN_OK;
}

/* "NAME=N,...": the widths that `share` of the neurons gone leaves of `whole`; in new
 * memory, NULL where it leaves all. */
static tn_status widths_after(char **out, const tn_model *whole, const slimming *s,
                              double share, tn_error *err)
{
    tn_prune_options options = s->options->prune;
    tn_prune_report report = {0};
    tn_model *graph = NULL;
    char *text = NULL;
    options.sparsity = share;
    options.method = TN_PRUNE_DELETE;
    options.repair = TN_PRUNE_REPAIR_NONE;
    options.compat = false;
    tn_status status =
        tn_prune(&graph, &report, whole, s->data, &options, s->observer, err);
    for (size_t i = 0; i < report.group_count && status == TN_OK; i++) {
        const tn_prune_group *group = &report.groups[i];
        char *longer = tn__format("%s%s%s=%zu", text ? text : "", text ? "," : "",
                                  group->name, group->left);
        tn__free(text);
        text = longer;
        if (!text)
            status = tn__fail_memory(err, strlen(group->name));
    }
    tn_model_free(graph);
    tn_prune_report_release(&report);
    if (status == TN_OK)
        *out = text;
    else
        tn__free(text);
    return status;
}

/* One step: *model to the widths `keep`, then trained. */
static tn_status prune_step(tn_model **model, const char *keep, const slimming *s,
                            size_t step, tn_error *err)
{
    const tn_slim_options *o = s->options;
    tn_prune_options options = o->prune;
    tn_model *made = NULL;
    options.sparsity = 0;
    options.allocate = TN_PRUNE_ALLOCATE_EVEN;
    options.groups = "";
    options.keep = keep;
    /* training follows, and what is fused is of one structure: no biases are added */
    if (options.repair == TN_PRUNE_REPAIR_AUTO)
        options.repair = TN_PRUNE_REPAIR_NORM;
    tn_status status =
        tn_prune(&made, NULL, *model, s->data, &options, s->observer, err);
    if (status != TN_OK)
        return status;
    tn_model_free(*model);
    *model = made;
    return train(model, s, s->data, o->step_epochs, o->tune_rate, SEED_STEP + step,
                 err);
}

/* Prunes *model step by step: after step i of k, i / k of the share asked for is gone
 * of the neurons it had. */
static tn_status prune_in_steps(tn_model **model, const slimming *s, tn_error *err)
{
    const tn_slim_options *o = s->options;
    tn_model *whole = NULL;
    tn_status status = tn_model_clone(&whole, *model, err);
    for (size_t i = 1; i <= o->steps && status == TN_OK; i++) {
        double share = o->prune.sparsity * (double)i / (double)o->steps;
        char *keep = NULL;
        tn__log(s->observer, 2, "step %zu of %zu: %.1f %% of the neurons gone", i,
                o->steps, 100 * share);
        status = widths_after(&keep, whole, s, share, err);
        if (status == TN_OK)
            status = prune_step(model, keep, s, i, err);
        tn__free(keep);
    }
    tn_model_free(whole);
    return status;
}

/* --- starts ------------------------------------------------------------------------
 */

/* The k-th set of half of `parts` parts, as bits, in ascending order. */
static unsigned union_of(size_t parts, size_t k)
{
    for (unsigned set = 0;; set++) {
        size_t bits = 0;
        for (unsigned rest = set; rest; rest >>= 1)
            bits += rest & 1;
        if (bits == parts / 2 && k-- == 0)
            return set;
    }
}

/* The images of the k-th union, in the order of the data. */
static tn_status take_part(tn_dataset **out, const slimming *s, size_t k, tn_error *err)
{
    size_t parts = s->options->parts, n = tn_dataset_count(s->data), count = 0;
    unsigned set = union_of(parts, k);
    uint32_t *order = tn__alloc(n, 2 * sizeof *order);
    tn__rng rng;
    if (!order)
        return tn__fail_memory(err, n * 2 * sizeof *order);
    uint32_t *index = order + n;
    tn__rng_seed(&rng, s->options->train.seed, SEED_START);
    tn__rng_permutation(&rng, order, n);
    for (size_t i = 0; i < n; i++)
        if (set >> (order[i] % parts) & 1)
            index[count++] = (uint32_t)i;
    tn_status status = tn__dataset_subset(out, s->data, index, count, err);
    tn__free(order);
    return status;
}

static tn_status train_start(tn_model **model, slimming *s, size_t k, tn_error *err)
{
    const tn_slim_options *o = s->options;
    tn_dataset *part = NULL;
    tn_status status = TN_OK;
    if (o->start_epochs == 0)
        return TN_OK;
    if (o->parts)
        status = take_part(&part, s, k, err);
    double begin = tn__seconds();
    if (status == TN_OK)
        status = train(model, s, part ? part : s->data, o->start_epochs,
                       o->train.learning_rate, SEED_START + k, err);
    double took = tn__seconds() - begin;
    s->report.start += took;
    s->report.start_longest = TN__MAX(s->report.start_longest, took);
    tn_dataset_free(part);
    return status;
}

/* --- the orders --------------------------------------------------------------------
 */

static tn_status prune_one(tn_model **model, slimming *s, tn_error *err)
{
    const tn_slim_options *o = s->options;
    double begin = tn__seconds();
    tn_status status = prune_in_steps(model, s, err);
    if (status == TN_OK)
        status = train(model, s, s->data, o->last_epochs, o->tune_rate, SEED_LAST, err);
    double took = tn__seconds() - begin;
    s->report.prune += took;
    s->report.prune_longest = TN__MAX(s->report.prune_longest, took);
    return status;
}

static tn_status finish(tn_model **model, slimming *s, tn_error *err)
{
    const tn_slim_options *o = s->options;
    double begin = tn__seconds();
    tn_status status =
        train(model, s, s->data, o->last_epochs, o->tune_rate, SEED_FUSED, err);
    s->report.last += tn__seconds() - begin;
    return status;
}

static tn_status fuse(tn_model **out, tn_model *const *models, size_t count,
                      slimming *s, tn_error *err)
{
    double begin = tn__seconds();
    tn_status status = tn_fuse(out, NULL, (const tn_model *const *)models, count,
                               s->data, &s->options->fuse, s->observer, err);
    s->report.fuse += tn__seconds() - begin;
    return status;
}

/* Models become one, at models[0]. */
static tn_status slim_models(tn_model **models, size_t count, slimming *s,
                             tn_error *err)
{
    bool fuse_first = count > 1 && s->options->order == TN_SLIM_FUSE_PRUNE;
    tn_model *fused = NULL;
    tn_status status = TN_OK;
    for (size_t k = 0; k < count && status == TN_OK; k++)
        status = train_start(&models[k], s, k, err);
    for (size_t k = 0; k < count && !fuse_first && status == TN_OK; k++)
        status = prune_one(&models[k], s, err);
    if (count > 1 && status == TN_OK)
        status = fuse(&fused, models, count, s, err);
    if (status == TN_OK && fused) {
        tn_model_free(models[0]);
        models[0] = fused;
    }
    if (status == TN_OK)
        status = finish(&models[0], s, err);
    if (status == TN_OK && fuse_first)
        status = prune_one(&models[0], s, err);
    return status;
}

tn_status tn_slim(tn_model **out, tn_slim_report *report, const tn_model *const *starts,
                  size_t count, const tn_dataset *data, const tn_slim_options *options,
                  const tn_observer *observer, tn_error *err)
{
    static const tn_slim_options defaults = TN_SLIM_OPTIONS_INIT;
    slimming s = {
        .options = options ? options : &defaults, .data = data, .observer = observer};
    double begin = tn__seconds();
    tn_status status = check_options(s.options, count, err);
    if (status != TN_OK)
        return status;
    tn_model **models = tn__alloc(count, sizeof *models);
    if (!models)
        return tn__fail_memory(err, count * sizeof *models);
    for (size_t k = 0; k < count && status == TN_OK; k++)
        status = tn_model_clone(&models[k], starts[k], err);
    if (status == TN_OK)
        status = slim_models(models, count, &s, err);
    if (status == TN_OK) {
        *out = models[0];
        models[0] = NULL;
        s.report.total = tn__seconds() - begin;
        s.report.parallel = s.report.total - s.report.start + s.report.start_longest -
                            s.report.prune + s.report.prune_longest;
        if (report)
            *report = s.report;
    }
    for (size_t k = 0; k < count; k++)
        tn_model_free(models[k]);
    tn__free(models);
    return status;
}
