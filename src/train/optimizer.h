/* optimizer.h - stochastic gradient descent with momentum, as PyTorch's SGD.
 *
 *   d = g + decay w
 *   v = momentum v + d
 *   w = w - rate (nesterov ? d + momentum v : v)
 */
#ifndef TN_TRAIN_OPTIMIZER_H
#define TN_TRAIN_OPTIMIZER_H

#include "engine/engine.h"

typedef struct tn__sgd_rule {
    double momentum, decay;
    bool nesterov;
} tn__sgd_rule;

/* One step of n numbers, in float as PyTorch does it. */
void tn__sgd_update(float *w, float *v, const float *g, size_t n,
                    const tn__sgd_rule *rule, double rate);

typedef struct tn__sgd tn__sgd;

/* For the parameters of `engine` that get gradients; decay applies to those of rank 2
 * and more. engine, model (from which it was made) and workers are borrowed. */
tn_status tn__sgd_create(tn__sgd **out, tn__engine *engine, const tn_model *model,
                         tn__workers *workers, const tn__sgd_rule *rule,
                         tn_error *err) TN_MUST_USE;
void tn__sgd_free(tn__sgd *sgd); /* takes NULL */
/* Moves the engine's parameters by the gradients of its last step. */
tn_status tn__sgd_step(tn__sgd *sgd, double rate, tn_error *err) TN_MUST_USE;

#endif
