/* mergers.c - what it would cost to merge each neuron with its counterparts.
 *
 * The label-free curve that PLeaS (Nasery et al. 2024, arXiv 2407.02447) has its budget
 * spent by is made of accuracies; here it is the energy that the layers behind lose. A
 * layer with weights W reads x_k from parent k and gets their mean instead: neuron j
 * then costs it |W_j|^2 sum_k w_k E (x_k - x)^2 / 2 to first order, which is divided by
 * the energy of all its inputs so that layers of any scale can be compared.
 */
#include "fuse/partial.h"

tn__mergers tn__mergers_of(const tn__fusion *fusion)
{
    tn__mergers made = {.fusion = fusion, .options = *fusion->options};
    made.images = fusion->answers.value_count > 0 &&
                  fusion->options->support != TN_SUPPORT_WEIGHTS;
    made.options.features = made.images ? TN_FEATURES_RAW : TN_FEATURES_STANDARD;
    made.options.gromov = false;
    return made;
}

static tn_status evidence_of(tn__evidence *out, const tn__mergers *m, size_t parent,
                             size_t group, tn_error *err)
{
    tn__fusion view = *m->fusion;
    bool found = false;
    view.options = &m->options;
    if (m->images) {
        tn_status status =
            tn__evidence_activations(out, &found, &view, parent, group, err);
        if (status != TN_OK || found)
            return status;
    }
    size_t groups = view.parents[view.reference].groups->count;
    bool *solved = tn__alloc(groups, sizeof *solved);
    if (!solved)
        return tn__fail_memory(err, groups);
    for (size_t g = 0; g < groups; g++)
        solved[g] = true;
    tn_status status = tn__evidence_weights(out, &view, parent, group, solved, err);
    tn__free(solved);
    return status;
}

static size_t counterpart(const tn__parent *parent, size_t group, size_t j)
{
    const tn__map *map = &parent->maps[group];
    return map->select ? map->select[j] : j;
}

/* distance [n]: half the mean of (x_k - x)^2; energy [n]: that of x; by the weights. */
static tn_status measure(double *distance, double *energy, const tn__mergers *m,
                         size_t group, tn_error *err)
{
    const tn__fusion *f = m->fusion;
    size_t n = f->parents[f->reference].groups->list[group].neurons;
    for (size_t k = 0; k < f->count; k++) {
        tn__evidence e = {0};
        if (k == f->reference)
            continue;
        tn_status status = evidence_of(&e, m, k, group, err);
        if (status != TN_OK)
            return status;
        for (size_t j = 0; j < n; j++) {
            size_t i = counterpart(&f->parents[k], group, j);
            double square = e.x[i] + e.y[j] - 2 * e.dot[i * n + j];
            double share = f->weights[f->reference] / (double)(f->count - 1);
            distance[j] += f->weights[k] * TN__MAX(square, 0) / 2;
            energy[j] += f->weights[k] * e.x[i] + share * e.y[j];
        }
        tn__evidence_release(&e);
    }
    return TN_OK;
}

/* norm [n] += weight times the squared norms of what parent k's layer `entry` reads the
 * neurons by, in the reference's order. */
static tn_status add_norms(double *norm, const tn__fusion *f, size_t k, size_t group,
                           size_t entry, tn_error *err)
{
    const tn__parent *parent = &f->parents[k];
    size_t n = parent->groups->list[group].neurons, width = 0;
    double *rows = NULL;
    tn__map *identity = tn__alloc(parent->groups->count, sizeof *identity);
    if (!identity)
        return tn__fail_memory(err, parent->groups->count * sizeof *identity);
    tn_status status =
        tn__map_rows(&rows, &width, parent->model, parent->groups, parent->model,
                     parent->groups, NULL, identity, group, entry, err);
    for (size_t j = 0; j < n && status == TN_OK; j++) {
        const double *row = rows + counterpart(parent, group, j) * width;
        for (size_t c = 0; c < width; c++)
            norm[j] += f->weights[k] * row[c] * row[c];
    }
    tn__free(rows);
    tn__free(identity);
    return status;
}

static tn_status add_layer(double *loss, double *norm, const double *distance,
                           const double *energy, const tn__mergers *m, size_t group,
                           size_t entry, tn_error *err)
{
    const tn__fusion *f = m->fusion;
    size_t n = f->parents[f->reference].groups->list[group].neurons;
    double all = 0;
    tn_status status = TN_OK;
    for (size_t j = 0; j < n; j++)
        norm[j] = 0;
    for (size_t k = 0; k < f->count && status == TN_OK; k++)
        status = add_norms(norm, f, k, group, entry, err);
    for (size_t j = 0; j < n; j++)
        all += norm[j] * energy[j];
    for (size_t j = 0; j < n && all > 0; j++)
        loss[j] += norm[j] * distance[j] / all;
    return status;
}

tn_status tn__mergers_loss(double *loss, const tn__mergers *mergers, size_t group,
                           tn_error *err)
{
    const tn__parent *reference = &mergers->fusion->parents[mergers->fusion->reference];
    const tn__group *g = &reference->groups->list[group];
    double *distance = tn__alloc(g->neurons, 3 * sizeof *distance);
    if (!distance)
        return tn__fail_memory(err, g->neurons * 3 * sizeof *distance);
    double *energy = distance + g->neurons, *norm = energy + g->neurons;
    tn_status status = measure(distance, energy, mergers, group, err);
    for (size_t j = 0; j < g->neurons; j++)
        loss[j] = 0;
    for (size_t e = 0; e < g->entry_count && status == TN_OK; e++) {
        const tn__value *value = &reference->model->values[g->entries[e].value];
        if (g->entries[e].role == TN__CONSUMER && tn__value_is_parameter(value) &&
            value->parameter.shape.rank >= 2)
            status = add_layer(loss, norm, distance, energy, mergers, group, e, err);
    }
    tn__free(distance);
    return status;
}
