/* cluster.c - bytes from one process to all, sums in a fixed order, common failures.
 *
 * Sums are made by every process for itself out of what all have, so that neither the
 * number of messages nor their timing decides how they are rounded. Nothing here takes
 * memory: a process that failed for itself between two exchanges would leave the others
 * waiting.
 */
#include "cluster/cluster.h"

#include <string.h>

#define PROCESSES_MAX 4096
#define HELD 8192 /* values of all processes at once: 64 KiB of stack */

tn_status tn__cluster_broadcast(const tn_cluster *cluster, void *bytes, size_t size,
                                size_t from, tn_error *err)
{
    if (tn__cluster_size(cluster) == 1 || size == 0)
        return TN_OK;
    if (cluster->broadcast(cluster->user, bytes, size, from))
        return tn__fail(err, TN_ERROR_IO, "process %zu of %zu did not send %zu bytes",
                        from + 1, cluster->size, size);
    return TN_OK;
}

static tn_status gather(const tn_cluster *cluster, void *to, const void *bytes,
                        size_t size, tn_error *err)
{
    if (cluster->size > PROCESSES_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT, "%zu processes, expected at most %d",
                        cluster->size, PROCESSES_MAX);
    if (cluster->all_gather(cluster->user, to, bytes, size))
        return tn__fail(err, TN_ERROR_IO, "%zu processes did not exchange %zu bytes",
                        cluster->size, size);
    return TN_OK;
}

tn_status tn__cluster_sum(const tn_cluster *cluster, double *values, size_t n,
                          tn_error *err)
{
    size_t size = tn__cluster_size(cluster), stretch = TN__MAX(HELD / size, 1);
    double all[HELD];
    tn_status status = TN_OK;
    for (size_t at = 0; size > 1 && at < n && status == TN_OK; at += stretch) {
        size_t count = TN__MIN(stretch, n - at);
        status = gather(cluster, all, values + at, count * sizeof *all, err);
        for (size_t i = 0; i < count && status == TN_OK; i++) {
            double sum = all[i];
            for (size_t r = 1; r < size; r++)
                sum += all[r * count + i];
            values[at + i] = sum;
        }
    }
    return status;
}

tn_status tn_cluster_agree(const tn_cluster *cluster, tn_status status, tn_error *err)
{
    unsigned char mine = (unsigned char)status, all[PROCESSES_MAX];
    size_t size = tn__cluster_size(cluster), first = 0;
    tn_error heard = {0};
    if (size == 1)
        return status;
    tn_status sent = gather(cluster, all, &mine, 1, err);
    while (sent == TN_OK && first < size && all[first] == TN_OK)
        first++;
    if (sent != TN_OK || first == size)
        return sent;
    if (first == cluster->rank && err)
        heard = *err;
    sent = tn__cluster_broadcast(cluster, &heard, sizeof heard, first, err);
    if (sent != TN_OK)
        return sent;
    heard.message[sizeof heard.message - 1] = '\0';
    return tn__fail(err, (tn_status)all[first], "%s", heard.message);
}
