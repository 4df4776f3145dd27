/* schedule.h - the learning rate of every step. */
#ifndef TN_TRAIN_SCHEDULE_H
#define TN_TRAIN_SCHEDULE_H

#include "tenon/train.h"

/* Rate of step `step` (from 0) where an epoch has per_epoch steps. With W =
 * warmup_epochs per_epoch and T all steps: step < W    rate (step + 1) / W constant
 * rate cosine      rate (1 + cos(pi (step - W) / (T - W))) / 2 step        rate
 * step_factor^(step_epochs that are over); and with P = cycle_rise T - 1, from 1/25 of
 * the rate up to step P, then down to 1/250,000 of it at step T - 1. */
double tn__schedule_rate(const tn_train_options *options, size_t step,
                         size_t per_epoch);

#endif
