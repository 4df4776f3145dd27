/* map.c - making transport maps: selections as indices, anything else as sparse rows.
 */
#include "neurons/map.h"

#include <string.h>

tn_status tn__map_select(tn__map *out, size_t rows, size_t columns,
                         const uint32_t *select, tn_error *err)
{
    uint32_t *copy = tn__alloc(rows, sizeof *copy);
    if (!copy)
        return tn__fail_memory(err, rows * sizeof *copy);
    for (size_t j = 0; j < rows; j++) {
        if (select[j] >= columns) {
            tn__free(copy);
            return tn__fail(err, TN_ERROR_ARGUMENT, "row %zu selects neuron %u of %zu",
                            j, select[j], columns);
        }
        copy[j] = select[j];
    }
    *out = (tn__map){.rows = rows, .columns = columns, .select = copy};
    return TN_OK;
}

tn_status tn__map_identity(tn__map *out, size_t neurons, tn_error *err)
{
    uint32_t *select = tn__alloc(neurons, sizeof *select);
    if (!select)
        return tn__fail_memory(err, neurons * sizeof *select);
    for (size_t j = 0; j < neurons; j++)
        select[j] = (uint32_t)j;
    *out = (tn__map){.rows = neurons, .columns = neurons, .select = select};
    return TN_OK;
}

tn_status tn__map_dense(tn__map *out, size_t rows, size_t columns,
                        const double *out_dense, const double *in_dense, tn_error *err)
{
    size_t entries = 0;
    for (size_t i = 0; i < rows * columns; i++)
        entries += out_dense[i] != 0 || in_dense[i] != 0;
    tn__map map = {.rows = rows, .columns = columns};
    map.first = tn__alloc(rows + 1, sizeof *map.first);
    map.column = tn__alloc(entries, sizeof *map.column);
    map.out = tn__alloc(entries, sizeof *map.out);
    map.in = tn__alloc(entries, sizeof *map.in);
    if (!map.first || !map.column || !map.out || !map.in) {
        tn__map_release(&map);
        return tn__fail_memory(err, entries * sizeof *map.out);
    }
    size_t e = 0;
    for (size_t j = 0; j < rows; j++) {
        for (size_t i = 0; i < columns; i++) {
            double w = out_dense[j * columns + i], c = in_dense[j * columns + i];
            if (w == 0 && c == 0)
                continue;
            map.column[e] = (uint32_t)i;
            map.out[e] = w;
            map.in[e++] = c;
        }
        map.first[j + 1] = e;
    }
    *out = map;
    return TN_OK;
}

/* A copy of count elements of `size` bytes, or NULL. */
static void *copy_of(const void *from, size_t count, size_t size)
{
    void *copy = from ? tn__alloc(count, size) : NULL;
    if (copy && count > 0)
        memcpy(copy, from, count * size);
    return copy;
}

tn_status tn__map_clone(tn__map *out, const tn__map *map, tn_error *err)
{
    size_t entries = map->first ? map->first[map->rows] : 0;
    tn__map made = {.rows = map->rows, .columns = map->columns};
    made.select = copy_of(map->select, map->rows, sizeof *made.select);
    made.first = copy_of(map->first, map->rows + 1, sizeof *made.first);
    made.column = copy_of(map->column, entries, sizeof *made.column);
    made.out = copy_of(map->out, entries, sizeof *made.out);
    made.in = copy_of(map->in, entries, sizeof *made.in);
    if ((map->select && !made.select) ||
        (map->first && (!made.first || !made.column || !made.out || !made.in))) {
        tn__map_release(&made);
        return tn__fail_memory(err, map->rows * sizeof *made.out);
    }
    *out = made;
    return TN_OK;
}

void tn__map_release(tn__map *map)
{
    tn__free(map->select);
    tn__free(map->first);
    tn__free(map->column);
    tn__free(map->out);
    tn__free(map->in);
    *map = (tn__map){0};
}

size_t tn__map_origin(const tn__groups *source_groups, const tn__map *maps,
                      size_t group)
{
    const tn__group *inner = &source_groups->list[group];
    if (inner->blocks == TN__NONE || !maps[inner->blocks].select)
        return group;
    const tn__group *blocks = &source_groups->list[inner->blocks];
    size_t block = maps[inner->blocks].select[inner->within];
    return blocks->inner[block * blocks->kinds + inner->kind];
}
