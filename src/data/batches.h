/* batches.h - shuffled, augmented batches for training, made ahead by a thread.
 *
 * The sequence of batches depends on the seed and the epoch alone. Augmentation of
 * image i in epoch e draws from its own stream, so it does not depend on the number of
 * threads.
 */
#ifndef TN_DATA_BATCHES_H
#define TN_DATA_BATCHES_H

#include "data/augment.h"
#include "tenon/data.h"

typedef struct tn__batches tn__batches;

/* Batches of exactly `batch` images out of data's images subset[0..subset_count) (NULL:
 * all), in an order shuffled by (seed, epoch); the rest that does not fill a batch is
 * left out. TN_ERROR_MISMATCH where not one batch can be filled. */
tn_status tn__batches_create(tn__batches **out, const tn_dataset *data,
                             const uint32_t *subset, size_t subset_count, size_t batch,
                             const tn__augment *augment, uint64_t seed,
                             tn_error *err) TN_MUST_USE;
void tn__batches_free(tn__batches *batches); /* takes NULL */
size_t tn__batches_per_epoch(const tn__batches *batches);
/* Only images first .. first + count - 1 of each batch are wanted: others need not be
 * made. Labels are those of all. */
void tn__batches_narrow(tn__batches *batches, size_t first, size_t count);
/* Starts epoch e (from 0) at its batch `first`. */
tn_status tn__batches_begin(tn__batches *batches, size_t epoch, size_t first,
                            tn_error *err) TN_MUST_USE;
/* Borrows the next batch until the following call; images [batch, C, H, W]. *images is
 * NULL at the end of the epoch. */
tn_status tn__batches_next(tn__batches *batches, const float **images,
                           const int32_t **labels, tn_error *err) TN_MUST_USE;
/* What the images of that batch were mixed with (augment.mixup > 0): image i is
 * shares[i] of its own and 1 - shares[i] of one with the label others[i]. [batch],
 * borrowed as long; NULL where nothing is mixed. */
typedef struct tn__mixed {
    const int32_t *others;
    const float *shares;
} tn__mixed;
tn__mixed tn__batches_mixed(const tn__batches *batches);

#endif
