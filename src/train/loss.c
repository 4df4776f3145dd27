/* loss.c - softmax cross-entropy with label smoothing, and its gradient.
 *
 *   t = (1 - e) onehot(label) + e / K            (Szegedy et al. 2016, section 7)
 *   L = -1/N sum_i sum_k t_ik log p_ik,  p = softmax(z)
 *   dL/dz_ik = (p_ik - t_ik) / N
 *
 * as PyTorch's CrossEntropyLoss(label_smoothing=e). Sums are in double.
 */
#include "train/loss.h"

#include <math.h>

#include "eval/metrics.h"

/* One image: fills d [k] with p - t and returns the loss. */
static double image_loss(float *d, const float *z, size_t k, int32_t label,
                         double smoothing, double scale)
{
    double top = (double)z[tn__largest_f32(z, k)], sum = 0, all = 0;
    for (size_t j = 0; j < k; j++) {
        sum += exp((double)z[j] - top);
        all += (double)z[j];
    }
    double log_sum = top + log(sum), even = smoothing / (double)k;
    for (size_t j = 0; j < k; j++) {
        double target = even + (j == (size_t)label ? 1 - smoothing : 0);
        d[j] = (float)((exp((double)z[j] - log_sum) - target) * scale);
    }
    return (1 - smoothing) * (log_sum - (double)z[label]) +
           smoothing * (log_sum - all / (double)k);
}

tn_status tn__cross_entropy(void *user, float *dlogits, double *loss,
                            const float *logits, size_t first, size_t n, tn_error *err)
{
    const tn__cross_entropy_job *job = user;
    size_t k = job->classes, correct = 0;
    double scale = 1 / (double)job->images, sum = 0;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const float *z = logits + i * k;
        int32_t label = job->labels[first + i];
        sum += image_loss(dlogits + i * k, z, k, label, job->smoothing, scale);
        correct += tn__largest_f32(z, k) == (size_t)label;
    }
    job->correct[first / job->shard] = correct;
    *loss += sum * scale;
    return TN_OK;
}
