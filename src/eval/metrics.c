/* metrics.c - accuracy, cross-entropy and expected calibration error.
 *
 * ECE = sum over bins |hits - confidence| / images, where bin b holds the images whose
 * largest probability is in (b / 15, (b + 1) / 15]: equation 3 of Guo et al., "On
 * calibration of modern neural networks", ICML 2017, with the bins' sizes cancelled.
 */
#include "eval/metrics.h"

#include <math.h>

#include "base/base.h"

size_t tn__largest_f32(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++) {
        if (x[k] > x[best])
            best = k;
    }
    return best;
}

bool tn__all_finite(const float *x, size_t n)
{
    size_t k = 0;
    while (k < n && isfinite(x[k]))
        k++;
    return k == n;
}

void tn__log_softmax(double *out, const float *logits, size_t k)
{
    double top = (double)logits[tn__largest_f32(logits, k)], sum = 0;
    for (size_t j = 0; j < k; j++)
        sum += exp((double)logits[j] - top);
    double log_sum = top + log(sum);
    for (size_t j = 0; j < k; j++)
        out[j] = (double)logits[j] - log_sum;
}

void tn__metrics_add(tn__metrics *m, const double *log_p, size_t k, int32_t label)
{
    size_t best = 0;
    for (size_t j = 1; j < k; j++) {
        if (log_p[j] > log_p[best])
            best = j;
    }
    double confidence = exp(log_p[best]);
    double place = ceil(confidence * TN__CALIBRATION_BINS) - 1;
    size_t bin = (size_t)fmin(fmax(place, 0), TN__CALIBRATION_BINS - 1);
    bool right = best == (size_t)label;
    m->images++;
    m->correct += right;
    m->loss -= log_p[label];
    m->confidence[bin] += confidence;
    m->hits[bin] += right;
}

void tn__metrics_report(tn_eval_report *out, const tn__metrics *m)
{
    double images = (double)m->images, error = 0;
    for (size_t b = 0; b < TN__CALIBRATION_BINS; b++)
        error += fabs(m->hits[b] - m->confidence[b]);
    *out = (tn_eval_report){.images = m->images,
                            .accuracy = (double)m->correct / images,
                            .loss = m->loss / images,
                            .calibration_error = error / images};
}
