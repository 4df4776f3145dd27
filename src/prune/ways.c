/* ways.c - which ways of pruning are tried, and which is taken.
 *
 * As the options ask; as a plan tells; or, where the choice is open, what moves the
 * outputs least of deletion, folding and refitting, and of what judge.c makes of the
 * best refit by choosing for each group.
 */
#include <math.h>
#include <string.h>

#include "prune/pruning.h"

#define EXACT 1e-3 /* folding against deletion, where nothing else is known */

const char *const tn__prune_method_names[] = {
    "auto", "delete", "intra-fusion", "nearest", "fold", "refit", NULL};
const char *const tn__prune_repair_names[] = {"auto",   "none",      "norm", "mean",
                                              "repair", "data-free", NULL};

tn_status tn__prune_try_one(tn__attempt *a, const tn__pruning *p, const char *name,
                            const tn_observer *observer, tn_error *err)
{
    tn_progress progress = {
        .stage = name, .unit = "methods", .loss = (double)NAN, .accuracy = (double)NAN};
    a->importance = p->options->importance;
    if (a->importance == TN_PRUNE_IMPORTANCE_AUTO)
        a->importance = a->method == TN_PRUNE_REFIT && !a->by
                            ? TN_PRUNE_IMPORTANCE_ERROR
                            : TN_PRUNE_IMPORTANCE_L1;
    tn_status status = tn__report(observer, &progress, err);
    if (status == TN_OK)
        status = tn__attempt_run(a, p, err);
    if (status == TN_OK && p->images)
        tn__log(observer, 2, "%s, repair %s: outputs move by %.4g of their variance",
                name, tn__prune_repair_names[a->repair], a->error);
    return status;
}

/* What is tried, in order; of refits the better one is kept apart. */
typedef struct trying {
    const tn__pruning *p;
    const tn_observer *observer;
    double margin; /* an attempt has to be so much better than the best before */
    tn__attempt *best, refit;
} trying;

static tn_status try_next(trying *t, tn_prune_method method, tn_prune_repair repair,
                          tn_error *err)
{
    size_t groups = t->p->groups->count;
    tn__attempt a = {.method = method, .repair = repair};
    tn__attempt *to = method == TN_PRUNE_REFIT ? &t->refit : t->best;
    double margin = method == TN_PRUNE_REFIT ? 1 : t->margin;
    tn_status status =
        tn__prune_try_one(&a, t->p, tn__prune_method_names[method], t->observer, err);
    if (status == TN_OK && (!to->model || a.error < margin * to->error)) {
        tn__attempt_release(to, groups);
        *to = a;
    } else {
        tn__attempt_release(&a, groups);
    }
    return status;
}

/* *best is what moves the outputs least of all ways there are. Where the images tell
 * nothing, deletion stands unless folding is as good as exact. */
static tn_status try_all(tn__attempt *best, const tn__pruning *p,
                         const tn_observer *observer, tn_error *err)
{
    tn_prune_repair by = p->options->repair;
    bool open = by == TN_PRUNE_REPAIR_AUTO, tell = tn__prune_images_tell(p);
    tn_prune_repair first = open ? TN_PRUNE_REPAIR_REPAIR : by;
    trying t = {.p = p, .observer = observer, .margin = tell ? 1 : EXACT, .best = best};
    tn_status status = try_next(&t, TN_PRUNE_DELETE, TN_PRUNE_REPAIR_NONE, err);
    if (status == TN_OK && first != TN_PRUNE_REPAIR_NONE)
        status = try_next(&t, TN_PRUNE_DELETE, first, err);
    if (status == TN_OK)
        status = try_next(&t, TN_PRUNE_FOLD, first, err);
    if (status == TN_OK && tell)
        status = try_next(&t, TN_PRUNE_REFIT, first, err);
    if (status == TN_OK && tell && open)
        status = try_next(&t, TN_PRUNE_REFIT, TN_PRUNE_REPAIR_MEAN, err);
    if (status == TN_OK && tell)
        status = tn__prune_judge(&t.refit, p, observer, err);
    if (status == TN_OK && tell && t.refit.error < best->error) {
        tn__attempt_release(best, p->groups->count);
        *best = t.refit;
        t.refit = (tn__attempt){0};
    }
    tn__attempt_release(&t.refit, p->groups->count);
    return status;
}

/* What AUTO means for a method that was asked for. */
static tn_prune_repair repair_of(const tn__pruning *p)
{
    if (p->options->compat)
        return TN_PRUNE_REPAIR_NONE;
    if (p->options->repair != TN_PRUNE_REPAIR_AUTO)
        return p->options->repair;
    return tn__prune_images_tell(p) ? TN_PRUNE_REPAIR_REPAIR : TN_PRUNE_REPAIR_NONE;
}

tn_status tn__prune_try(tn__attempt *best, const tn__pruning *p,
                        const tn_observer *observer, tn_error *err)
{
    tn_prune_method method = p->options->method;
    if (method == TN_PRUNE_AUTO)
        return try_all(best, p, observer, err);
    tn__attempt a = {.method = method, .repair = repair_of(p)};
    tn_status status =
        tn__prune_try_one(&a, p, tn__prune_method_names[method], observer, err);
    if (status == TN_OK)
        *best = a;
    else
        tn__attempt_release(&a, p->groups->count);
    return status;
}

tn_status tn__prune_repeat(tn__attempt *best, tn__pruning *p, const tn_prune_plan *plan,
                           const tn_observer *observer, tn_error *err)
{
    tn__attempt a = {.method = plan->method, .repair = plan->repair};
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
    bool mixing = tn__method_mixes(a.method), by = tn__plan_is_mixed(plan);
    a.kept = tn__alloc(count, sizeof *a.kept);
    a.maps = mixing || by ? tn__alloc(count, sizeof *a.maps) : NULL;
    a.by = by ? tn__alloc(count, sizeof *a.by) : NULL;
    if (!a.kept || ((mixing || by) && !a.maps) || (by && !a.by))
        status = tn__fail_memory(err, count * sizeof *a.maps);
    if (status == TN_OK)
        status = tn__plan_copy(a.kept, a.maps, a.by, plan, err);
    if (status == TN_OK)
        status =
            tn__prune_try_one(&a, p, tn__prune_method_names[a.method], observer, err);
    if (status == TN_OK)
        *best = a;
    else
        tn__attempt_release(&a, count);
    return status;
}
