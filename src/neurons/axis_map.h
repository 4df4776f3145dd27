/* axis_map.h - what the maps of all groups do to one axis of one parameter.
 *
 * Several groups and frozen cells may share an axis (the stages of a ResNet with
 * padding shortcuts); an axis map joins their maps into one sparse matrix over the
 * whole axis, and tn__axis_map_apply() multiplies a tensor by it.
 */
#ifndef TN_NEURONS_AXIS_MAP_H
#define TN_NEURONS_AXIS_MAP_H

#include "neurons/map.h"

/* [rows, columns], by rows; all zero: the identity. Rows and columns are runs of `run`
 * cells that always move together (the pixels of a flattened channel). */
typedef struct tn__axis_map {
    size_t rows, columns, run;
    size_t *first;    /* [rows + 1] */
    uint32_t *column; /* [entries] */
    double *weight;   /* [entries] */
    bool gather;      /* every row is one entry of weight 1 */
    uint32_t *slab;   /* [blocks], of axis `rank`: the block of rows that block k of the
                         columns goes to, UINT32_MAX where it goes; NULL: to k */
} tn__axis_map;

/* A transport from one model to another: see tn__map_apply(). */
typedef struct tn__transport {
    const tn_model *source, *target;
    const tn__groups *source_groups, *target_groups;
    const size_t *value_of;
    const tn__map *maps;
    size_t skip; /* a group whose cells are left alone, or TN__NONE */
} tn__transport;

/* TN_ERROR_MISMATCH where the numbers of groups differ. */
tn_status tn__transport_check(const tn__transport *t, tn_error *err) TN_MUST_USE;
/* The value of source for value v of target, or TN__NONE. */
size_t tn__transport_source(const tn__transport *t, size_t v);

/* Whether a group lies on that axis of target's parameter v. */
bool tn__transport_meets(const tn__transport *t, size_t v, int axis);

/* The map of an axis of target's parameter v; `axis` may be `rank`: see op.h.
 * TN_ERROR_MISMATCH where what no group covers has another extent. */
tn_status tn__axis_map_create(tn__axis_map *out, const tn__transport *t, size_t v,
                              int axis, tn_error *err) TN_MUST_USE;
/* Takes only the cells of one entry, neuron by neuron, from an axis of that extent. */
tn_status tn__axis_map_entry(tn__axis_map *out, const tn__group_entry *entry,
                             size_t neurons, size_t extent, tn_error *err) TN_MUST_USE;
void tn__axis_map_release(tn__axis_map *map);

/* tensor [outer, columns * run, inner] becomes [outer, rows * run, inner], a new
 * tensor. A map that mixes wants TN_F64. With blocks > 1 the map is that of axis
 * `rank`: block k of the rows of axis 0 is multiplied by block slab[k] of the map,
 * along axis 1. */
tn_status tn__axis_map_apply(tn__tensor *tensor, const tn__axis_map *map, int axis,
                             size_t blocks, tn_error *err) TN_MUST_USE;

#endif
