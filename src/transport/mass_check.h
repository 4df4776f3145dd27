/* mass_check.h - checking the masses that come from outside. */
#ifndef TN_TRANSPORT_MASS_CHECK_H
#define TN_TRANSPORT_MASS_CHECK_H

#include "base/base.h"

/* The sum of mass [count], 1 where it is NULL. TN_ERROR_ARGUMENT, naming `name`, where
 * a mass is negative or not finite, or the sum not positive. */
tn_status tn__mass_check(double *sum, const double *mass, size_t count,
                         const char *name, tn_error *err) TN_MUST_USE;

/* TN_ERROR_ARGUMENT where a side of the plan is empty. */
tn_status tn__size_check(size_t n, size_t m, tn_error *err) TN_MUST_USE;

/* TN_ERROR_ARGUMENT where the sums differ by more than 1e-9 of the larger. */
tn_status tn__balance_check(double mu_sum, double nu_sum, tn_error *err) TN_MUST_USE;

#endif
