/* masses.c - how much each neuron counts: uniform, or the norm of its incoming weights.
 *
 * OTFusion's importance (Singh and Jaggi 2020, section 4); norms are those of the
 * neuron's own weights, not of aligned ones.
 */
#include <math.h>

#include "fuse/fusion.h"

/* Keeps a neuron without weights from having no mass at all. */
#define MASS_MIN 1e-9

static void add_norms(double *masses, const double *rows, size_t n, size_t width,
                      bool l1)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < width; k++) {
            double w = rows[i * width + k];
            masses[i] += l1 ? fabs(w) : w * w;
        }
    }
}

tn_status tn__masses(double **masses, const tn__fusion *fusion, size_t parent,
                     size_t group, tn_error *err)
{
    return tn__masses_by(masses, fusion, parent, group, fusion->options->importance,
                         err);
}

tn_status tn__masses_by(double **masses, const tn__fusion *fusion, size_t parent,
                        size_t group, tn_importance importance, tn_error *err)
{
    const tn__parent *source = &fusion->parents[parent];
    const tn__group *g = &source->groups->list[group];
    *masses = NULL;
    if (importance == TN_IMPORTANCE_UNIFORM)
        return TN_OK;
    double *made = tn__alloc(g->neurons, sizeof *made), total = 0;
    tn__map *identity = tn__alloc(source->groups->count, sizeof *identity);
    tn_status status =
        made && identity ? TN_OK : tn__fail_memory(err, g->neurons * sizeof *made);
    for (size_t e = 0; e < g->entry_count && status == TN_OK; e++) {
        double *rows = NULL;
        size_t width = 0;
        if (!tn__is_layer_entry(source->model, &g->entries[e]))
            continue;
        tn__rows_request request = {source, source, &fusion->links, group, e};
        status = tn__layer_rows(&rows, &width, &request, identity, err);
        if (status == TN_OK)
            add_norms(made, rows, g->neurons, width, importance == TN_IMPORTANCE_L1);
        tn__free(rows);
    }
    tn__free(identity);
    if (status != TN_OK) {
        tn__free(made);
        return status;
    }
    for (size_t i = 0; i < g->neurons; i++) {
        made[i] = MASS_MIN + (importance == TN_IMPORTANCE_L2 ? sqrt(made[i]) : made[i]);
        total += made[i];
    }
    for (size_t i = 0; i < g->neurons; i++)
        made[i] /= total;
    *masses = made;
    return TN_OK;
}
