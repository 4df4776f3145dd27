/* test_together.c - several processes (here threads) train one network. */
#include "cluster/in_threads.h"
#include "eval/nets.h"

#include <math.h>
#include <unistd.h>

#include "tenon/train.h"

enum { K = 3 };

static tn_dataset *data;
static tn_model *start, *teacher;

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:3x8x8,limit=90,classes=3,seed=2");
    assert_ok(tn_model_create(&start, "resnet8x0.25", (int64_t[]){3, 8, 8}, K, 1, err));
    assert_ok(
        tn_model_create(&teacher, "resnet8x0.25", (int64_t[]){3, 8, 8}, K, 2, err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    tn_model_free(start);
    tn_model_free(teacher);
    return 0;
}

typedef struct call {
    tn_train_options options;
    bool taught;
    size_t stop_after; /* steps; 0: goes on */
    tn_model *out;
    tn_train_report report;
} call;

static int stop(void *user, const tn_progress *progress)
{
    size_t *steps = user;
    (void)progress;
    return *steps && (*steps)-- == 1;
}

static tn_status train(void *user, const tn_cluster *cluster, tn_error *err)
{
    call *c = user;
    tn_teachers teachers = TN_TEACHERS_INIT;
    size_t steps = c->stop_after;
    const tn_observer observer = {.progress = stop, .user = &steps};
    teachers.models = (const tn_model *const *)&teacher;
    teachers.count = 1;
    c->options.cluster = cluster;
    if (c->taught)
        return tn_distill(&c->out, &c->report, start, &teachers, data, &c->options,
                          &observer, err);
    return tn_train(&c->out, &c->report, start, data, &c->options, &observer, err);
}

static tn_train_options toy_options(void)
{
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.epochs = 2;
    o.batch = 16;
    o.shard = 4;
    o.holdout = 0.2;
    o.augment_flip = true;
    o.precision = TN_PRECISION_F32;
    o.threads = 1;
    return o;
}

/* The call made by `size` processes; calls[size]. */
static void together(one_rank *ranks, call *calls, const call *like, size_t size)
{
    void *users[RANKS_MAX];
    for (size_t r = 0; r < size; r++) {
        calls[r] = *like;
        users[r] = &calls[r];
    }
    run_in_threads(ranks, size, train, users);
}

static double distance(const tn_model *a, const tn_model *b)
{
    double largest = 0;
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        for (size_t i = 0; x->dtype == TN_F32 && i < tn__tensor_count(x); i++)
            largest = fmax(largest,
                           fabs(tn__tensor_get_f64(x, i) - tn__tensor_get_f64(y, i)));
    }
    return largest;
}

static void release(call *calls, size_t size)
{
    for (size_t r = 0; r < size; r++)
        tn_model_free(calls[r].out);
}

static void with_a_shard_each_the_bits_are_those_of_one(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        call alone = {.options = toy_options(), .taught = way == 1}, four[4];
        one_rank ranks[4];
        if (way == 2) {
            alone.options.mixup = 0.4;
            alone.options.average = 0.9;
            alone.options.clip = 1;
        }
        assert_ok(train(&alone, NULL, err));
        together(ranks, four, &alone, 4);
        for (size_t r = 0; r < 4; r++) {
            assert_int_equal(ranks[r].status, TN_OK);
            assert_true(distance(alone.out, four[r].out) == 0);
            assert_true(four[r].report.loss == alone.report.loss);
            assert_true(four[r].report.accuracy == alone.report.accuracy);
            assert_true(four[r].report.holdout_accuracy ==
                        alone.report.holdout_accuracy);
        }
        tn_model_free(alone.out);
        release(four, 4);
    }
}

static void with_several_shards_each_they_agree_to_rounding(void **state)
{
    (void)state;
    for (size_t size = 2; size <= 3; size++) {
        call alone = {.options = toy_options()}, calls[3];
        one_rank ranks[3];
        alone.options.threads = size; /* which changes nothing */
        assert_ok(train(&alone, NULL, err));
        together(ranks, calls, &alone, size);
        for (size_t r = 0; r < size; r++) {
            assert_int_equal(ranks[r].status, TN_OK);
            assert_true(distance(alone.out, calls[r].out) < 1e-4);
            assert_true(distance(calls[0].out, calls[r].out) == 0);
            assert_near(calls[r].report.loss, alone.report.loss, 1e-5);
        }
        tn_model_free(alone.out);
        release(calls, size);
    }
}

static void all_stop_where_one_is_told_to_and_go_on_alone(void **state)
{
    (void)state;
    char path[] = "tenon-together-XXXXXX";
    close(mkstemp(path));
    unlink(path);
    call alone = {.options = toy_options()}, four[4], stopped = alone;
    one_rank ranks[4];
    void *users[4];
    assert_ok(train(&alone, NULL, err));
    stopped.options.state = path;
    for (size_t r = 0; r < 4; r++) {
        four[r] = stopped;
        four[r].stop_after = r == 2 ? 6 : 0;
        users[r] = &four[r];
    }
    run_in_threads(ranks, 4, train, users);
    for (size_t r = 0; r < 4; r++)
        assert_int_equal(ranks[r].status, TN_ERROR_CANCELLED);
    stopped.options.resume = true;
    assert_ok(train(&stopped, NULL, err));
    assert_true(distance(alone.out, stopped.out) == 0);
    unlink(path);
    tn_model_free(alone.out);
    tn_model_free(stopped.out);
}

static void the_failure_of_one_is_that_of_all(void **state)
{
    (void)state;
    call like = {.options = toy_options()}, calls[5];
    one_rank ranks[5];
    void *users[2];
    for (size_t r = 0; r < 2; r++) {
        calls[r] = like;
        users[r] = &calls[r];
    }
    calls[1].options.log = "no-such-folder/log"; /* of the first alone */
    calls[0].options.log = "no-such-folder/log";
    run_in_threads(ranks, 2, train, users);
    for (size_t r = 0; r < 2; r++)
        assert_int_equal(ranks[r].status, TN_ERROR_IO);
    together(ranks, calls, &like, 5);
    for (size_t r = 0; r < 5; r++) {
        assert_int_equal(ranks[r].status, TN_ERROR_ARGUMENT);
        assert_non_null(
            strstr(ranks[r].error.message, "5 processes for the 4 shards of a step"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_shard_each_the_bits_are_those_of_one),
        cmocka_unit_test(with_several_shards_each_they_agree_to_rounding),
        cmocka_unit_test(all_stop_where_one_is_told_to_and_go_on_alone),
        cmocka_unit_test(the_failure_of_one_is_that_of_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
