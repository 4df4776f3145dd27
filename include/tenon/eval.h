/* eval.h - accuracy, loss and calibration of models and of their ensemble; running a
 * model on given inputs; comparing the outputs of two.
 *
 *     tn_eval_report report[2], ensemble;
 *     if (tn_eval(report, &ensemble, models, 2, data, NULL, NULL, &err)) ...
 *     printf("%.2f %%\n", 100 * report[0].accuracy);
 */
#ifndef TENON_EVAL_H
#define TENON_EVAL_H

#include "tenon/cluster.h"
#include "tenon/data.h"
#include "tenon/dtype.h"
#include "tenon/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How networks are run. */
typedef struct tn_eval_options {
    size_t threads;            /* 0: one for each processor */
    tn_precision precision;    /* TN_PRECISION_F32 unless said: figures are compared */
    const tn_cluster *cluster; /* of tn_eval(): processes that share the images, or
                                  NULL. All make the same call and have the same report
                                  but for seconds; accuracy is that of one process,
                                  means agree to rounding */
} tn_eval_options;
/* The defaults of tn_eval_options. */
#define TN_EVAL_OPTIONS_INIT                                                           \
    {                                                                                  \
        0                                                                              \
    }

/* How good a network is. */
typedef struct tn_eval_report {
    size_t images;            /* it was asked about */
    double accuracy;          /* fraction whose largest output is the label */
    double loss;              /* mean cross-entropy of softmax(outputs), nats */
    double calibration_error; /* expected calibration error, 15 equal bins (Guo et al.
                                 2017, equation 3) */
    double seconds;           /* that took */
} tn_eval_report;

/* Evaluates models[0..count) on all of data; out [count]. `ensemble` (may be NULL) is
 * the mean of their softmax probabilities. TN_ERROR_MISMATCH where inputs or classes
 * differ. */
TN_API TN_MUST_USE tn_status tn_eval(tn_eval_report *out, tn_eval_report *ensemble,
                                     const tn_model *const *models, size_t count,
                                     const tn_dataset *data,
                                     const tn_eval_options *options,
                                     const tn_observer *observer, tn_error *err);

/* outputs [n, K] = model(inputs [n, ...]); K by tn_model_info_get(). options NULL:
 * defaults. */
TN_API TN_MUST_USE tn_status tn_infer(float *outputs, const tn_model *model,
                                      const float *inputs, size_t n,
                                      const tn_eval_options *options, tn_error *err);

/* A model compiled once, to be run often: tn_infer() compiles it at every call. Fastest
 * for runs of `batch` images; others work too. The model may be freed. One thread at a
 * time may run a session. Outputs do not depend on the number of threads; they may
 * differ by rounding between sessions of different `batch`. options NULL: defaults. */
typedef struct tn_session tn_session;
/* Compiles it; *out is owned by the caller. Errors as tn_infer(). */
TN_API TN_MUST_USE tn_status tn_session_create(tn_session **out, const tn_model *model,
                                               size_t batch,
                                               const tn_eval_options *options,
                                               tn_error *err);
/* outputs [n, K] = model(inputs [n, ...]), untouched on failure. */
TN_API TN_MUST_USE tn_status tn_session_run(tn_session *session, float *outputs,
                                            const float *inputs, size_t n,
                                            tn_error *err);
TN_API void tn_session_free(tn_session *session); /* takes NULL */

/* Median seconds of a forward pass of `batch` images on one thread, over `runs` runs
 * after one to warm up. */
TN_API TN_MUST_USE tn_status tn_latency(double *seconds, const tn_model *model,
                                        size_t batch, size_t runs, tn_error *err);

/* How far two networks answer alike. */
typedef struct tn_compare_report {
    size_t images;             /* they were asked about */
    double largest_difference; /* of any output */
    double largest_output;     /* largest |output| of the first model */
    double agreement;          /* fraction of images with the same largest output */
} tn_compare_report;
/* Outputs of a against b on all of data. */
TN_API TN_MUST_USE tn_status tn_compare(tn_compare_report *out, const tn_model *a,
                                        const tn_model *b, const tn_dataset *data,
                                        const tn_eval_options *options, tn_error *err);

/* One pair of values that stand at corresponding places in two networks. */
typedef struct tn_similarity {
    const char *a, *b; /* names of the values, borrowed from the models */
    double cka; /* linear CKA, unbiased (Kornblith et al. 2019; Song et al. 2012) */
} tn_similarity;
/* Called for each layer in order; nonzero stops. */
typedef int tn_similarity_callback(void *user, const tn_similarity *similarity);
/* Layer by layer similarity of two networks over data: for each group of a that has a
 * counterpart in b. */
TN_API TN_MUST_USE tn_status tn_compare_layers(const tn_model *a, const tn_model *b,
                                               const tn_dataset *data,
                                               const tn_eval_options *options,
                                               tn_similarity_callback *layer,
                                               void *user, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
