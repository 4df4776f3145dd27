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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warmup_rises_linearly),
        cmocka_unit_test(a_fraction_of_a_step_does_not_overshoot),
        cmocka_unit_test(cosine_falls_to_zero),
        cmocka_unit_test(steps_multiply),
        cmocka_unit_test(constant_is_constant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
