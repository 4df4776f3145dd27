/* mass_check.c - checking the masses that come from outside; the messages are shared by
 * the exact and the entropic solvers.
 */
#include "transport/mass_check.h"

#include <float.h>
#include <math.h>

#define BALANCE 1e-9

tn_status tn__mass_check(double *sum, const double *mass, size_t count,
                         const char *name, tn_error *err)
{
    *sum = mass ? 0 : 1;
    for (size_t i = 0; mass && i < count; i++) {
        if (!(mass[i] >= 0) || mass[i] > DBL_MAX)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "%s[%zu] is %g, wanted a mass of 0 or more", name, i,
                            mass[i]);
        *sum += mass[i];
    }
    if (!(*sum > 0) || *sum > DBL_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "the masses %s sum to %g, wanted more than 0", name, *sum);
    return TN_OK;
}

tn_status tn__size_check(size_t n, size_t m, tn_error *err)
{
    if (n == 0 || m == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "%zu sources and %zu targets, wanted 1 or more of each", n, m);
    return TN_OK;
}

tn_status tn__balance_check(double mu_sum, double nu_sum, tn_error *err)
{
    if (fabs(mu_sum - nu_sum) > BALANCE * TN__MAX(mu_sum, nu_sum))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "the masses differ: mu sums to %.12g and nu to %.12g", mu_sum,
                        nu_sum);
    return TN_OK;
}
