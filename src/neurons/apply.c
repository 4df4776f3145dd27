/* apply.c - carries the parameters of one model onto the graph of another.
 *
 * Every parameter is a tensor whose axes are multiplied, one after another, by the maps
 * of the groups that lie on them (mode products). First axis `rank` of a grouped
 * weight, while its rows are still whole blocks, then the gathers in the parameter's
 * own type, then what mixes, in double.
 */
#include <string.h>

#include "neurons/axis_map.h"
#include "ops/operand.h"

/* The maps of all axes of one parameter; map[rank] is that of axis `rank`. */
typedef struct axis_maps {
    tn__axis_map map[TN__MAX_RANK + 1];
    int rank;
    size_t blocks; /* above 1: axis `rank` stands for axis 1 */
} axis_maps;

static void release_maps(axis_maps *maps)
{
    for (int a = 0; a <= maps->rank; a++)
        tn__axis_map_release(&maps->map[a]);
}

/* Blocks of a grouped weight may change places but do not mix: from[k] [blocks] becomes
 * the block that block k of the map's rows is made of. */
static tn_status find_origins(uint32_t *from, const axis_maps *maps, int axis,
                              const char *name, tn_error *err)
{
    const tn__axis_map *map = &maps->map[axis];
    size_t rows = map->rows / maps->blocks, columns = map->columns / maps->blocks;
    for (size_t k = 0; k < maps->blocks; k++)
        from[k] = map->first ? UINT32_MAX : (uint32_t)k;
    for (size_t j = 0; map->first && j < map->rows; j++) {
        for (size_t e = map->first[j]; e < map->first[j + 1]; e++) {
            uint32_t origin = (uint32_t)(map->column[e] / columns);
            if (from[j / rows] == UINT32_MAX)
                from[j / rows] = origin;
            if (from[j / rows] != origin)
                return tn__fail(
                    err, TN_ERROR_MISMATCH,
                    "cannot carry '%s': index %zu of axis %d would come from "
                    "another group of the convolution",
                    name, j, axis);
        }
    }
    return TN_OK;
}

/* Rows and columns of a grouped weight must come from the same blocks. Columns are
 * mapped first, while the rows are still where they were. */
static tn_status match_blocks(axis_maps *maps, const char *name, bool rows,
                              tn_error *err)
{
    size_t n = maps->blocks;
    tn__axis_map *columns = &maps->map[maps->rank];
    uint32_t *from = tn__alloc(n, 2 * sizeof *from);
    uint32_t *slab = tn__alloc(n, sizeof *slab);
    tn_status status = from && slab ? TN_OK : tn__fail_memory(err, n * sizeof *slab);
    if (!status)
        status = find_origins(from, maps, maps->rank, name, err);
    if (!status && rows)
        status = find_origins(from + n, maps, 0, name, err);
    for (size_t k = 0; k < n && rows && !status; k++)
        if (from[k] != from[n + k] && from[k] != UINT32_MAX &&
            from[n + k] != UINT32_MAX)
            status = tn__fail(err, TN_ERROR_MISMATCH,
                              "cannot carry '%s': rows of block %zu come from block "
                              "%u, its columns from block %u",
                              name, k, from[n + k], from[k]);
    for (size_t k = 0; k < n && !status; k++)
        slab[k] = UINT32_MAX;
    for (size_t k = 0; k < n && !status; k++)
        if (from[k] != UINT32_MAX)
            slab[from[k]] = (uint32_t)k;
    tn__free(from);
    if (status || !columns->first)
        tn__free(slab);
    else
        columns->slab = slab;
    return status;
}

/* Whether the group that is left alone lies on axis `rank` of the parameter, which then
 * keeps source's columns. */
static bool skips_columns(const tn__transport *t, size_t v, int rank)
{
    if (t->skip == TN__NONE)
        return false;
    const tn__group *group = &t->target_groups->list[t->skip];
    for (size_t e = 0; e < group->entry_count; e++)
        if (group->entries[e].value == v && group->entries[e].axis == rank)
            return true;
    return false;
}

static tn_status create_column_map(axis_maps *maps, const tn__transport *t, size_t v,
                                   tn_error *err)
{
    size_t found = t->source_groups->blocks[tn__transport_source(t, v)];
    size_t wanted = t->target_groups->blocks[v];
    if (wanted < 2 || !tn__transport_meets(t, v, maps->rank))
        return TN_OK;
    if (found != wanted)
        return tn__fail(
            err, TN_ERROR_MISMATCH,
            "cannot carry '%s': %zu groups of the convolution, expected %zu",
            t->target->values[v].name, found, wanted);
    maps->blocks = wanted;
    if (skips_columns(t, v, maps->rank))
        return TN_OK;
    return tn__axis_map_create(&maps->map[maps->rank], t, v, maps->rank, err);
}

/* Axes other than `own` (-1: none), whose map the caller makes. */
static tn_status create_maps(axis_maps *out, const tn__transport *t, size_t v, int own,
                             tn_error *err)
{
    const tn__tensor *from = &t->source->values[tn__transport_source(t, v)].parameter;
    const tn__value *to = &t->target->values[v];
    axis_maps maps = {.rank = to->parameter.shape.rank, .blocks = 1};
    if (from->shape.rank != maps.rank)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "cannot carry '%s': it has %d axes, expected %d", to->name,
                        from->shape.rank, maps.rank);
    tn_status status = create_column_map(&maps, t, v, err);
    for (int a = 0; a < maps.rank && !status; a++) {
        if (a == own || (a == 1 && maps.blocks > 1))
            continue;
        status = tn__axis_map_create(&maps.map[a], t, v, a, err);
    }
    if (!status && maps.blocks > 1 && !skips_columns(t, v, maps.rank))
        status = match_blocks(&maps, to->name, own != 0, err);
    if (status)
        release_maps(&maps);
    else
        *out = maps;
    return status;
}

static tn_status to_double(tn__tensor *tensor, tn_error *err)
{
    tn__tensor converted = {0};
    if (tensor->dtype == TN_F64)
        return TN_OK;
    tn_status status = tn__tensor_convert(&converted, tensor, TN_F64, err);
    if (status)
        return status;
    tn__tensor_release(tensor);
    *tensor = converted;
    return TN_OK;
}

static tn_status apply_one(tn__tensor *tensor, const axis_maps *maps, int axis,
                           tn_error *err)
{
    const tn__axis_map *map = &maps->map[axis];
    bool columns = axis == maps->rank;
    tn_status status = TN_OK;
    if (map->first && !map->gather)
        status = to_double(tensor, err);
    if (!status)
        status = tn__axis_map_apply(tensor, map, columns ? 1 : axis,
                                    columns ? maps->blocks : 1, err);
    return status;
}

static tn_status apply_maps(tn__tensor *tensor, const axis_maps *maps, tn_error *err)
{
    tn_status status = apply_one(tensor, maps, maps->rank, err);
    for (int mixing = 0; mixing < 2; mixing++)
        for (int a = 0; a < maps->rank && !status; a++)
            if (maps->map[a].first && maps->map[a].gather != (mixing == 1))
                status = apply_one(tensor, maps, a, err);
    return status;
}

/* --- a whole model ---------------------------------------------------------------- */

/* Whether parameter v of target is computed from one of source. */
static bool is_carried(const tn__transport *t, size_t v)
{
    size_t u = tn__transport_source(t, v);
    return u != TN__NONE && tn__dtype_is_float(t->target->values[v].parameter.dtype) &&
           tn__dtype_is_float(t->source->values[u].parameter.dtype);
}

static tn_status carry(tn__tensor *parameter, const tn__transport *t, size_t v,
                       tn_error *err)
{
    axis_maps maps;
    tn__tensor converted = {0};
    tn_status status = create_maps(&maps, t, v, -1, err);
    if (status)
        return status;
    const tn__value *from = &t->source->values[tn__transport_source(t, v)];
    tn__tensor tensor = tn__tensor_ref(&from->parameter);
    if ((status = apply_maps(&tensor, &maps, err)) != TN_OK)
        goto done;
    if (tensor.dtype != parameter->dtype) {
        status = tn__tensor_convert(&converted, &tensor, parameter->dtype, err);
        if (status)
            goto done;
        tn__tensor_release(&tensor);
        tensor = converted;
    }
    tn__tensor_release(parameter);
    *parameter = tensor;
    tensor = (tn__tensor){0};
done:
    tn__tensor_release(&tensor);
    release_maps(&maps);
    return status;
}

tn_status tn__map_apply(tn_model **out, const tn_model *source,
                        const tn__groups *source_groups, const tn_model *target,
                        const tn__groups *target_groups, const size_t *value_of,
                        const tn__map *maps, tn_error *err)
{
    tn__transport t = {source,   target, source_groups,   target_groups,
                       value_of, maps,   .skip = TN__NONE};
    tn_model *model = NULL;
    tn_status status = tn__transport_check(&t, err);
    if (status || (status = tn__model_clone(&model, target, err)) != TN_OK)
        goto done;
    for (size_t v = 0; v < model->value_count && !status; v++)
        if (is_carried(&t, v))
            status = carry(&model->values[v].parameter, &t, v, err);
    if (status)
        goto done;
    *out = model;
    model = NULL;
done:
    tn_model_free(model);
    return status;
}

/* --- one parameter, neuron by neuron ---------------------------------------------- */

static size_t product_of(const tn__shape *shape, int from, int to)
{
    size_t count = 1;
    for (int a = from; a < to; a++)
        count *= (size_t)shape->dims[a];
    return count;
}

/* Rows of a tile stay in the cache while their columns are read. */
#define TILE 16

/* tensor [outer, cells, inner] to rows [cells / repeats, repeats, outer, inner]. */
static void copy_axis(double *rows, const double *data, const tn__shape *shape,
                      int axis)
{
    size_t outer = product_of(shape, 0, axis), cells = (size_t)shape->dims[axis];
    size_t inner = product_of(shape, axis + 1, shape->rank);
    for (size_t first = 0; first < outer; first += TILE)
        for (size_t c = 0; c < cells; c++)
            for (size_t o = first; o < TN__MIN(outer, first + TILE); o++)
                memcpy(rows + (c * outer + o) * inner, data + (o * cells + c) * inner,
                       inner * sizeof *rows);
}

/* The same of axis `rank`: cell c of it is column c mod (columns of a block) of the
 * rows of block c / (columns of a block). */
static void copy_columns(double *rows, const double *data, const tn__shape *shape,
                         const tn__group_entry *entry, size_t cells, size_t blocks)
{
    size_t outer = (size_t)shape->dims[0] / blocks, columns = (size_t)shape->dims[1];
    size_t inner = product_of(shape, 2, shape->rank);
    for (size_t c = 0; c < cells; c++) {
        size_t block = entry->index[c] / columns, column = entry->index[c] % columns;
        for (size_t o = 0; o < outer; o++)
            memcpy(rows + (c * outer + o) * inner,
                   data + ((block * outer + o) * columns + column) * inner,
                   inner * sizeof *rows);
    }
}

/* The parameter of target that corresponds to source's value u, or TN__NONE. */
static size_t find_target(const tn__transport *t, size_t u)
{
    if (!t->value_of)
        return u;
    for (size_t v = 0; v < t->target->value_count; v++)
        if (t->value_of[v] == u)
            return v;
    return TN__NONE;
}

static tn_status copy_rows(double **rows, size_t *width, const tn__tensor *tensor,
                           const axis_maps *maps, const tn__group_entry *entry,
                           size_t neurons, tn_error *err)
{
    bool columns = entry->axis == maps->rank;
    size_t count = tn__tensor_count(tensor), cells = neurons * entry->repeats;
    if (columns)
        count = cells * (count / (size_t)tensor->shape.dims[1] / maps->blocks);
    double *made = tn__alloc(count, sizeof *made);
    if (!made)
        return tn__fail_memory(err, count * sizeof *made);
    if (columns)
        copy_columns(made, tn__tensor_data(tensor), &tensor->shape, entry, cells,
                     maps->blocks);
    else
        copy_axis(made, tn__tensor_data(tensor), &tensor->shape, entry->axis);
    *rows = made;
    *width = count / neurons;
    return TN_OK;
}

tn_status tn__map_rows(double **rows, size_t *width, const tn_model *source,
                       const tn__groups *source_groups, const tn_model *target,
                       const tn__groups *target_groups, const size_t *value_of,
                       const tn__map *maps, size_t group, size_t entry, tn_error *err)
{
    tn__transport t = {source,   target, source_groups, target_groups,
                       value_of, maps,   .skip = group};
    const tn__group *own =
        &source_groups->list[tn__map_origin(source_groups, maps, group)];
    const tn__group_entry *at = &own->entries[entry];
    const tn__tensor *parameter = &source->values[at->value].parameter;
    size_t v = find_target(&t, at->value);
    axis_maps axes = {.blocks = 1};
    tn__tensor tensor = {0};
    tn_status status;
    if (v == TN__NONE || !is_carried(&t, v))
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "parameter '%s' has no counterpart to compare with",
                        source->values[at->value].name);
    if ((status = tn__transport_check(&t, err)) != TN_OK ||
        (status = create_maps(&axes, &t, v, at->axis, err)) != TN_OK)
        goto done;
    if (at->axis < axes.rank) {
        status = tn__axis_map_entry(&axes.map[at->axis], at, own->neurons,
                                    (size_t)parameter->shape.dims[at->axis], err);
        if (status)
            goto done;
    }
    tensor = tn__tensor_ref(parameter);
    if ((status = apply_maps(&tensor, &axes, err)) != TN_OK ||
        (status = to_double(&tensor, err)) != TN_OK)
        goto done;
    status = copy_rows(rows, width, &tensor, &axes, at, own->neurons, err);
done:
    tn__tensor_release(&tensor);
    release_maps(&axes);
    return status;
}
