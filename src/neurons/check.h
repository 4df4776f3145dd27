/* check.h - proves groups by the function: permutes every group at random and measures
 * how far the outputs move. */
#ifndef TN_NEURONS_CHECK_H
#define TN_NEURONS_CHECK_H

#include "base/threads.h"
#include "neurons/map.h"
#include "tenon/check.h"

/* As tn_model_check() for groups that are given, right or wrong; `reference` runs the
 * plain C kernels. */
tn_status tn__groups_check(tn_check_report *out, const tn_model *model,
                           const tn__groups *groups, const tn_check_options *options,
                           bool reference, const tn_observer *observer,
                           tn_error *err) TN_MUST_USE;

#endif
