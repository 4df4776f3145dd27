/* interpolate.h - which neurons of the parents one fused neuron stands for, by what it
 * would miss of their answers.
 *
 * Neuron Interpolation (arXiv 2507.00037): every neuron of every parent is fitted on
 * what the fused network feeds it; a fused neuron takes the mean of some fits, weighted
 * by attribution scores. With w_i the fits, a_i the answers, both centred, q = w^T G w
 * and r_ij = w_i . G a_j, what the mean of fits u misses of a_i is
 *
 *     u^T q u - 2 u^T r e_i + |a_i|^2
 *
 * so all costs follow from three small arrays.
 */
#ifndef TN_FUSE_INTERPOLATE_H
#define TN_FUSE_INTERPOLATE_H

#include "base/rng.h"

typedef struct tn__interpolation {
    size_t models;
    const size_t *first;  /* [models + 1]: neurons of model k are first[k] .. */
    const double *q, *r;  /* [neurons, neurons] */
    const double *energy; /* [neurons]: mean of squared centred answers */
    const double *score;  /* [neurons], > 0 */
} tn__interpolation;

/* cluster[neurons] for two models of n neurons each, numbered by neurons of model
 * `order`: pairs of least sum of score times root mean squared miss. */
tn_status tn__interpolate_pairs(uint32_t *cluster, const tn__interpolation *from,
                                size_t order, tn_error *err) TN_MUST_USE;

/* cluster[neurons] of any models by k-means into n clusters, none empty: the best of
 * several starts, of which the first is `cluster` as it comes. */
tn_status tn__interpolate_clusters(uint32_t *cluster, const tn__interpolation *from,
                                   size_t n, uint64_t seed, tn_error *err) TN_MUST_USE;

/* Sum over neurons of score times squared miss. */
tn_status tn__interpolate_cost(double *out, const uint32_t *cluster,
                               const tn__interpolation *from, size_t n,
                               tn_error *err) TN_MUST_USE;

#endif
