/* exchange.h - sums over processes that are made while they compute.
 *
 * Arrays of floats that become ready one after another (gradients, in backward) are
 * packed into buckets. Each process adds up its part of a bucket, in order of rank, and
 * gives it to all: two messages of a bucket's size a process, whatever their number.
 * While one bucket is added up the next is under way and the arrays after it are still
 * being computed.
 *
 *     tn__exchange_begin(exchange);
 *     tn__exchange_ready(exchange, k);     each array, in any order, as it is known
 *     status = tn__exchange_finish(exchange, err);
 */
#ifndef TN_CLUSTER_EXCHANGE_H
#define TN_CLUSTER_EXCHANGE_H

#include "cluster/cluster.h"

typedef struct tn__exchange tn__exchange;

/* arrays[count] of counts[count] floats, best in the order in which they will be ready;
 * they and the cluster are borrowed. `bucket` is how many floats are sent at once, or
 * more where an array has more. TN_ERROR_MEMORY. */
tn_status tn__exchange_create(tn__exchange **out, const tn_cluster *cluster,
                              float *const *arrays, const size_t *counts, size_t count,
                              size_t bucket, tn_error *err) TN_MUST_USE;
void tn__exchange_free(tn__exchange *exchange); /* takes NULL */

/* All of these are called by every process, from the thread that called begin(). */
void tn__exchange_begin(tn__exchange *exchange);
/* Array k has what this process adds to the sum; it is not touched until finish(). */
void tn__exchange_ready(tn__exchange *exchange, size_t k);
/* Waits: arrays are the sums, with the same bits in all processes. What was not ready
 * counts as zeros, so that a process that failed can keep the others from waiting.
 * TN_ERROR_IO. */
tn_status tn__exchange_finish(tn__exchange *exchange, tn_error *err) TN_MUST_USE;

#endif
