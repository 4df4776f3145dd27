/* test_average.c - the moving average of weights. */
#include "eval/nets.h"

#include "train/average.h"

enum { HIDDEN = 4, K = 3 };

static const int64_t shape[] = {1, 2, 2};

static tn__engine *engine_of(const tn_model *model)
{
    tn__engine *engine = NULL;
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    assert_ok(tn__engine_create(&engine, model, &options, err));
    return engine;
}

static size_t first_parameter(tn__engine *engine)
{
    size_t v = 0;
    while (!tn__engine_parameter(engine, v))
        v++;
    return v;
}

/* The weight is `step` after step `step`; 0 before. */
static double average_of(double decay, size_t steps)
{
    tn_model *model = hidden_model(shape, HIDDEN, K, 5);
    tn__engine *engine = engine_of(model), *shown = engine_of(model);
    tn__average average;
    size_t v = first_parameter(engine);
    tn__engine_parameter(engine, v)[0] = 0;
    assert_ok(tn__average_begin(&average, engine, model->value_count, decay, err));
    for (size_t t = 1; t <= steps; t++) {
        tn__engine_parameter(engine, v)[0] = (float)t;
        tn__average_move(&average, engine, t);
    }
    tn__average_show(&average, shown);
    double a = (double)tn__engine_parameter(shown, v)[0];
    assert_near(tn__engine_parameter(shown, v)[1], tn__engine_parameter(engine, v)[1],
                1e-6); /* what never moves stays */
    tn__average_release(&average);
    tn__engine_free(engine);
    tn__engine_free(shown);
    tn_model_free(model);
    return a;
}

static void a_decay_of_nothing_is_the_weight(void **state)
{
    (void)state;
    assert_near(average_of(0, 7), 7, 0);
}

static void the_average_is_the_recurrence(void **state)
{
    double a = 0;
    (void)state;
    for (size_t t = 1; t <= 40; t++) {
        double d = fmin(0.7, (double)t / ((double)t + 9));
        a = d * a + (1 - d) * (double)t;
    }
    assert_near(average_of(0.7, 40), a, 1e-4);
}

/* A long average of a rising line lags by d / (1 - d) steps. */
static void it_lags_by_its_time_constant(void **state)
{
    (void)state;
    assert_near(average_of(0.9, 400), 400 - 9, 1e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decay_of_nothing_is_the_weight),
        cmocka_unit_test(the_average_is_the_recurrence),
        cmocka_unit_test(it_lags_by_its_time_constant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
