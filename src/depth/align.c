/* align.c - stage by stage, costs and constraints put before the dynamic programme. */
#include <string.h>

#include "base/rng.h"
#include "depth/align.h"
#include "depth/monotone.h"

void tn_alignment_release(tn_alignment *alignment)
{
    if (!alignment)
        return;
    tn__free(alignment->units);
    tn__free(alignment->cost);
    tn__free(alignment->slot);
    *alignment = (tn_alignment){0};
}

/* --- names --- */

static size_t text_bytes(const tn__units *units)
{
    size_t bytes = 0;
    for (size_t u = 0; u < units->count; u++)
        bytes += strlen(tn__unit_name(units, u)) + 1;
    return bytes;
}

static char *describe(tn_unit *out, char *text, const tn__units *units)
{
    for (size_t u = 0; u < units->count; u++) {
        const char *name = tn__unit_name(units, u);
        size_t size = strlen(name) + 1;
        memcpy(text, name, size);
        out[u] = (tn_unit){text, units->list[u].stage, tn__unit_neurons(units, u)};
        text += size;
    }
    return text;
}

/* Units of both and their names in one block; costs and slots to be filled. */
static tn_status alignment_create(tn_alignment *out, const tn__units *deep,
                                  const tn__units *shallow, tn_error *err)
{
    size_t count = shallow->count + deep->count;
    tn_alignment made = {.count = shallow->count, .deep_count = deep->count};
    size_t bytes = count * sizeof *made.units + text_bytes(deep) + text_bytes(shallow);
    made.units = tn__alloc(1, bytes);
    made.cost = tn__alloc(deep->count, shallow->count * sizeof *made.cost);
    made.slot = tn__alloc(shallow->count, sizeof *made.slot);
    if (!made.units || !made.cost || !made.slot) {
        tn_alignment_release(&made);
        return tn__fail_memory(err, bytes);
    }
    made.deep = made.units + shallow->count;
    void *text = made.units + count;
    (void)describe(made.deep, describe(made.units, text, shallow), deep);
    *out = made;
    return TN_OK;
}

/* --- one stage --- */

typedef struct stage {
    size_t number;
    size_t deep, deep_count; /* first unit and how many */
    size_t shallow, count;
} stage;

static void stage_of(size_t *first, size_t *count, const tn__units *units,
                     size_t number)
{
    *first = 0;
    while (units->list[*first].stage != number)
        ++*first;
    *count = 0;
    while (*first + *count < units->count &&
           units->list[*first + *count].stage == number)
        ++*count;
}

/* allowed [deep_count, count]: see align.h. */
static void allow(bool *allowed, const stage *s, const tn__units *deep,
                  const tn__units *shallow)
{
    for (size_t i = 0; i < s->deep_count; i++) {
        for (size_t j = 0; j < s->count; j++) {
            size_t l = s->deep + i, k = s->shallow + j;
            bool ends = (l + 1 == deep->count) == (k + 1 == shallow->count);
            bool starts = (l == 0) == (k == 0);
            allowed[i * s->count + j] =
                ends && starts && tn__units_alike(deep, l, shallow, k);
        }
    }
}

/* What the dynamic programme minimises: the costs, or what makes a chain or a random
 * map of it. */
static void stage_costs(double *cost, const stage *s, const tn_alignment *a,
                        tn_layer_map map, tn__rng *rng)
{
    for (size_t i = 0; i < s->deep_count; i++) {
        for (size_t j = 0; j < s->count; j++) {
            double *c = &cost[i * s->count + j];
            if (map == TN_LAYER_MAP_CHAIN)
                *c = (double)i - (double)j;
            else if (map == TN_LAYER_MAP_RANDOM)
                *c = tn__rng_uniform(rng);
            else
                *c = a->cost[(s->deep + i) * a->count + s->shallow + j];
        }
    }
}

static tn_status align_stage(tn_alignment *a, const stage *s, const tn__units *deep,
                             const tn__units *shallow, tn_layer_map map, tn__rng *rng,
                             tn_error *err)
{
    size_t pairs = s->deep_count * s->count;
    double *cost = tn__alloc(pairs, sizeof *cost), total = 0;
    bool *allowed = tn__alloc(pairs, sizeof *allowed);
    tn_status status = TN_OK;
    if (!cost || !allowed) {
        status = tn__fail_memory(err, pairs * sizeof *cost);
        goto done;
    }
    allow(allowed, s, deep, shallow);
    stage_costs(cost, s, a, map, rng);
    tn__monotone problem = {.deep = s->deep_count,
                            .shallow = s->count,
                            .cost = cost,
                            .allowed = allowed,
                            .segments = map == TN_LAYER_MAP_SEGMENTS};
    size_t *slot = a->slot + s->shallow;
    status = tn__monotone_solve(slot, &total, &problem, err);
    if (status != TN_OK) {
        status = tn__fail_in(err, status,
                             "cannot align stage %zu, which begins with "
                             "'%s' and '%s'",
                             s->number, tn__unit_name(deep, s->deep),
                             tn__unit_name(shallow, s->shallow));
        goto done;
    }
    for (size_t j = 0; j < s->count; j++)
        slot[j] += s->deep;
    if (map == TN_LAYER_MAP_LAYERS || map == TN_LAYER_MAP_SEGMENTS)
        a->total += total;
done:
    tn__free(cost);
    tn__free(allowed);
    return status;
}

/* --- a map that is given --- */

static tn_status check_given(const size_t *given, const tn__units *deep,
                             const tn__units *shallow, tn_error *err)
{
    for (size_t k = 0; k < shallow->count; k++) {
        size_t l = given[k];
        const char *name = tn__unit_name(shallow, k);
        if (l == SIZE_MAX)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "the alignment ends before unit '%s'", name);
        if (l >= deep->count)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "unit '%s' is aligned with unit %zu of %zu", name, l,
                            deep->count);
        if (k > 0 && l <= given[k - 1])
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "the alignment is not ascending: unit '%s' has %zu after "
                            "%zu",
                            name, l, given[k - 1]);
        bool ends = (l + 1 == deep->count) == (k + 1 == shallow->count);
        if (deep->list[l].stage != shallow->list[k].stage || (l == 0) != (k == 0) ||
            !ends || !tn__units_alike(deep, l, shallow, k))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "unit '%s' cannot be aligned with '%s': stage, structure "
                            "or end of the network differ",
                            name, tn__unit_name(deep, l));
    }
    return TN_OK;
}

/* --- the whole --- */

static tn_status align_stages(tn_alignment *a, const tn__units *deep,
                              const tn__units *shallow, const tn__level_how *how,
                              tn_error *err)
{
    tn__rng rng;
    tn__rng_seed(&rng, how->seed, 0);
    if (deep->stage_count != shallow->stage_count)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "networks differ in structure: %zu stages against %zu",
                        deep->stage_count, shallow->stage_count);
    for (size_t n = 0; n < deep->stage_count; n++) {
        stage s = {.number = n};
        stage_of(&s.deep, &s.deep_count, deep, n);
        stage_of(&s.shallow, &s.count, shallow, n);
        if (s.count > s.deep_count)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "stage %zu of the shallower network has %zu units, of the "
                            "deeper %zu",
                            n, s.count, s.deep_count);
        tn_status status =
            align_stage(a, &s, deep, shallow, how->options->map, &rng, err);
        if (status != TN_OK)
            return status;
    }
    return TN_OK;
}

tn_status tn__align_units(tn_alignment *out, const tn__cost_side *deep,
                          const tn__cost_side *shallow, const size_t *given,
                          const tn__level_how *how, tn_error *err)
{
    tn_alignment made = {0};
    tn_layer_cost cost = how->options->cost;
    if (cost == TN_LAYER_COST_AUTO)
        cost = how->probe->n ? TN_LAYER_COST_CKA : TN_LAYER_COST_INDEX;
    tn_status status = alignment_create(&made, deep->units, shallow->units, err);
    if (status == TN_OK)
        status = tn__unit_costs(made.cost, deep, shallow, cost, err);
    if (status == TN_OK && given) {
        status = check_given(given, deep->units, shallow->units, err);
        if (status == TN_OK)
            memcpy(made.slot, given, made.count * sizeof *given);
    } else if (status == TN_OK) {
        status = align_stages(&made, deep->units, shallow->units, how, err);
    }
    bool counted = how->options->map == TN_LAYER_MAP_SEGMENTS && !given;
    if (!counted)
        made.total = 0;
    for (size_t k = 0; status == TN_OK && !counted && k < made.count; k++)
        made.total += made.cost[made.slot[k] * made.count + k];
    if (status == TN_OK)
        *out = made;
    else
        tn_alignment_release(&made);
    return status;
}
