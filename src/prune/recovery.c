/* recovery.c - which neurons stay: those from which the others can be recovered.
 *
 * With G the covariance of a group's activations and M = W^T W summed over the taps of
 * a layer that reads them, the error that keeping S leaves in that layer's answers,
 * after the best linear reconstruction, is tr(M R), R = G - G_:S G_SS^-1 G_S:. Adding
 * neuron j lowers it by (R M R)_jj / R_jj, and R and F = R M then change by a matrix of
 * rank one: O(neurons^3) for the whole greedy order, which is good for every width.
 */
#include <string.h>

#include "prune/prune.h"
#include "stats/stats.h"
#include "tensor/linalg.h"

#define VARIANCE_MIN 1e-9 /* relative: below, nothing is left of a neuron */
#define LESS (1 - 1e-12)  /* each neuron takes something off the error, */
#define LEAST 1e-9        /* and, rounding aside, never more than all of it */

/* What is known of one reader. */
typedef struct watched {
    const tn__reader *reader;
    double *r, *f; /* [neurons, neurons] */
} watched;

/* r: covariance of the group's neurons out of all channels. */
static tn_status set_covariance(watched *a, size_t neurons, const tn__comoments *found,
                                tn_error *err)
{
    a->r = tn__alloc(neurons * neurons, sizeof *a->r);
    if (!a->r)
        return tn__fail_memory(err, neurons * neurons * sizeof *a->r);
    size_t channels = found->a.channels, repeats = a->reader->x->repeats;
    for (size_t i = 0; i < neurons; i++)
        for (size_t j = 0; j < neurons; j++) {
            size_t p = a->reader->x->index[i * repeats] / repeats;
            size_t q = a->reader->x->index[j * repeats] / repeats;
            double both =
                found->cross[p * channels + q] + found->cross[q * channels + p];
            a->r[i * neurons + j] = both / 2 / TN__MAX(found->a.rows, 1);
        }
    return TN_OK;
}

/* f = r m, and both scaled so that the error at the start is 1. */
static tn_status set_product(watched *a, const tn_model *folded,
                             const tn__groups *groups, tn_error *err)
{
    double *rows = NULL, *m = NULL, start = 0;
    size_t width = 0, n = groups->list[a->reader->group].neurons;
    tn__map *identity = tn__alloc(groups->count, sizeof *identity);
    tn_status status =
        identity ? TN_OK : tn__fail_memory(err, groups->count * sizeof *identity);
    if (status == TN_OK)
        status = tn__map_rows(&rows, &width, folded, groups, folded, groups, NULL,
                              identity, a->reader->group, a->reader->entry, err);
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

static tn_status measure(watched *list, const tn__readers *all, const tn__scoring *how,
                         tn_error *err)
{
    tn__engine *engine = NULL;
    tn__pair *pairs = tn__alloc(all->count, sizeof *pairs);
    tn__comoments *found = tn__alloc(all->count, sizeof *found);
    tn_status status = TN_OK;
    if (!pairs || !found) {
        status = tn__fail_memory(err, all->count * sizeof *found);
        goto done;
    }
    for (size_t i = 0; i < all->count; i++)
        pairs[i] = (tn__pair){.a_keep = i,
                              .b_keep = i,
                              .a_extent = all->list[i].extent,
                              .b_extent = all->list[i].extent};
    tn__engine_options options = {
        .workers = how->workers, .keep = all->keep, .keep_count = all->count};
    status = tn__engine_create(&engine, how->probe, &options, err);
    if (status == TN_OK)
        status = tn__stats_pairs(found, &engine, 1, pairs, all->count, how->images,
                                 how->n, err);
    for (size_t i = 0; i < all->count && status == TN_OK; i++)
        status = set_covariance(&list[i], how->groups->list[all->list[i].group].neurons,
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
static double gain_of(const watched *a, size_t n, size_t j, double floor)
{
    double sum = 0, own = a->r[j * n + j];
    if (own <= floor)
        return 0;
    for (size_t k = 0; k < n; k++)
        sum += a->f[j * n + k] * a->r[k * n + j];
    return sum / own;
}

static void keep_one(watched *a, size_t n, size_t j, double floor, double *column)
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

/* list [count] are the readers of one group. score: of a neuron, the error left before
 * it was added, 1 at the start. */
static tn_status order(double *score, watched *list, size_t count, size_t n,
                       tn_error *err)
{
    double *memory = tn__alloc(2 * n + count, sizeof *memory), error = (double)count;
    bool *taken = tn__alloc(n, sizeof *taken);
    tn_status status = memory && taken
                           ? TN_OK
                           : tn__fail_memory(err, (2 * n + count) * sizeof *memory);
    double *floor = memory + 2 * n;
    for (size_t a = 0; a < count && status == TN_OK; a++)
        for (size_t i = 0; i < n; i++)
            floor[a] += VARIANCE_MIN * list[a].r[i * n + i] / (double)n;
    for (size_t step = 0; step < n && status == TN_OK; step++) {
        size_t best = TN__NONE;
        double most = -1;
        for (size_t j = 0; j < n; j++) {
            double gain = 0;
            for (size_t a = 0; a < count && !taken[j]; a++)
                gain += gain_of(&list[a], n, j, floor[a]);
            if (!taken[j] && gain > most) {
                most = gain;
                best = j;
            }
        }
        if (best == TN__NONE)
            break;
        taken[best] = true;
        score[best] = error / (double)count;
        double next = TN__MIN(error - most, error * LESS);
        error = TN__MAX(next, error * LEAST);
        for (size_t a = 0; a < count; a++)
            keep_one(&list[a], n, best, floor[a], memory);
    }
    tn__free(memory);
    tn__free(taken);
    return status;
}

tn_status tn__prune_recover(double *const *scores, const tn__readers *readers,
                            const tn__scoring *how, tn_error *err)
{
    size_t count = readers->count;
    watched *list = tn__alloc(count, sizeof *list);
    tn_status status = list ? TN_OK : tn__fail_memory(err, count * sizeof *list);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        list[i].reader = &readers->list[i];
    if (status == TN_OK)
        status = measure(list, readers, how, err);
    for (size_t i = 0; i < count && status == TN_OK; i++)
        status = set_product(&list[i], how->folded, how->groups, err);
    for (size_t i = 0, next; i < count && status == TN_OK; i = next) {
        size_t g = readers->list[i].group;
        for (next = i; next < count && readers->list[next].group == g;)
            next++;
        status =
            order(scores[g], &list[i], next - i, how->groups->list[g].neurons, err);
    }
    for (size_t i = 0; list && i < count; i++) {
        tn__free(list[i].r);
        tn__free(list[i].f);
    }
    tn__free(list);
    return status;
}
