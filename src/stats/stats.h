/* stats.h - statistics of a model's values over probe images, streamed in one sweep.
 *
 * Rows of a value are its images times positions: a value [N, C, ...] has N * prod(...)
 * rows of C channels (channel axis 1; for [N, F] one row an image). Sums are kept in
 * double as mean and co-moments (Chan, Golub and LeVeque 1979), shifted by the first
 * shard's mean; shards are combined in order. Fusion, recalibration, pruning and stitching
 * all take their numbers from here.
 */
#ifndef TN_STATS_STATS_H
#define TN_STATS_STATS_H

#include "engine/engine.h"

typedef struct tn__moments { /* of each channel */
    size_t channels;
    double rows;
    double *mean, *m2;      /* [channels]; m2: sum of squared deviations */
} tn__moments;
tn_status tn__moments_create(tn__moments *out, size_t channels, tn_error *err) TN_MUST_USE;
void tn__moments_release(tn__moments *moments);
/* Adds x [images, channels, positions]. */
void tn__moments_add(tn__moments *moments, const float *x, size_t images,
                     size_t positions);
/* Adds what `other` has seen. */
void tn__moments_merge(tn__moments *moments, const tn__moments *other);
/* Population variance of channel c. */
static inline double tn__moments_variance(const tn__moments *moments, size_t c)
{
    return moments->rows > 0 ? moments->m2[c] / moments->rows : 0;
}

/* Co-moments of two values seen over the same rows: sum (a - mean a)(b - mean b)^T. */
typedef struct tn__comoments {
    tn__moments a, b;
    double *cross;          /* [a.channels, b.channels] */
} tn__comoments;
void tn__comoments_release(tn__comoments *comoments);

/* One thing to measure: value `a_value` of engine `a` against value `b_value` of engine b
 * (the same engine and value: the Gram matrix, centred). Values must be among the engines'
 * kept ones. */
typedef struct tn__pair {
    size_t a, a_keep;       /* engine, and position in its `keep` */
    size_t b, b_keep;
} tn__pair;

/* Streams `images` through the engines once and measures all pairs. out [pair_count]. */
tn_status tn__stats_pairs(tn__comoments *out, tn__engine *const *engines,
                          size_t engine_count, const tn__pair *pairs, size_t pair_count,
                          const float *images, size_t n, tn_error *err) TN_MUST_USE;

/* Moments of every kept value of one engine. out [keep_count]. */
tn_status tn__stats_moments(tn__moments *out, tn__engine *engine, size_t keep_count,
                            const float *images, size_t n, tn_error *err) TN_MUST_USE;

#endif
