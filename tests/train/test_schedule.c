/* test_schedule.c - the learning rate of every step. */
#include "test.h"

#include "train/schedule.h"

enum { PER_EPOCH = 10 };

static double rate(const tn_train_options *options, size_t step)
{
    return tn__schedule_rate(options, step, PER_EPOCH);
}

static void warmup_rises_linearly(void **state)
{
    (void)state;
    for (int s = TN_SCHEDULE_CONSTANT; s <= TN_SCHEDULE_STEP; s++) {
        tn_train_options o = {.epochs = 4,
                              .learning_rate = 2,
                              .schedule = (tn_schedule)s,
                              .warmup_epochs = 1.5};
        assert_near(rate(&o, 0), 2.0 / 15, 1e-15);
        assert_near(rate(&o, 7), 2 * 8.0 / 15, 1e-15);
        assert_near(rate(&o, 14), 2, 0);
        assert_near(rate(&o, 15), 2, 0);
    }
}

static void a_fraction_of_a_step_does_not_overshoot(void **state)
{
    (void)state;
    tn_train_options o = {.epochs = 2, .learning_rate = 1, .warmup_epochs = 0.25};
    assert_near(rate(&o, 1), 0.8, 1e-15);
    assert_near(rate(&o, 2), 1, 0); /* (2 + 1) / 2.5 would be more than all */
}

static void cosine_falls_to_zero(void **state)
{
    (void)state;
    tn_train_options o = {.epochs = 5,
                          .learning_rate = 0.4,
                          .schedule = TN_SCHEDULE_COSINE,
                          .warmup_epochs = 1};
    assert_near(rate(&o, 10), 0.4, 0);
    assert_near(rate(&o, 30), 0.2, 1e-15);
    assert_near(rate(&o, 20), 0.2 * (1 + sqrt(0.5)), 1e-15);
    for (size_t k = 11; k < 50; k++)
        assert_true(rate(&o, k) < rate(&o, k - 1));
    assert_true(rate(&o, 49) > 0 && rate(&o, 49) < 0.001);
    assert_near(rate(&o, 50), 0, 1e-15);
}

static void steps_multiply(void **state)
{
    (void)state;
    tn_train_options o = {.epochs = 8,
                          .learning_rate = 1,
                          .schedule = TN_SCHEDULE_STEP,
                          .step_factor = 0.1,
                          .step_epochs = {2, 5}};
    assert_near(rate(&o, 0), 1, 0);
    assert_near(rate(&o, 19), 1, 0);
    assert_near(rate(&o, 20), 0.1, 1e-15);
    assert_near(rate(&o, 49), 0.1, 1e-15);
    assert_near(rate(&o, 50), 0.01, 1e-15);
    assert_near(rate(&o, 79), 0.01, 1e-15);
}

static void constant_is_constant(void **state)
{
    (void)state;
    tn_train_options o = {.epochs = 2, .learning_rate = 0.3};
    for (size_t k = 0; k < 20; k++)
        assert_near(rate(&o, k), 0.3, 0);
}

/* Up from 1/25 in `rise` of the steps, down to nearly nothing; the mean over the cycle
 * is rise (1 + 1/25) / 2 + (1 - rise) (1 + 4e-6) / 2. */
static void a_cycle_goes_once_up_and_down(void **state)
{
    (void)state;
    for (double rise = 0.2; rise < 0.9; rise += 0.3) {
        enum { EPOCHS = 200, STEPS = EPOCHS * PER_EPOCH };
        tn_train_options o = {.epochs = EPOCHS,
                              .learning_rate = 3,
                              .schedule = TN_SCHEDULE_CYCLE,
                              .warmup_epochs = 7, /* plays no part */
                              .cycle_rise = rise};
        size_t top = (size_t)(rise * STEPS + 0.5) - 1;
        double sum = 0;
        assert_near(rate(&o, 0), 3.0 / 25, 1e-12);
        assert_near(rate(&o, top), 3, 1e-12);
        assert_near(rate(&o, STEPS - 1), 3.0 / 250000, 1e-12);
        for (size_t k = 0; k < STEPS; k++) {
            sum += rate(&o, k) / 3 / STEPS;
            if (k > 0)
                assert_true((rate(&o, k) > rate(&o, k - 1)) == (k <= top));
        }
        assert_near(sum, rise * 0.52 + (1 - rise) * 0.500002, 2e-3);
    }
}

/* Even where the rise is less than a step, and where there is one step alone. */
static void a_short_cycle_stays_in_bounds(void **state)
{
    (void)state;
    for (size_t per_epoch = 1; per_epoch < 8; per_epoch++)
        for (double rise = 0.01; rise < 1; rise += 0.14) {
            tn_train_options o = {.epochs = 1,
                                  .learning_rate = 1,
                                  .schedule = TN_SCHEDULE_CYCLE,
                                  .cycle_rise = rise};
            for (size_t k = 0; k < per_epoch; k++) {
                double r = tn__schedule_rate(&o, k, per_epoch);
                assert_true(r >= 4e-6 * (1 - 1e-9) && r <= 1);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warmup_rises_linearly),
        cmocka_unit_test(a_fraction_of_a_step_does_not_overshoot),
        cmocka_unit_test(cosine_falls_to_zero),
        cmocka_unit_test(steps_multiply),
        cmocka_unit_test(constant_is_constant),
        cmocka_unit_test(a_cycle_goes_once_up_and_down),
        cmocka_unit_test(a_short_cycle_stays_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
