/* features.c - a neuron as a row of numbers: the weights that make it and read it.
 *
 * Blocks follow the entries of the group: rows of producers, columns of consumers
 * (Theus et al. 2024, 3.2.2). The caller folds batch norms first.
 */
#include <math.h>
#include <string.h>

#include "prune/prune.h"

static bool is_wanted(const tn_model *model, const tn__group_entry *entry, bool bias)
{
    const tn__value *value = &model->values[entry->value];
    if (!tn__value_is_parameter(value) || entry->role == TN__CARRIER)
        return false;
    return value->parameter.shape.rank > 1 || (bias && entry->role == TN__PRODUCER);
}

/* What one entry gives: rows [neurons, width]. */
typedef struct block {
    double *rows;
    size_t width;
} block;

/* The blocks of all entries that count, side by side. */
static tn_status join(tn__features *f, const block *blocks, size_t count, tn_error *err)
{
    f->first = tn__alloc(count + 1, sizeof *f->first);
    for (size_t e = 0; e < count; e++)
        f->width += blocks[e].width;
    f->rows = tn__alloc(f->neurons, f->width * sizeof *f->rows);
    if (!f->first || !f->rows)
        return tn__fail_memory(err, f->neurons * f->width * sizeof *f->rows);
    for (size_t e = 0, at = 0; e < count; e++) {
        size_t width = blocks[e].width;
        if (!blocks[e].rows)
            continue;
        for (size_t i = 0; i < f->neurons; i++)
            memcpy(f->rows + i * f->width + at, blocks[e].rows + i * width,
                   width * sizeof *f->rows);
        at += width;
        f->first[++f->count] = at;
    }
    return TN_OK;
}

tn_status tn__features_create(tn__features *out, const tn_model *model,
                              const tn__groups *groups, size_t group, bool bias,
                              tn_error *err)
{
    const tn__group *g = &groups->list[group];
    tn__features made = {.neurons = g->neurons};
    tn__map *identity = tn__alloc(groups->count, sizeof *identity);
    block *blocks = tn__alloc(g->entry_count, sizeof *blocks);
    tn_status status = identity && blocks
                           ? TN_OK
                           : tn__fail_memory(err, groups->count * sizeof *identity);
    for (size_t e = 0; e < g->entry_count && status == TN_OK; e++)
        if (is_wanted(model, &g->entries[e], bias))
            status = tn__map_rows(&blocks[e].rows, &blocks[e].width, model, groups,
                                  model, groups, NULL, identity, group, e, err);
    if (status == TN_OK)
        status = join(&made, blocks, g->entry_count, err);
    if (status == TN_OK && made.count == 0)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "group '%s' lies on no layer's weights", g->name);
    for (size_t e = 0; blocks && e < g->entry_count; e++)
        tn__free(blocks[e].rows);
    tn__free(blocks);
    tn__free(identity);
    if (status == TN_OK)
        *out = made;
    else
        tn__features_release(&made);
    return status;
}

void tn__features_release(tn__features *features)
{
    tn__free(features->rows);
    tn__free(features->first);
    *features = (tn__features){0};
}

void tn__features_normalise(tn__features *features)
{
    for (size_t i = 0; i < features->neurons; i++) {
        double *row = features->rows + i * features->width, sum = 0;
        for (size_t k = 0; k < features->width; k++)
            sum += row[k] * row[k];
        for (size_t k = 0; sum > 0 && k < features->width; k++)
            row[k] /= sqrt(sum);
    }
}
