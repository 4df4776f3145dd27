/* pairs.c - co-moments of values of several networks, measured in one run over images.
 *
 * A shard is shifted by its own channel means, multiplied in f32 and widened to double;
 * what rounding the shift left over is taken off exactly. Shards are computed side by
 * side and merged in order (Chan, Golub and LeVeque 1979, extended to products), so
 * results do not depend on the number of threads.
 */
#include <string.h>

#include "stats/stats.h"
#include "tensor/linalg.h"

/* Columns of one matrix product: enough for the product to be fast, little enough for
 * both operands to stay in the cache. */
#define BLOCK_ROWS 2048

void tn__comoments_release(tn__comoments *comoments)
{
    if (!comoments)
        return;
    tn__moments_release(&comoments->a);
    tn__moments_release(&comoments->b);
    tn__free(comoments->cross);
    *comoments = (tn__comoments){0};
}

static tn_status comoments_create(tn__comoments *out, size_t a, size_t b, tn_error *err)
{
    size_t count;
    tn__comoments made = {0};
    tn_status status = tn__moments_create(&made.a, a, err);
    if (status == TN_OK)
        status = tn__moments_create(&made.b, b, err);
    if (status == TN_OK) {
        made.cross =
            tn__mul(&count, a, b) ? tn__alloc(count, sizeof *made.cross) : NULL;
        if (!made.cross)
            status = tn__fail_memory(err, a * b * sizeof *made.cross);
    }
    if (status != TN_OK) {
        tn__comoments_release(&made);
        return status;
    }
    *out = made;
    return TN_OK;
}

static void comoments_merge(tn__comoments *into, const tn__comoments *other)
{
    double rows = into->a.rows, more = other->a.rows;
    if (more == 0)
        return;
    double weight = rows * more / (rows + more);
    size_t n = into->a.channels, m = into->b.channels;
    for (size_t i = 0; i < n; i++) {
        double delta = weight * (other->a.mean[i] - into->a.mean[i]);
        for (size_t j = 0; j < m; j++)
            into->cross[i * m + j] +=
                other->cross[i * m + j] + delta * (other->b.mean[j] - into->b.mean[j]);
    }
    tn__moments_merge(&into->a, &other->a);
    tn__moments_merge(&into->b, &other->b);
}

/* One side of a pair: a value of one engine, as [images, channels, positions]. */
typedef struct side {
    size_t engine, keep;
    size_t channels, positions;
} side;

typedef struct run {
    size_t pair_count;
    side (*sides)[2]; /* [pair_count] */
    size_t shards;
    tn__comoments **partial; /* [shards]: [pair_count], between map and reduce */
    tn__comoments *total;    /* [pair_count] */
} run;

/* to [channels, images * positions] = x [images, channels, positions] - shift. */
static void gather(float *to, const float *x, const side *s, const float *shift,
                   size_t images)
{
    size_t p = s->positions, row = images * p;
    for (size_t i = 0; i < images; i++) {
        for (size_t c = 0; c < s->channels; c++) {
            const float *from = x + (i * s->channels + c) * p;
            float *at = to + c * row + i * p;
            for (size_t k = 0; k < p; k++)
                at[k] = from[k] - shift[c];
        }
    }
}

/* Work space of one shard of one pair. */
typedef struct space {
    float *shift[2]; /* [channels]: the shard's means, rounded */
    float *block[2]; /* [channels, rows of a block] */
    float *product;  /* [channels of a, of b] */
    size_t step;     /* images of a block */
} space;

static void space_release(space *w)
{
    for (int k = 0; k < 2; k++) {
        tn__free(w->shift[k]);
        tn__free(w->block[k]);
    }
    tn__free(w->product);
}

static tn_status space_create(space *w, const side *sides, tn_error *err)
{
    *w = (space){.step = TN__MAX(1, BLOCK_ROWS / sides[0].positions)};
    bool made = true;
    for (int k = 0; k < 2; k++) {
        const side *s = &sides[k];
        w->shift[k] = tn__alloc(s->channels, sizeof **w->shift);
        w->block[k] =
            tn__alloc(s->channels, w->step * s->positions * sizeof **w->block);
        made = made && w->shift[k] && w->block[k];
    }
    w->product = tn__alloc(sides[0].channels, sides[1].channels * sizeof *w->product);
    if (made && w->product)
        return TN_OK;
    space_release(w);
    return tn__fail_memory(err, sides[0].channels * sides[1].channels * sizeof(float));
}

/* out = co-moments of x[0] and x[1], `images` images of each. */
static tn_status measure(tn__comoments *out, const side *sides, const float *const *x,
                         size_t images, tn_error *err)
{
    space w;
    tn_status status = space_create(&w, sides, err);
    if (status != TN_OK)
        return status;
    size_t n = sides[0].channels, m = sides[1].channels, p = sides[0].positions;
    tn__moments *moments[2] = {&out->a, &out->b};
    for (int k = 0; k < 2; k++) {
        tn__moments_add(moments[k], x[k], images, p);
        for (size_t c = 0; c < sides[k].channels; c++)
            w.shift[k][c] = (float)moments[k]->mean[c];
    }
    bool same = x[0] == x[1];
    for (size_t first = 0; first < images; first += w.step) {
        size_t some = TN__MIN(w.step, images - first), rows = some * p;
        gather(w.block[0], x[0] + first * n * p, &sides[0], w.shift[0], some);
        if (!same)
            gather(w.block[1], x[1] + first * m * p, &sides[1], w.shift[1], some);
        tn__gemm_f32(false, true, n, m, rows, 1, w.block[0], rows,
                     same ? w.block[0] : w.block[1], rows, first ? 1 : 0, w.product, m);
    }
    for (size_t i = 0; i < n; i++) {
        double left = out->a.rows * (out->a.mean[i] - (double)w.shift[0][i]);
        for (size_t j = 0; j < m; j++)
            out->cross[i * m + j] = (double)w.product[i * m + j] -
                                    left * (out->b.mean[j] - (double)w.shift[1][j]);
    }
    space_release(&w);
    return TN_OK;
}

static void partial_free(tn__comoments *partial, size_t count)
{
    for (size_t i = 0; partial && i < count; i++)
        tn__comoments_release(&partial[i]);
    tn__free(partial);
}

static tn_status map(void *user, const tn__shard *shard, size_t worker, tn_error *err)
{
    (void)worker;
    run *r = user;
    tn_status status = TN_OK;
    tn__comoments *partial = tn__alloc(r->pair_count, sizeof *partial);
    if (!partial)
        return tn__fail_memory(err, r->pair_count * sizeof *partial);
    for (size_t i = 0; i < r->pair_count && status == TN_OK; i++) {
        const side *s = r->sides[i];
        const float *x[2] = {shard->kept[s[0].engine][s[0].keep],
                             shard->kept[s[1].engine][s[1].keep]};
        status = comoments_create(&partial[i], s[0].channels, s[1].channels, err);
        if (status == TN_OK)
            status = measure(&partial[i], s, x, shard->images, err);
    }
    if (status != TN_OK)
        partial_free(partial, r->pair_count);
    else
        r->partial[shard->index] = partial;
    return status;
}

static tn_status reduce(void *user, const tn__shard *shard, size_t worker,
                        tn_error *err)
{
    (void)worker;
    (void)err;
    run *r = user;
    tn__comoments *partial = r->partial[shard->index];
    for (size_t i = 0; i < r->pair_count; i++)
        comoments_merge(&r->total[i], &partial[i]);
    partial_free(partial, r->pair_count);
    r->partial[shard->index] = NULL;
    return TN_OK;
}

static tn_status run_prepare(run *r, const tn__pair *pairs, tn_error *err)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        const tn__pair *p = &pairs[i];
        side *s = r->sides[i];
        s[0] = (side){p->a, p->a_keep, p->a_extent.channels, p->a_extent.positions};
        s[1] = (side){p->b, p->b_keep, p->b_extent.channels, p->b_extent.positions};
        if (s[0].positions != s[1].positions)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "cannot pair values of %zu and %zu positions",
                            s[0].positions, s[1].positions);
        tn_status status =
            comoments_create(&r->total[i], s[0].channels, s[1].channels, err);
        if (status != TN_OK)
            return status;
    }
    return TN_OK;
}

tn_status tn__stats_pairs(tn__comoments *out, tn__engine *const *engines,
                          size_t engine_count, const tn__pair *pairs, size_t pair_count,
                          const float *images, size_t n, tn_error *err)
{
    size_t shard = tn__engine_shard(engines[0]);
    run r = {.pair_count = pair_count, .shards = (n + shard - 1) / shard};
    r.sides = tn__alloc(pair_count, sizeof *r.sides);
    r.partial = tn__alloc(r.shards, sizeof *r.partial);
    r.total = tn__alloc(pair_count, sizeof *r.total);
    tn_status status = TN_OK;
    if (!r.sides || !r.partial || !r.total)
        status = tn__fail_memory(err, pair_count * sizeof *r.sides);
    if (status == TN_OK)
        status = run_prepare(&r, pairs, err);
    if (status == TN_OK) {
        tn__visitor visitor = {map, reduce, &r};
        status = tn__engine_visit(engines, engine_count, images, n, &visitor, err);
    }
    for (size_t s = 0; r.partial && s < r.shards; s++)
        partial_free(r.partial[s], pair_count);
    if (status == TN_OK)
        memcpy(out, r.total, pair_count * sizeof *out);
    else
        for (size_t i = 0; r.total && i < pair_count; i++)
            tn__comoments_release(&r.total[i]);
    tn__free(r.sides);
    tn__free(r.partial);
    tn__free(r.total);
    return status;
}
