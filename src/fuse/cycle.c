/* cycle.c - all parents matched with one another at once, through coordinates that are
 * nobody's: maps between any two compose, and cycles of them close.
 *
 * C2M3 (Crisostomi et al., NeurIPS 2024, arXiv 2405.17897): of all maps P_k of parents
 * into a common universe those that maximise the sum over pairs of parents of the inner
 * products of their carried weights W_k, by Frank-Wolfe over doubly stochastic P_k,
 * rounded at the end. With S = sum_k W_k the sum is (|S|^2 - sum_k |W_k|^2) / 2, so the
 * slope for parent k wants S - W_k alone; parents take turns, and along a step the sum
 * is quadratic in its length because each weight has two axes at most. Rounded maps are
 * improved group by group as long as that helps, which never lets the sum fall. From
 * the identity and from the maps found one by one; the better end is taken. Scales of
 * batch norms are folded into layers, and each layer is divided by its norm.
 */
#include <math.h>
#include <string.h>

#include "fuse/many.h"
#include "ops/batch_norm/batch_norm.h"
#include "tensor/linalg.h"

#define SWEEPS_MAX 100
#define GAIN_MIN 1e-7 /* relative: less is no progress */

typedef struct part { /* a parameter that counts */
    size_t value, first, size;
    double scale; /* its elements' in a vector */
} part;

typedef struct cycle {
    const tn__fusion *f;
    size_t count, groups, size;
    tn_model **models; /* [count]: folded */
    part *parts;
    size_t part_count;
    double **plans;       /* [count * groups]: [universe, neurons] */
    double **carried;     /* [count]: vectors [size] under the plans */
    double *sum;          /* [size]: of the carried */
    double *half, *whole; /* [size]: at half a step, and at the end of it */
    tn__map *identity;    /* [groups] */
} cycle;

static size_t neurons_of(const cycle *c, size_t g)
{
    return c->f->parents[0].groups->list[g].neurons;
}

static double *plan_of(const cycle *c, size_t k, size_t g)
{
    return c->plans[k * c->groups + g];
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The sum over pairs, for vectors under the plans. */
static double objective(const cycle *c)
{
    double value = dot(c->sum, c->sum, c->size);
    for (size_t k = 0; k < c->count; k++)
        value -= dot(c->carried[k], c->carried[k], c->size);
    return value / 2;
}

/* --- carrying --- */

/* maps [groups] of plans [groups]; t towards `ends` (NULL: not), a neuron each slot. */
static tn_status make_maps(tn__map *maps, const cycle *c, double *const *plans,
                           uint32_t *const *ends, double t, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t g = 0; g < c->groups && status == TN_OK; g++) {
        size_t n = neurons_of(c, g);
        double *mixed = tn__alloc(n, n * sizeof *mixed);
        if (!mixed)
            return tn__fail_memory(err, n * n * sizeof *mixed);
        for (size_t i = 0; i < n * n; i++)
            mixed[i] = (1 - t) * plans[g][i];
        for (size_t u = 0; ends && u < n; u++)
            mixed[u * n + ends[g][u]] += t;
        status = tn__map_dense(&maps[g], n, n, mixed, mixed, err);
        tn__free(mixed);
    }
    return status;
}

/* vector [size]: parent k carried, t of the way to `ends`. */
static tn_status carry(double *vector, const cycle *c, size_t k, uint32_t *const *ends,
                       double t, tn_error *err)
{
    const tn__parent *from = &c->f->parents[k], *onto = &c->f->parents[0];
    tn_model *model = NULL;
    tn__map *maps = tn__alloc(c->groups, sizeof *maps);
    tn_status status = maps ? make_maps(maps, c, c->plans + k * c->groups, ends, t, err)
                            : tn__fail_memory(err, c->groups * sizeof *maps);
    if (status == TN_OK)
        status = tn__map_apply(&model, c->models[k], from->groups, c->models[0],
                               onto->groups, NULL, maps, err);
    for (size_t p = 0; p < c->part_count && status == TN_OK; p++) {
        const part *at = &c->parts[p];
        const tn__tensor *tensor = &model->values[at->value].parameter;
        for (size_t i = 0; i < at->size; i++)
            vector[at->first + i] = at->scale * tn__tensor_get_f64(tensor, i);
    }
    tn_model_free(model);
    tn__maps_free(maps, c->groups);
    return status;
}

static tn_status carry_all(cycle *c, tn_error *err)
{
    tn_status status = TN_OK;
    memset(c->sum, 0, c->size * sizeof *c->sum);
    for (size_t k = 0; k < c->count && status == TN_OK; k++) {
        status = carry(c->carried[k], c, k, NULL, 0, err);
        for (size_t i = 0; i < c->size && status == TN_OK; i++)
            c->sum[i] += c->carried[k][i];
    }
    return status;
}

/* --- slopes --- */

/* A model whose parts are those of the others' sum. */
static tn_status others_of(tn_model **out, const cycle *c, size_t k, tn_error *err)
{
    tn_model *model = NULL;
    tn_status status = tn_model_clone(&model, c->models[0], err);
    for (size_t p = 0; p < c->part_count && status == TN_OK; p++) {
        const part *at = &c->parts[p];
        tn__tensor *tensor = &model->values[at->value].parameter;
        tn__tensor made = {.dtype = TN_F64};
        double *x = tn__alloc(at->size, sizeof *x);
        if (!x)
            status = tn__fail_memory(err, at->size * sizeof *x);
        for (size_t i = 0; i < at->size && status == TN_OK; i++)
            x[i] = at->scale * (c->sum[at->first + i] - c->carried[k][at->first + i]);
        if (status == TN_OK)
            status = tn__tensor_set_f64(&made, &tensor->shape, x, err);
        tn__free(x);
        if (status == TN_OK) {
            tn__tensor_release(tensor);
            *tensor = made;
        }
    }
    if (status == TN_OK)
        *out = model;
    else
        tn_model_free(model);
    return status;
}

static bool counts(const cycle *c, const tn__group *group, size_t entry)
{
    bool found = false;
    for (size_t p = 0; p < c->part_count; p++)
        found = found || c->parts[p].value == group->entries[entry].value;
    return found;
}

/* slope [universe, neurons] of the sum in the plan of group g of parent k; maps are
 * those of its plans. */
static tn_status slope_of(double *slope, const cycle *c, size_t k, size_t g,
                          const tn_model *others, const tn__map *maps, tn_error *err)
{
    const tn__groups *from = c->f->parents[k].groups, *onto = c->f->parents[0].groups;
    const tn__group *group = &from->list[g];
    size_t n = group->neurons;
    tn_status status = TN_OK;
    memset(slope, 0, n * n * sizeof *slope);
    for (size_t e = 0; e < group->entry_count && status == TN_OK; e++) {
        double *x = NULL, *y = NULL;
        size_t width = 0, same = 0;
        if (!counts(c, group, e))
            continue;
        status = tn__map_rows(&x, &width, c->models[k], from, c->models[0], onto, NULL,
                              maps, g, e, err);
        if (status == TN_OK)
            status = tn__map_rows(&y, &same, others, onto, others, onto, NULL,
                                  c->identity, g, e, err);
        if (status == TN_OK)
            tn__gemm_f64(false, true, n, n, width, 1, y, width, x, width, 1, slope, n);
        tn__free(x);
        tn__free(y);
    }
    return status;
}

/* ends[n]: the neuron of each slot that makes the sum of `worth` [slots, neurons]
 * largest. */
static tn_status assign(uint32_t *ends, double *worth, size_t n, tn_error *err)
{
    for (size_t i = 0; i < n * n; i++)
        worth[i] = -worth[i];
    return tn_ot_assign(ends, NULL, NULL, worth, n, err);
}

/* --- Frank-Wolfe --- */

static uint32_t **create_ends(const cycle *c)
{
    uint32_t **ends = tn__alloc(c->groups, sizeof *ends);
    for (size_t g = 0; ends && g < c->groups; g++) {
        ends[g] = tn__alloc(neurons_of(c, g), sizeof **ends);
        if (!ends[g]) {
            for (size_t h = 0; h < g; h++)
                tn__free(ends[h]);
            tn__free(ends);
            return NULL;
        }
    }
    return ends;
}

static void free_ends(uint32_t **ends, size_t groups)
{
    for (size_t g = 0; ends && g < groups; g++)
        tn__free(ends[g]);
    tn__free(ends);
}

/* All slopes of parent k, or of group `only`, and where they lead. */
static tn_status find_ends(uint32_t **ends, const cycle *c, size_t k, size_t only,
                           tn_error *err)
{
    tn_model *others = NULL;
    tn__map *maps = tn__alloc(c->groups, sizeof *maps);
    tn_status status = maps ? make_maps(maps, c, c->plans + k * c->groups, NULL, 0, err)
                            : tn__fail_memory(err, c->groups * sizeof *maps);
    if (status == TN_OK)
        status = others_of(&others, c, k, err);
    for (size_t g = 0; g < c->groups && status == TN_OK; g++) {
        size_t n = neurons_of(c, g);
        if (only != TN__NONE && only != g)
            continue;
        double *slope = tn__alloc(n, n * sizeof *slope);
        status = slope ? slope_of(slope, c, k, g, others, maps, err)
                       : tn__fail_memory(err, n * n * sizeof *slope);
        if (status == TN_OK)
            status = assign(ends[g], slope, n, err);
        tn__free(slope);
    }
    tn_model_free(others);
    tn__maps_free(maps, c->groups);
    return status;
}

/* Where q0, qh and q1 at 0, a half and 1 lie on a parabola: the place of its maximum
 * within. */
static double best_place(double q0, double qh, double q1)
{
    double a = 2 * q0 - 4 * qh + 2 * q1, b = 4 * qh - 3 * q0 - q1;
    double end = q1 > q0 ? 1 : 0, at = a < 0 ? -b / (2 * a) : end;
    return at > 0 && at < 1 ? at : end;
}

/* One step of parent k; *gain is what the sum grows by. */
static tn_status step(cycle *c, double *gain, uint32_t **ends, size_t k, tn_error *err)
{
    double *x = c->carried[k], q[3] = {0};
    tn_status status = find_ends(ends, c, k, TN__NONE, err);
    if (status == TN_OK)
        status = carry(c->half, c, k, ends, 0.5, err);
    if (status == TN_OK)
        status = carry(c->whole, c, k, ends, 1, err);
    *gain = 0;
    if (status != TN_OK)
        return status;
    for (size_t i = 0; i < c->size; i++) {
        double other = c->sum[i] - x[i];
        q[0] += x[i] * other;
        q[1] += c->half[i] * other;
        q[2] += c->whole[i] * other;
    }
    double t = best_place(q[0], q[1], q[2]);
    double of_0 = 1 - 3 * t + 2 * t * t, of_h = 4 * t - 4 * t * t, of_1 = 2 * t * t - t;
    *gain = (of_0 - 1) * q[0] + of_h * q[1] + of_1 * q[2];
    if (!(*gain > 0)) {
        *gain = 0;
        return TN_OK;
    }
    for (size_t i = 0; i < c->size; i++) {
        double now = of_0 * x[i] + of_h * c->half[i] + of_1 * c->whole[i];
        c->sum[i] += now - x[i];
        x[i] = now;
    }
    for (size_t g = 0; g < c->groups; g++) {
        size_t n = neurons_of(c, g);
        double *plan = plan_of(c, k, g);
        for (size_t i = 0; i < n * n; i++)
            plan[i] *= 1 - t;
        for (size_t u = 0; u < n; u++)
            plan[u * n + ends[g][u]] += t;
    }
    return TN_OK;
}

static void set_permutation(double *plan, const uint32_t *ends, size_t n)
{
    memset(plan, 0, n * n * sizeof *plan);
    for (size_t u = 0; u < n; u++)
        plan[u * n + ends[u]] = 1;
}

static tn_status round_plans(cycle *c, uint32_t **ends, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < c->count; k++)
        for (size_t g = 0; g < c->groups && status == TN_OK; g++) {
            status = assign(ends[g], plan_of(c, k, g), neurons_of(c, g), err);
            if (status == TN_OK)
                set_permutation(plan_of(c, k, g), ends[g], neurons_of(c, g));
        }
    return status == TN_OK ? carry_all(c, err) : status;
}

/* The best permutation of group g of parent k, all others fixed; *moved where the sum
 * grows by it. */
static tn_status polish_group(cycle *c, bool *moved, uint32_t **ends, size_t k,
                              size_t g, tn_error *err)
{
    size_t n = neurons_of(c, g), same = 0;
    double *plan = plan_of(c, k, g), gain = 0, whole = 0;
    tn_status status = find_ends(ends, c, k, g, err);
    for (size_t u = 0; u < n; u++)
        same += plan[u * n + ends[g][u]] > 0;
    if (status != TN_OK || same == n)
        return status;
    double *kept = tn__alloc(n, n * sizeof *kept);
    if (!kept)
        return tn__fail_memory(err, n * n * sizeof *kept);
    memcpy(kept, plan, n * n * sizeof *kept);
    set_permutation(plan, ends[g], n);
    status = carry(c->whole, c, k, NULL, 0, err);
    for (size_t i = 0; i < c->size && status == TN_OK; i++) {
        double other = c->sum[i] - c->carried[k][i];
        gain += (c->whole[i] - c->carried[k][i]) * other;
        whole += c->whole[i] * other;
    }
    if (status != TN_OK || !(gain > GAIN_MIN * fabs(whole))) {
        memcpy(plan, kept, n * n * sizeof *kept);
    } else {
        *moved = true;
        for (size_t i = 0; i < c->size; i++) {
            c->sum[i] += c->whole[i] - c->carried[k][i];
            c->carried[k][i] = c->whole[i];
        }
    }
    tn__free(kept);
    return status;
}

/* From the plans as they are to permutations; *value is the sum then. */
static tn_status climb(cycle *c, double *value, tn_error *err)
{
    uint32_t **ends = create_ends(c);
    if (!ends)
        return tn__fail_memory(err, c->groups * sizeof *ends);
    tn_status status = carry_all(c, err);
    bool moved = true;
    for (size_t sweep = 0; sweep < SWEEPS_MAX && moved && status == TN_OK; sweep++) {
        double gains = 0;
        for (size_t k = 0; k < c->count && status == TN_OK; k++) {
            double gain = 0;
            status = step(c, &gain, ends, k, err);
            gains += gain;
        }
        moved = gains > GAIN_MIN * fabs(objective(c));
    }
    if (status == TN_OK)
        status = round_plans(c, ends, err);
    moved = true;
    for (size_t sweep = 0; sweep < SWEEPS_MAX && moved && status == TN_OK; sweep++) {
        moved = false;
        for (size_t k = 0; k < c->count; k++)
            for (size_t g = 0; g < c->groups && status == TN_OK; g++)
                status = polish_group(c, &moved, ends, k, g, err);
    }
    if (status == TN_OK)
        *value = objective(c);
    free_ends(ends, c->groups);
    return status;
}

/* --- set-up --- */

/* Whether the value's axes lie in different groups: the sum is quadratic in a map. */
static bool is_plain(const tn__groups *groups, size_t value)
{
    for (size_t g = 0; g < groups->count; g++) {
        size_t met = 0;
        for (size_t e = 0; e < groups->list[g].entry_count; e++)
            met += groups->list[g].entries[e].value == value;
        if (met > 1)
            return false;
    }
    return true;
}

static void add_part(cycle *c, size_t value, double scale)
{
    size_t size = tn__tensor_count(&c->models[0]->values[value].parameter);
    c->parts[c->part_count++] = (part){value, c->size, size, scale};
    c->size += size;
}

/* The weights of layers, and what is added behind them: a bias, and the shift of a norm
 * whose mean is moved into it. */
static void find_parts(cycle *c)
{
    const tn_model *model = c->models[0];
    const tn__groups *groups = c->f->parents[0].groups;
    for (size_t n = 0; n < model->node_count; n++) {
        tn__layer layer;
        double norm = 0;
        if (!tn__layer_of(&layer, model, &c->f->links, n) ||
            !is_plain(groups, layer.weight))
            continue;
        for (size_t k = 0; k < c->count; k++) {
            const tn__tensor *w = &c->models[k]->values[layer.weight].parameter;
            for (size_t i = 0; i < tn__tensor_count(w); i++)
                norm += tn__tensor_get_f64(w, i) * tn__tensor_get_f64(w, i) /
                        (double)c->count;
        }
        if (!(norm > 0))
            continue;
        const tn__node *node = &model->nodes[n];
        add_part(c, layer.weight, 1 / sqrt(norm));
        if (node->input_count > 2 && node->inputs[2] != TN__NONE &&
            tn__value_is_parameter(&model->values[node->inputs[2]]))
            add_part(c, node->inputs[2], 1 / sqrt(norm));
        if (layer.norm != TN__NONE && tn__norm_is_own(model, &c->f->links, layer.norm))
            add_part(c, model->nodes[layer.norm].inputs[TN__BN_BIAS], 1 / sqrt(norm));
    }
}

/* Norms that only shift: shift -= mean, mean = 0. */
static tn_status move_means(tn_model *model, const tn__links *links, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        const size_t *in = model->nodes[n].inputs;
        if (!tn__node_is_norm(&model->nodes[n]) || !tn__norm_is_own(model, links, n))
            continue;
        tn__tensor *mean = &model->values[in[TN__BN_MEAN]].parameter;
        tn__tensor *shift = &model->values[in[TN__BN_BIAS]].parameter;
        tn__tensor made[2] = {{.dtype = mean->dtype}, {.dtype = shift->dtype}};
        size_t channels = tn__tensor_count(mean);
        double *x = tn__alloc(channels, 2 * sizeof *x);
        if (!x)
            return tn__fail_memory(err, channels * 2 * sizeof *x);
        for (size_t i = 0; i < channels; i++)
            x[channels + i] =
                tn__tensor_get_f64(shift, i) - tn__tensor_get_f64(mean, i);
        status = tn__tensor_set_f64(&made[0], &mean->shape, x, err);
        if (status == TN_OK)
            status = tn__tensor_set_f64(&made[1], &shift->shape, x + channels, err);
        tn__free(x);
        if (status != TN_OK) {
            tn__tensor_release(&made[0]);
            return status;
        }
        tn__tensor_release(mean);
        tn__tensor_release(shift);
        *mean = made[0];
        *shift = made[1];
    }
    return status;
}

static tn_status check_groups(const tn__fusion *f, tn_error *err)
{
    const tn__groups *reference = f->parents[f->reference].groups;
    if (f->level.models)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "models of different depths are aligned many to one only");
    for (size_t g = 0; g < reference->count; g++) {
        const tn__group *group = &reference->list[g];
        if (group->kinds || group->blocks != TN__NONE)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "'%s' lies in blocks, which are aligned many to one only",
                            group->name);
        for (size_t k = 0; k < f->count; k++)
            if (f->parents[k].groups->list[g].neurons != group->neurons)
                return tn__fail(err, TN_ERROR_UNSUPPORTED,
                                "'%s' has %zu neurons against %zu: different widths "
                                "are aligned many to one only",
                                group->name, f->parents[k].groups->list[g].neurons,
                                group->neurons);
    }
    return TN_OK;
}

static void cycle_release(cycle *c)
{
    for (size_t k = 0; k < c->count; k++) {
        if (c->models)
            tn_model_free(c->models[k]);
        if (c->carried)
            tn__free(c->carried[k]);
    }
    for (size_t i = 0; c->plans && i < c->count * c->groups; i++)
        tn__free(c->plans[i]);
    tn__free(c->models);
    tn__free(c->carried);
    tn__free(c->plans);
    tn__free(c->parts);
    tn__free(c->sum);
    tn__free(c->identity);
}

static tn_status cycle_create(cycle *c, const tn__fusion *f, tn_error *err)
{
    size_t nodes = f->parents[0].model->node_count;
    *c = (cycle){.f = f, .count = f->count, .groups = f->parents[0].groups->count};
    c->models = tn__alloc(c->count, sizeof(tn_model *));
    c->carried = tn__alloc(c->count, sizeof *c->carried);
    c->plans = tn__alloc(c->count * c->groups, sizeof *c->plans);
    c->parts = tn__alloc(nodes, 3 * sizeof *c->parts);
    c->identity = tn__alloc(c->groups, sizeof *c->identity);
    if (!c->models || !c->carried || !c->plans || !c->parts || !c->identity)
        return tn__fail_memory(err, nodes * 3 * sizeof *c->parts);
    tn_status status = TN_OK;
    for (size_t k = 0; k < c->count && status == TN_OK; k++) {
        status =
            tn__norms_fold(&c->models[k], f->parents[k].model, TN__FOLD_SCALE, err);
        if (status == TN_OK)
            status = move_means(c->models[k], &f->links, err);
    }
    if (status != TN_OK)
        return status;
    find_parts(c);
    c->sum = tn__alloc(c->size, 3 * sizeof *c->sum);
    if (!c->sum)
        return tn__fail_memory(err, c->size * 3 * sizeof *c->sum);
    c->half = c->sum + c->size;
    c->whole = c->half + c->size;
    for (size_t k = 0; k < c->count; k++) {
        c->carried[k] = tn__alloc(c->size, sizeof **c->carried);
        if (!c->carried[k])
            return tn__fail_memory(err, c->size * sizeof **c->carried);
        for (size_t g = 0; g < c->groups; g++) {
            size_t n = neurons_of(c, g);
            c->plans[k * c->groups + g] = tn__alloc(n, n * sizeof **c->plans);
            if (!plan_of(c, k, g))
                return tn__fail_memory(err, n * n * sizeof **c->plans);
        }
    }
    return TN_OK;
}

/* --- starts, and back into the reference's coordinates --- */

/* Plans of the maps as they stand, or the identity. */
static void start_from(cycle *c, bool maps)
{
    for (size_t k = 0; k < c->count; k++)
        for (size_t g = 0; g < c->groups; g++) {
            const tn__map *map = &c->f->parents[k].maps[g];
            size_t n = neurons_of(c, g);
            double *plan = plan_of(c, k, g);
            memset(plan, 0, n * n * sizeof *plan);
            for (size_t u = 0; u < n; u++)
                plan[u * n + (maps && map->select ? map->select[u] : u)] = 1;
        }
}

static size_t neuron_in(const cycle *c, size_t k, size_t g, size_t slot)
{
    const double *row = plan_of(c, k, g) + slot * neurons_of(c, g);
    size_t i = 0;
    while (!(row[i] > 0.5))
        i++;
    return i;
}

/* maps [count * groups] onto the reference; those of the reference stay empty. */
static tn_status take_maps(tn__map *maps, const cycle *c, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t g = 0; g < c->groups && status == TN_OK; g++) {
        size_t n = neurons_of(c, g);
        uint32_t *select = tn__alloc(n, sizeof *select);
        if (!select)
            return tn__fail_memory(err, n * sizeof *select);
        for (size_t k = 0; k < c->count && status == TN_OK; k++) {
            if (k == c->f->reference)
                continue;
            for (size_t u = 0; u < n; u++)
                select[neuron_in(c, c->f->reference, g, u)] =
                    (uint32_t)neuron_in(c, k, g, u);
            tn__map_release(&maps[k * c->groups + g]);
            status = tn__map_select(&maps[k * c->groups + g], n, n, select, err);
        }
        tn__free(select);
    }
    return status;
}

/* The lines of the report, by what describes neurons. */
static tn_status describe(tn__fusion *f, tn__fuse_notes *notes, tn_error *err)
{
    size_t groups = f->parents[0].groups->count;
    bool *solved = tn__alloc(groups, sizeof *solved);
    tn_status status = solved ? TN_OK : tn__fail_memory(err, groups);
    for (size_t g = 0; g < groups && status == TN_OK; g++)
        solved[g] = true;
    for (size_t k = 0, line = 0; k < f->count; k++) {
        if (k == f->reference)
            continue;
        for (size_t g = 0; g < groups && status == TN_OK; g++, line++) {
            const tn__map *map = &f->parents[k].maps[g];
            tn_fuse_group *note = &notes->groups[line];
            tn__evidence e = {0};
            status = tn__evidence_find(&e, f, k, g, solved, err);
            note->cost = note->moved = note->gap = 0;
            for (size_t j = 0; j < map->rows && status == TN_OK; j++) {
                note->cost +=
                    tn__evidence_cost(&e, map->select[j], j, f->options->metric) /
                    (double)map->rows;
                note->moved += map->select[j] != j ? 1 / (double)map->rows : 0;
            }
            tn__evidence_release(&e);
        }
    }
    tn__free(solved);
    return status;
}

tn_status tn__fusion_align_cycle(tn__fusion *fusion, tn__fuse_notes *notes,
                                 const tn_observer *observer, tn_error *err)
{
    cycle c = {0};
    tn__map *maps = NULL;
    double values[2] = {0};
    tn_status status = check_groups(fusion, err);
    if (status == TN_OK)
        status = tn__fusion_align(fusion, notes, TN__NONE, observer, err);
    if (status == TN_OK)
        status = cycle_create(&c, fusion, err);
    maps = status == TN_OK ? tn__alloc(c.count * c.groups, sizeof *maps) : NULL;
    if (status == TN_OK && !maps)
        status = tn__fail_memory(err, c.count * c.groups * sizeof *maps);
    for (int start = 0; start < 2 && status == TN_OK; start++) {
        start_from(&c, start == 0);
        status = climb(&c, &values[start], err);
        if (status == TN_OK && (start == 0 || values[1] > values[0] * (1 + GAIN_MIN)))
            status = take_maps(maps, &c, err);
    }
    for (size_t k = 0; k < c.count && status == TN_OK; k++)
        for (size_t g = 0; g < c.groups && k != fusion->reference; g++) {
            tn__map_release(&fusion->parents[k].maps[g]);
            fusion->parents[k].maps[g] = maps[k * c.groups + g];
            maps[k * c.groups + g] = (tn__map){0};
        }
    if (status == TN_OK)
        status = describe(fusion, notes, err);
    tn__maps_free(maps, c.count * c.groups);
    cycle_release(&c);
    return status;
}
