/* selector.h - which of several fused networks is best, told without labels.
 *
 * On images kept aside each is compared with the ensemble of the parents (the weighted
 * mean of their softmax): by how many top classes agree and, where the difference of
 * two candidates is within a standard error, by the mean Kullback-Leibler divergence.
 */
#ifndef TN_FUSE_SELECTOR_H
#define TN_FUSE_SELECTOR_H

#include "base/threads.h"
#include "graph/model.h"
#include "tenon/fuse.h"

typedef struct tn__selector {
    tn__workers *workers;
    float *images; /* [n, input] */
    size_t n, classes;
    double *teacher; /* [n, classes] probabilities */
    uint32_t *top;   /* [n] its classes */
    float *logits;   /* [n, classes] of who is judged */
} tn__selector;

/* Reads `n` images of the data by `index` and asks the models, whose weights [count]
 * sum to 1. */
tn_status tn__selector_create(tn__selector *out, const tn_model *const *models,
                              const double *weights, size_t count,
                              const tn_dataset *data, const uint32_t *index, size_t n,
                              size_t threads, tn_error *err) TN_MUST_USE;
void tn__selector_release(tn__selector *selector);

typedef struct tn__verdict {
    double agreement, divergence; /* share of images; nats */
    bool *agrees;                 /* [n], owned */
} tn__verdict;
void tn__verdict_release(tn__verdict *verdict);
/* Answers that are not finite agree with nobody and diverge without bound. */
tn_status tn__selector_judge(tn__verdict *out, tn__selector *selector,
                             const tn_model *model, tn_error *err) TN_MUST_USE;
/* Whether a, which is dearer, is better than b. */
bool tn__verdict_better(const tn__verdict *a, const tn__verdict *b, size_t n);

#endif
