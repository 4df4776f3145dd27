/* exchange.c - sums over processes that are made while they compute; see exchange.h.
 *
 * Of a bucket of n floats process r adds up the r-th of R equal parts. Messages start
 * in the same order in all processes, whatever is ready when: parts of bucket k leave
 * when it and all before it are ready, and right before that the sums of bucket k - 1
 * do.
 */
#include "cluster/exchange.h"

#include <string.h>

typedef struct bucket {
    size_t first, count;       /* arrays */
    size_t at, part;           /* floats: offset in whole and parts, and of one part */
    size_t left;               /* arrays that are not ready */
    void *parting, *gathering; /* messages under way, or NULL */
} bucket;

struct tn__exchange {
    const tn_cluster *cluster;
    float **arrays;
    size_t *counts, count;
    size_t *bucket_of, *offset; /* [count] of each array: its bucket, its place there */
    bool *ready;                /* [count] */
    bucket *buckets;
    size_t bucket_count, started; /* buckets whose parts have left */
    float *whole; /* of all buckets, [processes, part] each: what is sent, then sums */
    float *parts; /* the same: this process's part of every process's bucket */
    float *own;   /* [part] of each bucket, one after another: sums */
    bool failed;
};

static size_t size_of(const tn__exchange *e)
{
    return tn__cluster_size(e->cluster);
}

/* --- buckets --- */

static void cut_buckets(tn__exchange *e, size_t bucket_floats)
{
    size_t at = 0, used = 0;
    for (size_t k = 0; k < e->count; k++) {
        bucket *b = &e->buckets[e->bucket_count];
        if (used == 0)
            *b = (bucket){.first = k, .at = at};
        e->bucket_of[k] = e->bucket_count;
        e->offset[k] = used;
        used += e->counts[k];
        b->count++;
        if (used < bucket_floats && k + 1 < e->count)
            continue;
        b->part = (used + size_of(e) - 1) / size_of(e);
        at += b->part * size_of(e);
        used = 0;
        e->bucket_count++;
    }
}

static tn_status allocate(tn__exchange *e, float *const *arrays, const size_t *counts,
                          size_t bucket_floats, tn_error *err)
{
    size_t n = e->count, floats = 0;
    e->arrays = tn__alloc(n, sizeof *e->arrays);
    e->counts = tn__alloc(n, sizeof *e->counts);
    e->bucket_of = tn__alloc(n, sizeof *e->bucket_of);
    e->offset = tn__alloc(n, sizeof *e->offset);
    e->ready = tn__alloc(n, sizeof *e->ready);
    e->buckets = tn__alloc(n, sizeof *e->buckets);
    if (!e->arrays || !e->counts || !e->bucket_of || !e->offset || !e->ready ||
        !e->buckets)
        return tn__fail_memory(err, n * sizeof *e->buckets);
    memcpy(e->arrays, arrays, n * sizeof *arrays);
    memcpy(e->counts, counts, n * sizeof *counts);
    cut_buckets(e, bucket_floats);
    for (size_t k = 0; k < e->bucket_count; k++)
        floats += e->buckets[k].part * size_of(e);
    e->whole = tn__alloc_aligned(floats * sizeof *e->whole);
    e->parts = tn__alloc_aligned(floats * sizeof *e->parts);
    e->own = tn__alloc_aligned(floats / size_of(e) * sizeof *e->own);
    return e->whole && e->parts && e->own
               ? TN_OK
               : tn__fail_memory(err, floats * sizeof *e->whole);
}

tn_status tn__exchange_create(tn__exchange **out, const tn_cluster *cluster,
                              float *const *arrays, const size_t *counts, size_t count,
                              size_t bucket_floats, tn_error *err)
{
    tn__exchange *e = tn__alloc(1, sizeof *e);
    if (!e)
        return tn__fail_memory(err, sizeof *e);
    e->cluster = cluster;
    e->count = count;
    tn_status status = allocate(e, arrays, counts, bucket_floats, err);
    if (status)
        tn__exchange_free(e);
    else
        *out = e;
    return status;
}

void tn__exchange_free(tn__exchange *e)
{
    if (!e)
        return;
    tn__free(e->arrays);
    tn__free(e->counts);
    tn__free(e->bucket_of);
    tn__free(e->offset);
    tn__free(e->ready);
    tn__free(e->buckets);
    tn__free(e->whole);
    tn__free(e->parts);
    tn__free(e->own);
    tn__free(e);
}

/* --- messages --- */

static void finish(tn__exchange *e, void **pending, bool wait)
{
    if (*pending && !e->failed)
        e->failed = e->cluster->finish(e->cluster->user, pending, wait) != 0;
}

/* The parts of bucket k are there: adds them up, in order of rank, and sends the sum.
 */
static void send_sums(tn__exchange *e, size_t k)
{
    bucket *b = &e->buckets[k];
    float *own = e->own + b->at / size_of(e);
    finish(e, &b->parting, true);
    if (e->failed)
        return;
    memcpy(own, e->parts + b->at, b->part * sizeof *own);
    for (size_t r = 1; r < size_of(e); r++) {
        const float *from = e->parts + b->at + r * b->part;
        for (size_t i = 0; i < b->part; i++)
            own[i] += from[i];
    }
    e->failed =
        e->cluster->start_all_gather(e->cluster->user, &b->gathering, e->whole + b->at,
                                     own, b->part * sizeof *own) != 0;
}

static void send_parts(tn__exchange *e)
{
    size_t k = e->started++;
    bucket *b = &e->buckets[k];
    if (k > 0)
        send_sums(e, k - 1);
    if (!e->failed)
        e->failed = e->cluster->start_all_to_all(e->cluster->user, &b->parting,
                                                 e->parts + b->at, e->whole + b->at,
                                                 b->part * sizeof *e->parts) != 0;
}

void tn__exchange_begin(tn__exchange *e)
{
    e->started = 0;
    e->failed = false;
    memset(e->ready, 0, e->count * sizeof *e->ready);
    for (size_t k = 0; k < e->bucket_count; k++)
        e->buckets[k].left = e->buckets[k].count;
}

/* Packs array k, or zeros in its place, and sends what can be sent. */
static void pack(tn__exchange *e, size_t k, const float *array)
{
    bucket *b = &e->buckets[e->bucket_of[k]];
    float *to = e->whole + b->at + e->offset[k];
    if (array)
        memcpy(to, array, e->counts[k] * sizeof *to);
    else
        memset(to, 0, e->counts[k] * sizeof *to);
    e->ready[k] = true;
    b->left--;
    while (e->started < e->bucket_count && e->buckets[e->started].left == 0)
        send_parts(e);
}

void tn__exchange_ready(tn__exchange *e, size_t k)
{
    if (!e->ready[k])
        pack(e, k, e->arrays[k]);
    if (e->started > 0) /* messages go on only while somebody asks for them */
        finish(e, &e->buckets[e->started - 1].parting, false);
}

tn_status tn__exchange_finish(tn__exchange *e, tn_error *err)
{
    for (size_t k = 0; k < e->count; k++)
        if (!e->ready[k])
            pack(e, k, NULL);
    if (e->bucket_count)
        send_sums(e, e->bucket_count - 1);
    for (size_t k = 0; k < e->bucket_count; k++)
        finish(e, &e->buckets[k].gathering, true);
    if (e->failed)
        return tn__fail(err, TN_ERROR_IO, "%zu processes did not exchange gradients",
                        size_of(e));
    for (size_t k = 0; k < e->count; k++) {
        const bucket *b = &e->buckets[e->bucket_of[k]];
        memcpy(e->arrays[k], e->whole + b->at + e->offset[k],
               e->counts[k] * sizeof **e->arrays);
    }
    return TN_OK;
}
