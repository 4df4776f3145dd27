/* goals.c - what each layer of the fused network should answer: REPAIR's goals.
 *
 * Mean and standard deviation (not variance) of a neuron are interpolated between its
 * aligned counterparts. Parents are measured as they are and their statistics carried
 * by the maps, so no aligned parent has to run.
 */
#include <math.h>

#include "fuse/fusion.h"

/* Layers whose output is in some group and has no norm behind it. */
static tn_status find_layers(tn__layer **out, size_t *count, const tn__fusion *f,
                             tn_error *err)
{
    const tn__parent *reference = &f->parents[f->reference];
    const tn_model *model = reference->model;
    tn__layer *list = tn__alloc(model->node_count, sizeof *list);
    size_t found = 0;
    if (!list)
        return tn__fail_memory(err, model->node_count * sizeof *list);
    for (size_t n = 0; n < model->node_count; n++) {
        tn__channels channels = {0};
        tn__layer layer;
        if (!tn__layer_of(&layer, model, &f->links, n) || layer.norm != TN__NONE)
            continue;
        tn_status status =
            tn__channels_find(&channels, reference->groups, layer.output, err);
        if (status != TN_OK) {
            tn__free(list);
            return status;
        }
        bool grouped = false;
        for (size_t c = 0; c < channels.count; c++)
            grouped = grouped || channels.group[c] != TN__NONE;
        tn__channels_release(&channels);
        if (grouped)
            list[found++] = layer;
    }
    *out = list;
    *count = found;
    return TN_OK;
}

/* *mean and *sd += weight times what row j of the map makes of the source's. */
static void carry(double *mean, double *sd, const tn__map *map, size_t j, double weight,
                  const tn__moments *moments, const uint32_t *index)
{
    bool identity = !map->select && !map->first;
    size_t from = identity || map->select ? 0 : map->first[j];
    size_t to = identity || map->select ? 1 : map->first[j + 1];
    for (size_t e = from; e < to; e++) {
        size_t i = j;
        double share = 1;
        if (map->select) {
            i = map->select[j];
        } else if (!identity) {
            i = map->column[e];
            share = map->out[e];
        }
        *mean += weight * share * moments->mean[index[i]];
        *sd += weight * share * sqrt(tn__moments_variance(moments, index[i]));
    }
}

static const tn__group_entry *entry_on(const tn__group *group, size_t value)
{
    for (size_t e = 0; e < group->entry_count; e++) {
        if (group->entries[e].value == value && group->entries[e].axis == 1)
            return &group->entries[e];
    }
    return NULL;
}

static tn_status add_parent(tn__goal *goal, const tn__fusion *f, size_t k,
                            const tn__layer *layer, const tn__moments *moments,
                            tn_error *err)
{
    const tn__parent *parent = &f->parents[k];
    tn__channels channels = {0};
    tn_status status = tn__channels_find(&channels, f->parents[f->reference].groups,
                                         layer->output, err);
    if (status != TN_OK)
        return status;
    for (size_t c = 0; c < goal->channels; c++) {
        size_t g = channels.group[c];
        if (g == TN__NONE) {
            goal->sd[c] = -1;
            continue;
        }
        const tn__group_entry *entry =
            entry_on(&parent->groups->list[g], layer->output);
        carry(&goal->mean[c], &goal->sd[c], &parent->maps[g], channels.neuron[c],
              tn__fusion_weight(f, k, layer->weight), moments, entry->index);
    }
    tn__channels_release(&channels);
    return TN_OK;
}

/* What parent k answers at all layers. */
static tn_status measure_parent(tn__moments *moments, const tn__fusion *f, size_t k,
                                const tn__layer *layers, size_t count, tn_error *err)
{
    tn__engine *engine = NULL;
    size_t *keep = tn__alloc(count, sizeof *keep);
    tn_status status = TN_OK;
    if (!keep)
        return tn__fail_memory(err, count * sizeof *keep);
    for (size_t i = 0; i < count && status == TN_OK; i++) {
        const tn__shapes *shapes = &f->parents[k].groups->shapes;
        keep[i] = layers[i].output;
        status = tn__extent_of(&moments[i].extent, &shapes->shape[keep[i]], err);
    }
    if (status != TN_OK)
        goto done;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = f->workers;
    options.keep = keep;
    options.keep_count = count;
    status = tn__engine_create(&engine, f->parents[k].model, &options, err);
    if (status == TN_OK)
        status = tn__stats_moments(moments, engine, count, f->calibration,
                                   f->calibration_count, err);
done:
    tn__free(keep);
    tn__engine_free(engine);
    return status;
}

tn_status tn__goals_measure(tn__fusion *fusion, tn_error *err)
{
    tn__layer *layers = NULL;
    size_t count = 0;
    if (fusion->moments)
        return TN_OK;
    tn_status status = find_layers(&layers, &count, fusion, err);
    if (status != TN_OK)
        return status;
    tn__moments *made = tn__alloc(fusion->count, count * sizeof *made);
    if (!made)
        status = tn__fail_memory(err, fusion->count * count * sizeof *made);
    for (size_t k = 0; count && k < fusion->count && status == TN_OK; k++)
        status = measure_parent(made + k * count, fusion, k, layers, count, err);
    tn__free(layers);
    if (status == TN_OK) {
        fusion->moments = made;
        fusion->moment_count = count;
        return TN_OK;
    }
    for (size_t i = 0; made && i < fusion->count * count; i++)
        tn__moments_release(&made[i]);
    tn__free(made);
    return status;
}

tn_status tn__goals_mix(tn__goal **goals, size_t *count, const tn__fusion *fusion,
                        tn_error *err)
{
    const tn__groups *groups = fusion->parents[fusion->reference].groups;
    tn__layer *layers = NULL;
    size_t found = 0;
    tn_status status = find_layers(&layers, &found, fusion, err);
    if (status != TN_OK)
        return status;
    tn__goal *made = tn__alloc(found, sizeof *made);
    if (!made)
        status = tn__fail_memory(err, found * sizeof *made);
    for (size_t i = 0; i < found && status == TN_OK; i++) {
        size_t channels = (size_t)groups->shapes.shape[layers[i].output].dims[1];
        status = tn__goal_create(&made[i], layers[i].node, channels, err);
        for (size_t k = 0; k < fusion->count && status == TN_OK; k++)
            if (fusion->weights[k] > 0)
                status = add_parent(&made[i], fusion, k, &layers[i],
                                    &fusion->moments[k * found + i], err);
    }
    tn__free(layers);
    if (status != TN_OK) {
        tn__goals_free(made, found);
        return status;
    }
    *goals = made;
    *count = found;
    return TN_OK;
}
