/* train_options.c - whether the options of training make sense. */
#include "train/train_options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/base.h"

/* Numbers and the range each must lie in. */
static const struct range {
    const char *name;
    size_t offset;
    double least, most;
    bool above, below; /* the end itself is left out */
} ranges[] = {
    {"learning_rate", offsetof(tn_train_options, learning_rate), 0, 1e6, true, false},
    {"momentum", offsetof(tn_train_options, momentum), 0, 1, false, true},
    {"second_momentum", offsetof(tn_train_options, second_momentum), 0, 1, false, true},
    {"clip", offsetof(tn_train_options, clip), 0, 1e12, false, false},
    {"state_minutes", offsetof(tn_train_options, state_minutes), 0, 1e6, false, false},
    {"weight_decay", offsetof(tn_train_options, weight_decay), 0, 1e6, false, false},
    {"warmup_epochs", offsetof(tn_train_options, warmup_epochs), 0, 1e6, false, false},
    {"label_smoothing", offsetof(tn_train_options, label_smoothing), 0, 1, false, true},
    {"norm_momentum", offsetof(tn_train_options, norm_momentum), 0, 1, false, false},
    {"augment_erase", offsetof(tn_train_options, augment_erase), 0, 1, false, false},
    {"mixup", offsetof(tn_train_options, mixup), 0, 1e6, false, false},
    {"average", offsetof(tn_train_options, average), 0, 1, false, true},
    {"holdout", offsetof(tn_train_options, holdout), 0, 1, false, true},
};

/* Matters to one schedule only. */
static const struct range rise = {
    "cycle_rise", offsetof(tn_train_options, cycle_rise), 0, 1, true, true};

static tn_status check_range(const tn_train_options *options, const struct range *r,
                             tn_error *err)
{
    double x;
    memcpy(&x, (const char *)options + r->offset, sizeof x);
    bool low = r->above ? x > r->least : x >= r->least;
    bool high = r->below ? x < r->most : x <= r->most;
    if (low && high) /* neither holds for NaN */
        return TN_OK;
    return tn__fail(err, TN_ERROR_ARGUMENT, "%s = %g, expected a number in %c%g, %g%c",
                    r->name, x, r->above ? '(' : '[', r->least, r->most,
                    r->below ? ')' : ']');
}

static tn_status check_steps(const tn_train_options *options, tn_error *err)
{
    const size_t *at = options->step_epochs;
    if (!(options->step_factor > 0) || !isfinite(options->step_factor))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "step_factor = %g, expected a finite number above 0",
                        options->step_factor);
    if (!at[0])
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "step_epochs is empty, expected the epochs at which the "
                        "learning rate drops");
    for (size_t k = 1; k < TN_TRAIN_STEPS_MAX && at[k]; k++) {
        if (at[k] <= at[k - 1])
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "step_epochs has %zu after %zu, expected ascending epochs",
                            at[k], at[k - 1]);
    }
    return TN_OK;
}

tn_status tn__train_options_check(const tn_train_options *options, tn_error *err)
{
    enum { EPOCHS_MAX = 1000000 };
    if (options->epochs < 1 || options->epochs > EPOCHS_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT, "epochs = %zu, expected 1 to %d",
                        options->epochs, EPOCHS_MAX);
    if (options->batch < 1 || options->shard < 1 || options->batch % options->shard)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "batch = %zu, expected a multiple of shard = %zu, both at "
                        "least 1",
                        options->batch, options->shard);
    for (size_t k = 0; k < TN__COUNT(ranges); k++) {
        tn_status status = check_range(options, &ranges[k], err);
        if (status)
            return status;
    }
    if (options->warmup_epochs > (double)options->epochs)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "warmup_epochs = %g, expected at most epochs = %zu",
                        options->warmup_epochs, options->epochs);
    if (options->optimizer != TN_OPTIMIZER_SGD &&
        options->optimizer != TN_OPTIMIZER_ADAMW)
        return tn__fail(err, TN_ERROR_ARGUMENT, "optimizer = %d is not known",
                        (int)options->optimizer);
    if (options->tensorboard && !*options->tensorboard)
        return tn__fail(err, TN_ERROR_ARGUMENT, "tensorboard is no name of a folder");
    if (options->resume && !options->state)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "resume is set, but no state to resume");
    if (options->schedule == TN_SCHEDULE_STEP)
        return check_steps(options, err);
    if (options->schedule == TN_SCHEDULE_CYCLE)
        return check_range(options, &rise, err);
    if (options->schedule != TN_SCHEDULE_CONSTANT &&
        options->schedule != TN_SCHEDULE_COSINE)
        return tn__fail(err, TN_ERROR_ARGUMENT, "schedule = %d is not known",
                        (int)options->schedule);
    return TN_OK;
}
