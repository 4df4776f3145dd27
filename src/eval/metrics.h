/* metrics.h - accuracy, loss and calibration, summed image by image. */
#ifndef TN_EVAL_METRICS_H
#define TN_EVAL_METRICS_H

#include "tenon/eval.h"

enum { TN__CALIBRATION_BINS = 15 };

/* Sums over the images seen; zeroed to begin with. */
typedef struct tn__metrics {
    size_t images, correct;
    double loss;
    double confidence[TN__CALIBRATION_BINS]; /* of images in each bin of confidence */
    double hits[TN__CALIBRATION_BINS];       /* how many of them were right */
} tn__metrics;

/* The largest of x[0..n), the first where there are several. */
size_t tn__largest_f32(const float *x, size_t n);

bool tn__all_finite(const float *x, size_t n);

/* log softmax(logits), [k] in double. */
void tn__log_softmax(double *out, const float *logits, size_t k);
/* Adds an image whose classes have log probabilities log_p [k]. */
void tn__metrics_add(tn__metrics *metrics, const double *log_p, size_t k,
                     int32_t label);
/* Everything but `seconds`. */
void tn__metrics_report(tn_eval_report *out, const tn__metrics *metrics);

#endif
