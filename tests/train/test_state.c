/* test_state.c - a training that is stopped goes on as if nothing had happened. */
#include "eval/nets.h"

#include <unistd.h>

#include "tenon/train.h"
#include "train/state.h"

enum { K = 3, HIDDEN = 16 };

static const int64_t shape[] = {1, 4, 4};
static tn_dataset *data;
static tn_model *start, *teacher;
static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x4x4,limit=96,classes=3,seed=2");
    start = hidden_model(shape, HIDDEN, K, 5);
    teacher = hidden_model(shape, HIDDEN, K, 6);
    strcpy(folder, "tenon-state-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    tn_model_free(start);
    tn_model_free(teacher);
    unlink(path);
    rmdir(folder);
    return 0;
}

static tn_train_options toy_options(void)
{
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.epochs = 4;
    o.batch = 16;
    o.shard = 8;
    o.holdout = 0.3;
    o.augment_flip = true;
    o.threads = 1;
    return o;
}

/* An observer that stops after so many steps. */
typedef struct stopper {
    size_t steps;
} stopper;

static int stop(void *user, const tn_progress *progress)
{
    stopper *s = user;
    (void)progress;
    return s->steps-- == 1;
}

/* Trains to the end, stopped after each `steps` steps and taken up again. */
static tn_model *train_in_pieces(tn_train_report *report, tn_train_options o,
                                 const tn_teachers *teachers, size_t steps)
{
    tn_model *model = NULL;
    tn_status status = TN_ERROR_CANCELLED;
    tn_error error = {0};
    unlink(path);
    o.state = path;
    o.resume = true;
    for (size_t runs = 0; status == TN_ERROR_CANCELLED && runs < 100; runs++) {
        stopper s = {steps};
        tn_observer observer = {.progress = stop, .user = &s};
        o.threads = 1 + runs % 2;
        status = teachers
                     ? tn_distill(&model, report, start, teachers, data, &o, &observer,
                                  &error)
                     : tn_train(&model, report, start, data, &o, &observer, &error);
        assert_true(status == TN_OK || status == TN_ERROR_CANCELLED);
        assert_true(tn__file_exists(path));
    }
    assert_int_equal(status, TN_OK);
    return model;
}

static void assert_same(const tn_model *a, const tn_model *b)
{
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        if (x->dtype != TN_UNDEFINED)
            assert_memory_equal(tn__tensor_data(x), tn__tensor_data(y),
                                tn__tensor_bytes(x));
    }
}

static void a_stopped_training_ends_with_the_same_bytes(void **state)
{
    (void)state;
    tn_teachers teachers = TN_TEACHERS_INIT;
    teachers.models = (const tn_model *const *)&teacher;
    teachers.count = 1;
    for (size_t c = 0; c < 5; c++) {
        tn_train_options o = toy_options();
        tn_train_report whole, pieces;
        const tn_teachers *taught = c == 3 ? &teachers : NULL;
        tn_model *a = NULL;
        o.optimizer = c == 1 ? TN_OPTIMIZER_ADAMW : TN_OPTIMIZER_SGD;
        o.holdout = c == 2 ? 0 : o.holdout;
        if (c == 4) { /* all that is random, and all that has a memory */
            o.average = 0.9;
            o.mixup = 0.4;
            o.augment_cutout = 2;
            o.augment_erase = 0.5;
            o.schedule = TN_SCHEDULE_CYCLE;
        }
        assert_ok(taught ? tn_distill(&a, &whole, start, taught, data, &o, NULL, err)
                         : tn_train(&a, &whole, start, data, &o, NULL, err));
        for (size_t steps = 1; steps <= 5; steps += 2) {
            tn_model *b = train_in_pieces(&pieces, o, taught, steps);
            assert_same(a, b);
            assert_true(whole.loss == pieces.loss);
            assert_true(whole.accuracy == pieces.accuracy);
            assert_int_equal(whole.best_epoch, pieces.best_epoch);
            tn_model_free(b);
        }
        tn_model_free(a);
    }
}

/* Stops after three steps and leaves the file. */
static tn_train_options stopped(void)
{
    tn_train_options o = toy_options();
    tn_model *model = NULL;
    stopper s = {3};
    tn_observer observer = {.progress = stop, .user = &s};
    unlink(path);
    o.state = path;
    assert_fails(tn_train(&model, NULL, start, data, &o, &observer, err),
                 TN_ERROR_CANCELLED, "interrupted in epoch 1 of 4, ");
    assert_null(model);
    return o;
}

static void a_state_is_not_written_over(void **state)
{
    (void)state;
    tn_train_options o = stopped();
    tn_model *model = NULL;
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_EXISTS,
                 "keeps a training that was stopped");
    assert_null(model);
}

static void another_training_is_not_resumed(void **state)
{
    (void)state;
    tn_train_options o = stopped();
    tn_model *model = NULL, *other = hidden_model(shape, HIDDEN, K, 9);
    tn_dataset *elsewhere = random_data("random:1x4x4,limit=96,classes=3,seed=3");
    o.resume = true;
    assert_fails(tn_train(&model, NULL, other, data, &o, NULL, err), TN_ERROR_MISMATCH,
                 "is the state of another training");
    assert_fails(tn_train(&model, NULL, start, elsewhere, &o, NULL, err),
                 TN_ERROR_MISMATCH, "is the state of another training");
    o.learning_rate *= 2;
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_MISMATCH,
                 "is the state of another training");
    o.state = NULL;
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_ARGUMENT,
                 "no state to resume");
    assert_null(model);
    tn_model_free(other);
    tn_dataset_free(elsewhere);
}

/* `from` is in the file, and `to` of the same length takes its place. */
static void spoil(const char *from, const char *to)
{
    static uint8_t bytes[1 << 16];
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    size_t size = fread(bytes, 1, sizeof bytes, f), length = strlen(from);
    uint8_t *at = memmem(bytes, size, from, length);
    assert_non_null(at);
    assert_int_equal(strlen(to), length);
    memcpy(at, to, length);
    rewind(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static void only_places_of_the_training_are_gone_on_from(void **state)
{
    (void)state;
    static const char *const spoilt[][2] = {
        {"\"epoch\":\"0\"", "\"epoch\":\"1\""},
        {"\"epoch\":\"0\"", "\"epoch\":\"5\""},
        {"\"images\":\"48\"", "\"images\":\"96\""},
        {"\"steps\":\"3\"", "\"steps\":\"4\""},
        {"\"best_epoch\":\"0\"", "\"best_epoch\":\"1\""},
        {"\"loss\":\"0x1.", "\"loss\":\"-inf"},
    };
    tn_model *model = NULL;
    for (size_t k = 0; k < TN__COUNT(spoilt); k++) {
        tn_train_options o = stopped();
        bool text = k + 1 == TN__COUNT(spoilt); /* "-inf..." is no number at all */
        spoil(spoilt[k][0], spoilt[k][1]);
        o.resume = true;
        assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err),
                     TN_ERROR_FORMAT,
                     text ? "a number was expected" : "is no place in this training");
        assert_null(model);
    }
}

/* A file cut at any place is an error and no crash. */
static void broken_states_are_refused(void **state)
{
    (void)state;
    tn_train_options o = stopped();
    tn_model *model = NULL;
    static uint8_t bytes[1 << 16];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_true(size > 100 && size < sizeof bytes);
    o.resume = true;
    for (size_t kept = 0; kept < size; kept += 97) {
        f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, kept, f), kept);
        fclose(f);
        tn_error error = {0};
        assert_int_not_equal(tn_train(&model, NULL, start, data, &o, NULL, &error),
                             TN_OK);
    }
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_training_ends_with_the_same_bytes),
        cmocka_unit_test(a_state_is_not_written_over),
        cmocka_unit_test(another_training_is_not_resumed),
        cmocka_unit_test(only_places_of_the_training_are_gone_on_from),
        cmocka_unit_test(broken_states_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
