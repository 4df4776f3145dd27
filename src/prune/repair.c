/* repair.c - layers without a batch norm brought back to what they answered.
 *
 * Where neurons are gone or mixed, the answers of the layers behind have another mean
 * and vary less. Jordan et al., "REPAIR: REnormalizing Permuted Activations for
 * Interpolation Repair", ICLR 2023: each channel is scaled and shifted by the layer's
 * own weight and bias until both are again what they were, or the mean of what they
 * were over the neurons that went into it. The shift is about the mean of the answers:
 * behind a ReLU inputs are not centred, so a factor alone would move it. The arithmetic
 * of one layer is that of fusion (fuse/recalibrate.h).
 */
#include <math.h>

#include "fuse/fusion.h"
#include "fuse/recalibrate.h"
#include "prune/prune.h"

struct tn__repaired {
    tn__layer layer;
    tn__carried carried;
    tn__goal goal;
    double *scale, *shift; /* [goal.channels] */
    bool met;
};

void tn__repairs_release(tn__repairs *repairs)
{
    for (size_t i = 0; i < repairs->count; i++) {
        tn__carried_release(&repairs->list[i].carried);
        tn__free(repairs->list[i].goal.mean);
        tn__free(repairs->list[i].scale);
    }
    tn__free(repairs->list);
    *repairs = (tn__repairs){0};
}

/* Channels that are no neurons, as the classifier's, are left alone. */
static tn_status set_channels(struct tn__repaired *r, const tn__groups *groups,
                              bool *any, tn_error *err)
{
    tn__channels channels = {0};
    tn_status status = tn__channels_find(&channels, groups, r->layer.output, err);
    for (size_t c = 0; c < r->goal.channels && status == TN_OK; c++) {
        bool neuron =
            channels.group[r->carried.channel[r->carried.first[c]]] != TN__NONE;
        r->goal.sd[c] = neuron ? 0 : -1;
        *any = *any || neuron;
    }
    tn__channels_release(&channels);
    return status;
}

static tn_status repaired_create(struct tn__repaired *r, bool *any,
                                 const tn__repairs *all, const bool *const *kept,
                                 const tn__map *maps, tn_error *err)
{
    tn_status status =
        tn__carried_find(&r->carried, all->groups, kept, maps, r->layer.output, err);
    size_t channels = r->carried.count;
    if (status == TN_OK)
        status = tn__goal_create(&r->goal, r->layer.node, channels, err);
    if (status == TN_OK)
        status = set_channels(r, all->groups, any, err);
    r->scale = tn__alloc(channels, 2 * sizeof *r->scale);
    if (status == TN_OK && !r->scale)
        status = tn__fail_memory(err, channels * 2 * sizeof *r->scale);
    r->shift = r->scale ? r->scale + channels : NULL;
    return status;
}

tn_status tn__repairs_find(tn__repairs *out, const tn_model *probe,
                           const tn__groups *groups, const bool *const *kept,
                           const tn__map *maps, tn__workers *workers, tn_error *err)
{
    tn__repairs made = {.groups = groups, .workers = workers};
    tn__links links = {0};
    tn_status status = tn__links_create(&links, probe, err);
    made.list = tn__alloc(probe->node_count, sizeof *made.list);
    if (status == TN_OK && !made.list)
        status = tn__fail_memory(err, probe->node_count * sizeof *made.list);
    for (size_t n = 0; n < probe->node_count && status == TN_OK; n++) {
        tn__layer layer;
        bool any = false;
        if (!tn__layer_of(&layer, probe, &links, n) || layer.norm != TN__NONE)
            continue;
        struct tn__repaired *r = &made.list[made.count];
        *r = (struct tn__repaired){.layer = layer};
        made.count++;
        status = repaired_create(r, &any, &made, kept, maps, err);
        if (status == TN_OK && !any) {
            made.count--;
            tn__carried_release(&r->carried);
            tn__free(r->goal.mean);
            tn__free(r->scale);
        }
    }
    tn__links_release(&links);
    if (status == TN_OK)
        *out = made;
    else
        tn__repairs_release(&made);
    return status;
}

static struct tn__repaired *find(const tn__repairs *repairs, size_t node)
{
    for (size_t i = 0; i < repairs->count; i++)
        if (repairs->list[i].layer.node == node)
            return &repairs->list[i];
    return NULL;
}

const double *tn__repairs_mean(const tn__repairs *repairs, size_t node)
{
    const struct tn__repaired *r = find(repairs, node);
    return r ? r->goal.mean : NULL;
}

tn_status tn__repairs_aim(tn__repairs *repairs, const tn__sweep_node *at, tn_error *err)
{
    struct tn__repaired *r = find(repairs, at->node);
    tn__moments found = {0};
    if (!r)
        return TN_OK;
    tn_status status = tn__sweep_moments(
        &found, at, TN__OUT(0), &repairs->groups->shapes.shape[r->layer.output],
        repairs->workers, err);
    for (size_t c = 0; c < r->goal.channels && status == TN_OK; c++) {
        const tn__carried *from = &r->carried;
        bool leave = r->goal.sd[c] < 0;
        double mean = 0, sd = 0;
        for (size_t e = from->first[c]; e < from->first[c + 1]; e++) {
            double share = (double)from->share[e];
            mean += share * found.mean[from->channel[e]];
            sd += share * sqrt(tn__moments_variance(&found, from->channel[e]));
        }
        r->goal.mean[c] = mean;
        r->goal.sd[c] = leave ? -1 : sd;
    }
    tn__moments_release(&found);
    return status;
}

tn_status tn__repairs_meet(tn__repairs *repairs, const tn__sweep_node *at,
                           const tn__shapes *shapes, const double *more, tn_error *err)
{
    struct tn__repaired *r = find(repairs, at->node);
    if (!r)
        return TN_OK;
    for (size_t c = 0; more && c < r->goal.channels; c++)
        r->goal.mean[c] += more[c];
    r->met = true;
    return tn__goal_meet(r->scale, r->shift, &r->goal, at,
                         &shapes->shape[r->layer.output], repairs->workers, err);
}

tn_status tn__repairs_write(size_t *count, const tn__repairs *repairs, tn_model *small,
                            tn_error *err)
{
    tn_status status = TN_OK;
    *count = 0;
    for (size_t i = 0; i < repairs->count && status == TN_OK; i++) {
        const struct tn__repaired *r = &repairs->list[i];
        bool moved = false;
        for (size_t c = 0; r->met && c < r->goal.channels; c++)
            moved = moved || r->scale[c] != 1 || r->shift[c] != 0;
        if (!moved)
            continue;
        status = tn__layer_scale(small, &r->layer, r->scale, r->shift, err);
        ++*count;
    }
    return status;
}
