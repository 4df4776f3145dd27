/* clusters.h - neurons of several models put into clusters, greedily.
 *
 * ZipIt! (Stoica et al., ICLR 2024, arXiv 2305.03053), but negative similarities are
 * left as they are: times a factor below 1 they would rise.
 */
#ifndef TN_FUSE_CLUSTERS_H
#define TN_FUSE_CLUSTERS_H

#include "base/base.h"

typedef struct tn__clustering {
    size_t models;
    const size_t *first; /* [models + 1]: neurons of model k are first[k] .. */
    const double *dot;   /* [neurons, neurons]: inner products of features */
    size_t clusters;     /* wanted */
    double within;       /* share of the merges that may be within one model */
    double shrink;       /* factor of a merged cluster's similarities */
} tn__clustering;

/* cluster[neurons]: numbers 0 .. clusters - 1, in order of the first neuron of model
 * `order`, or of the first of any where a cluster has none of it. Similarity is
 * the cosine, of a cluster the least of its members' (complete linkage), shrunk once
 * for each merge. Ties go to the earlier pair. */
tn_status tn__cluster(uint32_t *cluster, const tn__clustering *how, size_t order,
                      tn_error *err) TN_MUST_USE;

#endif
