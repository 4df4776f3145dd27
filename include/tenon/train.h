/* train.h - training, fine-tuning and distillation.
 *
 *     tn_train_options options = TN_TRAIN_OPTIONS_INIT;
 *     options.epochs = 5;
 *     tn_model *trained = NULL;
 *     tn_train_report report;
 *     if (tn_train(&trained, &report, start, data, &options, NULL, &err)) ...
 */
#ifndef TENON_TRAIN_H
#define TENON_TRAIN_H

#include "tenon/cluster.h"
#include "tenon/data.h"
#include "tenon/dtype.h"
#include "tenon/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the learning rate moves. */
typedef enum tn_schedule {
    TN_SCHEDULE_CONSTANT,
    TN_SCHEDULE_COSINE, /* to zero at the end */
    TN_SCHEDULE_STEP,   /* times step_factor at each of step_epochs */
    TN_SCHEDULE_CYCLE   /* once up and down: Smith and Topin, arXiv 1708.07120, as
                           PyTorch's OneCycleLR: from 1/25 of the rate up to it in
                           cycle_rise of all steps, then down to 1/250,000 of it, both by
                           half a cosine. Momentum stays, warmup_epochs play no part */
} tn_schedule;

/* Who makes the steps. */
typedef enum tn_optimizer { TN_OPTIMIZER_SGD, TN_OPTIMIZER_ADAMW } tn_optimizer;

/* Room in step_epochs, its end included. */
#define TN_TRAIN_STEPS_MAX 16

/* How to train. */
typedef struct tn_train_options {
    size_t epochs; /* passes over the images */
    size_t batch;  /* images of a step; a multiple of shard */
    size_t shard; /* images whose batch statistics are taken together; results depend on
                     it, never on threads */
    tn_optimizer optimizer; /* of the weights */
    double learning_rate;   /* the highest */
    double momentum;        /* of SGD; of AdamW's first moment */
    double second_momentum; /* of AdamW's second moment */
    bool nesterov;          /* SGD */
    double clip;            /* the norm of all gradients is at most that; 0: any */
    double weight_decay;    /* on weights of rank 2 and more, not on biases and norms */
    tn_schedule schedule;   /* of the learning rate */
    double step_factor;     /* of TN_SCHEDULE_STEP */
    size_t step_epochs[TN_TRAIN_STEPS_MAX]; /* ascending, ends at 0 */
    double warmup_epochs;                   /* learning rate rises linearly from 0 */
    double cycle_rise;                      /* of TN_SCHEDULE_CYCLE, in (0, 1) */
    double label_smoothing;                 /* in [0, 1) */
    double norm_momentum;                   /* of batch norm's running statistics */
    size_t augment_pad;                     /* zero padding before a random crop */
    bool augment_flip;                      /* left and right, every other image */
    size_t augment_cutout; /* side of a square set to the data's mean; DeVries and
                              Taylor, arXiv 1708.04552 */
    double augment_erase; /* probability that a random rectangle becomes noise; Zhong et
                             al., arXiv 1708.04896 */
    double mixup;     /* alpha > 0: images and labels are mixed in pairs, by shares from
                         Beta(alpha, alpha); Zhang et al., arXiv 1710.09412 */
    double average;   /* in [0, 1): what is judged and returned is the moving average of
                         the weights, which keeps that share of itself at each step (less
                         at first: after step t at most t / (t + 9)); 0: the weights */
    double holdout;   /* share of the data set kept apart: the model returned is that of
                         the epoch best on it; 0: the last epoch's */
    const char *only; /* parameters to train: beginnings of names, separated by commas;
                         NULL: all. Running statistics move all the same */
    uint64_t seed;    /* order, augmentation, holdout */
    size_t threads;   /* 0: one for each processor */
    tn_precision
        precision; /* of forward and backward; the images held out are judged in f32 */
    const char *state;    /* a file that keeps where training stands, so that it can be
                             stopped at any moment and gone on with; NULL: none */
    double state_minutes; /* it is written after each epoch, when the observer cancels,
                             and at least that often */
    bool resume; /* go on from `state` where that file is there; the result is that of a
                    training that was never stopped, bit for bit */
    const char *log;  /* a file of JSON Lines that tells how it goes, or NULL: kind
                         ("step", "epoch"), step, epoch, loss, accuracy, rate,
                         images_per_second, seconds, and of epochs with images held out
                         holdout_accuracy. Loss and accuracy of a step are those of its
                         batch. A training that is resumed goes on with the file from
                         where its state was saved */
    size_t log_steps; /* every so many steps one is told; 0: epochs only */
    const char *tensorboard;   /* a folder, made where it is not there, for the same as
                                  TensorBoard's event file; or NULL */
    const tn_cluster *cluster; /* processes that share the shards of each batch, and the
                                  images held out; or NULL. All make the same call; with
                                  one shard a process the result is that of one process,
                                  bit for bit, with more it agrees to rounding. Files
                                  (state, logs) are written by the first, read by all */
    bool replace_logs; /* where training begins and these files are there; else they are
                          TN_ERROR_EXISTS, unless `resume` is set */
} tn_train_options;
/* The defaults of tn_train_options. */
#define TN_TRAIN_OPTIONS_INIT                                                          \
    {                                                                                  \
        .epochs = 10, .batch = 128, .shard = 64, .learning_rate = 0.1,                 \
        .momentum = 0.9, .second_momentum = 0.999, .nesterov = true,                   \
        .weight_decay = 5e-4, .schedule = TN_SCHEDULE_COSINE, .step_factor = 0.1,      \
        .warmup_epochs = 1, .cycle_rise = 0.3, .norm_momentum = 0.1, .seed = 1,        \
        .precision = TN_PRECISION_AUTO, .state_minutes = 5, .log_steps = 50            \
    }

/* How a training went. */
typedef struct tn_train_report {
    size_t epochs, best_epoch; /* best_epoch counts from 1; 0 without holdout */
    double loss, accuracy;     /* of the last epoch on the training images seen */
    double holdout_accuracy;   /* of the model returned; NaN without holdout */
    double images_per_second, seconds; /* of all runs, where it was resumed */
    tn_dtype precision;                /* TN_F32 or TN_BF16: what was computed in */
} tn_train_report;

/* Trains a copy of `start` with SGD (PyTorch's update: v = mu v + g + wd w; w -= lr v,
 * or lr (g + wd w + mu v) with nesterov) or AdamW on cross-entropy. report and observer
 * may be NULL. The result depends on the model, the data, the options and nothing else.
 * The file `state` stays where it is; whoever has saved the result may remove it.
 * TN_ERROR_MISMATCH (shapes, classes, data smaller than a batch; `state` is that of
 * another training), _ARGUMENT, _NUMERIC (the loss is not finite), _CANCELLED, _EXISTS
 * (`state` is there and `resume` is not set), _FORMAT, _IO. */
TN_API TN_MUST_USE tn_status tn_train(tn_model **out, tn_train_report *report,
                                      const tn_model *start, const tn_dataset *data,
                                      const tn_train_options *options,
                                      const tn_observer *observer, tn_error *err);

/* Whom a student learns from: Hinton, Vinyals and Dean, arXiv 1503.02531. With several
 * teachers, from the mean of their softened probabilities. */
typedef struct tn_teachers {
    const tn_model *const *models; /* [count], of as many classes as the student */
    size_t count;                  /* how many */
    double temperature;            /* T > 0, of both softmaxes */
    double weight; /* a in [0, 1]: the loss of an image is (1 - a) its cross-entropy
                      + a T^2 KL(teachers || student) */
} tn_teachers;
/* The defaults of tn_teachers. */
#define TN_TEACHERS_INIT                                                               \
    {                                                                                  \
        .temperature = 4, .weight = 0.9                                                \
    }

/* As tn_train(), from `student`, with that loss: the teachers see the images that the
 * student sees, augmented alike. With weight 1 labels play no part. Teachers of other
 * inputs or classes: TN_ERROR_MISMATCH. */
TN_API TN_MUST_USE tn_status tn_distill(tn_model **out, tn_train_report *report,
                                        const tn_model *student,
                                        const tn_teachers *teachers,
                                        const tn_dataset *data,
                                        const tn_train_options *options,
                                        const tn_observer *observer, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
