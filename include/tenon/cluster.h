/* cluster.h - one call made by several processes, which share its work.
 *
 *     static int broadcast(void *user, void *bytes, size_t size, size_t from)
 *     {
 *         return MPI_Bcast(bytes, (int)size, MPI_BYTE, (int)from, *(MPI_Comm *)user);
 *     }
 *     options.cluster = &(tn_cluster){.rank = rank, .size = size, .broadcast =
 * broadcast, .all_gather = all_gather, .user = &comm};
 *
 * The library knows no message passing: whoever calls it says how bytes travel. Every
 * process makes the same call with the same arguments; `tenon --mpi` does it with MPI.
 */
#ifndef TENON_CLUSTER_H
#define TENON_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "tenon/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions are called by all processes in the same order (finish() at any time),
 * and return nonzero where the message passing failed. */
typedef struct tn_cluster {
    size_t rank, size; /* of this process, below size; how many there are */
    /* The `size` bytes of process `from` become those of all. */
    int (*broadcast)(void *user, void *bytes, size_t size, size_t from);
    /* to [processes, size]: the `size` bytes of every process, in order of rank. */
    int (*all_gather)(void *user, void *to, const void *bytes, size_t size);
    /* Messages that travel while the caller computes; only training wants them. Started
     * in the same order by all; *pending is the caller's until finish(), which makes it
     * NULL once the message is through, and with `wait` stays until then. Memory is
     * left alone meanwhile. Of to and from [processes, size], part k of `to` is part
     * `rank` of process k's `from`; the other goes as all_gather() does. */
    int (*start_all_to_all)(void *user, void **pending, void *to, const void *from,
                            size_t size);
    /* The same for what all_gather() does. */
    int (*start_all_gather)(void *user, void **pending, void *to, const void *bytes,
                            size_t size);
    /* Moves a message on; with `wait` it is through on return. */
    int (*finish)(void *user, void **pending, bool wait);
    void *user; /* handed to all */
} tn_cluster;

/* What each process came to so far: where some failed, all return the status of the one
 * of lowest rank, with its message. cluster may be NULL: `status` is returned. */
TN_API TN_MUST_USE tn_status tn_cluster_agree(const tn_cluster *cluster,
                                              tn_status status, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
