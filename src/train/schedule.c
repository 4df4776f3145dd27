/* schedule.c - the learning rate of every step. */
#include "train/schedule.h"

#include <math.h>

static double cosine(double step, double warmup, double total)
{
    const double pi = 3.14159265358979323846;
    return (1 + cos(pi * (step - warmup) / (total - warmup))) / 2;
}

static double steps(const tn_train_options *options, size_t epoch)
{
    double factor = 1;
    for (size_t k = 0; k < TN_TRAIN_STEPS_MAX && options->step_epochs[k]; k++) {
        if (epoch >= options->step_epochs[k])
            factor *= options->step_factor;
    }
    return factor;
}

/* From a to b, by half a cosine, at x in [0, 1]. */
static double ease(double a, double b, double x)
{
    const double pi = 3.14159265358979323846;
    return b + (a - b) * (1 + cos(pi * x)) / 2;
}

/* PyTorch's OneCycleLR with its defaults for both ends. */
static double cycle(double step, double total, double rise)
{
    const double start = 1.0 / 25, end = start / 1e4;
    double peak = rise * total - 1;
    if (step <= peak)
        return ease(start, 1, step / peak);
    return total - 1 > peak ? ease(1, end, (step - peak) / (total - 1 - peak)) : 1;
}

double tn__schedule_rate(const tn_train_options *options, size_t step, size_t per_epoch)
{
    double at = (double)step, warmup = options->warmup_epochs * (double)per_epoch;
    double total = (double)options->epochs * (double)per_epoch;
    double rate = options->learning_rate;
    if (options->schedule == TN_SCHEDULE_CYCLE)
        return rate * cycle(at, total, options->cycle_rise);
    if (at < warmup)
        return rate * fmin((at + 1) / warmup, 1);
    if (options->schedule == TN_SCHEDULE_COSINE)
        return rate * cosine(at, warmup, total);
    if (options->schedule == TN_SCHEDULE_STEP)
        return rate * steps(options, step / per_epoch);
    return rate;
}
