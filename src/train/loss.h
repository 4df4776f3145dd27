/* loss.h - softmax cross-entropy with label smoothing and distillation, and its
 * gradient. */
#ifndef TN_TRAIN_LOSS_H
#define TN_TRAIN_LOSS_H

#include "engine/engine.h"

/* What tn__cross_entropy() needs as `user`. */
typedef struct tn__cross_entropy_job {
    size_t classes;        /* K, outputs of the model */
    double smoothing;      /* in [0, 1) */
    size_t images;         /* of the whole step */
    const int32_t *labels; /* [images], each below K */
    const int32_t *others; /* [images]: labels of the images mixed in, or NULL */
    const float *shares;   /* [images]: of the first label; 1 - that of the other */
    size_t shard;          /* images of each call */
    size_t *correct;       /* [images / shard]: filled in */
    const float *taught;   /* [images, K], the teachers' probabilities at `temperature`;
                              NULL: none */
    double temperature;    /* T */
    double weight;         /* a, of what is taught */
} tn__cross_entropy_job;

/* A tn__loss: the part of the step's mean of (1 - a) L + a T^2 KL, with the
 * cross-entropy L against targets (1 - smoothing) onehot + smoothing / K; of a mixed
 * image onehot is share onehot(label) + (1 - share) onehot(other), and the answer that
 * counts as correct is the label with the larger share. Safe from several threads, for
 * different shards. */
tn_status tn__cross_entropy(void *user, float *dlogits, double *loss,
                            const float *logits, size_t first, size_t n, tn_error *err);

/* out [k] += weight softmax(z / temperature) */
void tn__softened_add(float *out, const float *z, size_t k, double temperature,
                      double weight);

#endif
