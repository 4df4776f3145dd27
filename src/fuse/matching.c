/* matching.c - the groups of all parents matched with the reference's, one after
 * another.
 *
 * Groups are solved in topological order, each parent against the reference (many to
 * one). Classes keep their order, since graph outputs belong to no group.
 */
#include <math.h>
#include <string.h>

#include "fuse/fusion.h"

tn_status tn__fuse_notes_create(tn__fuse_notes *out, const tn__fusion *f, tn_error *err)
{
    const tn__groups *groups = f->parents[f->reference].groups;
    size_t lines = (f->count - 1) * groups->count, text = 0;
    for (size_t g = 0; g < groups->count; g++)
        text += strlen(groups->list[g].name) + 1;
    char *memory = tn__alloc(1, lines * sizeof *out->groups + text);
    if (!memory)
        return tn__fail_memory(err, lines * sizeof *out->groups + text);
    void *start = memory;
    *out = (tn__fuse_notes){.groups = start, .count = lines};
    char *at = memory + lines * sizeof *out->groups;
    for (size_t g = 0; g < groups->count; g++) {
        size_t size = strlen(groups->list[g].name) + 1;
        memcpy(at, groups->list[g].name, size);
        for (size_t k = 0; k < f->count - 1; k++)
            out->groups[k * groups->count + g].name = at;
        at += size;
    }
    return TN_OK;
}

tn_status tn__evidence_find(tn__evidence *out, const tn__fusion *f, size_t parent,
                            size_t group, const bool *solved, tn_error *err)
{
    bool found = false, both = f->options->support == TN_SUPPORT_BOTH;
    tn__evidence answered = {0};
    tn_status status = TN_OK;
    if (f->options->support != TN_SUPPORT_WEIGHTS && f->answers.value_count)
        status = tn__evidence_activations(&answered, &found, f, parent, group, err);
    if (status == TN_OK && found && !both) {
        *out = answered;
        return TN_OK;
    }
    if (status == TN_OK)
        status = tn__evidence_weights(out, f, parent, group, solved, err);
    if (status == TN_OK && found)
        tn__evidence_blend(out, &answered);
    tn__evidence_release(&answered);
    return status;
}

static tn_status align_group(tn__fusion *f, tn_fuse_group *note, size_t parent,
                             size_t group, bool *solved, tn_error *err)
{
    tn__evidence evidence = {0};
    double *mu = NULL, *nu = NULL;
    const tn__parent *from = &f->parents[parent];
    size_t origin = tn__map_origin(from->groups, from->maps, group);
    if (!tn__group_shared(f, parent, group)) {
        note->model = parent;
        note->neurons = f->parents[parent].groups->list[group].neurons;
        note->target = f->parents[f->reference].groups->list[group].neurons;
        return tn__map_unshared(&f->parents[parent].maps[group], f, parent, group, err);
    }
    tn_status status = tn__evidence_find(&evidence, f, parent, group, solved, err);
    if (status == TN_OK)
        status = tn__masses(&mu, f, parent, origin, err);
    if (status == TN_OK)
        status = tn__masses(&nu, f, f->reference, group, err);
    if (status == TN_OK) {
        note->model = parent;
        note->neurons = evidence.n;
        note->target = evidence.m;
        status = tn__solve(&f->parents[parent].maps[group], note, &evidence, mu, nu,
                           f->options, err);
    }
    if (status != TN_OK)
        status = tn__fail_in(err, status, "cannot align group '%s'",
                             f->parents[parent].groups->list[group].name);
    else
        solved[group] = true;
    tn__evidence_release(&evidence);
    tn__free(mu);
    tn__free(nu);
    return status;
}

static tn_status align_parent(tn__fusion *f, tn_fuse_group *groups, size_t parent,
                              const tn_observer *observer, tn_error *err)
{
    size_t count = f->parents[parent].groups->count;
    double start = tn__seconds();
    bool *solved = tn__alloc(count, sizeof *solved);
    tn_status status = solved ? TN_OK : tn__fail_memory(err, count * sizeof *solved);
    for (size_t g = 0; g < count && status == TN_OK; g++) {
        status = f->parents[parent].groups->list[g].kinds
                     ? tn__align_blocks(&groups[g], f, parent, g, solved, err)
                     : align_group(f, &groups[g], parent, g, solved, err);
        tn_progress progress = {.stage = "transport",
                                .done = (double)(g + 1),
                                .total = (double)count,
                                .unit = "groups",
                                .loss = (double)NAN,
                                .accuracy = (double)NAN,
                                .seconds = tn__seconds() - start};
        if (status == TN_OK)
            status = tn__report(observer, &progress, err);
    }
    tn__free(solved);
    return status;
}

static bool wants_activations(const tn__fusion *f)
{
    return f->support && f->options->support != TN_SUPPORT_WEIGHTS;
}

tn_status tn__fusion_align(tn__fusion *f, tn__fuse_notes *n, size_t only,
                           const tn_observer *observer, tn_error *err)
{
    double start = tn__seconds();
    tn_status status = TN_OK;
    if (wants_activations(f))
        status = tn__answers_measure(f, err);
    n->seconds_statistics = tn__seconds() - start;
    start = tn__seconds();
    size_t groups = f->parents[f->reference].groups->count, line = 0;
    for (size_t k = 0; k < f->count && status == TN_OK; k++) {
        if (k == f->reference)
            continue;
        if (only == TN__NONE || only == k)
            status = align_parent(f, n->groups + line, k, observer, err);
        if (status == TN_OK && f->options->descents > 0 &&
            (only == TN__NONE || only == k))
            status = tn__descend(f, n->groups + line, k, err);
        line += groups;
    }
    n->seconds_transport = tn__seconds() - start;
    return status;
}

tn_status tn__fusion_carry(tn_model **out, const tn__fusion *f, size_t parent,
                           tn_error *err)
{
    const tn__parent *source = &f->parents[parent], *target = &f->parents[f->reference];
    return tn__map_apply(out, source->model, source->groups, target->model,
                         target->groups, NULL, source->maps, err);
}
