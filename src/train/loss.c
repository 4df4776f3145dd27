/* loss.c - softmax cross-entropy with label smoothing and distillation, and its
 * gradient.
 *
 *   t = (1 - e) onehot(label) + e / K            (Szegedy et al. 2016, section 7),
 *       where images are mixed of the mix of labels (Zhang et al. 2018, equation 1)
 *   L = -1/N sum_i sum_k t_ik log p_ik,  p = softmax(z)
 *   dL/dz_ik = (p_ik - t_ik) / N
 *
 * as PyTorch's CrossEntropyLoss(label_smoothing=e), and with a teacher's q = softmax(y
 * / T)
 *
 *   D = T^2 / N sum_i sum_k q_ik log(q_ik / s_ik),  s = softmax(z / T)
 *   dD/dz_ik = T (s_ik - q_ik) / N               (Hinton et al. 2015, section 2)
 *
 * the loss is (1 - a) L + a D. Sums are in double.
 */
#include "train/loss.h"

#include <math.h>

#include "eval/metrics.h"

typedef struct wanted {
    size_t label, other;
    double share; /* of label */
} wanted;

static wanted wanted_of(const tn__cross_entropy_job *job, size_t i)
{
    size_t label = (size_t)job->labels[i];
    if (!job->others)
        return (wanted){label, label, 1};
    return (wanted){label, (size_t)job->others[i], (double)job->shares[i]};
}

/* One image: fills d [k] with p - t and returns the loss. */
static double image_loss(float *d, const float *z, size_t k, const wanted *t,
                         double smoothing, double scale)
{
    double top = (double)z[tn__largest_f32(z, k)], sum = 0, all = 0;
    for (size_t j = 0; j < k; j++) {
        sum += exp((double)z[j] - top);
        all += (double)z[j];
    }
    double log_sum = top + log(sum), even = smoothing / (double)k;
    for (size_t j = 0; j < k; j++) {
        double own =
            (j == t->label ? t->share : 0) + (j == t->other ? 1 - t->share : 0);
        double target = even + (1 - smoothing) * own;
        d[j] = (float)((exp((double)z[j] - log_sum) - target) * scale);
    }
    double answer =
        t->share * (double)z[t->label] + (1 - t->share) * (double)z[t->other];
    return (1 - smoothing) * (log_sum - answer) +
           smoothing * (log_sum - all / (double)k);
}

void tn__softened_add(float *out, const float *z, size_t k, double temperature,
                      double weight)
{
    double top = (double)z[tn__largest_f32(z, k)], sum = 0;
    for (size_t j = 0; j < k; j++)
        sum += exp(((double)z[j] - top) / temperature);
    for (size_t j = 0; j < k; j++)
        out[j] += (float)(weight * exp(((double)z[j] - top) / temperature) / sum);
}

/* One image: adds to d [k] the gradient of T^2 KL(q || softmax(z / T)) times scale, and
 * returns that divergence. */
static double image_divergence(float *d, const float *z, const float *q, size_t k,
                               double temperature, double scale)
{
    double top = (double)z[tn__largest_f32(z, k)], sum = 0, divergence = 0;
    for (size_t j = 0; j < k; j++)
        sum += exp(((double)z[j] - top) / temperature);
    double log_sum = log(sum);
    for (size_t j = 0; j < k; j++) {
        double log_s = ((double)z[j] - top) / temperature - log_sum;
        if (q[j] > 0)
            divergence += (double)q[j] * (log((double)q[j]) - log_s);
        d[j] += (float)(temperature * (exp(log_s) - (double)q[j]) * scale);
    }
    return temperature * temperature * divergence;
}

tn_status tn__cross_entropy(void *user, float *dlogits, double *loss,
                            const float *logits, size_t first, size_t n, tn_error *err)
{
    const tn__cross_entropy_job *job = user;
    size_t k = job->classes, correct = 0;
    double taught = job->taught ? job->weight : 0;
    double scale = 1 / (double)job->images, sum = 0;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const float *z = logits + i * k;
        wanted t = wanted_of(job, first + i);
        sum += (1 - taught) * image_loss(dlogits + i * k, z, k, &t, job->smoothing,
                                         (1 - taught) * scale);
        if (job->taught)
            sum += taught * image_divergence(dlogits + i * k, z,
                                             job->taught + (first + i) * k, k,
                                             job->temperature, taught * scale);
        correct += tn__largest_f32(z, k) == (t.share >= 0.5 ? t.label : t.other);
    }
    job->correct[first / job->shard] = correct;
    *loss += sum * scale;
    return TN_OK;
}
