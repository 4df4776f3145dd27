/* bundles.c - finds positions and bundles after a first walk over the rules.
 *
 * An axis is still where all its cells are frozen; stillness passes through merges in
 * both directions. A merge with one other axis is a tie, with several it begins a
 * bundle, and bundles spread along the ties of axes to every activation that has two of
 * their axes or more.
 */
#include "neurons/bundles.h"

void tn__survey_release(tn__survey *survey)
{
    tn__free(survey->merges);
    tn__free(survey->pairs);
    *survey = (tn__survey){0};
}

static bool is_frozen(tn__cells *cells, size_t slot)
{
    for (uint32_t c = cells->first_cell[slot]; c < cells->first_cell[slot + 1]; c++)
        if (!tn__cells_reason(cells, c))
            return false;
    return true;
}

uint32_t tn__merge_live(const tn__cells *cells, const tn__shape *shape, size_t value,
                        int first, int last)
{
    uint32_t live = 0;
    for (int a = first; a <= last; a++)
        if (shape->dims[a] > 1 && !cells->still[cells->first_slot[value] + (size_t)a])
            live |= (uint32_t)1 << a;
    return live;
}

static bool is_one(uint32_t axes)
{
    return axes && !(axes & (axes - 1));
}

static int lowest(uint32_t axes)
{
    int a = 0;
    while (!(axes >> a & 1))
        a++;
    return a;
}

/* --- positions -------------------------------------------------------------------- */

static bool hold_still(tn__cells *cells, size_t slot)
{
    if (cells->still[slot])
        return false;
    tn__cells_freeze(cells, slot, tn__position);
    return cells->still[slot] = true;
}

/* Index of the live axis for every index of the merged one. */
static void tie_merge(tn__cells *cells, const tn__shape *shape, const tn__merge *m,
                      int live)
{
    size_t one = cells->first_slot[m->one] + (size_t)m->one_axis;
    size_t many = cells->first_slot[m->many] + (size_t)live;
    uint32_t inner = 1, extent = (uint32_t)shape->dims[live];
    for (int a = live + 1; a <= m->last; a++)
        inner *= (uint32_t)shape->dims[a];
    uint32_t begin = cells->first_cell[one], end = cells->first_cell[one + 1];
    for (uint32_t c = begin; c < end; c++)
        tn__cells_unite(cells, c,
                        cells->first_cell[many] + (c - begin) / inner % extent);
}

/* One pass over a merge; whether something became still. */
static bool settle_merge(tn__cells *cells, const tn__shape *shape, const tn__merge *m)
{
    size_t one = cells->first_slot[m->one] + (size_t)m->one_axis;
    bool changed = false;
    for (int a = m->first; a <= m->last; a++) {
        size_t slot = cells->first_slot[m->many] + (size_t)a;
        if (!cells->still[slot] && is_frozen(cells, slot))
            changed |= hold_still(cells, slot);
    }
    uint32_t live = tn__merge_live(cells, shape, m->many, m->first, m->last);
    if (!cells->still[one] && (!live || is_frozen(cells, one)))
        changed |= hold_still(cells, one);
    if (cells->still[one])
        for (int a = m->first; a <= m->last; a++)
            changed |= hold_still(cells, cells->first_slot[m->many] + (size_t)a);
    else if (is_one(live))
        tie_merge(cells, shape, m, lowest(live));
    return changed;
}

/* --- bundles ---------------------------------------------------------------------- */

/* Axes of side `to` of one node's ties that those in `axes` of value `from` are. */
static uint32_t image(const tn__cells *cells, const tn__survey *survey,
                      const tn__shapes *shapes, size_t first, size_t last, size_t from,
                      size_t to, uint32_t axes)
{
    uint32_t found = 0;
    for (size_t k = first; k < last; k++) {
        const tn__axis_pair *p = &survey->pairs[k];
        for (int s = 0; s < 2; s++)
            if (p->value[s] == from && p->value[1 - s] == to && p->axis[s] >= 0 &&
                (axes >> p->axis[s] & 1) && shapes->shape[to].dims[p->axis[1 - s]] > 1)
                found |= (uint32_t)1 << p->axis[1 - s];
    }
    for (size_t k = 0; k < survey->merge_count; k++) {
        const tn__merge *m = &survey->merges[k];
        if (m->node != survey->pairs[first].node)
            continue;
        uint32_t live =
            tn__merge_live(cells, &shapes->shape[m->many], m->many, m->first, m->last);
        if (m->one == from && m->many == to && (axes >> m->one_axis & 1))
            found |= live;
        if (m->many == from && m->one == to && live && (axes & live) == live)
            found |= (uint32_t)1 << m->one_axis;
    }
    return found;
}

static bool spread(tn__cells *cells, size_t to, uint32_t axes)
{
    if (!axes || is_one(axes) || cells->nature[to] != TN__ACTIVATION ||
        (cells->bundle[to] | axes) == cells->bundle[to])
        return false;
    cells->bundle[to] |= axes;
    return true;
}

static bool spread_node(tn__cells *cells, const tn__survey *survey,
                        const tn__shapes *shapes, size_t first, size_t last)
{
    bool changed = false;
    for (size_t k = first; k < last; k++) {
        for (int s = 0; s < 2; s++) {
            size_t from = survey->pairs[k].value[s], to = survey->pairs[k].value[1 - s];
            if (cells->bundle[from])
                changed |= spread(cells, to,
                                  image(cells, survey, shapes, first, last, from, to,
                                        cells->bundle[from]));
        }
    }
    return changed;
}

static void spread_bundles(tn__cells *cells, const tn__survey *survey,
                           const tn__shapes *shapes)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t first = 0, last; first < survey->pair_count; first = last) {
            last = first + 1;
            while (last < survey->pair_count &&
                   survey->pairs[last].node == survey->pairs[first].node)
                last++;
            changed |= spread_node(cells, survey, shapes, first, last);
        }
    }
}

tn_status tn__bundles_find(tn__cells *cells, const tn__survey *survey,
                           const tn__shapes *shapes, tn_error *err)
{
    cells->still = tn__alloc(cells->slot_count, sizeof *cells->still);
    if (!cells->still)
        return tn__fail_memory(err, cells->slot_count);
    bool changed = survey->merge_count > 0;
    while (changed) {
        changed = false;
        for (size_t k = 0; k < survey->merge_count; k++)
            changed |= settle_merge(cells, &shapes->shape[survey->merges[k].many],
                                    &survey->merges[k]);
    }
    bool seeded = false;
    for (size_t k = 0; k < survey->merge_count; k++) {
        const tn__merge *m = &survey->merges[k];
        uint32_t live =
            tn__merge_live(cells, &shapes->shape[m->many], m->many, m->first, m->last);
        seeded |= spread(cells, m->many, live);
    }
    if (seeded)
        spread_bundles(cells, survey, shapes);
    return TN_OK;
}
