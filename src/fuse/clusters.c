/* clusters.c - see clusters.h.
 *
 * Every cluster keeps the most similar later one, so that a merge looks at the clusters
 * once and not at all pairs.
 */
#include "fuse/clusters.h"

#include <math.h>

#define NOT_ALLOWED (-2.0)

typedef struct work {
    const tn__clustering *how;
    size_t n, left;
    double *alike;   /* [n, n], symmetric */
    size_t *nearest; /* [n]: the most similar later cluster, or n */
    size_t *into;    /* [n]: the cluster that a merged one went to, else itself */
    size_t *label;   /* [n]: the model whose neurons alone a cluster has, or `models` */
    double *budget;  /* [models]: merges within it that are left */
} work;

static bool is_alive(const work *w, size_t i)
{
    return w->into[i] == i;
}

static double similarity(const work *w, size_t i, size_t j)
{
    bool within = w->label[i] == w->label[j] && w->label[i] < w->how->models;
    if (within && w->budget[w->label[i]] < 1)
        return NOT_ALLOWED;
    return w->alike[i * w->n + j];
}

static void find_nearest(work *w, size_t i)
{
    double best = NOT_ALLOWED;
    w->nearest[i] = w->n;
    for (size_t j = i + 1; j < w->n; j++) {
        double s = is_alive(w, j) ? similarity(w, i, j) : NOT_ALLOWED;
        if (s > best) {
            best = s;
            w->nearest[i] = j;
        }
    }
}

static size_t best_cluster(const work *w)
{
    size_t best = w->n;
    double most = NOT_ALLOWED;
    for (size_t i = 0; i < w->n; i++) {
        if (!is_alive(w, i) || w->nearest[i] == w->n)
            continue;
        double s = similarity(w, i, w->nearest[i]);
        if (s > most) {
            most = s;
            best = i;
        }
    }
    return best;
}

/* Cluster j goes into i < j. */
static void merge(work *w, size_t i, size_t j)
{
    bool spent = false;
    size_t model = w->label[i];
    w->into[j] = i;
    w->left--;
    if (w->label[i] != w->label[j]) {
        w->label[i] = w->how->models;
    } else if (model < w->how->models) {
        w->budget[model] -= 1;
        spent = w->budget[model] < 1;
    }
    for (size_t k = 0; k < w->n; k++) {
        double s =
            w->how->shrink * TN__MIN(w->alike[i * w->n + k], w->alike[j * w->n + k]);
        w->alike[i * w->n + k] = w->alike[k * w->n + i] = s;
    }
    for (size_t k = 0; k < w->n; k++) {
        bool touched = k == i || w->nearest[k] == i || w->nearest[k] == j ||
                       (spent && w->label[k] == model);
        if (is_alive(w, k) && touched)
            find_nearest(w, k);
    }
}

static void set_up(work *w)
{
    const tn__clustering *how = w->how;
    size_t n = w->n, merges = n - how->clusters;
    for (size_t k = 0; k < how->models; k++) {
        w->budget[k] = floor(how->within * (double)(merges / how->models) + 1e-4);
        for (size_t i = how->first[k]; i < how->first[k + 1]; i++)
            w->label[i] = k;
    }
    for (size_t i = 0; i < n; i++) {
        w->into[i] = i;
        for (size_t j = 0; j < n; j++) {
            double norms = how->dot[i * n + i] * how->dot[j * n + j];
            double cosine = norms > 0 ? how->dot[i * n + j] / sqrt(norms) : 0;
            w->alike[i * n + j] = (1 + TN__MIN(TN__MAX(cosine, -1), 1)) / 2;
        }
    }
    for (size_t i = 0; i < n; i++)
        find_nearest(w, i);
}

/* Numbers the clusters: those with a neuron of model `order` first. */
static void number(uint32_t *cluster, work *w, size_t order)
{
    const size_t *first = w->how->first;
    uint32_t count = 0;
    for (size_t i = 0; i < w->n; i++)
        cluster[i] = UINT32_MAX;
    for (int pass = 0; pass < 2; pass++) {
        size_t from = pass == 0 ? first[order] : 0;
        size_t to = pass == 0 ? first[order + 1] : w->n;
        for (size_t i = from; i < to; i++) {
            size_t root = i;
            while (w->into[root] != root)
                root = w->into[root];
            if (cluster[root] == UINT32_MAX)
                cluster[root] = count++;
        }
    }
    for (size_t i = 0; i < w->n; i++) {
        size_t root = i;
        while (w->into[root] != root)
            root = w->into[root];
        cluster[i] = cluster[root];
    }
}

tn_status tn__cluster(uint32_t *cluster, const tn__clustering *how, size_t order,
                      tn_error *err)
{
    size_t n = how->first[how->models], count;
    work w = {.how = how, .n = n, .left = n};
    w.alike = tn__mul(&count, n, n) ? tn__alloc(count, sizeof *w.alike) : NULL;
    w.nearest = tn__alloc(n, 3 * sizeof *w.nearest);
    w.budget = tn__alloc(how->models, sizeof *w.budget);
    tn_status status = TN_OK;
    if (!w.alike || !w.nearest || !w.budget) {
        status = tn__fail_memory(err, n * n * sizeof *w.alike);
        goto done;
    }
    w.into = w.nearest + n;
    w.label = w.into + n;
    set_up(&w);
    while (w.left > how->clusters) {
        size_t i = best_cluster(&w);
        if (i == n) {
            status = tn__fail(err, TN_ERROR_NUMERIC,
                              "%zu clusters cannot be made %zu: no pair may be merged",
                              w.left, how->clusters);
            goto done;
        }
        merge(&w, i, w.nearest[i]);
    }
    number(cluster, &w, order);
done:
    tn__free(w.alike);
    tn__free(w.nearest);
    tn__free(w.budget);
    return status;
}
