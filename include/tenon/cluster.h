/* cluster.h - one call made by several processes, which share its work.
 *
 *     static int broadcast(void *user, void *bytes, size_t size, size_t from)
 *     {
 *         return MPI_Bcast(bytes, (int)size, MPI_BYTE, (int)from, *(MPI_Comm *)user);
 *     }
 *     options.cluster = &(tn_cluster){rank, size, broadcast, all_gather, &comm};
 *
 * The library knows no message passing: whoever calls it says how bytes travel. Every
 * process makes the same call with the same arguments; `tenon --mpi` does it with MPI.
 */
#ifndef TENON_CLUSTER_H
#define TENON_CLUSTER_H

#include <stddef.h>

#include "tenon/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Both functions are called by all processes in the same order, and return nonzero
 * where the message passing failed. */
typedef struct tn_cluster {
    size_t rank, size; /* of this process, below size; how many there are */
    /* The `size` bytes of process `from` become those of all. */
    int (*broadcast)(void *user, void *bytes, size_t size, size_t from);
    /* to [processes, size]: the `size` bytes of every process, in order of rank. */
    int (*all_gather)(void *user, void *to, const void *bytes, size_t size);
    void *user; /* handed to both */
} tn_cluster;

/* What each process came to so far: where some failed, all return the status of the one
 * of lowest rank, with its message. cluster may be NULL: `status` is returned. */
TN_API TN_MUST_USE tn_status tn_cluster_agree(const tn_cluster *cluster,
                                              tn_status status, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
