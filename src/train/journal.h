/* journal.h - how a training went, step by step: JSON Lines and TensorBoard's events.
 *
 *     {"kind":"step","step":50,"epoch":1,"loss":2.1,"accuracy":0.25,"rate":0.0064,
 *      "images_per_second":910,"seconds":7.1}                          (on one line)
 *
 * A training that goes on cuts the files back to what they were when its state was
 * saved, so that no step is told twice and none is left out.
 */
#ifndef TN_TRAIN_JOURNAL_H
#define TN_TRAIN_JOURNAL_H

#include <stdio.h>

#include "tenon/train.h"

/* Bytes of the two files that belong to a state. */
typedef struct tn__journal_mark {
    size_t lines, events;
} tn__journal_mark;

typedef struct tn__journal {
    const char *lines_path; /* borrowed, or NULL: none */
    char *events_path;      /* owned, or NULL: none */
    FILE *lines, *events;
    size_t every; /* steps */
    bool replace; /* files that are there */
} tn__journal;

typedef struct tn__journal_note {
    bool whole_epoch;        /* else of one step */
    size_t step, epoch;      /* from 1 */
    double loss, accuracy;   /* of the step's batch, or of the epoch */
    double holdout_accuracy; /* NaN: none */
    double rate, images_per_second, seconds;
} tn__journal_note;

/* Opens what the options name: cut back to `mark`, or written anew where that is 0.
 * TN_ERROR_IO, _EXISTS, _MISMATCH (a file
 * is shorter than the mark). On failure too *journal is
 * to be closed. */
tn_status tn__journal_open(tn__journal *journal, const tn_train_options *options,
                           const tn__journal_mark *mark, tn_error *err) TN_MUST_USE;
void tn__journal_close(tn__journal *journal);

/* Whether the journal wants to be told of this step. */
bool tn__journal_wants(const tn__journal *journal, size_t step);
tn_status tn__journal_tell(tn__journal *journal, const tn__journal_note *note,
                           tn_error *err) TN_MUST_USE;
/* Of the files as they are; a file that there is none of keeps its bytes in *mark. */
tn_status tn__journal_measure(tn__journal_mark *mark, const tn__journal *journal,
                              tn_error *err) TN_MUST_USE;

#endif
