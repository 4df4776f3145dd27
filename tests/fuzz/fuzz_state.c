/* fuzz_state.c - where a training stands, on any bytes: the training goes on from there
 * to its end, or refuses. 64 times 'x' in the bytes stand for the hash by which a state
 * is known to be of this training, which depends on the machine's precision. */
#include "fuzz.h"

#include "format/checkpoint.h"
#include "tenon/train.h"

#define MARK "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define IMAGES "random:1x2x2,limit=16,classes=2"
#define LOG "{\"kind\":\"step\"}\n"

static const int64_t shape[3] = {1, 2, 2};
static tn_dataset *images;
static tn_model *start;
static char hash[sizeof MARK];

static int stop(void *user, const tn_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static tn_status train(const char *state, const char *log, const tn_observer *observer,
                       tn_error *err)
{
    tn_train_options o = TN_TRAIN_OPTIONS_INIT;
    tn_model *trained = NULL;
    o.epochs = 2;
    o.batch = o.shard = 4;
    o.average = 0.5;
    o.holdout = 0.25;
    o.threads = 1;
    o.precision = TN_PRECISION_F32;
    o.state = state;
    o.log = log;
    o.log_steps = 1;
    o.resume = true;
    tn_status status = tn_train(&trained, NULL, start, images, &o, observer, err);
    if (status == TN_OK)
        tn_model_free(trained);
    return status;
}

/* Takes the hash from a training that is stopped at its first step. */
static void set_up(const char *path)
{
    const tn_observer observer = {.progress = stop};
    tn__checkpoint state = {0};
    tn__buffer *file = NULL;
    tn_error err = {0};
    fuzz_want(!tn_dataset_open(&images, IMAGES, NULL, &err) &&
                  !tn_model_create(&start, "mlp:4-3-2", shape, 2, 1, &err) &&
                  train(path, NULL, &observer, &err) == TN_ERROR_CANCELLED &&
                  !tn__buffer_map(&file, path, &err) &&
                  !tn__safetensors_read(&state, file, path, &err),
              err.message);
    for (size_t k = 0; k < state.metadata_count; k++)
        if (!strcmp(state.metadata[k].key, "training"))
            (void)snprintf(hash, sizeof hash, "%s", state.metadata[k].text);
    fuzz_want(strlen(hash) == sizeof MARK - 1, "no hash");
    tn__checkpoint_release(&state);
    tn__buffer_release(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], log[FUZZ_PATH];
    fuzz_beside(path, "state");
    if (!start)
        set_up(path);
    uint8_t *bytes = fuzz_copy(data, size, false);
    uint8_t *mark = memmem(bytes, size, MARK, sizeof MARK - 1);
    if (mark)
        memcpy(mark, hash, sizeof MARK - 1);
    fuzz_write(path, bytes, size);
    fuzz_write(fuzz_beside(log, "log"), (const uint8_t *)LOG, sizeof LOG - 1);
    (void)!train(path, log, NULL, NULL);
    free(bytes);
    return 0;
}
