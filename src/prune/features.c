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

static tn_status add_block(tn__features *f, const double *rows, size_t width,
                           tn_error *err)
{
    size_t wide = f->width + width;
    double *made = tn__alloc(f->neurons, wide * sizeof *made);
    size_t *first = tn__realloc(f->first, f->count + 2, sizeof *first);
    if (first)
        f->first = first;
    if (!made || !first) {
        tn__free(made);
        return tn__fail_memory(err, f->neurons * wide * sizeof *made);
    }
    for (size_t i = 0; i < f->neurons; i++) {
        if (f->width)
            memcpy(made + i * wide, f->rows + i * f->width, f->width * sizeof *made);
        memcpy(made + i * wide + f->width, rows + i * width, width * sizeof *made);
    }
    tn__free(f->rows);
    f->rows = made;
    first[f->count++] = f->width;
    first[f->count] = wide;
    f->width = wide;
    return TN_OK;
}

tn_status tn__features_create(tn__features *out, const tn_model *model,
                              const tn__groups *groups, size_t group, bool bias,
                              tn_error *err)
{
    const tn__group *g = &groups->list[group];
    tn__features made = {.neurons = g->neurons};
    tn__map *identity = tn__alloc(groups->count, sizeof *identity);
    tn_status status =
        identity ? TN_OK : tn__fail_memory(err, groups->count * sizeof *identity);
    for (size_t e = 0; e < g->entry_count && status == TN_OK; e++) {
        double *rows = NULL;
        size_t width = 0;
        if (!is_wanted(model, &g->entries[e], bias))
            continue;
        status = tn__map_rows(&rows, &width, model, groups, model, groups, NULL,
                              identity, group, e, err);
        if (status == TN_OK)
            status = add_block(&made, rows, width, err);
        tn__free(rows);
    }
    if (status == TN_OK && made.count == 0)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "group '%s' lies on no layer's weights", g->name);
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
