/* assign.c - the linear assignment problem, tn_ot_assign().
 *
 * The front of paths.h: runs it on the square problem and measures the answer.
 * Rectangular problems and masses are tn_ot_emd()'s.
 */
#include <math.h>

#include "tenon/transport.h"
#include "transport/kernels.h"
#include "transport/paths.h"

tn_status tn_ot_assign(uint32_t *column, double *total, double *gap, const double *cost,
                       size_t n, tn_error *err)
{
    if (n == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "nothing to assign: n is 0, wanted 1 or "
                        "more");
    tn__paths paths = {0};
    tn_status status = tn__paths_create(&paths, cost, n, n, err);
    if (!status)
        status = tn__paths_solve(&paths, err);
    if (status)
        goto done;
    tn__sum primal = {0}, dual = {0};
    for (size_t j = 0; j < n; j++) {
        size_t i = paths.row[j];
        column[i] = (uint32_t)j;
        tn__sum_add(&primal, cost[i * n + j]);
        tn__sum_add(&dual, paths.v[j]);
    }
    double cost_sum = primal.sum + primal.lost;
    if (total)
        *total = cost_sum;
    if (gap) {
        for (size_t i = 0; i < n; i++)
            tn__sum_add(&dual, tn__row_min(cost + i * n, paths.v, n));
        double dual_sum = dual.sum + dual.lost;
        *gap = (cost_sum - dual_sum) / TN__MAX(1.0, fabs(cost_sum));
    }
done:
    tn__paths_release(&paths);
    return status;
}
