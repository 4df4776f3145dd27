/* descent.c - weight matching: groups matched again and again until no map changes.
 *
 * Git Re-Basin (Ainsworth, Hayase and Srinivasa, ICLR 2023, arXiv 2209.04836, algorithm
 * 1) over the whole graph. With all other maps fixed the sum over tensors of the inner
 * product of the reference's weights with the mapped ones is linear in the map of one
 * group, so an assignment gives the best; a residual stream takes the evidence of all
 * its members. The sum never falls, its end depends on the start: several starts are
 * tried. Batch norms are folded into their layers, whose scale is arbitrary otherwise,
 * and each tensor is divided by the norms of both parents', or large ones would rule.
 * Groups of different widths are transported, and then the sum may fall.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fuse/fusion.h"
#include "tensor/linalg.h"

#define SWEEPS_MAX 100
#define GAIN_MIN 1e-9 /* relative: less is no progress */

typedef struct descent {
    const tn__fusion *f;
    size_t parent;
    tn__parent source, target; /* over folded models; maps are the descent's own */
    double *share;             /* [values] what one of the axes counts in the whole */
    size_t groups;
    size_t *order; /* [groups] */
    bool square;   /* all groups are */
} descent;

static const tn__group *group_of(const tn__parent *parent, size_t g)
{
    return &parent->groups->list[g];
}

/* Entries whose other axes are not of the same group: the sum is linear in its map. */
static bool is_linear(const tn_model *model, const tn__group *group, size_t entry)
{
    const tn__group_entry *at = &group->entries[entry];
    const tn__value *value = &model->values[at->value];
    if (!tn__value_is_parameter(value) || value->parameter.shape.rank < 2 ||
        (at->role != TN__PRODUCER && at->role != TN__CONSUMER))
        return false;
    for (size_t e = 0; e < group->entry_count; e++)
        if (e != entry && group->entries[e].value == at->value &&
            group->entries[e].axis != at->axis)
            return false;
    return true;
}

static double norm_of(const tn__tensor *tensor)
{
    double sum = 0;
    for (size_t i = 0; i < tn__tensor_count(tensor); i++)
        sum += tn__tensor_get_f64(tensor, i) * tn__tensor_get_f64(tensor, i);
    return sqrt(sum);
}

static tn_status entry_rows(double **rows, size_t *width, const descent *d,
                            const tn__parent *who, size_t group, size_t entry,
                            tn_error *err)
{
    const tn__group_entry *at = &group_of(who, group)->entries[entry];
    tn__rows_request request = {who, &d->target, &d->f->links, group, entry};
    if (at->role == TN__PRODUCER)
        return tn__layer_rows(rows, width, &request, who->maps, err);
    return tn__map_rows(rows, width, who->model, who->groups, d->target.model,
                        d->target.groups, NULL, who->maps, group, entry, err);
}

static void add_norms(double *to, const double *rows, size_t n, size_t width,
                      double scale)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++)
            to[i] += scale * rows[i * width + k] * rows[i * width + k];
}

/* Adds a tensor's part, times `counts`. */
static tn_status add_entry(tn__evidence *out, const descent *d, size_t group,
                           size_t entry, double counts, tn_error *err)
{
    size_t v = group_of(&d->source, group)->entries[entry].value;
    double *x = NULL, *y = NULL;
    size_t width = 0, other = 0;
    double norms = norm_of(&d->source.model->values[v].parameter) *
                   norm_of(&d->target.model->values[v].parameter);
    tn_status status = entry_rows(&x, &width, d, &d->source, group, entry, err);
    if (status == TN_OK)
        status = entry_rows(&y, &other, d, &d->target, group, entry, err);
    if (status == TN_OK && width != other)
        status = tn__fail(err, TN_ERROR_MISMATCH,
                          "'%s' has %zu numbers a neuron against %zu",
                          d->source.model->values[v].name, width, other);
    if (status == TN_OK && norms > 0) {
        double scale = counts / norms;
        add_norms(out->x, x, out->n, width, scale);
        add_norms(out->y, y, out->m, width, scale);
        tn__gemm_f64(false, true, out->n, out->m, width, scale, x, width, y, width, 1,
                     out->dot, out->m);
    }
    tn__free(x);
    tn__free(y);
    return status;
}

/* Inner products of all that the group meets; `whole`: each tensor counts once over all
 * its axes. *found is false where the group meets nothing. */
static tn_status gather(tn__evidence *out, bool *found, const descent *d, size_t group,
                        bool whole, tn_error *err)
{
    const tn__group *from = group_of(&d->source, group);
    tn__evidence made = {0};
    tn_status status = tn__evidence_create(&made, from->neurons,
                                           group_of(&d->target, group)->neurons, err);
    *found = false;
    for (size_t e = 0; e < from->entry_count && status == TN_OK; e++) {
        if (!is_linear(d->source.model, from, e))
            continue;
        *found = true;
        double counts = whole ? d->share[from->entries[e].value] : 1;
        status = add_entry(&made, d, group, e, counts, err);
    }
    if (status == TN_OK)
        *out = made;
    else
        tn__evidence_release(&made);
    return status;
}

/* What a map makes of the evidence, where it is a permutation. */
static double value_of(const tn__evidence *e, const tn__map *map)
{
    double sum = 0;
    for (size_t j = 0; j < e->m; j++) {
        size_t i = map->select ? map->select[j] : j;
        sum += e->dot[i * e->m + j];
    }
    return sum;
}

/* Matches a group anew; *moved where that is better. */
static tn_status match_group(bool *moved, descent *d, tn_fuse_group *note, size_t group,
                             tn_error *err)
{
    tn__evidence evidence = {0};
    tn__map map = {0}, *old = &d->source.maps[group];
    tn_fuse_group made = *note;
    bool found = false;
    tn_status status = gather(&evidence, &found, d, group, false, err);
    if (status != TN_OK || !found)
        goto done;
    status = tn__solve(&map, &made, &evidence, NULL, NULL, d->f->options, err);
    if (status != TN_OK)
        goto done;
    bool select = map.select && !old->first;
    double before = select ? value_of(&evidence, old) : 0;
    double after = select ? value_of(&evidence, &map) : 0;
    if (!select || after - before > GAIN_MIN * fabs(after)) {
        tn__map_release(old);
        *old = map;
        map = (tn__map){0};
        *note = made;
        *moved = *moved || select;
    }
done:
    tn__map_release(&map);
    tn__evidence_release(&evidence);
    return status;
}

static tn_status descend(descent *d, tn_fuse_group *notes, tn_error *err)
{
    bool moved = true;
    tn_status status = TN_OK;
    for (size_t sweep = 0; sweep < SWEEPS_MAX && moved && status == TN_OK; sweep++) {
        moved = false;
        for (size_t i = 0; i < d->groups && status == TN_OK; i++) {
            size_t g = d->order[i];
            if (tn__group_shared(d->f, d->parent, g))
                status = match_group(&moved, d, &notes[g], g, err);
        }
    }
    return status;
}

/* The sum over all tensors. */
static tn_status measure(double *out, const descent *d, tn_error *err)
{
    tn_status status = TN_OK;
    *out = 0;
    for (size_t g = 0; g < d->groups && status == TN_OK; g++) {
        tn__evidence evidence = {0};
        bool found = false;
        status = gather(&evidence, &found, d, g, true, err);
        if (status == TN_OK && found)
            *out += value_of(&evidence, &d->source.maps[g]);
        tn__evidence_release(&evidence);
    }
    return status;
}

/* --- starts --- */

static void release_maps(tn__map *maps, size_t count)
{
    for (size_t g = 0; maps && g < count; g++)
        tn__map_release(&maps[g]);
    tn__free(maps);
}

/* Groups in random order; all maps the identity. */
static void restart(descent *d, size_t start)
{
    tn__rng rng;
    tn__rng_seed(&rng, d->f->options->seed, 100 + start);
    for (size_t i = 0; i < d->groups; i++)
        d->order[i] = i;
    for (size_t i = d->groups; start > 1 && i > 1; i--) {
        size_t j = (size_t)tn__rng_below(&rng, i), kept = d->order[i - 1];
        d->order[i - 1] = d->order[j];
        d->order[j] = kept;
    }
}

/* Descends from the identity and keeps the maps where *best is beaten. */
static tn_status try_start(descent *d, tn_fuse_group *notes, double *best, size_t start,
                           tn_error *err)
{
    double found = 0;
    tn__map *kept = d->source.maps;
    tn_fuse_group *own = tn__alloc(d->groups, sizeof *own);
    d->source.maps = tn__alloc(d->groups, sizeof *d->source.maps);
    tn_status status =
        own && d->source.maps ? TN_OK : tn__fail_memory(err, d->groups * sizeof *own);
    if (status == TN_OK) {
        memcpy(own, notes, d->groups * sizeof *own);
        restart(d, start);
        status = descend(d, own, err);
    }
    if (status == TN_OK)
        status = measure(&found, d, err);
    if (status == TN_OK && found > *best * (1 + GAIN_MIN)) {
        *best = found;
        memcpy(notes, own, d->groups * sizeof *own);
        release_maps(kept, d->groups);
    } else {
        release_maps(d->source.maps, d->groups);
        d->source.maps = kept;
    }
    tn__free(own);
    return status;
}

/* --- the whole --- */

/* Axes of each parameter that some group meets count equally. */
static void share_axes(descent *d)
{
    const tn_model *model = d->target.model;
    for (size_t v = 0; v < model->value_count; v++) {
        bool met[TN__MAX_RANK + 1] = {false};
        size_t axes = 0;
        for (size_t g = 0; g < d->groups; g++) {
            const tn__group *group = group_of(&d->target, g);
            for (size_t e = 0; e < group->entry_count; e++) {
                const tn__group_entry *at = &group->entries[e];
                if (at->value != v || met[at->axis] || !is_linear(model, group, e))
                    continue;
                met[at->axis] = true;
                axes++;
            }
        }
        d->share[v] = axes > 0 ? 1 / (double)axes : 0;
    }
}

static tn_status descent_create(descent *d, const tn__fusion *f, size_t parent,
                                tn_error *err)
{
    const tn__parent *from = &f->parents[parent], *onto = &f->parents[f->reference];
    *d = (descent){.f = f, .parent = parent, .groups = from->groups->count};
    d->source = (tn__parent){.groups = from->groups, .maps = from->maps};
    d->target = (tn__parent){.groups = onto->groups, .maps = onto->maps};
    d->share = tn__alloc(onto->model->value_count, sizeof *d->share);
    d->order = tn__alloc(d->groups, sizeof *d->order);
    if (!d->share || !d->order)
        return tn__fail_memory(err, onto->model->value_count * sizeof *d->share);
    tn_status status =
        tn__norms_fold(&d->source.model, from->model, TN__FOLD_SCALE, err);
    if (status == TN_OK)
        status = tn__norms_fold(&d->target.model, onto->model, TN__FOLD_SCALE, err);
    if (status != TN_OK)
        return status;
    share_axes(d);
    d->square = f->options->solver == TN_SOLVER_EXACT;
    for (size_t g = 0; g < d->groups; g++) {
        d->order[g] = g;
        d->square =
            d->square && !from->maps[g].first &&
            group_of(&d->source, g)->neurons == group_of(&d->target, g)->neurons;
    }
    return TN_OK;
}

tn_status tn__descend(tn__fusion *fusion, tn_fuse_group *notes, size_t parent,
                      tn_error *err)
{
    descent d;
    double best = 0;
    size_t starts = fusion->options->descents;
    tn_status status = descent_create(&d, fusion, parent, err);
    if (status == TN_OK)
        status = descend(&d, notes, err);
    if (status == TN_OK && d.square && starts > 1)
        status = measure(&best, &d, err);
    for (size_t s = 1; s < starts && d.square && status == TN_OK; s++)
        status = try_start(&d, notes, &best, s, err);
    fusion->parents[parent].maps = d.source.maps;
    tn_model_free(d.source.model);
    tn_model_free(d.target.model);
    tn__free(d.share);
    tn__free(d.order);
    return status;
}
