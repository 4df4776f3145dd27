/* cluster.c - MPI behind tn_cluster. What MPI keeps is the process's own state: it is
 * joined and left once, by the command.
 */
#include "cluster.h"

#include <stdio.h>

#ifdef TENON_MPI
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>

#define STRETCH ((size_t)1 << 30) /* MPI counts in int */

static int broadcast(void *user, void *bytes, size_t size, size_t from)
{
    int failed = 0;
    (void)user;
    for (size_t at = 0; at < size && !failed; at += STRETCH) {
        size_t left = size - at;
        failed = MPI_Bcast((char *)bytes + at, (int)(left < STRETCH ? left : STRETCH),
                           MPI_BYTE, (int)from, MPI_COMM_WORLD) != MPI_SUCCESS;
    }
    return failed;
}

static int all_gather(void *user, void *to, const void *bytes, size_t size)
{
    (void)user;
    return size > INT_MAX || MPI_Allgather(bytes, (int)size, MPI_BYTE, to, (int)size,
                                           MPI_BYTE, MPI_COMM_WORLD) != MPI_SUCCESS;
}

/* What the pending message is: an MPI_Request in memory of its own. */
static int begin(void **pending, int started, MPI_Request request)
{
    MPI_Request *kept = started == MPI_SUCCESS ? malloc(sizeof *kept) : NULL;
    if (!kept)
        return 1;
    *kept = request;
    *pending = kept;
    return 0;
}

static int start_all_to_all(void *user, void **pending, void *to, const void *from,
                            size_t size)
{
    MPI_Request request;
    (void)user;
    if (size > INT_MAX)
        return 1;
    int started = MPI_Ialltoall(from, (int)size, MPI_BYTE, to, (int)size, MPI_BYTE,
                                MPI_COMM_WORLD, &request);
    return begin(pending, started, request);
}

static int start_all_gather(void *user, void **pending, void *to, const void *bytes,
                            size_t size)
{
    MPI_Request request;
    (void)user;
    if (size > INT_MAX)
        return 1;
    int started = MPI_Iallgather(bytes, (int)size, MPI_BYTE, to, (int)size, MPI_BYTE,
                                 MPI_COMM_WORLD, &request);
    return begin(pending, started, request);
}

static int finish(void *user, void **pending, bool wait)
{
    MPI_Request *request = *pending;
    int done = 1;
    (void)user;
    if ((wait ? MPI_Wait(request, MPI_STATUS_IGNORE)
              : MPI_Test(request, &done, MPI_STATUS_IGNORE)) != MPI_SUCCESS)
        return 1;
    if (done) {
        free(request);
        *pending = NULL;
    }
    return 0;
}

/* tn_cluster is given out const, and there is one MPI in a process. */
static tn_cluster world = {.broadcast = broadcast,
                           .all_gather = all_gather,
                           .start_all_to_all = start_all_to_all,
                           .start_all_gather = start_all_gather,
                           .finish = finish};

static tn_status join(tn_error *err)
{
    int rank = 0, size = 0, given = 0;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS ||
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        MPI_Comm_rank(MPI_COMM_WORLD, &rank) != MPI_SUCCESS ||
        MPI_Comm_size(MPI_COMM_WORLD, &size) != MPI_SUCCESS) {
        snprintf(err->message, sizeof err->message, "MPI does not start");
        return err->code = TN_ERROR_IO;
    }
    world.rank = (size_t)rank;
    world.size = (size_t)size;
    return TN_OK;
}

static void leave(void)
{
    MPI_Finalize();
}

#else

static const tn_cluster world = {0};

static tn_status join(tn_error *err)
{
    snprintf(err->message, sizeof err->message,
             "--mpi: this tenon was built without MPI");
    return err->code = TN_ERROR_UNSUPPORTED;
}

static void leave(void) {}
#endif

tn_status cli_cluster_join(const tn_cluster **out, struct cli_args *args, tn_error *err)
{
    if (!args->mpi)
        return TN_OK;
    tn_status status = join(err);
    if (status != TN_OK)
        return status;
    args->quiet = args->quiet || world.rank > 0;
    *out = &world;
    return TN_OK;
}

void cli_cluster_leave(const tn_cluster *cluster)
{
    if (cluster)
        leave();
}
