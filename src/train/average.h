/* average.h - the exponential moving average of a training's weights.
 *
 * After step t (from 1):  a = d a + (1 - d) w,  d = min(decay, t / (t + 9)),  a = w at
 * the start; running statistics of batch norm too. Polyak and Juditsky, "Acceleration
 * of Stochastic Approximation by Averaging", 1992; the rising decay, without which a
 * short training would keep its random start, is TensorFlow's.
 */
#ifndef TN_TRAIN_AVERAGE_H
#define TN_TRAIN_AVERAGE_H

#include "engine/engine.h"

typedef struct tn__average {
    float **numbers; /* [values], each as many as the parameter has, or NULL */
    size_t values;
    double decay;
} tn__average;

/* Of the parameters of `engine`, made from a model of so many values. On failure too
 * *average is to be released. */
tn_status tn__average_begin(tn__average *average, tn__engine *engine, size_t values,
                            double decay, tn_error *err) TN_MUST_USE;
void tn__average_release(tn__average *average);
/* Takes in the engine's parameters after step `step`. */
void tn__average_move(tn__average *average, tn__engine *engine, size_t step);
/* Gives an engine of the same model the average as its parameters. */
void tn__average_show(const tn__average *average, tn__engine *engine);

#endif
