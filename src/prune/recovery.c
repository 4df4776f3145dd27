/* recovery.c - which neurons stay: those from which the others can be recovered.
 *
 * With G the covariance of a group's activations and M = W^T W summed over the taps of
 * a layer that reads them, the error that keeping S leaves in that layer's answers,
 * after the best linear reconstruction, is tr(M R), R = G - G_:S G_SS^-1 G_S:. Adding
 * neuron j lowers it by (R M R)_jj / R_jj, and R and F = R M then change by a matrix of
 * rank one: O(left neurons^2) for the whole greedy choice.
 */
#include <string.h>

#include "prune/prune.h"
#include "stats/stats.h"
#include "tensor/linalg.h"

#define VARIANCE_MIN 1e-9 /* relative: below, nothing is left of a neuron */

/* One layer that reads a group, and the activation through which it does. */
typedef struct reader {
    size_t group, entry;      /* of its weight */
    const tn__group_entry *x; /* of the activation */
    tn__extent extent;
    double *r, *f; /* [neurons, neurons] */
} reader;

typedef struct readers {
    reader *list;
    size_t count, capacity;
    size_t *keep; /* [count] */
} readers;

static void readers_release(readers *all)
{
    for (size_t i = 0; i < all->count; i++) {
        tn__free(all->list[i].r);
        tn__free(all->list[i].f);
    }
    tn__free(all->list);
    tn__free(all->keep);
}

/* The entry of the group on the channels of an activation, if its cells lie one after
 * another. */
static const tn__group_entry *channels_of(const tn__group *group, size_t value)
{
    for (size_t e = 0; e < group->entry_count; e++) {
        const tn__group_entry *entry = &group->entries[e];
        if (entry->value != value || entry->axis != 1)
            continue;
        for (size_t k = 0; k < group->neurons * entry->repeats; k++)
            if (entry->index[k] !=
                    entry->index[k - k % entry->repeats] + k % entry->repeats ||
                entry->index[k - k % entry->repeats] % entry->repeats)
                return NULL;
        return entry;
    }
    return NULL;
}

static tn_status add_reader(readers *all, const tn_model *model,
                            const tn__groups *groups, size_t g, size_t e, tn_error *err)
{
    const tn__group *group = &groups->list[g];
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        if (node->input_count < 2 || node->inputs[1] != group->entries[e].value)
            continue;
        const tn__group_entry *x = channels_of(group, node->inputs[0]);
        if (!x)
            continue;
        reader made = {.group = g, .entry = e, .x = x};
        tn_status status =
            tn__extent_of(&made.extent, &groups->shapes.shape[x->value], err);
        if (status == TN_OK)
            status = tn__grow(&all->list, &all->capacity, all->count, sizeof *all->list,
                              err);
        if (status != TN_OK)
            return status;
        made.extent.channels /= x->repeats;
        made.extent.positions *= x->repeats;
        all->list[all->count++] = made;
    }
    return TN_OK;
}

static tn_status find_readers(readers *all, const size_t *left, const tn_model *model,
                              const tn__groups *groups, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t g = 0; g < groups->count; g++)
        for (size_t e = 0; left[g] < groups->list[g].neurons &&
                           e < groups->list[g].entry_count && status == TN_OK;
             e++)
            if (groups->list[g].entries[e].role == TN__CONSUMER)
                status = add_reader(all, model, groups, g, e, err);
    return status;
}

/* r: covariance of the group's neurons out of all channels. */
static tn_status set_covariance(reader *a, size_t neurons, const tn__comoments *found,
                                tn_error *err)
{
    a->r = tn__alloc(neurons * neurons, sizeof *a->r);
    if (!a->r)
        return tn__fail_memory(err, neurons * neurons * sizeof *a->r);
    size_t channels = found->a.channels, repeats = a->x->repeats;
    for (size_t i = 0; i < neurons; i++)
        for (size_t j = 0; j < neurons; j++) {
            size_t p = a->x->index[i * repeats] / repeats;
            size_t q = a->x->index[j * repeats] / repeats;
            double both =
                found->cross[p * channels + q] + found->cross[q * channels + p];
            a->r[i * neurons + j] = both / 2 / TN__MAX(found->a.rows, 1);
        }
    return TN_OK;
}

/* f = r m, and both scaled so that the error at the start is 1. */
static tn_status set_product(reader *a, const tn_model *folded,
                             const tn__groups *groups, tn_error *err)
{
    double *rows = NULL, *m = NULL, start = 0;
    size_t width = 0, n = groups->list[a->group].neurons;
    tn__map *identity = tn__alloc(groups->count, sizeof *identity);
    tn_status status =
        identity ? TN_OK : tn__fail_memory(err, groups->count * sizeof *identity);
    if (status == TN_OK)
        status = tn__map_rows(&rows, &width, folded, groups, folded, groups, NULL,
                              identity, a->group, a->entry, err);
    if (status != TN_OK)
        goto done;
    m = tn__alloc(n * n, sizeof *m);
    a->f = tn__alloc(n * n, sizeof *a->f);
    if (!m || !a->f) {
        status = tn__fail_memory(err, n * n * sizeof *m);
        goto done;
    }
    tn__gemm_f64(false, true, n, n, width, 1, rows, width, rows, width, 0, m, n);
    tn__gemm_f64(false, false, n, n, n, 1, a->r, n, m, n, 0, a->f, n);
    for (size_t i = 0; i < n; i++)
        start += a->f[i * n + i];
    for (size_t i = 0; start > 0 && i < n * n; i++)
        a->f[i] /= start;
done:
    tn__free(identity);
    tn__free(rows);
    tn__free(m);
    return status;
}

static tn_status measure(readers *all, const tn__recovery *how, tn_error *err)
{
    const tn__groups *groups = how->groups;
    tn__engine *engine = NULL;
    tn__pair *pairs = tn__alloc(all->count, sizeof *pairs);
    tn__comoments *found = tn__alloc(all->count, sizeof *found);
    all->keep = tn__alloc(all->count, sizeof *all->keep);
    tn_status status = TN_OK;
    if (!pairs || !found || !all->keep) {
        status = tn__fail_memory(err, all->count * sizeof *found);
        goto done;
    }
    for (size_t i = 0; i < all->count; i++) {
        all->keep[i] = all->list[i].x->value;
        pairs[i] = (tn__pair){.a_keep = i,
                              .b_keep = i,
                              .a_extent = all->list[i].extent,
                              .b_extent = all->list[i].extent};
    }
    tn__engine_options options = {
        .workers = how->workers, .keep = all->keep, .keep_count = all->count};
    status = tn__engine_create(&engine, how->probe, &options, err);
    if (status == TN_OK)
        status = tn__stats_pairs(found, &engine, 1, pairs, all->count, how->images,
                                 how->n, err);
    for (size_t i = 0; i < all->count && status == TN_OK; i++)
        status = set_covariance(&all->list[i], groups->list[all->list[i].group].neurons,
                                &found[i], err);
    for (size_t i = 0; i < all->count; i++)
        tn__comoments_release(&found[i]);
done:
    tn__free(pairs);
    tn__free(found);
    tn__engine_free(engine);
    return status;
}

/* What keeping j as well takes off the error of one reader. */
static double gain_of(const reader *a, size_t n, size_t j, double floor)
{
    double sum = 0, own = a->r[j * n + j];
    if (own <= floor)
        return 0;
    for (size_t k = 0; k < n; k++)
        sum += a->f[j * n + k] * a->r[k * n + j];
    return sum / own;
}

static void keep_one(reader *a, size_t n, size_t j, double floor, double *column)
{
    double own = a->r[j * n + j];
    if (own <= floor)
        return;
    for (size_t k = 0; k < n; k++)
        column[k] = a->r[k * n + j] / own;
    double *row = column + n;
    memcpy(row, a->f + j * n, n * sizeof *row);
    for (size_t k = 0; k < n; k++)
        for (size_t l = 0; l < n; l++)
            a->f[k * n + l] -= column[k] * row[l];
    memcpy(row, a->r + j * n, n * sizeof *row);
    for (size_t k = 0; k < n; k++)
        for (size_t l = 0; l < n; l++)
            a->r[k * n + l] -= column[k] * row[l];
}

/* readers [count] are those of one group. curve [n + 1] (may be NULL): what is lost
 * when k of the n are removed. */
static tn_status choose(bool *kept, double *curve, reader *list, size_t count, size_t n,
                        size_t left, tn_error *err)
{
    double error = 1;
    double *memory = tn__alloc(2 * n + count, sizeof *memory);
    if (!memory)
        return tn__fail_memory(err, (2 * n + count) * sizeof *memory);
    double *floor = memory + 2 * n;
    for (size_t i = 0; i < n; i++)
        kept[i] = false;
    for (size_t a = 0; a < count; a++)
        for (size_t i = 0; i < n; i++)
            floor[a] += VARIANCE_MIN * list[a].r[i * n + i] / (double)n;
    for (size_t step = 0; step < left; step++) {
        size_t best = TN__NONE;
        double most = -1;
        for (size_t j = 0; j < n; j++) {
            double gain = 0;
            for (size_t a = 0; a < count && !kept[j]; a++)
                gain += gain_of(&list[a], n, j, floor[a]);
            if (!kept[j] && gain > most) {
                most = gain;
                best = j;
            }
        }
        if (best == TN__NONE)
            break;
        kept[best] = true;
        if (curve)
            curve[n - step] = TN__MAX(error, 0);
        error -= most / (double)count;
        for (size_t a = 0; a < count; a++)
            keep_one(&list[a], n, best, floor[a], memory);
    }
    tn__free(memory);
    return TN_OK;
}

static tn_status prepare(readers *all, const size_t *left, const tn__recovery *how,
                         tn_error *err)
{
    tn_status status = find_readers(all, left, how->folded, how->groups, err);
    if (status == TN_OK && all->count > 0)
        status = measure(all, how, err);
    for (size_t i = 0; i < all->count && status == TN_OK; i++)
        status = set_product(&all->list[i], how->folded, how->groups, err);
    return status;
}

/* The end of the run of readers of one group that begins at `first`. */
static size_t run_end(const readers *all, size_t first)
{
    size_t next = first;
    while (next < all->count && all->list[next].group == all->list[first].group)
        next++;
    return next;
}

tn_status tn__prune_recover(bool *const *kept, bool *done, const size_t *left,
                            const tn__recovery *how, tn_error *err)
{
    readers all = {0};
    tn_status status = prepare(&all, left, how, err);
    for (size_t i = 0, next; i < all.count && status == TN_OK; i = next) {
        size_t g = all.list[i].group;
        next = run_end(&all, i);
        status = choose(kept[g], NULL, &all.list[i], next - i,
                        how->groups->list[g].neurons, left[g], err);
        done[g] = true;
    }
    readers_release(&all);
    return status;
}

tn_status tn__prune_curves(double *const *curve, bool *done, const tn__recovery *how,
                           tn_error *err)
{
    const tn__groups *groups = how->groups;
    readers all = {0};
    size_t *left = tn__alloc(groups->count, sizeof *left), most = 0;
    for (size_t g = 0; left && g < groups->count; g++) {
        left[g] = groups->list[g].neurons - (curve[g] != NULL);
        most = TN__MAX(most, groups->list[g].neurons);
    }
    bool *kept = tn__alloc(most, sizeof *kept);
    tn_status status =
        left && kept ? TN_OK : tn__fail_memory(err, groups->count * sizeof *left);
    if (status == TN_OK)
        status = prepare(&all, left, how, err);
    for (size_t i = 0, next; i < all.count && status == TN_OK; i = next) {
        size_t g = all.list[i].group, n = groups->list[g].neurons;
        next = run_end(&all, i);
        status = choose(kept, curve[g], &all.list[i], next - i, n, n, err);
        curve[g][0] = 0;
        done[g] = true;
    }
    readers_release(&all);
    tn__free(left);
    tn__free(kept);
    return status;
}
