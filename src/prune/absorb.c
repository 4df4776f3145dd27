/* absorb.c - what becomes of removed neurons: the map of one group.
 *
 * T [left, neurons] says how much of each old neuron goes into each new one; its
 * columns sum to one. Intra-Fusion (Theus et al. 2024, algorithm 2, as its program
 * computes it) multiplies both sides by T. That is right for neither: neurons that are
 * alike are made exactly by the mean on the outgoing side (rows of T divided by their
 * sums) and the sum on the incoming one, which is what every method here does unless
 * `compat` is asked.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "prune/prune.h"
#include "tenon/transport.h"
#include "transport/kernels.h"

#define STARTS 10
#define ROUNDS 50
#define BLOCK 256 /* columns */
#define TARGETS 8

/* What a block of columns from `first` on adds to the costs of targets from .. to. */
static void add_costs(double *cost, const tn__features *f, const bool *kept,
                      const uint32_t *target, size_t left, size_t from, size_t to,
                      size_t first)
{
    size_t width = TN__MIN(f->width - first, BLOCK);
    for (size_t i = 0; i < f->neurons; i++)
        for (size_t j = from; j < to; j++)
            if (!kept[i] || target[j] < i)
                cost[i * left + j] +=
                    tn__row_distance(f->rows + i * f->width + first,
                                     f->rows + target[j] * f->width + first, width);
}

/* cost [neurons, left]: l1 distance of each neuron from those that are kept. Blocks of
 * columns of some targets stay in the first cache while all neurons go by. */
static tn_status cost_of(double **out, uint32_t *target, const tn__features *f,
                         const bool *kept, size_t left, tn_error *err)
{
    double *cost = tn__alloc(f->neurons, left * sizeof *cost);
    if (!cost)
        return tn__fail_memory(err, f->neurons * left * sizeof *cost);
    for (size_t i = 0, j = 0; i < f->neurons; i++)
        if (kept[i])
            target[j++] = (uint32_t)i;
    for (size_t k = 0; k < f->width; k += BLOCK)
        for (size_t j = 0; j < left; j += TARGETS)
            add_costs(cost, f, kept, target, left, j, TN__MIN(left, j + TARGETS), k);
    for (size_t i = 0; i < left; i++)
        for (size_t j = i + 1; j < left; j++)
            cost[target[i] * left + j] = cost[target[j] * left + i];
    *out = cost;
    return TN_OK;
}

/* Every neuron sends 1, every kept one takes in neurons / left. */
static tn_status transport(double *t, const double *cost, size_t neurons, size_t left,
                           tn_error *err)
{
    tn_ot_plan plan = {0};
    tn_status status = tn_ot_emd(&plan, NULL, NULL, cost, neurons, left, err);
    if (status != TN_OK)
        return status;
    for (size_t e = 0; e < plan.count; e++)
        t[plan.target[e] * neurons + plan.source[e]] = plan.mass[e] * (double)neurons;
    tn_ot_plan_release(&plan);
    return TN_OK;
}

static void to_nearest(double *t, const double *cost, size_t neurons, size_t left)
{
    for (size_t i = 0; i < neurons; i++) {
        size_t best = 0;
        for (size_t j = 1; j < left; j++)
            if (cost[i * left + j] < cost[i * left + best])
                best = j;
        t[best * neurons + i] = 1;
    }
}

/* --- k-means -----------------------------------------------------------------------
 */

typedef struct clustering {
    const tn__features *f;
    size_t count;
    double *centre;  /* [count, width] */
    double *nearest; /* [neurons]: squared distance from the own centre */
    size_t *of;      /* [neurons] */
    size_t *size;    /* [count] */
} clustering;

/* Each block as long as any other, over all neurons. */
static void balance(tn__features *f)
{
    for (size_t b = 0; b < f->count; b++) {
        double sum = 0;
        for (size_t i = 0; i < f->neurons; i++)
            for (size_t k = f->first[b]; k < f->first[b + 1]; k++)
                sum += f->rows[i * f->width + k] * f->rows[i * f->width + k];
        for (size_t i = 0; sum > 0 && i < f->neurons; i++)
            for (size_t k = f->first[b]; k < f->first[b + 1]; k++)
                f->rows[i * f->width + k] /= sqrt(sum);
    }
}

static void set_centre(clustering *c, size_t j, size_t neuron)
{
    memcpy(c->centre + j * c->f->width, c->f->rows + neuron * c->f->width,
           c->f->width * sizeof *c->centre);
}

/* k-means++ (Arthur and Vassilvitskii 2007). */
static void seed_centres(clustering *c, tn__rng *rng)
{
    size_t n = c->f->neurons, width = c->f->width;
    set_centre(c, 0, (size_t)tn__rng_below(rng, n));
    for (size_t i = 0; i < n; i++)
        c->nearest[i] = HUGE_VAL;
    for (size_t j = 1; j < c->count; j++) {
        double total = 0;
        for (size_t i = 0; i < n; i++) {
            double d = tn__row_distance_squared(c->f->rows + i * width,
                                                c->centre + (j - 1) * width, width);
            c->nearest[i] = TN__MIN(c->nearest[i], d);
            total += c->nearest[i];
        }
        double at = tn__rng_uniform(rng) * total;
        size_t pick = 0;
        for (size_t i = 0; i < n && at >= 0; i++)
            if (c->nearest[i] > 0) {
                at -= c->nearest[i];
                pick = i;
            }
        set_centre(c, j, pick);
    }
}

/* Each neuron to its nearest centre; an empty cluster takes the farthest neuron of a
 * cluster of two or more. Returns the sum of squared distances. */
static double assign(clustering *c)
{
    size_t n = c->f->neurons, width = c->f->width;
    double total = 0;
    memset(c->size, 0, c->count * sizeof *c->size);
    for (size_t i = 0; i < n; i++) {
        c->nearest[i] = HUGE_VAL;
        for (size_t j = 0; j < c->count; j++) {
            double d = tn__row_distance_squared(c->f->rows + i * width,
                                                c->centre + j * width, width);
            if (d < c->nearest[i]) {
                c->nearest[i] = d;
                c->of[i] = j;
            }
        }
        c->size[c->of[i]]++;
    }
    for (size_t j = 0; j < c->count; j++) {
        size_t far = TN__NONE;
        for (size_t i = 0; c->size[j] == 0 && i < n; i++)
            if (c->size[c->of[i]] > 1 &&
                (far == TN__NONE || c->nearest[i] > c->nearest[far]))
                far = i;
        if (far == TN__NONE)
            continue;
        c->size[c->of[far]]--;
        c->of[far] = j;
        c->nearest[far] = 0;
        c->size[j] = 1;
    }
    for (size_t i = 0; i < n; i++)
        total += c->nearest[i];
    return total;
}

static void move_centres(clustering *c)
{
    size_t width = c->f->width;
    memset(c->centre, 0, c->count * width * sizeof *c->centre);
    for (size_t i = 0; i < c->f->neurons; i++)
        for (size_t k = 0; k < width; k++)
            c->centre[c->of[i] * width + k] +=
                c->f->rows[i * width + k] / (double)c->size[c->of[i]];
}

/* Lloyd's algorithm from several seeds; t is of the best. Clusters are numbered by
 * their first neuron. */
static void cluster(double *t, clustering *c, size_t *name, uint64_t seed)
{
    size_t n = c->f->neurons;
    double best = HUGE_VAL;
    for (uint64_t start = 0; start < STARTS; start++) {
        tn__rng rng;
        tn__rng_seed(&rng, seed, start);
        seed_centres(c, &rng);
        double last = HUGE_VAL, sum = assign(c);
        for (int round = 0; round < ROUNDS && sum < last; round++) {
            last = sum;
            move_centres(c);
            sum = assign(c);
        }
        if (sum >= best)
            continue;
        best = sum;
        memset(t, 0, c->count * n * sizeof *t);
        for (size_t j = 0; j < c->count; j++)
            name[j] = TN__NONE;
        for (size_t i = 0, next = 0; i < n; i++) {
            if (name[c->of[i]] == TN__NONE)
                name[c->of[i]] = next++;
            t[name[c->of[i]] * n + i] = 1;
        }
    }
}

static tn_status fold(double *t, tn__features *f, size_t left, uint64_t seed,
                      tn_error *err)
{
    clustering c = {.f = f, .count = left};
    c.centre = tn__alloc(left, f->width * sizeof *c.centre);
    c.nearest = tn__alloc(f->neurons, sizeof *c.nearest);
    c.of = tn__alloc(f->neurons, sizeof *c.of);
    c.size = tn__alloc(left, 2 * sizeof *c.size);
    tn_status status = TN_OK;
    if (c.centre && c.nearest && c.of && c.size) {
        balance(f);
        cluster(t, &c, c.size + left, seed);
    } else {
        status = tn__fail_memory(err, left * f->width * sizeof *c.centre);
    }
    tn__free(c.centre);
    tn__free(c.nearest);
    tn__free(c.of);
    tn__free(c.size);
    return status;
}

/* --- the map -----------------------------------------------------------------------
 */

static tn_status shares(double *t, tn__features *f, const bool *kept, size_t left,
                        tn_prune_method method, tn_error *err)
{
    double *cost = NULL;
    uint32_t *target = tn__alloc(left, sizeof *target);
    if (!target)
        return tn__fail_memory(err, left * sizeof *target);
    tn__features_normalise(f);
    tn_status status = cost_of(&cost, target, f, kept, left, err);
    if (status == TN_OK && method == TN_PRUNE_NEAREST)
        to_nearest(t, cost, f->neurons, left);
    else if (status == TN_OK)
        status = transport(t, cost, f->neurons, left, err);
    tn__free(target);
    tn__free(cost);
    return status;
}

tn_status tn__prune_absorb(tn__map *out, tn__features *features, const bool *kept,
                           size_t left, tn_prune_method method, bool compat,
                           uint64_t seed, tn_error *err)
{
    size_t n = features->neurons;
    double *t = tn__alloc(left * n, 2 * sizeof *t);
    if (!t)
        return tn__fail_memory(err, left * n * 2 * sizeof *t);
    double *mean = t + left * n;
    tn_status status = method == TN_PRUNE_FOLD
                           ? fold(t, features, left, seed, err)
                           : shares(t, features, kept, left, method, err);
    for (size_t j = 0; j < left && status == TN_OK; j++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += t[j * n + i];
        for (size_t i = 0; i < n; i++)
            mean[j * n + i] = compat || sum == 0 ? t[j * n + i] : t[j * n + i] / sum;
    }
    if (status == TN_OK)
        status = tn__map_dense(out, left, n, mean, t, err);
    tn__free(t);
    return status;
}
