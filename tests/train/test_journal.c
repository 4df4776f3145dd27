/* test_journal.c - the log of a training: what it tells, and that a training which was
 * stopped tells everything once. */
#include "eval/nets.h"

#include <unistd.h>

#include "train/event_file.h"
#include "train/journal.h"

enum { K = 3, TEXT = 1 << 14 };

static tn_dataset *data;
static tn_model *start;
static char folder[64], state_path[96], log_path[96], board[96], events_path[160];

static int set_up(void **state)
{
    (void)state;
    data = random_data("random:1x4x4,limit=96,classes=3,seed=2");
    start = hidden_model((const int64_t[]){1, 4, 4}, 16, K, 5);
    strcpy(folder, "tenon-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(state_path, sizeof state_path, "%s/state", folder);
    snprintf(log_path, sizeof log_path, "%s/log.jsonl", folder);
    snprintf(board, sizeof board, "%s/board", folder);
    snprintf(events_path, sizeof events_path, "%s/events.out.tfevents.tenon", board);
    return 0;
}

static void remove_files(void)
{
    unlink(state_path);
    unlink(log_path);
    unlink(events_path);
    rmdir(board);
}

static int tear_down(void **state)
{
    (void)state;
    remove_files();
    rmdir(folder);
    tn_dataset_free(data);
    tn_model_free(start);
    return 0;
}

/* Four steps an epoch. */
static tn_train_options toy_options(void)
{
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    o.epochs = 3;
    o.batch = 16;
    o.shard = 8;
    o.holdout = 0.3;
    o.threads = 1;
    o.log = log_path;
    o.log_steps = 2;
    o.tensorboard = board;
    return o;
}

static int stop(void *user, const tn_progress *progress)
{
    size_t *steps = user;
    (void)progress;
    return *steps && (*steps)-- == 1;
}

/* Trains, stopped after each `steps` steps (0: never) and taken up again. */
static void train(tn_train_options o, size_t steps)
{
    tn_status status = TN_ERROR_CANCELLED;
    tn_model *model = NULL;
    tn_error error = {0};
    remove_files();
    for (size_t runs = 0; status == TN_ERROR_CANCELLED && runs < 50; runs++) {
        size_t left = steps;
        tn_observer observer = {.progress = stop, .user = &left};
        status = tn_train(&model, NULL, start, data, &o, &observer, &error);
    }
    assert_int_equal(status, TN_OK);
    tn_model_free(model);
}

/* The log without what depends on the clock, which stands at the end of each line. */
static void read_log(char text[TEXT])
{
    char line[512];
    FILE *file = fopen(log_path, "r");
    assert_non_null(file);
    text[0] = 0;
    while (fgets(line, sizeof line, file)) {
        char *times = strstr(line, ",\"images_per_second\":");
        assert_non_null(times);
        assert_string_equal(line + strlen(line) - 2, "}\n");
        strcpy(times, "\n");
        assert_true(strlen(text) + strlen(line) < TEXT);
        strcat(text, line);
    }
    fclose(file);
}

/* Step, tag and value of every scalar but speeds. */
static void read_events(char text[TEXT])
{
    event_file events;
    FILE *file = fopen(events_path, "rb");
    assert_non_null(file);
    event_file_read(&events, file);
    fclose(file);
    size_t used = 0;
    for (size_t k = 1; k < events.count; k++) {
        const Tenon__Train__Event *event = events.list[k];
        for (size_t v = 0; v < event->summary->n_value; v++) {
            const Tenon__Train__Scalar *scalar = event->summary->value[v];
            if (!strstr(scalar->tag, "images_per_second"))
                used += (size_t)snprintf(text + used, TEXT - used, "%lld %s %a\n",
                                         (long long)event->step, scalar->tag,
                                         (double)scalar->simple_value);
            assert_true(used < TEXT);
        }
    }
    event_file_release(&events);
}

static size_t times_in(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        count++;
    return count;
}

static void steps_and_epochs_are_told(void **state)
{
    (void)state;
    static char text[TEXT];
    train(toy_options(), 0);
    read_log(text);
    assert_int_equal(times_in(text, "{\"kind\":\"step\","), 6);
    assert_int_equal(times_in(text, "{\"kind\":\"epoch\","), 3);
    assert_int_equal(times_in(text, "\"holdout_accuracy\":"), 3);
    assert_non_null(
        strstr(text, "{\"kind\":\"step\",\"step\":6,\"epoch\":2,\"loss\":"));
    assert_non_null(
        strstr(text, "{\"kind\":\"epoch\",\"step\":12,\"epoch\":3,\"loss\":"));
    read_events(text);
    assert_int_equal(times_in(text, " step/loss "), 6);
    assert_int_equal(times_in(text, " step/rate "), 6);
    assert_int_equal(times_in(text, "\n8 epoch/holdout_accuracy "), 1);
}

static void a_stopped_training_tells_all_once(void **state)
{
    (void)state;
    static char log[TEXT], scalars[TEXT], again[TEXT];
    tn_train_options o = toy_options();
    train(o, 0);
    read_log(log);
    read_events(scalars);
    o.state = state_path;
    o.resume = true;
    for (size_t steps = 1; steps <= 5; steps += 2) {
        train(o, steps);
        read_log(again);
        assert_string_equal(log, again);
        read_events(again);
        assert_string_equal(scalars, again);
    }
}

/* A kill loses what came after the state: the log is cut back to it. */
static void what_the_state_does_not_know_is_cut_off(void **state)
{
    (void)state;
    static char log[TEXT], again[TEXT];
    tn_train_options o = toy_options();
    tn_model *model = NULL;
    size_t steps = 6;
    tn_observer observer = {.progress = stop, .user = &steps};
    train(o, 0);
    read_log(log);
    remove_files();
    o.state = state_path;
    assert_fails(tn_train(&model, NULL, start, data, &o, &observer, err),
                 TN_ERROR_CANCELLED, "interrupted in epoch 2 of 3");
    FILE *file = fopen(log_path, "a");
    assert_non_null(file);
    fputs("{\"kind\":\"step\",\"step\":8,\"epo", file);
    fclose(file);
    o.resume = true;
    assert_ok(tn_train(&model, NULL, start, data, &o, NULL, err));
    tn_model_free(model);
    read_log(again);
    assert_string_equal(log, again);
}

static void the_log_of_another_training_is_refused(void **state)
{
    (void)state;
    tn_train_options o = toy_options();
    tn_model *model = NULL;
    size_t steps = 6;
    tn_observer observer = {.progress = stop, .user = &steps};
    train(o, 0);
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_EXISTS,
                 "log.jsonl' is there already");
    o.replace_logs = true;
    o.state = state_path;
    assert_fails(tn_train(&model, NULL, start, data, &o, &observer, err),
                 TN_ERROR_CANCELLED, "interrupted");
    assert_int_equal(truncate(log_path, 10), 0);
    o.resume = true;
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_MISMATCH,
                 "log.jsonl' has 10 bytes, the training that goes on had written");
    o.log = "no-such-folder/log.jsonl";
    assert_fails(tn_train(&model, NULL, start, data, &o, NULL, err), TN_ERROR_IO,
                 "cannot write 'no-such-folder/log.jsonl': No such file or directory");
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_epochs_are_told),
        cmocka_unit_test(a_stopped_training_tells_all_once),
        cmocka_unit_test(what_the_state_does_not_know_is_cut_off),
        cmocka_unit_test(the_log_of_another_training_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
