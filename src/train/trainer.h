/* trainer.h - what the loop of training has at hand; train.c sets up, epoch.c trains.
 */
#ifndef TN_TRAIN_TRAINER_H
#define TN_TRAIN_TRAINER_H

#include "cluster/cluster.h"
#include "data/batches.h"
#include "train/average.h"
#include "train/journal.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/state.h"
#include "train/teachers.h"

typedef struct tn__trainer {
    const tn_model *start;
    const tn_dataset *data;
    const tn_train_options *options;
    const tn_teachers *teachers; /* or NULL */
    const tn_observer *observer;
    tn__workers *workers;
    tn__engine *engine; /* trains */
    tn__engine *judge;  /* infers, for the images held out, or holds the average; NULL
                           without both */
    tn__teaching teaching;
    tn__optimizer *optimizer;
    tn__average average; /* with options->average */
    tn__batches *batches;
    uint32_t *order; /* [images]: those trained on, then those held out */
    size_t trained, held;
    size_t first, shards; /* of each batch, that this process computes */
    tn__cross_entropy_job job;
    tn_model *result; /* owned: of the best epoch so far */
    tn_dtype type;    /* computed in */
    tn__state now;    /* where it stands; the sums are over the images of the epoch */
    tn__journal journal;
    tn__journal_note last; /* of the last step */
    size_t told_step;      /* where the journal was last told of one, and when */
    double told;
    double started;   /* this run, were it one with those before it */
    double begun;     /* the epoch, or this run of it */
    double accounted; /* time of steps is in now.stepping up to here */
    double saved;     /* the state, last */
} tn__trainer;

/* The rest of the epoch that training stands in: its batches, then the images held out;
 * the best model is kept in trainer->result and the state saved. Told to stop, it saves
 * the state too and returns TN_ERROR_CANCELLED. */
tn_status tn__trainer_run_epoch(tn__trainer *trainer, tn_error *err) TN_MUST_USE;

/* What all processes came to; each comes here. */
static inline tn_status tn__trainer_agree(const tn__trainer *trainer, tn_status status,
                                          tn_error *err)
{
    return tn_cluster_agree(trainer->options->cluster, status, err);
}

/* Keeps where training stands, where the options name a file and this is the first
 * process. */
tn_status tn__trainer_save(tn__trainer *trainer, tn_error *err) TN_MUST_USE;

#endif
