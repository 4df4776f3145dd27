/* cluster.h - what processes that share a call's work do together.
 *
 * A NULL cluster is one process. All of these are called by every process, in the same
 * order; one that fails alone must be told to the others by tn_cluster_agree() before
 * the next of them.
 */
#ifndef TN_CLUSTER_CLUSTER_H
#define TN_CLUSTER_CLUSTER_H

#include "base/base.h"
#include "tenon/cluster.h"

static inline size_t tn__cluster_rank(const tn_cluster *cluster)
{
    return cluster ? cluster->rank : 0;
}
static inline size_t tn__cluster_size(const tn_cluster *cluster)
{
    return cluster ? cluster->size : 1;
}

/* The run of n things that falls to process `rank`: all runs cover 0..n-1 in order and
 * differ by one at most. */
static inline void tn__cluster_share(size_t *first, size_t *count,
                                     const tn_cluster *cluster, size_t rank, size_t n)
{
    size_t size = tn__cluster_size(cluster), each = n / size, more = n % size;
    *first = rank * each + TN__MIN(rank, more);
    *count = each + (rank < more);
}

/* The bytes of process `from` become those of all. */
tn_status tn__cluster_broadcast(const tn_cluster *cluster, void *bytes, size_t size,
                                size_t from, tn_error *err) TN_MUST_USE;
/* values [n] become their sums over all processes, added in order of rank: every
 * process has the same bits. */
tn_status tn__cluster_sum(const tn_cluster *cluster, double *values, size_t n,
                          tn_error *err) TN_MUST_USE;

#endif
