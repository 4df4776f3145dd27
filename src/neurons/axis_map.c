/* axis_map.c - joins the maps of the groups that meet on an axis into one. */
#include "neurons/axis_map.h"

#include <string.h>

tn_status tn__transport_check(const tn__transport *t, tn_error *err)
{
    if (t->source_groups->count != t->target_groups->count)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the networks differ in structure: %zu groups and %zu",
                        t->source_groups->count, t->target_groups->count);
    return TN_OK;
}

size_t tn__transport_source(const tn__transport *t, size_t v)
{
    return t->value_of ? t->value_of[v] : v;
}

bool tn__transport_meets(const tn__transport *t, size_t v, int axis)
{
    size_t count;
    (void)tn__groups_on(&count, t->target_groups, v, axis);
    return count > 0;
}

/* --- one axis --------------------------------------------------------------------- */

/* What is needed to join the maps on one axis. */
typedef struct joint {
    const tn__transport *t;
    size_t u, v; /* the parameter in source and in target */
    int axis;
    size_t run; /* cells that move together; what follows counts runs */
    size_t extent[2];
    const tn__meeting *meeting[2];
    size_t meetings;
    bool *covered[2]; /* [extent]: lies in some group */
    bool *inner;      /* [extent of target]: lies in a group inside a block */
    uint32_t *row;    /* [extent of target]: the row that it becomes */
    size_t rows;
} joint;

static const tn__group_entry *entry_of(const joint *j, int side, size_t k)
{
    const tn__groups *groups = side ? j->t->target_groups : j->t->source_groups;
    const tn__meeting *m = &j->meeting[side][k];
    return &groups->list[m->group].entries[m->entry];
}

/* The entry of the group that is left alone: in the block that has come to its place.
 */
static const tn__group_entry *lone_entry(const joint *j, size_t k)
{
    size_t origin =
        tn__map_origin(j->t->source_groups, j->t->maps, j->meeting[0][k].group);
    return &j->t->source_groups->list[origin].entries[j->meeting[0][k].entry];
}

static size_t neurons_of(const joint *j, int side, size_t k)
{
    const tn__groups *groups = side ? j->t->target_groups : j->t->source_groups;
    return groups->list[j->meeting[side][k].group].neurons;
}

/* The p-th run of a neuron. */
static size_t run_of(const joint *j, const tn__group_entry *entry, size_t neuron,
                     size_t p)
{
    return entry->index[neuron * entry->repeats + p * j->run] / j->run;
}

static tn_status mismatch(const joint *j, const char *what, size_t found, size_t wanted,
                          tn_error *err)
{
    return tn__fail(err, TN_ERROR_MISMATCH,
                    "cannot carry '%s': axis %d has %zu %s, expected %zu",
                    j->t->target->values[j->v].name, j->axis, found, what, wanted);
}

static size_t axis_extent(const tn_model *model, const tn__groups *groups, size_t value,
                          int axis)
{
    const tn__shape *shape = &model->values[value].parameter.shape;
    if (axis < shape->rank)
        return (size_t)shape->dims[axis];
    return groups->blocks[value] * (size_t)shape->dims[1];
}

/* A map that is not needed is not looked at: it may not have been found yet. */
static tn_status check_map(const joint *j, size_t k, tn_error *err)
{
    size_t g = j->meeting[0][k].group;
    size_t columns = neurons_of(j, 0, k), rows = neurons_of(j, 1, k);
    const tn__map *map = &j->t->maps[g];
    bool identity = !map->select && !map->first;
    if (g == j->t->skip || (identity && rows == columns) ||
        (!identity && map->rows == rows && map->columns == columns))
        return TN_OK;
    return tn__fail(err, TN_ERROR_MISMATCH,
                    "the map of group '%s' is [%zu, %zu], expected [%zu, %zu]",
                    j->t->source_groups->list[g].name, map->rows, map->columns, rows,
                    columns);
}

static tn_status find_sides(joint *j, tn_error *err)
{
    const tn__transport *t = j->t;
    size_t count;
    j->extent[0] = axis_extent(t->source, t->source_groups, j->u, j->axis);
    j->extent[1] = axis_extent(t->target, t->target_groups, j->v, j->axis);
    j->meeting[0] = tn__groups_on(&count, t->source_groups, j->u, j->axis);
    j->meeting[1] = tn__groups_on(&j->meetings, t->target_groups, j->v, j->axis);
    if (count != j->meetings)
        return mismatch(j, "groups", count, j->meetings, err);
    for (size_t k = 0; k < count; k++) {
        size_t g = j->meeting[0][k].group, h = j->meeting[1][k].group;
        if (g != h)
            return mismatch(j, "as the number of a group", g, h, err);
        if (entry_of(j, 0, k)->repeats != entry_of(j, 1, k)->repeats &&
            !t->source_groups->list[g].kinds)
            return mismatch(j, "cells of each neuron", entry_of(j, 0, k)->repeats,
                            entry_of(j, 1, k)->repeats, err);
        tn_status status = check_map(j, k, err);
        if (status)
            return status;
    }
    return TN_OK;
}

static bool is_in_runs(const tn__group_entry *entry, size_t neurons, size_t run)
{
    for (size_t i = 0; i < neurons * entry->repeats; i++)
        if (entry->index[i] % run != i % run ||
            (i % run && entry->index[i] != entry->index[i - 1] + 1))
            return false;
    return entry->repeats == run;
}

/* Where all cells of every neuron follow one another, they are moved as one. */
static void find_runs(joint *j)
{
    size_t run = j->meetings ? entry_of(j, 0, 0)->repeats : 1;
    bool plain = j->t->target_groups->blocks[j->v] == 1;
    for (int side = 0; side < 2 && plain; side++) {
        plain = j->extent[side] % run == 0;
        for (size_t k = 0; k < j->meetings && plain; k++)
            plain = is_in_runs(entry_of(j, side, k), neurons_of(j, side, k), run);
    }
    j->run = plain ? run : 1;
    j->extent[0] /= j->run;
    j->extent[1] /= j->run;
}

static bool is_inside(const joint *j, size_t k)
{
    return j->t->target_groups->list[j->meeting[1][k].group].blocks != TN__NONE;
}

/* Marks what is covered and numbers the rows: target's in order; where a group is left
 * alone, its own of source come first. */
static tn_status number_rows(joint *j, tn_error *err)
{
    bool *alone = tn__alloc(j->extent[1], sizeof *alone);
    j->row = tn__alloc(j->extent[1], sizeof *j->row);
    j->inner = tn__alloc(j->extent[1], sizeof *j->inner);
    for (int side = 0; side < 2; side++) {
        j->covered[side] = tn__alloc(j->extent[side], sizeof(bool));
        if (!alone || !j->row || !j->inner || !j->covered[side]) {
            tn__free(alone);
            return tn__fail_memory(err, j->extent[1] * sizeof *j->row);
        }
        for (size_t k = 0; k < j->meetings; k++) {
            const tn__group_entry *entry = entry_of(j, side, k);
            size_t runs = neurons_of(j, side, k) * (entry->repeats / j->run);
            bool skip = j->meeting[side][k].group == j->t->skip;
            if (side == 0 && skip)
                j->rows += runs;
            for (size_t i = 0; i < runs; i++) {
                size_t at = entry->index[i * j->run] / j->run;
                j->covered[side][at] = true;
                if (side == 1 && skip)
                    alone[at] = true;
                if (side == 1 && is_inside(j, k))
                    j->inner[at] = true;
            }
        }
    }
    for (size_t i = 0; i < j->extent[1]; i++)
        j->row[i] = alone[i] ? UINT32_MAX : (uint32_t)j->rows++;
    tn__free(alone);
    return TN_OK;
}

/* Blocks of other widths in source and target must lie in inner groups entirely. */
static tn_status check_widths(const joint *j, tn_error *err)
{
    for (size_t k = 0; k < j->meetings; k++) {
        const tn__group_entry *from = entry_of(j, 0, k), *to = entry_of(j, 1, k);
        for (size_t i = 0; from->repeats != to->repeats && i < to->repeats; i++)
            if (!j->inner[to->index[i]])
                return mismatch(j, "cells of each block", from->repeats, to->repeats,
                                err);
    }
    return TN_OK;
}

/* Calls add() for every entry of the joined matrix, row by row of each group. */
typedef void add_entry(tn__axis_map *map, size_t row, size_t column, double weight);

/* Row i of a map: *count entries from *first on; identity and selection have one. */
typedef struct map_row {
    size_t count;
    const uint32_t *column; /* NULL: the column is `only` */
    const double *weight;   /* NULL: all 1 */
    uint32_t only;
} map_row;

static map_row row_of(const tn__map *m, size_t i, tn__role role)
{
    map_row row = {.count = 1, .only = m->select ? m->select[i] : (uint32_t)i};
    if (m->first) {
        row.count = m->first[i + 1] - m->first[i];
        row.column = m->column + m->first[i];
        row.weight = (role == TN__CONSUMER ? m->in : m->out) + m->first[i];
    }
    return row;
}

/* Rows of group k of the meetings that come from `from`, times `scale`. */
static void visit_rows(const joint *j, size_t k, const tn__group_entry *from,
                       double scale, tn__axis_map *map, add_entry *add)
{
    const tn__group_entry *to = entry_of(j, 1, k);
    const tn__map *m = &j->t->maps[j->meeting[0][k].group];
    size_t r = to->repeats / j->run, neurons = neurons_of(j, 1, k);
    bool inside = is_inside(j, k);
    for (size_t i = 0; i < neurons; i++) {
        const map_row terms = row_of(m, i, to->role);
        for (size_t p = 0; p < r; p++) {
            size_t at = run_of(j, to, i, p);
            if (j->inner[at] && !inside)
                continue; /* the group inside the block sees to it */
            for (size_t e = 0; e < terms.count; e++)
                add(map, j->row[at],
                    run_of(j, from, terms.column ? terms.column[e] : terms.only, p),
                    scale * (terms.weight ? terms.weight[e] : 1));
        }
    }
}

/* First the block comes to its place, then its neurons are mapped. */
static void visit_group(const joint *j, size_t k, tn__axis_map *map, add_entry *add)
{
    const tn__groups *source = j->t->source_groups;
    const tn__meeting *met = &j->meeting[0][k];
    const tn__group *group = &source->list[met->group];
    if (met->group == j->t->skip) {
        const tn__group_entry *from = lone_entry(j, k);
        size_t r = from->repeats / j->run;
        for (size_t i = 0; i < group->neurons * r; i++)
            add(map, i, run_of(j, from, i / r, i % r), 1);
        return;
    }
    if (group->blocks == TN__NONE) {
        visit_rows(j, k, entry_of(j, 0, k), 1, map, add);
        return;
    }
    if (group->blocks == j->t->skip)
        return;
    const tn__group *blocks = &source->list[group->blocks];
    const map_row terms =
        row_of(&j->t->maps[group->blocks], group->within, entry_of(j, 1, k)->role);
    for (size_t e = 0; e < terms.count; e++) {
        size_t block = terms.column ? terms.column[e] : terms.only;
        size_t kin = blocks->inner[block * blocks->kinds + group->kind];
        visit_rows(j, k, &source->list[kin].entries[met->entry],
                   terms.weight ? terms.weight[e] : 1, map, add);
    }
}

/* False where source and target have different numbers of cells that no group covers.
 */
static bool visit_frozen(const joint *j, tn__axis_map *map, add_entry *add)
{
    size_t s = 0, t = 0;
    for (;; s++, t++) {
        while (s < j->extent[0] && j->covered[0][s])
            s++;
        while (t < j->extent[1] && j->covered[1][t])
            t++;
        if (s >= j->extent[0] || t >= j->extent[1])
            return s >= j->extent[0] && t >= j->extent[1];
        add(map, j->row[t], s, 1);
    }
}

static void count_entry(tn__axis_map *map, size_t row, size_t column, double weight)
{
    (void)column;
    (void)weight;
    map->first[row + 1]++;
}

/* first[row] goes from the beginning of the row to its end. */
static void put_entry(tn__axis_map *map, size_t row, size_t column, double weight)
{
    size_t e = map->first[row]++;
    map->column[e] = (uint32_t)column;
    map->weight[e] = weight;
}

static bool visit_all(const joint *j, tn__axis_map *map, add_entry *add)
{
    for (size_t k = 0; k < j->meetings; k++)
        visit_group(j, k, map, add);
    return visit_frozen(j, map, add);
}

static tn_status fill(tn__axis_map *map, const joint *j, tn_error *err)
{
    map->rows = j->rows;
    map->columns = j->extent[0];
    map->run = j->run;
    map->first = tn__alloc(map->rows + 1, sizeof *map->first);
    if (!map->first)
        return tn__fail_memory(err, (map->rows + 1) * sizeof *map->first);
    if (!visit_all(j, map, count_entry))
        return mismatch(j, "cells", j->extent[0] * j->run, j->extent[1] * j->run, err);
    for (size_t i = 0; i < map->rows; i++)
        map->first[i + 1] += map->first[i];
    size_t entries = map->first[map->rows];
    map->column = tn__alloc(entries, sizeof *map->column);
    map->weight = tn__alloc(entries, sizeof *map->weight);
    if (!map->column || !map->weight)
        return tn__fail_memory(err, entries * sizeof *map->weight);
    (void)visit_all(j, map, put_entry);
    memmove(map->first + 1, map->first, map->rows * sizeof *map->first);
    map->first[0] = 0;
    return TN_OK;
}

/* Notes whether the map only gathers; the identity is emptied. */
static void classify(tn__axis_map *map)
{
    bool identity = map->rows == map->columns;
    map->gather = map->first[map->rows] == map->rows;
    for (size_t i = 0; i < map->rows && map->gather; i++) {
        map->gather = map->first[i] == i && map->weight[i] == 1;
        identity &= map->column[i] == i;
    }
    if (map->gather && identity)
        tn__axis_map_release(map);
}

tn_status tn__axis_map_create(tn__axis_map *out, const tn__transport *t, size_t v,
                              int axis, tn_error *err)
{
    joint j = {.t = t, .u = tn__transport_source(t, v), .v = v, .axis = axis};
    tn__axis_map map = {0};
    tn_status status = find_sides(&j, err);
    if (status)
        return status;
    if (j.meetings == 0) {
        if (j.extent[0] != j.extent[1])
            return mismatch(&j, "cells", j.extent[0], j.extent[1], err);
        *out = map;
        return TN_OK;
    }
    find_runs(&j);
    if ((status = number_rows(&j, err)) != TN_OK ||
        (status = check_widths(&j, err)) != TN_OK ||
        (status = fill(&map, &j, err)) != TN_OK)
        goto done;
    classify(&map);
    *out = map;
    map = (tn__axis_map){0};
done:
    tn__axis_map_release(&map);
    tn__free(j.row);
    tn__free(j.inner);
    tn__free(j.covered[0]);
    tn__free(j.covered[1]);
    return status;
}

tn_status tn__axis_map_entry(tn__axis_map *out, const tn__group_entry *entry,
                             size_t neurons, size_t extent, tn_error *err)
{
    size_t rows = neurons * entry->repeats;
    tn__axis_map map = {.rows = rows, .columns = extent, .run = 1};
    map.first = tn__alloc(rows + 1, sizeof *map.first);
    map.column = tn__alloc(rows, sizeof *map.column);
    map.weight = tn__alloc(rows, sizeof *map.weight);
    if (!map.first || !map.column || !map.weight) {
        tn__axis_map_release(&map);
        return tn__fail_memory(err, (rows + 1) * sizeof *map.first);
    }
    for (size_t i = 0; i < rows; i++) {
        map.first[i + 1] = i + 1;
        map.column[i] = entry->index[i];
        map.weight[i] = 1;
    }
    classify(&map);
    *out = map;
    return TN_OK;
}

void tn__axis_map_release(tn__axis_map *map)
{
    tn__free(map->first);
    tn__free(map->column);
    tn__free(map->weight);
    tn__free(map->slab);
    *map = (tn__axis_map){0};
}
