/* interpolate.c - see interpolate.h. Pairs by assignment (Hungarian linear fusion),
 * clusters by k-means (k-means linear fusion).
 */
#include "fuse/interpolate.h"

#include <math.h>
#include <string.h>

#include "tenon/transport.h"

#define STARTS 4
#define SWEEPS_MAX 50

static double miss(double square, double cross, double energy)
{
    double found = square - 2 * cross + energy;
    return found > 0 ? found : 0;
}

tn_status tn__interpolate_pairs(uint32_t *cluster, const tn__interpolation *from,
                                size_t order, tn_error *err)
{
    size_t n = from->first[1], all = 2 * n;
    const double *q = from->q, *r = from->r, *s = from->score, *a = from->energy;
    double *cost = tn__alloc(n, n * sizeof *cost);
    uint32_t *column = tn__alloc(n, sizeof *column);
    tn_status status =
        cost && column ? TN_OK : tn__fail_memory(err, n * n * sizeof *cost);
    for (size_t i = 0; i < n && status == TN_OK; i++)
        for (size_t k = 0; k < n; k++) {
            size_t j = n + k;
            double x = s[i] / (s[i] + s[j]), y = 1 - x;
            double square = x * x * q[i * all + i] + 2 * x * y * q[i * all + j] +
                            y * y * q[j * all + j];
            double of_i = x * r[i * all + i] + y * r[j * all + i];
            double of_j = x * r[i * all + j] + y * r[j * all + j];
            cost[i * n + k] = s[i] * sqrt(miss(square, of_i, a[i])) +
                              s[j] * sqrt(miss(square, of_j, a[j]));
        }
    if (status == TN_OK)
        status = tn_ot_assign(column, NULL, NULL, cost, n, err);
    for (size_t i = 0; i < n && status == TN_OK; i++)
        cluster[i] = cluster[n + column[i]] = order == 0 ? (uint32_t)i : column[i];
    tn__free(cost);
    tn__free(column);
    return status;
}

/* --- k-means --- */

typedef struct means {
    const tn__interpolation *from;
    size_t all, n;
    uint32_t *cluster; /* [all] */
    double *whole;     /* [n]: scores in each */
    double *square;    /* [n]: u^T q u */
    double *cross;     /* [n, all]: u^T r */
    double *row;       /* [all] */
} means;

static tn_status means_create(means *m, const tn__interpolation *from, size_t n,
                              tn_error *err)
{
    size_t all = from->first[from->models];
    *m = (means){.from = from, .all = all, .n = n};
    m->cluster = tn__alloc(all, sizeof *m->cluster);
    m->whole = tn__alloc(2 * n + (n + 1) * all, sizeof *m->whole);
    if (!m->cluster || !m->whole)
        return tn__fail_memory(err, (n + 1) * all * sizeof *m->whole);
    m->square = m->whole + n;
    m->cross = m->square + n;
    m->row = m->cross + n * all;
    return TN_OK;
}

static void means_release(means *m)
{
    tn__free(m->cluster);
    tn__free(m->whole);
}

static double distance(const means *m, size_t c, size_t i)
{
    return miss(m->square[c], m->cross[c * m->all + i], m->from->energy[i]);
}

/* The means of the clusters as they stand. */
static void find_means(means *m)
{
    const tn__interpolation *f = m->from;
    memset(m->whole, 0, m->n * sizeof *m->whole);
    memset(m->square, 0, m->n * sizeof *m->square);
    memset(m->cross, 0, m->n * m->all * sizeof *m->cross);
    for (size_t i = 0; i < m->all; i++)
        m->whole[m->cluster[i]] += f->score[i];
    for (size_t i = 0; i < m->all; i++) {
        size_t c = m->cluster[i];
        double u = f->score[i] / m->whole[c];
        for (size_t j = 0; j < m->all; j++) {
            m->cross[c * m->all + j] += u * f->r[i * m->all + j];
            if (m->cluster[j] == c)
                m->square[c] += u * f->score[j] / m->whole[c] * f->q[i * m->all + j];
        }
    }
}

static double cost_of(const means *m)
{
    double sum = 0;
    for (size_t i = 0; i < m->all; i++)
        sum += m->from->score[i] * distance(m, m->cluster[i], i);
    return sum;
}

/* Every neuron to the nearest mean; whether any moved. */
static bool reassign(means *m)
{
    bool moved = false;
    for (size_t i = 0; i < m->all; i++) {
        size_t best = m->cluster[i];
        for (size_t c = 0; c < m->n; c++)
            if (distance(m, c, i) < distance(m, best, i))
                best = c;
        moved = moved || best != m->cluster[i];
        m->cluster[i] = (uint32_t)best;
    }
    return moved;
}

/* An empty cluster takes the neuron that lies farthest from its own mean and is not
 * alone there. */
static void fill_empty(means *m, size_t *members)
{
    memset(members, 0, m->n * sizeof *members);
    for (size_t i = 0; i < m->all; i++)
        members[m->cluster[i]]++;
    for (size_t c = 0; c < m->n; c++) {
        size_t farthest = m->all;
        double most = -1;
        for (size_t i = 0; i < m->all && members[c] == 0; i++) {
            double d = m->from->score[i] * distance(m, m->cluster[i], i);
            if (members[m->cluster[i]] > 1 && d > most) {
                most = d;
                farthest = i;
            }
        }
        if (farthest == m->all)
            continue;
        members[m->cluster[farthest]]--;
        m->cluster[farthest] = (uint32_t)c;
        members[c] = 1;
    }
}

/* Each next seed is the neuron farthest, by score, from those before. */
static void seed_clusters(means *m, tn__rng *rng)
{
    const tn__interpolation *f = m->from;
    size_t seed = (size_t)tn__rng_below(rng, m->all);
    for (size_t i = 0; i < m->all; i++)
        m->row[i] = HUGE_VAL;
    for (size_t c = 0; c < m->n; c++) {
        size_t next = 0;
        double most = -1;
        for (size_t i = 0; i < m->all; i++) {
            double d =
                miss(f->q[seed * m->all + seed], f->r[seed * m->all + i], f->energy[i]);
            if (i == seed)
                d = 0;
            if (d < m->row[i]) {
                m->row[i] = d;
                m->cluster[i] = (uint32_t)c;
            }
            if (f->score[i] * m->row[i] > most) {
                most = f->score[i] * m->row[i];
                next = i;
            }
        }
        seed = next;
    }
}

tn_status tn__interpolate_clusters(uint32_t *cluster, const tn__interpolation *from,
                                   size_t n, uint64_t seed, tn_error *err)
{
    means m;
    tn__rng rng;
    double least = HUGE_VAL;
    size_t *members = tn__alloc(n, sizeof *members);
    tn_status status = means_create(&m, from, n, err);
    if (status == TN_OK && !members)
        status = tn__fail_memory(err, n * sizeof *members);
    tn__rng_seed(&rng, seed, 7);
    for (size_t start = 0; start < STARTS && status == TN_OK; start++) {
        if (start == 0)
            memcpy(m.cluster, cluster, m.all * sizeof *cluster);
        else
            seed_clusters(&m, &rng);
        bool moved = true;
        for (size_t sweep = 0; sweep < SWEEPS_MAX && moved; sweep++) {
            find_means(&m);
            moved = reassign(&m);
            fill_empty(&m, members);
        }
        find_means(&m);
        if (cost_of(&m) < least) {
            least = cost_of(&m);
            memcpy(cluster, m.cluster, m.all * sizeof *cluster);
        }
    }
    tn__free(members);
    means_release(&m);
    return status;
}

tn_status tn__interpolate_cost(double *out, const uint32_t *cluster,
                               const tn__interpolation *from, size_t n, tn_error *err)
{
    means m;
    tn_status status = means_create(&m, from, n, err);
    if (status == TN_OK) {
        memcpy(m.cluster, cluster, m.all * sizeof *cluster);
        find_means(&m);
        *out = cost_of(&m);
    }
    means_release(&m);
    return status;
}
