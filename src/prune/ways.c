/* ways.c - which ways of pruning are tried, and which is taken.
 *
 * As the options ask; as a plan tells; or, where the choice is open, what moves the
 * outputs least of deletion, folding and refitting.
 */
#include <math.h>
#include <string.h>

#include "prune/pruning.h"

#define EXACT 1e-3 /* folding against deletion, where nothing else is known */

const char *const tn__prune_method_names[] = {
    "auto", "delete", "intra-fusion", "nearest", "fold", "refit", NULL};

/* One attempt by the options, where they do not leave the choice open. */
static tn_status try_one(tn__attempt *a, const tn__pruning *p,
                         const tn_observer *observer, tn_error *err)
{
    tn_progress progress = {.stage = tn__prune_method_names[a->method],
                            .unit = "methods",
                            .loss = (double)NAN,
                            .accuracy = (double)NAN};
    a->importance = p->options->importance;
    if (a->importance == TN_PRUNE_IMPORTANCE_AUTO)
        a->importance = a->method == TN_PRUNE_REFIT ? TN_PRUNE_IMPORTANCE_ERROR
                                                    : TN_PRUNE_IMPORTANCE_L1;
    tn_status status = tn__report(observer, &progress, err);
    if (status == TN_OK)
        status = tn__attempt_run(a, p, err);
    if (status == TN_OK && p->images)
        tn__log(observer, 2, "%s%s: outputs move by %.4g of their variance",
                tn__prune_method_names[a->method],
                !a->repair ? ", no repair"
                : a->hold  ? ", means repaired"
                           : "",
                a->error);
    return status;
}

/* *best is what moves the outputs least of all ways there are. Where the images tell
 * nothing, deletion stands unless folding is as good as exact. */
static tn_status try_all(tn__attempt *best, const tn__pruning *p,
                         const tn_observer *observer, tn_error *err)
{
    tn_prune_repair by = p->options->repair;
    bool repair = by != TN_PRUNE_REPAIR_NONE, tell = tn__prune_images_tell(p);
    const tn__attempt all[] = {
        {.method = TN_PRUNE_DELETE},
        {.method = TN_PRUNE_DELETE, .repair = repair},
        {.method = TN_PRUNE_FOLD, .repair = repair},
        {.method = TN_PRUNE_REFIT, .repair = repair},
        {.method = TN_PRUNE_REFIT, .repair = repair, .hold = true}};
    tn_status status = TN_OK;
    for (size_t k = 0; k < TN__COUNT(all) && status == TN_OK; k++) {
        tn__attempt a = all[k];
        if (a.method == TN_PRUNE_REFIT &&
            (!tell || (a.hold && (!repair || by == TN_PRUNE_REPAIR_NORM)) ||
             (!a.hold && by == TN_PRUNE_REPAIR_MEAN)))
            continue;
        status = try_one(&a, p, observer, err);
        if (status == TN_OK && (k == 0 || a.error < (tell ? 1 : EXACT) * best->error)) {
            tn__attempt_release(best, p->groups->count);
            *best = a;
        } else {
            tn__attempt_release(&a, p->groups->count);
        }
    }
    return status;
}

tn_status tn__prune_try(tn__attempt *best, const tn__pruning *p,
                        const tn_observer *observer, tn_error *err)
{
    const tn_prune_options *options = p->options;
    if (options->method == TN_PRUNE_AUTO)
        return try_all(best, p, observer, err);
    tn__attempt a = {.method = options->method,
                     .repair =
                         !options->compat && options->repair != TN_PRUNE_REPAIR_NONE,
                     .hold = options->repair == TN_PRUNE_REPAIR_MEAN};
    tn_status status = try_one(&a, p, observer, err);
    if (status == TN_OK)
        *best = a;
    else
        tn__attempt_release(&a, p->groups->count);
    return status;
}

tn_status tn__prune_repeat(tn__attempt *best, tn__pruning *p, const tn_prune_plan *plan,
                           const tn_observer *observer, tn_error *err)
{
    tn__attempt a = {
        .method = plan->method, .repair = plan->repair, .hold = plan->hold};
    size_t count = p->groups->count;
    char hash[TN__SHA256_HEX];
    tn_status status = TN_OK;
    if (p->images) {
        tn__prune_hash(hash, p);
        if (strcmp(hash, plan->images_hash))
            return tn__fail(
                err, TN_ERROR_MISMATCH, "these are not the images of the plan%s%s",
                plan->data ? ", which were " : "", plan->data ? plan->data : "");
    }
    a.kept = tn__alloc(count, sizeof *a.kept);
    a.maps = tn__method_mixes(a.method) ? tn__alloc(count, sizeof *a.maps) : NULL;
    if (!a.kept || (tn__method_mixes(a.method) && !a.maps))
        status = tn__fail_memory(err, count * sizeof *a.maps);
    if (status == TN_OK)
        status = tn__plan_copy(a.kept, a.maps, plan, err);
    if (status == TN_OK)
        status = try_one(&a, p, observer, err);
    if (status == TN_OK)
        *best = a;
    else
        tn__attempt_release(&a, count);
    return status;
}
