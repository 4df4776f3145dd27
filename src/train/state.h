/* state.h - a training that was stopped, in a file: what it takes to go on bit for bit.
 *
 * A safetensors file with the tensors `parameter/NAME`, `moment0/NAME`, `moment1/NAME`
 * `average/NAME` and `best/NAME` for each parameter NAME of the model, and the numbers
 * below as its metadata (docs/formats/training-state.md). Files are untrusted.
 */
#ifndef TN_TRAIN_STATE_H
#define TN_TRAIN_STATE_H

#include "base/file.h"
#include "train/average.h"
#include "train/optimizer.h"

typedef struct tn__state {
    char training[TN__SHA256_HEX]; /* what is trained, on what, how: must be the same */
    size_t epoch, images, correct; /* where it stands: epoch (from 0) and its images */
    double loss;                   /* summed over these */
    double last_loss, last_accuracy; /* of the epoch before */
    size_t best_epoch;
    double holdout_accuracy;
    size_t log_bytes, event_bytes; /* of the journal so far */
    double seconds, stepping;      /* that all runs took, and their steps alone */
} tn__state;

/* What a file takes its tensors from and a restored training puts them into. */
typedef struct tn__state_tensors {
    tn__engine *engine;
    tn__optimizer *optimizer;
    tn__average *average; /* NULL: none */
    tn_model *best;       /* the model of the best epoch so far */
} tn__state_tensors;

/* Identifies a training by all that its result depends on: options, the type `computed`
 * in, data and, of each model, the parameters. */
void tn__state_identify(char out[TN__SHA256_HEX], const tn_train_options *options,
                        tn_dtype computed, const tn_dataset *data,
                        const tn_model *start, const tn_teachers *teachers);

/* Replaces `path`, whole or not at all. */
tn_status tn__state_save(const char *path, const tn__state *state,
                         const tn__state_tensors *from, tn_error *err) TN_MUST_USE;

/* Fills state->... and *into; state->training is what the file must say. TN_ERROR_IO,
 * _FORMAT, _MISMATCH (another training). On failure *into may be changed in part. */
tn_status tn__state_load(tn__state *state, const tn__state_tensors *into,
                         const char *path, tn_error *err) TN_MUST_USE;

#endif
