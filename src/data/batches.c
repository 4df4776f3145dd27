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
    size_t first, wanted; /* the images of a batch that are made */
    tn__extent extent;
    tn__augment augment;
    uint64_t seed;
    float *images[SLOTS];   /* [batch, channels, height, width] */
    int32_t *labels[SLOTS]; /* [batch] */
    int32_t *others[SLOTS]; /* [batch] of tn__mixed */
    float *shares[SLOTS];
    float *whole;    /* one image before cropping */
    uint32_t *order; /* [subset_count]: images in this epoch's order */

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

static bool changes_images(const tn__augment *a)
{
    return a->pad || a->flip || a->cutout || a->erase > 0;
}

/* *share: of the image itself, where images are mixed. */
static tn_status make_image(tn__batches *b, float *out, float *share, uint32_t image,
                            tn_error *err)
{
    bool plain = !changes_images(&b->augment);
    tn_status status =
        tn_dataset_read(plain ? out : b->whole, NULL, b->data, &image, 0, 1, err);
    if (status)
        return status;
    tn__rng rng;
    tn__rng_seed(&rng, b->seed, IMAGE_STREAM(b->epoch, image));
    if (!plain)
        tn__augment_image(out, b->whole, &b->extent, &b->augment, &rng);
    if (b->augment.mixup > 0)
        *share = (float)tn__draw_beta(&rng, b->augment.mixup);
    return TN_OK;
}

/* Mixes the first image with the last, the second with the last but one, ... The order
 * is random already. */
static void mix_batch(tn__batches *b, size_t slot, size_t area)
{
    const float *shares = b->shares[slot];
    for (size_t i = 0, k = b->batch - 1; i < b->batch; i++, k--) {
        b->others[slot][i] = b->labels[slot][k];
        if (i < k)
            tn__mix_pair(b->images[slot] + i * area, b->images[slot] + k * area, area,
                         (double)shares[i], (double)shares[k]);
    }
}

static tn_status make_batch(tn__batches *b, size_t k, tn_error *err)
{
    size_t slot = k % SLOTS;
    size_t area = b->extent.channels * b->extent.height * b->extent.width;
    tn_status status = tn_dataset_read(NULL, b->labels[slot], b->data,
                                       b->order + k * b->batch, 0, b->batch, err);
    for (size_t i = b->first; i < b->first + b->wanted && !status; i++)
        status = make_image(b, b->images[slot] + i * area, b->shares[slot] + i,
                            b->order[k * b->batch + i], err);
    if (!status && b->augment.mixup > 0)
        mix_batch(b, slot, area);
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
    size_t area = b->extent.channels * b->extent.height * b->extent.width, floats = 0;
    if (!tn__mul(&floats, area, b->batch))
        return tn__fail_memory(err, SIZE_MAX);
    bool all = true;
    for (size_t s = 0; s < SLOTS; s++) {
        b->images[s] = tn__alloc_aligned(floats * sizeof *b->images[s]);
        b->labels[s] = tn__alloc(b->batch, sizeof *b->labels[s]);
        b->others[s] = tn__alloc(b->batch, sizeof *b->others[s]);
        b->shares[s] = tn__alloc(b->batch, sizeof *b->shares[s]);
        all = all && b->images[s] && b->labels[s] && b->others[s] && b->shares[s];
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
    b->wanted = batch;
    b->extent = (tn__extent){(size_t)shape[0], (size_t)shape[1], (size_t)shape[2]};
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
        tn__free(b->others[s]);
        tn__free(b->shares[s]);
    }
    tn__free(b->whole);
    tn__free(b->order);
    tn__free(b->subset);
    tn__free(b);
}

/* Where images are mixed, each needs one from elsewhere in the batch. */
void tn__batches_narrow(tn__batches *b, size_t first, size_t count)
{
    bool all = b->augment.mixup > 0;
    b->first = all ? 0 : first;
    b->wanted = all ? b->batch : count;
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

tn__mixed tn__batches_mixed(const tn__batches *b)
{
    size_t slot = (b->given + SLOTS - 1) % SLOTS;
    return b->augment.mixup > 0 ? (tn__mixed){b->others[slot], b->shares[slot]}
                                : (tn__mixed){NULL, NULL};
}
