/* recovery.c - which neurons stay: those from which the others can be recovered.
 *
 * A layer reads neurons by weights W from cells of covariance G, a block of cells for
 * each neuron. Without neuron j the best weights for those that are left answer with an
 * error that is larger by tr(W_j^T (P_jj)^-1 W_j), P = G^-1, and become
 * W - P_:j P_jj^-1 W_j, while P loses P_:j P_jj^-1 P_j: (Optimal Brain Surgeon, Hassibi
 * and Stork 1993, for blocks, over all rows of a layer). Only S = W W^T is carried.
 * Neurons go one by one, the cheapest first, so that one order is good for every width:
 * O(cells^2 block) each.
 */
#include <math.h>
#include <string.h>

#include "prune/readings.h"
#include "tensor/linalg.h"

#define RIDGE 1e-4       /* of G, relative to its mean diagonal */
#define MORE (1 + 1e-12) /* each neuron adds something to the error, */
#define LEAST 1e-9       /* and, rounding aside, at least so much of all of it */

/* One reader while neurons go. */
typedef struct watched {
    const tn__reading *read;
    double *p, *s;   /* [cells, cells] */
    double *own;     /* [block, block]: P_jj, then its inverse */
    double *columns; /* [cells, block]: P_:j */
    double *ratio;   /* [cells, block]: P_:j P_jj^-1 */
    double *product; /* [cells, block] */
    double start;    /* the error where nothing is left */
} watched;

static void watched_release(watched *a)
{
    tn__free(a->p);
    tn__free(a->s);
    tn__free(a->own);
}

static void set_identity(double *x, size_t n)
{
    memset(x, 0, n * n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i * n + i] = 1;
}

static tn_status watched_create(watched *a, const tn__reading *read, tn_error *err)
{
    size_t d = read->cells, b = read->block;
    double mean = 0;
    *a = (watched){.read = read,
                   .p = tn__alloc(d * d, sizeof *a->p),
                   .s = tn__alloc(d * d, sizeof *a->s),
                   .own = tn__alloc(2 * b + 3 * d, b * sizeof *a->own)};
    if (!a->p || !a->s || !a->own)
        return tn__fail_memory(err, d * d * sizeof *a->p);
    a->columns = a->own + 2 * b * b;
    a->ratio = a->columns + d * b;
    a->product = a->ratio + d * b;
    memcpy(a->s, read->s, d * d * sizeof *a->s);
    for (size_t i = 0; i < d; i++)
        mean += read->g[i * d + i] / (double)d;
    for (size_t i = 0; i < d * d; i++)
        a->start += read->g[i] * read->s[i];
    for (size_t i = 0; i < d; i++)
        read->g[i * d + i] += mean > 0 ? RIDGE * mean : 1;
    set_identity(a->p, d);
    return tn__solve_spd(read->g, a->p, d, d, err);
}

/* a->own becomes P_jj, and `inverse` [block, block] its inverse. */
static tn_status take_own(double *inverse, watched *a, size_t j, tn_error *err)
{
    size_t b = a->read->block, d = a->read->cells;
    const uint32_t *cell = a->read->cell + j * b;
    for (size_t k = 0; k < b; k++)
        for (size_t l = 0; l < b; l++)
            a->own[k * b + l] = a->p[cell[k] * d + cell[l]];
    set_identity(inverse, b);
    return tn__solve_spd(a->own, inverse, b, b, err);
}

/* What the error of this reader grows by without neuron j, as a share of `start`. */
static tn_status cost_of(double *out, watched *a, size_t j, tn_error *err)
{
    size_t b = a->read->block, d = a->read->cells;
    const uint32_t *cell = a->read->cell + j * b;
    double *inverse = a->own + b * b, sum = 0;
    tn_status status = take_own(inverse, a, j, err);
    for (size_t k = 0; k < b && status == TN_OK; k++)
        for (size_t l = 0; l < b; l++)
            sum += inverse[k * b + l] * a->s[cell[k] * d + cell[l]];
    *out = a->start > 0 ? sum / a->start : 0;
    return status;
}

/* columns [cells, block] of neuron j in x. */
static void gather(double *columns, const watched *a, const double *x, size_t j)
{
    size_t b = a->read->block, d = a->read->cells;
    for (size_t i = 0; i < d; i++)
        for (size_t k = 0; k < b; k++)
            columns[i * b + k] = x[i * d + a->read->cell[j * b + k]];
}

/* Neuron j goes: S = (I - K E_j) S (I - K E_j)^T with K = P_:j P_jj^-1, and P. */
static tn_status let_go(watched *a, size_t j, tn_error *err)
{
    size_t b = a->read->block, d = a->read->cells;
    double *inverse = a->own + b * b;
    tn_status status = take_own(inverse, a, j, err);
    if (status != TN_OK)
        return status;
    gather(a->columns, a, a->p, j);
    tn__gemm_f64(false, false, d, b, b, 1, a->columns, b, inverse, b, 0, a->ratio, b);
    tn__gemm_f64(false, true, d, d, b, -1, a->ratio, b, a->columns, b, 1, a->p, d);
    gather(a->product, a, a->s, j);
    tn__gemm_f64(false, true, d, d, b, -1, a->ratio, b, a->product, b, 1, a->s, d);
    gather(a->product, a, a->s, j);
    tn__gemm_f64(false, true, d, d, b, -1, a->product, b, a->ratio, b, 1, a->s, d);
    return TN_OK;
}

/* list [count] are the readers of one group. score: of a neuron, what of their answers
 * is lost without it and all that went before, as a share of what is without any. */
static tn_status order(double *score, watched *list, size_t count, size_t n,
                       tn_error *err)
{
    bool *gone = tn__alloc(n, sizeof *gone);
    tn_status status = gone ? TN_OK : tn__fail_memory(err, n);
    double error = 0, last = LEAST;
    for (size_t step = 0; step < n && status == TN_OK; step++) {
        size_t best = TN__NONE;
        double least = HUGE_VAL;
        for (size_t j = 0; j < n && status == TN_OK; j++) {
            double cost = 0, part = 0;
            for (size_t a = 0; a < count && !gone[j] && status == TN_OK; a++) {
                status = cost_of(&part, &list[a], j, err);
                cost += part / (double)count;
            }
            if (!gone[j] && (best == TN__NONE || cost < least)) {
                least = cost;
                best = j;
            }
        }
        if (status != TN_OK)
            break;
        gone[best] = true;
        error += TN__MAX(least, 0);
        last = TN__MAX(error, last * MORE);
        score[best] = last;
        for (size_t a = 0; a < count && status == TN_OK; a++)
            status = let_go(&list[a], best, err);
    }
    for (size_t j = 0; j < n && error > LEAST; j++)
        score[j] /= last;
    tn__free(gone);
    return status;
}

static tn_status order_group(double *score, const tn__reading *read, size_t count,
                             size_t n, tn_error *err)
{
    watched *list = tn__alloc(count, sizeof *list);
    tn_status status = list ? TN_OK : tn__fail_memory(err, count * sizeof *list);
    for (size_t a = 0; a < count && status == TN_OK; a++)
        status = watched_create(&list[a], &read[a], err);
    if (status == TN_OK)
        status = order(score, list, count, n, err);
    for (size_t a = 0; list && a < count; a++)
        watched_release(&list[a]);
    tn__free(list);
    return status;
}

tn_status tn__prune_recover(double *const *scores, const tn__readers *readers,
                            const tn__scoring *how, tn_error *err)
{
    size_t count = readers->count;
    tn__reading *list = tn__alloc(count, sizeof *list);
    tn_status status = list ? tn__readings_measure(list, readers, how, err)
                            : tn__fail_memory(err, count * sizeof *list);
    for (size_t i = 0, next; i < count && status == TN_OK; i = next) {
        size_t g = readers->list[i].group;
        for (next = i; next < count && readers->list[next].group == g;)
            next++;
        status = order_group(scores[g], &list[i], next - i,
                             how->groups->list[g].neurons, err);
    }
    tn__readings_free(list, count);
    return status;
}
