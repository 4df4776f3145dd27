/* map.h - transport maps between groups, and applying them to a model.
 *
 * The map of a group with n neurons onto m: `out` [m, n] for what produces the neurons
 * and `in` [m, n] for what consumes them: producers become out W, consumers W in^T. A
 * permutation or a selection is kept as indices (out = in = rows of the identity).
 */
#ifndef TN_NEURONS_MAP_H
#define TN_NEURONS_MAP_H

#include "neurons/groups.h"

typedef struct tn__map {
    size_t rows, columns; /* m, n */
    uint32_t *select;     /* [rows]: row j is neuron select[j]; or NULL, and then: */
    size_t *first;    /* [rows + 1]: entries of row j are first[j] .. first[j + 1] */
    uint32_t *column; /* [entries] */
    double *out, *in; /* [entries] */
} tn__map;

tn_status tn__map_select(tn__map *out, size_t rows, size_t columns,
                         const uint32_t *select, tn_error *err) TN_MUST_USE;
tn_status tn__map_identity(tn__map *out, size_t neurons, tn_error *err) TN_MUST_USE;
/* From a dense plan or weights: out_dense and in_dense [rows, columns]; entries where
 * both are zero are left out. */
tn_status tn__map_dense(tn__map *out, size_t rows, size_t columns,
                        const double *out_dense, const double *in_dense,
                        tn_error *err) TN_MUST_USE;
tn_status tn__map_clone(tn__map *out, const tn__map *map, tn_error *err) TN_MUST_USE;
void tn__map_release(tn__map *map);

/* Carries `source`'s parameters onto the graph of `target` (same structure, perhaps
 * other widths): every parameter of target is computed from source's parameter of the
 * same place, mapped on every axis where a group lies: on axes of role PRODUCER and
 * CARRIER by `out`, of CONSUMER by `in`. maps[g] carries group g of source onto group g
 * of target; a NULL `maps[g].first` with NULL select is the identity. `value_of[v]` is
 * the value of source that corresponds to value v of target (NULL: the same number).
 * Frozen cells are copied. Computed in double. Running variances of batch norm are
 * mapped like the rest of the carriers; callers that mix neurons re-estimate them. *out
 * is a clone of target with new parameters; the inputs are not changed. */
tn_status tn__map_apply(tn_model **out, const tn_model *source,
                        const tn__groups *source_groups, const tn_model *target,
                        const tn__groups *target_groups, const size_t *value_of,
                        const tn__map *maps, tn_error *err) TN_MUST_USE;

/* The group of source whose neurons the maps bring to the place of `group`: another one
 * where it lies in a block that changes places. */
size_t tn__map_origin(const tn__groups *source_groups, const tn__map *maps,
                      size_t group);

/* One parameter as a matrix of neurons: row j holds everything of `entry`'s parameter
 * that belongs to neuron j of the group (of its origin), the other axes having been
 * mapped by `maps` as in tn__map_apply() (`skip` is the group whose own axes are left
 * alone). Widths of the other axes are those of the maps' targets. *rows [neurons,
 * *width] is owned by the caller. */
tn_status tn__map_rows(double **rows, size_t *width, const tn_model *source,
                       const tn__groups *source_groups, const tn_model *target,
                       const tn__groups *target_groups, const size_t *value_of,
                       const tn__map *maps, size_t group, size_t entry,
                       tn_error *err) TN_MUST_USE;

#endif
