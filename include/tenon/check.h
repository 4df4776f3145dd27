/* check.h - does what Tenon believes of a model hold? Are two models the same function?
 *
 *     tn_check_report report;
 *     if (tn_model_check(&report, model, NULL, NULL, &err)) ...
 *     printf("%zu groups, outputs move by %g\n", report.groups, report.largest);
 */
#ifndef TENON_CHECK_H
#define TENON_CHECK_H

#include "tenon/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How hard a model is tried. */
typedef struct tn_check_options {
    uint64_t seed;    /* of the permutations and the random inputs */
    size_t images;    /* standard normal inputs */
    size_t rounds;    /* random permutations of each group */
    double tolerance; /* relative: largest |difference| / largest |output| */
    size_t threads;   /* 0: one for each processor */
} tn_check_options;
/* The defaults of tn_check_options. */
#define TN_CHECK_OPTIONS_INIT                                                          \
    {                                                                                  \
        1, 8, 3, 1e-5, 0                                                               \
    }

/* What came of it. */
typedef struct tn_check_report {
    size_t groups;  /* there are */
    double largest; /* over groups and rounds, and all groups at once; relative */
    size_t failed;  /* groups above the tolerance */
} tn_check_report;

/* Permutes each group by itself, then all at once. Groups above the tolerance are told
 * to observer->log; the call still returns TN_OK. options and observer may be NULL. */
TN_API TN_MUST_USE tn_status tn_model_check(tn_check_report *out, const tn_model *model,
                                            const tn_check_options *options,
                                            const tn_observer *observer, tn_error *err);

/* A copy with every group permuted at random: the same function, other parameters. The
 * same seed gives the same copy. *out is owned by the caller; fails as tn_model_check()
 * does where groups cannot be found. */
TN_API TN_MUST_USE tn_status tn_model_permute(tn_model **out, const tn_model *model,
                                              uint64_t seed, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
