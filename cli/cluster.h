/* cluster.h - the processes that mpirun started, as the library wants to know them. */
#ifndef TENON_CLI_CLUSTER_H
#define TENON_CLI_CLUSTER_H

#include "command.h"
#include "tenon/cluster.h"

/* Where --mpi is given: joins the others, and quiets all but the first. *out is NULL
 * without. TN_ERROR_UNSUPPORTED where this command was built without MPI. */
tn_status cli_cluster_join(const tn_cluster **out, struct cli_args *args,
                           tn_error *err);

/* Waits for the others; cluster may be NULL. */
void cli_cluster_leave(const tn_cluster *cluster);

#endif
