/* test_train.c - tn_train() on toy problems. */
#include "eval/nets.h"

#include "tenon/eval.h"
#include "tenon/train.h"

enum { K = 3, HIDDEN = 48 };

static const int64_t shape[] = {1, 4, 4};
static tn_dataset *data; /* random labels: to be learnt by heart */
static tn_model *start;

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x4x4,limit=96,classes=3,seed=2");
    start = hidden_model(shape, HIDDEN, K, 5);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    tn_model_free(start);
    return 0;
}

static tn_train_options toy_options(void)
{
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.epochs = 25;
    o.batch = 32;
    o.shard = 8;
    o.learning_rate = 0.1;
    o.weight_decay = 1e-4;
    o.threads = 1;
    return o;
}

static tn_model *train(tn_train_report *report, const tn_train_options *options)
{
    tn_model *model = NULL;
    assert_ok(tn_train(&model, report, start, data, options, NULL, err));
    return model;
}

static double accuracy_of(const tn_model *model, const tn_dataset *on)
{
    tn_eval_report report;
    assert_ok(tn_eval(&report, NULL, &model, 1, on, NULL, NULL, err));
    return report.accuracy;
}

/* All parameters have the same bytes. */
static bool same_bytes(const tn_model *a, const tn_model *b)
{
    bool same = a->value_count == b->value_count;
    for (size_t v = 0; v < a->value_count && same; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        if (x->dtype != TN_UNDEFINED)
            same = tn__tensor_bytes(x) == tn__tensor_bytes(y) &&
                   memcmp(tn__tensor_data(x), tn__tensor_data(y),
                          tn__tensor_bytes(x)) == 0;
    }
    return same;
}

static void training_learns(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_train_report report;
    float before[K];
    memcpy(before, weights_of(start, "b2"), sizeof before);
    double untrained = accuracy_of(start, data);
    tn_model *model = train(&report, &o);
    assert_true(untrained < 0.6);
    assert_true(accuracy_of(model, data) > 0.95);
    assert_true(report.accuracy > 0.95);
    assert_true(report.loss < 0.3);
    assert_int_equal(report.epochs, o.epochs);
    assert_int_equal(report.best_epoch, 0);
    assert_true(isnan(report.holdout_accuracy));
    assert_true(report.images_per_second > 0 && report.seconds > 0);
    assert_memory_equal(before, weights_of(start, "b2"), sizeof before);
    tn_model_free(model);
}

static void threads_change_no_byte(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_train_report report[3];
    tn_model *models[3];
    o.epochs = 4;
    o.holdout = 0.25;
    o.augment_pad = 1;
    o.augment_flip = true;
    for (size_t k = 0; k < 3; k++) {
        o.threads = k + 1;
        models[k] = train(&report[k], &o);
        assert_true(same_bytes(models[0], models[k]));
        assert_true(report[k].loss == report[0].loss);
        assert_true(report[k].holdout_accuracy == report[0].holdout_accuracy);
    }
    assert_false(same_bytes(models[0], start));
    for (size_t k = 0; k < 3; k++)
        tn_model_free(models[k]);
}

static void the_seed_changes_the_order(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    o.epochs = 1;
    tn_model *a = train(NULL, &o), *again = train(NULL, &o);
    o.seed = 2;
    tn_model *b = train(NULL, &o);
    assert_true(same_bytes(a, again));
    assert_false(same_bytes(a, b));
    tn_model_free(a);
    tn_model_free(again);
    tn_model_free(b);
}

/* Labels are random, so what is held out cannot be learnt: later epochs fit the rest by
 * heart and the best epoch is rarely the last. The model must be that epoch's. */
static void the_best_epoch_is_kept(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_train_report report, shorter;
    o.holdout = 1.0 / 3;
    o.schedule = TN_SCHEDULE_CONSTANT; /* so that a shorter run is a prefix */
    tn_model *model = train(&report, &o), *prefix = NULL;
    assert_in_range(report.best_epoch, 1, o.epochs);
    assert_true(report.holdout_accuracy >= 0 && report.holdout_accuracy <= 1);
    o.epochs = report.best_epoch;
    prefix = train(&shorter, &o);
    assert_int_equal(shorter.best_epoch, report.best_epoch);
    assert_near(shorter.holdout_accuracy, report.holdout_accuracy, 0);
    assert_true(same_bytes(model, prefix));
    tn_model_free(model);
    tn_model_free(prefix);
}

/* One step of one batch is w - lr g with the gradient of a linear model made by hand:
 * g = 1/N sum_i (p_i - t_i) x_i. */
static void one_step_is_computed_by_hand(void **state)
{
    (void)state;
    enum { N = 8, IMAGE = 16 };
    float x[N * IMAGE];
    int32_t labels[N];
    tn_dataset *few = random_data("random:1x4x4,limit=8,classes=3");
    tn_model *linear = linear_model("linear", shape, K, NULL, NULL), *model = NULL;
    tn_train_options o = {.epochs = 1, .batch = N, .shard = 4, .learning_rate = 0.5};
    assert_ok(tn_train(&model, NULL, linear, few, &o, NULL, err));
    assert_ok(tn_dataset_read(x, labels, few, NULL, 0, N, err));
    const float *w = weights_of(linear, "w"), *b = weights_of(linear, "b");
    const float *trained = weights_of(model, "w");
    double g[K * IMAGE] = {0};
    for (size_t i = 0; i < N; i++) {
        double p[K], sum = 0;
        for (size_t k = 0; k < K; k++) {
            double y = (double)b[k];
            for (size_t j = 0; j < IMAGE; j++)
                y += (double)w[k * IMAGE + j] * (double)x[i * IMAGE + j];
            sum += p[k] = exp(y);
        }
        for (size_t k = 0; k < K * IMAGE; k++) {
            double d = p[k / IMAGE] / sum - (k / IMAGE == (size_t)labels[i]);
            g[k] += d * (double)x[i * IMAGE + k % IMAGE] / N;
        }
    }
    for (size_t k = 0; k < K * IMAGE; k++)
        assert_near(trained[k], (double)w[k] - 0.5 * g[k], 1e-6);
    tn_model_free(model);
    tn_model_free(linear);
    tn_dataset_free(few);
}

typedef struct watch {
    size_t calls, logs, stop_at;
    double done;
    char stage[32];
} watch;

static int on_progress(void *user, const tn_progress *progress)
{
    watch *w = user;
    w->calls++;
    w->done = progress->done;
    snprintf(w->stage, sizeof w->stage, "%s", progress->stage);
    assert_near(progress->total, 96, 0);
    assert_true(isfinite(progress->loss) && progress->accuracy <= 1);
    return w->calls == w->stop_at;
}

static void on_log(void *user, int level, const char *message)
{
    watch *w = user;
    assert_int_equal(level, 1);
    assert_non_null(strstr(message, "epoch "));
    w->logs++;
}

static void progress_is_told_and_may_stop_it(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    watch w = {0};
    tn_observer observer = {.progress = on_progress, .log = on_log, .user = &w};
    tn_model *model = NULL;
    o.epochs = 2;
    assert_ok(tn_train(&model, NULL, start, data, &o, &observer, err));
    assert_int_equal(w.calls, 6);
    assert_int_equal(w.logs, 2);
    assert_near(w.done, 96, 0);
    assert_string_equal(w.stage, "epoch 2 of 2");
    tn_model_free(model);
    model = NULL;
    w = (watch){.stop_at = 4};
    assert_fails(tn_train(&model, NULL, start, data, &o, &observer, err),
                 TN_ERROR_CANCELLED, "");
    assert_int_equal(w.calls, 4);
    assert_null(model);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_model *model = NULL;
    tn_train_report report = {.epochs = 77};
    tn_dataset *other = random_data("random:1x5x4,limit=96,classes=3");
    tn_dataset *rich = random_data("random:1x4x4,limit=96,classes=4");
    assert_fails(
        tn_train(&model, &report, start, other, &o, NULL, err), TN_ERROR_MISMATCH,
        "'hidden' takes [1, 4, 4], data is [1, 5, 4] ('size=4' in the data spec "
        "scales them)");
    assert_fails(tn_train(&model, &report, start, rich, &o, NULL, err),
                 TN_ERROR_MISMATCH, "'hidden' has 3 outputs, data has 4 classes");
    o.batch = 128;
    assert_fails(tn_train(&model, &report, start, data, &o, NULL, err),
                 TN_ERROR_MISMATCH, "batch = 128, but the data has only 96 images");
    o.batch = 96;
    o.holdout = 0.5;
    assert_fails(tn_train(&model, &report, start, data, &o, NULL, err),
                 TN_ERROR_MISMATCH, "only 48 images to train on");
    o = toy_options();
    o.holdout = 0.001;
    assert_fails(tn_train(&model, &report, start, data, &o, NULL, err),
                 TN_ERROR_MISMATCH, "holdout = 0.001 of 96 images is none");
    o = toy_options();
    o.augment_pad = 4;
    assert_fails(tn_train(&model, &report, start, data, &o, NULL, err),
                 TN_ERROR_ARGUMENT, "augment_pad = 4, expected less than the images'");
    o = toy_options();
    o.momentum = 2;
    assert_fails(tn_train(&model, &report, start, data, &o, NULL, err),
                 TN_ERROR_ARGUMENT, "momentum = 2");
    assert_null(model);
    assert_int_equal(report.epochs, 77);
    tn_dataset_free(other);
    tn_dataset_free(rich);
}

static void a_loss_that_is_no_number_ends_it(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_model *model = NULL;
    o.learning_rate = 1e6;
    o.warmup_epochs = 0;
    o.momentum = 0.99;
    o.weight_decay = 10;
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_NUMERIC,
                 "lower the learning rate (learning_rate = 1e+06)");
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_learns),
        cmocka_unit_test(threads_change_no_byte),
        cmocka_unit_test(the_seed_changes_the_order),
        cmocka_unit_test(the_best_epoch_is_kept),
        cmocka_unit_test(one_step_is_computed_by_hand),
        cmocka_unit_test(progress_is_told_and_may_stop_it),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(a_loss_that_is_no_number_ends_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
