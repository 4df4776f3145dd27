/* optimizer.h - how parameters move by their gradients, as PyTorch's SGD and AdamW.
 *
 * SGD                                        AdamW (Loshchilov and Hutter, ICLR 2019)
 *   d = g + decay w                            w = (1 - rate decay) w
 *   v = momentum v + d                         m = b1 m + (1 - b1) g
 *   w = w - rate (nesterov ?                   v = b2 v + (1 - b2) g^2
 *       d + momentum v : v)                    w = w - rate (m / (1 - b1^t)) /
 *                                                  (sqrt(v / (1 - b2^t)) + 1e-8)
 *
 * Where `clip` is not 0, all gradients are first scaled so that their common norm is at
 * most that.
 */
#ifndef TN_TRAIN_OPTIMIZER_H
#define TN_TRAIN_OPTIMIZER_H

#include "engine/engine.h"
#include "tenon/train.h"

enum { TN__MOMENTS = 2 };

typedef struct tn__rule {
    tn_optimizer kind;
    double momentum; /* of SGD; b1 */
    double second;   /* b2 */
    double decay, clip;
    bool nesterov;
    const char *only; /* beginnings of names of what moves, or NULL: all */
} tn__rule;

/* Of one step. */
typedef struct tn__pace {
    double rate;
    double scale; /* of the gradients, for clipping */
    size_t step;  /* t, from 1 */
} tn__pace;

/* One step of n numbers, in float as PyTorch does it; m[0] is v of SGD or m of AdamW,
 * m[1] v of AdamW. */
void tn__optimizer_update(float *w, float *const m[TN__MOMENTS], const float *g,
                          size_t n, const tn__rule *rule, const tn__pace *pace);

typedef struct tn__optimizer tn__optimizer;

/* For the parameters of `engine` that get gradients; decay applies to those of rank 2
 * and more. engine, model (from which it was made) and workers are borrowed. */
tn_status tn__optimizer_create(tn__optimizer **out, tn__engine *engine,
                               const tn_model *model, tn__workers *workers,
                               const tn__rule *rule, tn_error *err) TN_MUST_USE;
void tn__optimizer_free(tn__optimizer *optimizer); /* takes NULL */
/* Moves the engine's parameters by the gradients of its last step. */
tn_status tn__optimizer_step(tn__optimizer *optimizer, double rate,
                             tn_error *err) TN_MUST_USE;

/* --- what a checkpoint keeps ------------------------------------------------------ */

size_t tn__optimizer_steps(const tn__optimizer *optimizer);
void tn__optimizer_set_steps(tn__optimizer *optimizer, size_t steps);
/* Moment k of parameter `value`, as many numbers as it has; NULL where there is none,
 * or (before the first step) none yet. */
const float *tn__optimizer_moment(const tn__optimizer *optimizer, size_t value, int k);
/* The same, made where there is none yet; NULL where `value` is no float parameter or
 * there is no memory. */
float *tn__optimizer_make_moment(tn__optimizer *optimizer, size_t value, int k);

#endif
