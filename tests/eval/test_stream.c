/* test_stream.c - models over a data set, a stretch at a time. */
#include "nets.h"

#include "eval/stream.h"

enum { N = 300, IMAGE = 6, K = 4 };

static const int64_t shape[] = {1, 2, 3};
static tn_dataset *data;
static tn_model *model;

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x2x3,limit=300,classes=4");
    model = linear_model("net", shape, K, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    tn_model_free(model);
    return 0;
}

/* What visitors saw. */
typedef struct seen {
    size_t images, stop_at;
    int32_t labels[N];
    float logits[N * K];
} seen;

static tn_status visit(void *user, const tn__stretch *stretch, tn_error *err)
{
    seen *s = user;
    assert_int_equal(stretch->first, s->images);
    assert_true(stretch->images > 0 && s->images + stretch->images <= N);
    memcpy(s->labels + s->images, stretch->labels, stretch->images * sizeof *s->labels);
    memcpy(s->logits + s->images * K, stretch->logits[0],
           stretch->images * K * sizeof *s->logits);
    s->images += stretch->images;
    return s->stop_at ? tn__fail(err, TN_ERROR_NUMERIC, "enough") : TN_OK;
}

static tn__runners runners_of(size_t threads, int64_t shard)
{
    const tn_model *models[] = {model};
    tn__runners runners = {0};
    assert_ok(tn__runners_create(&runners, models, 1, shard,
                                 &(tn_eval_options){.threads = threads}, err));
    return runners;
}

static void all_images_come_in_order(void **state)
{
    (void)state;
    static seen s;
    static float x[N * IMAGE];
    int32_t labels[N];
    const float *w = weights_of(model, "w"), *b = weights_of(model, "b");
    tn__runners r = runners_of(2, 1); /* 64 images a stretch */
    tn__stream stream = {.engines = r.engines, .count = 1, .data = data};
    s = (seen){0};
    assert_ok(tn__stream_run(&stream, visit, &s, err));
    assert_int_equal(s.images, N);
    assert_ok(tn_dataset_read(x, labels, data, NULL, 0, N, err));
    assert_memory_equal(labels, s.labels, sizeof labels);
    for (size_t i = 0; i < N * K; i++) {
        double y = (double)b[i % K];
        for (size_t j = 0; j < IMAGE; j++)
            y += (double)w[i % K * IMAGE + j] * (double)x[i / K * IMAGE + j];
        assert_near(s.logits[i], y, 1e-5);
    }
    tn__runners_release(&r);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static seen one, two;
    tn__runners r = runners_of(1, 7);
    tn__stream stream = {.engines = r.engines, .count = 1, .data = data};
    one = two = (seen){0};
    assert_ok(tn__stream_run(&stream, visit, &one, err));
    tn__runners_release(&r);
    r = runners_of(2, 7);
    stream.engines = r.engines;
    assert_ok(tn__stream_run(&stream, visit, &two, err));
    assert_memory_equal(&one, &two, sizeof one);
    tn__runners_release(&r);
}

static void an_index_chooses_images(void **state)
{
    (void)state;
    static const uint32_t index[] = {200, 3, 3, 299};
    static seen s;
    int32_t labels[4];
    tn__runners r = runners_of(1, 0);
    tn__stream stream = {.engines = r.engines,
                         .count = 1,
                         .data = data,
                         .index = index,
                         .index_count = 4};
    s = (seen){0};
    assert_ok(tn__stream_run(&stream, visit, &s, err));
    assert_int_equal(s.images, 4);
    assert_ok(tn_dataset_read(NULL, labels, data, index, 0, 4, err));
    assert_memory_equal(labels, s.labels, sizeof labels);
    assert_memory_equal(s.logits + K, s.logits + 2 * K, K * sizeof *s.logits);
    tn__runners_release(&r);
}

static int cancel(void *user, const tn_progress *progress)
{
    size_t *calls = user;
    assert_string_equal(progress->unit, "images");
    assert_near(progress->total, N, 0);
    assert_true(progress->done <= N);
    return ++*calls == 2;
}

static void visitors_and_observers_may_stop(void **state)
{
    (void)state;
    static seen s;
    size_t calls = 0;
    tn_observer observer = {.progress = cancel, .user = &calls};
    tn__runners r = runners_of(1, 1);
    tn__stream stream = {.engines = r.engines,
                         .count = 1,
                         .data = data,
                         .stage = "looking",
                         .observer = &observer};
    s = (seen){0};
    assert_fails(tn__stream_run(&stream, visit, &s, err), TN_ERROR_CANCELLED, "");
    assert_int_equal(calls, 2);
    s = (seen){.stop_at = 1};
    assert_fails(tn__stream_run(&stream, visit, &s, err), TN_ERROR_NUMERIC, "enough");
    tn__runners_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_images_come_in_order),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(an_index_chooses_images),
        cmocka_unit_test(visitors_and_observers_may_stop),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
