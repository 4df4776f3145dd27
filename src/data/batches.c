/* batches.c - a thread that makes batches ahead, at most two.
 *
 * The maker fills slot k % 2 with batch k of the epoch and runs ahead of the reader by
 * the slots that are free. Everything random is a function of (seed, epoch, image), so
 * its pace changes nothing.
 */
#include "data/batches.h"

#include <pthread.h>
#include <string.h>

enum { SLOTS = 2 };

/* Streams of the seed: the orders of the epochs, and the images of each. */
#define ORDER_STREAM(epoch) ((uint64_t)1 << 63 | (epoch))
#define IMAGE_STREAM(epoch, image) ((uint64_t)(epoch) << 32 | (image))

struct tn__batches {
    const tn_dataset *data; /* borrowed */
    uint32_t *subset;       /* [subset_count] or NULL: all */
    size_t subset_count, batch, per_epoch;
    size_t channels, height, width;
    tn__augment augment;
    uint64_t seed;
    float *images[SLOTS];   /* [batch, channels, height, width] */
    int32_t *labels[SLOTS]; /* [batch] */
    float *whole;           /* one image before cropping */
    uint32_t *order;        /* [subset_count]: images in this epoch's order */

    pthread_t maker;
    bool started;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool running, making, quit;
    size_t epoch;
    size_t made, given, returned; /* batches of this epoch; returned <= given <= made */
    tn_status status;
    tn_error error;
};

/* Moves by (dx, dy) and mirrors: out(y, x) = in(y + dy, x' + dx), 0 outside, with x' =
 * x or width - 1 - x. */
static void shift_image(float *out, const tn__batches *b, const float *in, long dy,
                        long dx, bool flip)
{
    long height = (long)b->height, width = (long)b->width;
    for (size_t c = 0; c < b->channels; c++) {
        const float *plane = in + c * b->height * b->width;
        for (long y = 0; y < height; y++) {
            bool row = y + dy >= 0 && y + dy < height;
            for (long x = 0; x < width; x++) {
                long from = (flip ? width - 1 - x : x) + dx;
                bool inside = row && from >= 0 && from < width;
                *out++ = inside ? plane[(y + dy) * width + from] : 0;
            }
        }
    }
}

static tn_status make_image(tn__batches *b, float *out, int32_t *label, uint32_t image,
                            tn_error *err)
{
    bool plain = !b->augment.pad && !b->augment.flip;
    tn_status status =
        tn_dataset_read(plain ? out : b->whole, label, b->data, &image, 0, 1, err);
    if (status || plain)
        return status;
    tn__rng rng;
    tn__rng_seed(&rng, b->seed, IMAGE_STREAM(b->epoch, image));
    uint64_t places = 2 * (uint64_t)b->augment.pad + 1;
    long dy = (long)tn__rng_below(&rng, places) - (long)b->augment.pad;
    long dx = (long)tn__rng_below(&rng, places) - (long)b->augment.pad;
    bool flip = b->augment.flip && tn__rng_below(&rng, 2);
    shift_image(out, b, b->whole, dy, dx, flip);
    return TN_OK;
}

static tn_status make_batch(tn__batches *b, size_t k, tn_error *err)
{
    size_t slot = k % SLOTS, area = b->channels * b->height * b->width;
    tn_status status = TN_OK;
    for (size_t i = 0; i < b->batch && !status; i++)
        status = make_image(b, b->images[slot] + i * area, b->labels[slot] + i,
                            b->order[k * b->batch + i], err);
    return status;
}

static void *make_batches(void *user)
{
    tn__batches *b = user;
    pthread_mutex_lock(&b->lock);
    while (!b->quit) {
        bool room = b->running && !b->status && b->made < b->per_epoch &&
                    b->made - b->returned < SLOTS;
        if (!room) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        tn_error error = {0};
        size_t k = b->made;
        b->making = true;
        pthread_mutex_unlock(&b->lock);
        tn_status status = make_batch(b, k, &error);
        pthread_mutex_lock(&b->lock);
        b->making = false;
        b->made++;
        b->status = status;
        b->error = error;
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static tn_status allocate(tn__batches *b, const uint32_t *subset, tn_error *err)
{
    size_t area = b->channels * b->height * b->width, floats = 0;
    if (!tn__mul(&floats, area, b->batch))
        return tn__fail_memory(err, SIZE_MAX);
    bool all = true;
    for (size_t s = 0; s < SLOTS; s++) {
        b->images[s] = tn__alloc_aligned(floats * sizeof *b->images[s]);
        b->labels[s] = tn__alloc(b->batch, sizeof *b->labels[s]);
        all = all && b->images[s] && b->labels[s];
    }
    b->whole = tn__alloc(area, sizeof *b->whole);
    b->order = tn__alloc(b->subset_count, sizeof *b->order);
    if (subset)
        b->subset = tn__alloc(b->subset_count, sizeof *b->subset);
    if (!all || !b->whole || !b->order || (subset && !b->subset))
        return tn__fail_memory(err, floats * sizeof **b->images);
    if (subset)
        memcpy(b->subset, subset, b->subset_count * sizeof *subset);
    return TN_OK;
}

tn_status tn__batches_create(tn__batches **out, const tn_dataset *data,
                             const uint32_t *subset, size_t subset_count, size_t batch,
                             const tn__augment *augment, uint64_t seed, tn_error *err)
{
    size_t count = subset ? subset_count : tn_dataset_count(data);
    int64_t shape[3];
    if (batch == 0 || count < batch)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "a batch of %zu cannot be filled from %zu images", batch,
                        count);
    tn__batches *b = tn__alloc(1, sizeof *b);
    if (!b)
        return tn__fail_memory(err, sizeof *b);
    tn_dataset_shape(shape, data);
    b->data = data;
    b->subset_count = count;
    b->batch = batch;
    b->per_epoch = count / batch;
    b->channels = (size_t)shape[0];
    b->height = (size_t)shape[1];
    b->width = (size_t)shape[2];
    b->augment = augment ? *augment : (tn__augment){0};
    b->seed = seed;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    tn_status status = allocate(b, subset, err);
    if (!status) {
        b->started = pthread_create(&b->maker, NULL, make_batches, b) == 0;
        if (!b->started)
            status =
                tn__fail(err, TN_ERROR_MEMORY, "cannot start a thread to make batches");
    }
    if (status)
        tn__batches_free(b);
    else
        *out = b;
    return status;
}

void tn__batches_free(tn__batches *b)
{
    if (!b)
        return;
    if (b->started) {
        pthread_mutex_lock(&b->lock);
        b->quit = true;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->maker, NULL);
    }
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    for (size_t s = 0; s < SLOTS; s++) {
        tn__free(b->images[s]);
        tn__free(b->labels[s]);
    }
    tn__free(b->whole);
    tn__free(b->order);
    tn__free(b->subset);
    tn__free(b);
}

size_t tn__batches_per_epoch(const tn__batches *batches)
{
    return batches->per_epoch;
}

tn_status tn__batches_begin(tn__batches *b, size_t epoch, size_t first, tn_error *err)
{
    if (epoch > UINT32_MAX >> 1)
        return tn__fail(err, TN_ERROR_ARGUMENT, "epoch %zu is too late", epoch);
    pthread_mutex_lock(&b->lock);
    b->running = false;
    while (b->making)
        pthread_cond_wait(&b->changed, &b->lock);
    tn__rng rng;
    tn__rng_seed(&rng, b->seed, ORDER_STREAM(epoch));
    tn__rng_permutation(&rng, b->order, b->subset_count);
    for (size_t i = 0; b->subset && i < b->subset_count; i++)
        b->order[i] = b->subset[b->order[i]];
    b->epoch = epoch;
    b->made = b->given = b->returned = TN__MIN(first, b->per_epoch);
    b->status = TN_OK;
    b->running = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    return TN_OK;
}

tn_status tn__batches_next(tn__batches *b, const float **images, const int32_t **labels,
                           tn_error *err)
{
    tn_status status = TN_OK;
    pthread_mutex_lock(&b->lock);
    b->returned = b->given;
    pthread_cond_broadcast(&b->changed);
    if (!b->running || b->given == b->per_epoch) {
        *images = NULL;
        *labels = NULL;
    } else {
        while (b->made == b->given && !b->status)
            pthread_cond_wait(&b->changed, &b->lock);
        status = b->status;
        if (status) {
            (void)tn__fail(err, status, "%s", b->error.message);
        } else {
            size_t slot = b->given++ % SLOTS;
            *images = b->images[slot];
            *labels = b->labels[slot];
        }
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}
