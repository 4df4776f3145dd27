/* value_moments.c - mean and variance of every kept value of one engine in one run.
 *
 * Shards are measured side by side and merged in order, as in pairs.c, so that results
 * do not depend on the number of threads.
 */
#include <string.h>

#include "stats/stats.h"

typedef struct run {
    size_t keep_count;
    const tn__moments *wanted; /* [keep_count]: their extents */
    tn__moments **partial;     /* [shards]: [keep_count], between map and reduce */
    tn__moments *total;        /* [keep_count] */
} run;

static void moments_free(tn__moments *moments, size_t count)
{
    for (size_t i = 0; moments && i < count; i++)
        tn__moments_release(&moments[i]);
    tn__free(moments);
}

static tn_status moments_all(tn__moments **out, const run *r, tn_error *err)
{
    tn__moments *made = tn__alloc(r->keep_count, sizeof *made);
    tn_status status =
        made ? TN_OK : tn__fail_memory(err, r->keep_count * sizeof *made);
    for (size_t i = 0; i < r->keep_count && status == TN_OK; i++) {
        status = tn__moments_create(&made[i], r->wanted[i].extent.channels, err);
        made[i].extent = r->wanted[i].extent;
    }
    if (status == TN_OK)
        *out = made;
    else
        moments_free(made, r->keep_count);
    return status;
}

static tn_status map(void *user, const tn__shard *shard, size_t worker, tn_error *err)
{
    (void)worker;
    run *r = user;
    tn__moments *partial = NULL;
    tn_status status = moments_all(&partial, r, err);
    for (size_t i = 0; i < r->keep_count && status == TN_OK; i++)
        tn__moments_add(&partial[i], shard->kept[0][i], shard->images,
                        partial[i].extent.positions);
    r->partial[shard->index] = partial;
    return status;
}

static tn_status reduce(void *user, const tn__shard *shard, size_t worker,
                        tn_error *err)
{
    (void)worker;
    (void)err;
    run *r = user;
    for (size_t i = 0; i < r->keep_count; i++)
        tn__moments_merge(&r->total[i], &r->partial[shard->index][i]);
    moments_free(r->partial[shard->index], r->keep_count);
    r->partial[shard->index] = NULL;
    return TN_OK;
}

tn_status tn__stats_moments(tn__moments *out, tn__engine *engine, size_t keep_count,
                            const float *images, size_t n, tn_error *err)
{
    size_t shard = tn__engine_shard(engine);
    size_t shards = (n + shard - 1) / shard;
    run r = {.keep_count = keep_count, .wanted = out};
    r.partial = tn__alloc(shards, sizeof *r.partial);
    if (!r.partial)
        return tn__fail_memory(err, shards * sizeof *r.partial);
    tn_status status = moments_all(&r.total, &r, err);
    if (status == TN_OK) {
        tn__visitor visitor = {map, reduce, &r};
        status = tn__engine_visit(&engine, 1, images, n, &visitor, err);
    }
    for (size_t s = 0; s < shards; s++)
        moments_free(r.partial[s], keep_count);
    tn__free(r.partial);
    if (status == TN_OK) {
        memcpy(out, r.total, keep_count * sizeof *out);
        tn__free(r.total);
    } else {
        moments_free(r.total, keep_count);
    }
    return status;
}
