/* squeeze.c - runs of deep units become one unit each; see squeeze.h.
 *
 * The best linear fit of an activation is per channel, y = d z + e for what its layer
 * makes (z) and what the unit makes of it (y), by least squares over images and
 * positions; e = 0 where the layer that stays can hold no bias, so that the graph
 * remains that of the shallow network.
 */
#include "depth/squeeze.h"

#include <string.h>

#include "depth/compose.h"
#include "depth/side_by_side.h"
#include "stats/stats.h"

typedef struct run { /* deep units first .. last, of which `slot` is the aligned one */
    size_t first, last, slot;
} run;

typedef struct squeezing {
    const tn__units *deep;
    tn_model *model; /* a clone of deep's, being changed */
    tn__links links;
    run *runs; /* [count] */
    size_t count;
    tn__comoments *fits; /* [deep units]: of z and y, of plain units that go */
    size_t *norms;       /* [norm_count]: whose statistics are to be measured anew */
    size_t norm_count;
    const tn__probe *probe;
} squeezing;

static tn_status refuse(const squeezing *s, size_t unit, const char *why, tn_error *err)
{
    return tn__fail(err, TN_ERROR_UNSUPPORTED, "cannot fold unit '%s': %s",
                    tn__unit_name(s->deep, unit), why);
}

static void find_runs(squeezing *s, const tn__units *shallow, const size_t *slot)
{
    const tn__unit *deep = s->deep->list;
    for (size_t k = 0; k < s->count; k++) {
        run *r = &s->runs[k];
        *r = (run){slot[k], slot[k], slot[k]};
        size_t from = k > 0 ? slot[k - 1] + 1 : 0;
        while (r->first > from && deep[r->first - 1].stage == deep[slot[k]].stage)
            r->first--;
        bool ends =
            k + 1 == s->count || shallow->list[k + 1].stage != shallow->list[k].stage;
        while (ends && r->last + 1 < s->deep->count &&
               deep[r->last + 1].stage == deep[slot[k]].stage)
            r->last++;
    }
}

/* --- plain layers --- */

static bool holds_bias(const squeezing *s, size_t unit)
{
    const tn__node *layer = &s->model->nodes[s->deep->list[unit].layer];
    return (layer->input_count > 2 && layer->inputs[2] != TN__NONE) ||
           tn__value_norm(s->model, &s->links, layer->outputs[0]) != TN__NONE;
}

/* A folded bias goes into the layer, or out of the mean of the norm behind it. */
static tn_status write_plain(squeezing *s, size_t unit, const tn__linear *linear,
                             tn_error *err)
{
    size_t layer = s->deep->list[unit].layer;
    const tn__node *node = &s->model->nodes[layer];
    size_t norm = tn__value_norm(s->model, &s->links, node->outputs[0]);
    bool biased = node->input_count > 2 && node->inputs[2] != TN__NONE;
    tn_status status = tn__linear_write(s->model, layer, linear, err);
    if (status != TN_OK || biased || norm == TN__NONE)
        return status;
    size_t value = s->model->nodes[norm].inputs[3];
    const tn__tensor *mean = &s->model->values[value].parameter;
    double *moved = tn__alloc(linear->out, sizeof *moved);
    if (!moved)
        return tn__fail_memory(err, linear->out * sizeof *moved);
    for (size_t c = 0; c < linear->out; c++)
        moved[c] = tn__tensor_get_f64(mean, c) - linear->b[c];
    const int64_t dims[1] = {(int64_t)linear->out};
    status = tn__parameter_write(s->model, value, 1, dims, moved, err);
    tn__free(moved);
    return status;
}

static tn_status scale_by_fit(tn__linear *linear, const tn__comoments *fit, bool shift,
                              tn_error *err)
{
    size_t n = linear->out;
    double *d = tn__alloc(n, 2 * sizeof *d), *e = d + n, rows = fit->a.rows;
    if (!d)
        return tn__fail_memory(err, n * 2 * sizeof *d);
    for (size_t c = 0; c < n; c++) {
        double zy = fit->cross[c * n + c], zz = fit->a.m2[c];
        double z = fit->a.mean[c], y = fit->b.mean[c];
        if (!shift) {
            zy += rows * z * y;
            zz += rows * z * z;
        }
        d[c] = zz > 0 ? zy / zz : 0;
        e[c] = shift ? y - d[c] * z : 0;
    }
    tn__linear_scale(linear, d, e);
    tn__free(d);
    return TN_OK;
}

/* The last unit of the run computes what all did, their activations made linear. */
static tn_status fold_run(squeezing *s, const run *r, tn_error *err)
{
    const tn__unit *units = s->deep->list;
    bool shift = holds_bias(s, r->last);
    tn__linear all = {0};
    tn_status status =
        tn__linear_read(&all, s->deep->model, units[r->first].layer, err);
    for (size_t u = r->first; u < r->last && status == TN_OK; u++) {
        tn__linear next = {0}, made = {0};
        status = scale_by_fit(&all, &s->fits[u], shift, err);
        if (status == TN_OK)
            status = tn__linear_read(&next, s->deep->model, units[u + 1].layer, err);
        if (status == TN_OK)
            status = tn__linear_compose(&made, &all, &next, err);
        tn__linear_release(&next);
        if (status == TN_OK) {
            tn__linear_release(&all);
            all = made;
        }
    }
    if (status == TN_OK)
        status = write_plain(s, r->last, &all, err);
    if (status == TN_OK)
        s->model->nodes[units[r->last].layer].inputs[0] = units[r->first].input;
    tn__linear_release(&all);
    return status;
}

static tn_status check_plain(const squeezing *s, const run *r, tn_error *err)
{
    for (size_t u = r->first; u <= r->last; u++) {
        const tn__unit *unit = &s->deep->list[u];
        const tn__node *layer = &s->deep->model->nodes[unit->layer];
        if (unit->kind != TN__UNIT_PLAIN)
            return refuse(s, u, "it is no single layer", err);
        if (layer->inputs[0] != unit->input)
            return refuse(s, u, "something stands before its layer", err);
    }
    return TN_OK;
}

/* Co-moments of layer and unit outputs of every plain unit that goes. */
static tn_status measure_fits(squeezing *s, tn_error *err)
{
    size_t values = 0, pairs = 0, *keep = tn__alloc(s->deep->count, 2 * sizeof *keep);
    size_t *unit_of = tn__alloc(s->deep->count, sizeof *unit_of);
    tn__pair *list = tn__alloc(s->deep->count, sizeof *list);
    tn__comoments *found = tn__alloc(s->deep->count, sizeof *found);
    tn__engine *engine = NULL;
    tn_status status = TN_OK;
    if (!keep || !unit_of || !list || !found)
        status = tn__fail_memory(err, s->deep->count * sizeof *list);
    for (size_t k = 0; k < s->count; k++) {
        const run *r = &s->runs[k];
        for (size_t u = r->first; u < r->last && status == TN_OK; u++) {
            const tn__unit *unit = &s->deep->list[u];
            if (unit->kind != TN__UNIT_PLAIN)
                break;
            tn__pair *p = &list[pairs];
            unit_of[pairs++] = u;
            *p = (tn__pair){.a_keep = values, .b_keep = values + 1};
            keep[values++] = s->deep->model->nodes[unit->layer].outputs[0];
            keep[values++] = unit->output;
            status = tn__extent_of(&p->a_extent,
                                   &s->deep->shapes.shape[keep[values - 2]], err);
            p->b_extent = p->a_extent;
        }
    }
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = s->probe->workers;
    options.keep = keep;
    options.keep_count = values;
    if (status == TN_OK && pairs)
        status = tn__engine_create(&engine, s->deep->model, &options, err);
    if (status == TN_OK && pairs)
        status = tn__stats_pairs(found, &engine, 1, list, pairs, s->probe->images,
                                 s->probe->n, err);
    for (size_t p = 0; status == TN_OK && p < pairs; p++)
        s->fits[unit_of[p]] = found[p];
    tn__engine_free(engine);
    tn__free(keep);
    tn__free(unit_of);
    tn__free(list);
    tn__free(found);
    return status;
}

/* --- the whole --- */

static tn_status squeeze_run(squeezing *s, const run *r, tn_error *err)
{
    if (r->first == r->last)
        return TN_OK;
    if (s->deep->list[r->slot].kind == TN__UNIT_PLAIN) {
        tn_status status = check_plain(s, r, err);
        return status == TN_OK ? fold_run(s, r, err) : status;
    }
    tn__row_of_units row = {s->deep, &s->links, r->first, r->last, r->slot, s->probe};
    size_t norm = TN__NONE;
    tn_status status = tn__units_beside(s->model, &norm, &row, err);
    if (status == TN_OK && norm != TN__NONE)
        s->norms[s->norm_count++] = norm;
    return status;
}

tn_status tn__squeeze_units(tn_model **out, const tn__units *deep,
                            const tn__units *shallow, const size_t *slot,
                            const tn__probe *probe, tn_error *err)
{
    squeezing s = {.deep = deep, .count = shallow->count, .probe = probe};
    if (!probe->n)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "folding layers wants data, for the fit of their activations");
    s.runs = tn__alloc(s.count, sizeof *s.runs);
    s.fits = tn__alloc(deep->count, sizeof *s.fits);
    s.norms = tn__alloc(s.count, sizeof *s.norms);
    tn_status status = TN_OK;
    if (!s.runs || !s.fits || !s.norms)
        status = tn__fail_memory(err, deep->count * sizeof *s.fits);
    if (status == TN_OK)
        status = tn__model_clone(&s.model, deep->model, err);
    if (status == TN_OK)
        status = tn__links_create(&s.links, s.model, err);
    if (status == TN_OK) {
        find_runs(&s, shallow, slot);
        status = measure_fits(&s, err);
    }
    for (size_t k = 0; k < s.count && status == TN_OK; k++)
        status = squeeze_run(&s, &s.runs[k], err);
    if (status == TN_OK && s.norm_count)
        status =
            tn__settle_norms(s.model, s.norms, s.norm_count, &deep->shapes, probe, err);
    if (status == TN_OK)
        status = tn__model_prune_unused(s.model, err);
    if (status == TN_OK)
        status = tn__model_check(s.model, err);
    for (size_t u = 0; s.fits && u < deep->count; u++)
        tn__comoments_release(&s.fits[u]);
    tn__links_release(&s.links);
    tn__free(s.runs);
    tn__free(s.fits);
    tn__free(s.norms);
    if (status == TN_OK)
        *out = s.model;
    else
        tn_model_free(s.model);
    return status;
}

/* --- kernels of one size --- */

static tn_status widen_units(tn_model **models, const tn__units *units, size_t count,
                             size_t u, tn_error *err)
{
    size_t taps[2] = {0, 0};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < count; k++) {
            tn__linear linear = {0};
            size_t layer = units[k].list[u].layer;
            tn_status status = tn__linear_read(&linear, models[k], layer, err);
            for (int i = 0; status == TN_OK && pass == 0 && i < 2; i++)
                taps[i] = TN__MAX(taps[i], linear.taps[i]);
            bool small = linear.taps[0] < taps[0] || linear.taps[1] < taps[1];
            if (status == TN_OK && pass == 1 && small) {
                status = tn__linear_widen(&linear, taps, err);
                if (status == TN_OK)
                    status = tn__linear_write(models[k], layer, &linear, err);
            }
            tn__linear_release(&linear);
            if (status != TN_OK)
                return status;
        }
    }
    return TN_OK;
}

/* Whether the layers of unit u have kernels of different size. */
static bool taps_differ(tn_model *const *models, const tn__units *units, size_t count,
                        size_t u)
{
    for (size_t k = 1; k < count; k++) {
        const tn__node *a = &models[0]->nodes[units[0].list[u].layer];
        const tn__node *b = &models[k]->nodes[units[k].list[u].layer];
        const tn__shape *x = &models[0]->values[a->inputs[1]].parameter.shape;
        const tn__shape *y = &models[k]->values[b->inputs[1]].parameter.shape;
        for (int axis = 2; axis < x->rank; axis++) {
            if (x->rank != y->rank || x->dims[axis] != y->dims[axis])
                return true;
        }
    }
    return false;
}

tn_status tn__widen_kernels(tn_model **models, size_t count, tn_error *err)
{
    tn__units *units = tn__alloc(count, sizeof *units);
    tn_status status = units ? TN_OK : tn__fail_memory(err, count * sizeof *units);
    for (size_t k = 0; k < count && status == TN_OK; k++)
        status = tn__units_find(&units[k], models[k], err);
    for (size_t u = 0; status == TN_OK && u < units[0].count; u++) {
        bool plain = true;
        for (size_t k = 0; k < count; k++)
            plain = plain && units[k].count == units[0].count &&
                    units[k].list[u].kind == TN__UNIT_PLAIN;
        if (plain && taps_differ(models, units, count, u))
            status = widen_units(models, units, count, u, err);
    }
    for (size_t k = 0; units && k < count; k++)
        tn__units_release(&units[k]);
    tn__free(units);
    return status;
}
