/* test_train_options.c - options that make no sense are refused by name. */
#include "test.h"

#include "train/train_options.h"

static void refuse(tn_train_options options, const char *text)
{
    assert_fails(tn__train_options_check(&options, err), TN_ERROR_ARGUMENT, text);
}

static void the_usual_options_are_good(void **state)
{
    (void)state;
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    assert_ok(tn__train_options_check(&o, err));
    o.epochs = 1; /* all of it warm-up */
    assert_ok(tn__train_options_check(&o, err));
    o.schedule = TN_SCHEDULE_STEP;
    o.epochs = 100;
    for (size_t k = 0; k < TN_TRAIN_STEPS_MAX; k++)
        o.step_epochs[k] = k + 1;
    assert_ok(tn__train_options_check(&o, err));
}

static void every_range_is_checked(void **state)
{
    (void)state;
    const tn_train_options usual = TN_TRAIN_OPTIONS_INIT;
    const double nan_ = (double)NAN;
    tn_train_options o = usual;
#define REFUSE(member, value, text)                                                    \
    o = usual;                                                                         \
    o.member = (value);                                                                \
    refuse(o, text)
    REFUSE(epochs, 0, "epochs = 0, expected 1 to");
    REFUSE(batch, 0, "batch = 0");
    REFUSE(batch, 100, "batch = 100, expected a multiple of shard = 64");
    REFUSE(shard, 0, "shard = 0");
    REFUSE(learning_rate, 0, "learning_rate = 0, expected a number in (0, 1e+06]");
    REFUSE(learning_rate, nan_, "learning_rate = nan");
    REFUSE(learning_rate, HUGE_VAL, "learning_rate = inf");
    REFUSE(momentum, 1, "momentum = 1, expected a number in [0, 1)");
    REFUSE(momentum, -0.1, "momentum = -0.1");
    REFUSE(weight_decay, -1, "weight_decay = -1");
    REFUSE(label_smoothing, 1, "label_smoothing = 1");
    REFUSE(norm_momentum, 1.5, "norm_momentum = 1.5");
    REFUSE(average, 1, "average = 1, expected a number in [0, 1)");
    REFUSE(mixup, -1, "mixup = -1");
    REFUSE(augment_erase, 1.5, "augment_erase = 1.5");
    REFUSE(holdout, 1, "holdout = 1");
    REFUSE(holdout, nan_, "holdout = nan");
    REFUSE(warmup_epochs, 11, "warmup_epochs = 11, expected at most epochs = 10");
    REFUSE(warmup_epochs, -1, "warmup_epochs = -1");
    REFUSE(schedule, (tn_schedule)7, "schedule = 7 is not known");
    REFUSE(schedule, TN_SCHEDULE_STEP, "step_epochs is empty");
#undef REFUSE
}

static void a_cycle_must_rise_and_fall(void **state)
{
    (void)state;
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.cycle_rise = 0; /* as good as any where there is no cycle */
    assert_ok(tn__train_options_check(&o, err));
    o.schedule = TN_SCHEDULE_CYCLE;
    refuse(o, "cycle_rise = 0, expected a number in (0, 1)");
    o.cycle_rise = 1;
    refuse(o, "cycle_rise = 1, expected a number in (0, 1)");
}

static void steps_must_ascend(void **state)
{
    (void)state;
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.schedule = TN_SCHEDULE_STEP;
    o.step_epochs[0] = 5;
    o.step_epochs[1] = 5;
    refuse(o, "step_epochs has 5 after 5");
    o.step_epochs[1] = 6;
    o.step_factor = 0;
    refuse(o, "step_factor = 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_options_are_good),
        cmocka_unit_test(every_range_is_checked),
        cmocka_unit_test(a_cycle_must_rise_and_fall),
        cmocka_unit_test(steps_must_ascend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
