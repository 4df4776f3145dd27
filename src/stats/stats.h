/* stats.h - statistics of a model's values over probe images, streamed in one sweep.
 *
 * Rows of a value are its images times positions: a value [N, C, ...] has N * prod(...)
 * rows of C channels (channel axis 1; for [N, F] one row an image). Sums are kept in
 * double as mean and co-moments (Chan, Golub and LeVeque 1979), shifted by the first
 * shard's mean; shards are combined in order. Fusion, recalibration, pruning and
 * stitching all take their numbers from here.
 */
#ifndef TN_STATS_STATS_H
#define TN_STATS_STATS_H

#include "engine/engine.h"
#include "neurons/groups.h"

/* A value [N, C, ...] as seen by statistics, for one image. An engine does not tell the
 * shapes of what it keeps, so whoever asks for statistics says them. */
typedef struct tn__extent {
    size_t channels, positions;
} tn__extent;
/* TN_ERROR_UNSUPPORTED where the shape has no channel axis. */
tn_status tn__extent_of(tn__extent *out, const tn__shape *shape,
                        tn_error *err) TN_MUST_USE;

typedef struct tn__moments { /* of each channel */
    size_t channels;
    double rows;
    double *mean, *m2; /* [channels]; m2: sum of squared deviations */
    tn__extent extent; /* read by tn__stats_moments() only */
} tn__moments;
tn_status tn__moments_create(tn__moments *out, size_t channels,
                             tn_error *err) TN_MUST_USE;
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
    double *cross; /* [a.channels, b.channels] */
} tn__comoments;
void tn__comoments_release(tn__comoments *comoments);

/* One thing to measure: value `a_value` of engine `a` against value `b_value` of engine
 * b (the same engine and value: the Gram matrix, centred). Values must be among the
 * engines' kept ones. */
typedef struct tn__pair {
    size_t a, a_keep; /* engine, and position in its `keep` */
    size_t b, b_keep;
    tn__extent a_extent, b_extent; /* of the two values */
} tn__pair;

/* Streams `images` through the engines once and measures all pairs.
 * out [pair_count]. TN_ERROR_MISMATCH where the positions of a pair differ. */
tn_status tn__stats_pairs(tn__comoments *out, tn__engine *const *engines,
                          size_t engine_count, const tn__pair *pairs, size_t pair_count,
                          const float *images, size_t n, tn_error *err) TN_MUST_USE;

/* Moments of every kept value of one engine. out [keep_count]: the caller sets `extent`
 * of each, the rest is made here. */
tn_status tn__stats_moments(tn__moments *out, tn__engine *engine, size_t keep_count,
                            const float *images, size_t n, tn_error *err) TN_MUST_USE;

/* --- where the neurons of a group are best watched ------------------------------- */

bool tn__node_is_activation(const tn__node *node); /* elementwise and nonlinear */
bool tn__node_is_norm(const tn__node *node);       /* batch norm */
/* The batch norm that is the only reader of `value`, or TN__NONE. */
size_t tn__value_norm(const tn_model *model, const tn__links *links, size_t value);
/* Entries of the group, as positions in group->entries, whose values [N, C, ...] have
 * the neurons on the channel axis just before an activation function; where there is
 * none, the outputs of layers and additions; else any. *entries is owned by the caller;
 * *count is 0 where the group lies on no channel axis. */
tn_status tn__group_watch(size_t **entries, size_t *count, const tn_model *model,
                          const tn__links *links, const tn__group *group,
                          tn_error *err) TN_MUST_USE;

#endif
