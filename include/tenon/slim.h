/* slim.h - smaller networks with training: pruned step by step and trained in between;
 * trained in parts of the data at the same time, fused and pruned.
 *
 * Prune-and-Fuse and Fuse-and-Prune: Theus et al., ICLR 2024, arXiv 2402.07839, section
 * 6 and appendix D.
 *
 *     tn_slim_options options = TN_SLIM_OPTIONS_INIT;
 *     tn_model *small = NULL;
 *     options.prune.sparsity = 0.5;
 *     if (tn_slim(&small, NULL, &trained, 1, data, &options, NULL, &err)) ...
 */
#ifndef TENON_SLIM_H
#define TENON_SLIM_H

#include "tenon/fuse.h"
#include "tenon/prune.h"
#include "tenon/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What comes first where there are several networks. */
typedef enum tn_slim_order { TN_SLIM_PRUNE_FUSE, TN_SLIM_FUSE_PRUNE } tn_slim_order;

/* The most disjoint parts of the data. */
#define TN_SLIM_PARTS_MAX 6

/* What is trained when, and how. */
typedef struct tn_slim_options {
    size_t parts; /* 0: every start is trained on all images; else even, and start k on
                     the k-th union of half of so many disjoint parts of them */
    tn_slim_order order;    /* of pruning and fusing */
    size_t start_epochs;    /* that a start is trained; 0: it is trained already */
    size_t steps;           /* of pruning, by equal shares of the neurons there were */
    size_t step_epochs;     /* after each */
    size_t last_epochs;     /* after pruning, and after fusion; one network has both */
    double tune_rate;       /* highest learning rate of step_epochs and last_epochs */
    tn_train_options train; /* of all trainings; learning_rate that of the start, and
                               epochs are those above */
    tn_prune_options prune; /* sparsity: at the end; budgets and plans have no place */
    tn_fuse_options fuse;   /* of the networks of parts */
} tn_slim_options;
/* The defaults of tn_slim_options. */
#define TN_SLIM_OPTIONS_INIT                                                           \
    {                                                                                  \
        .steps = 4, .step_epochs = 1, .last_epochs = 2, .tune_rate = 0.01,             \
        .train = TN_TRAIN_OPTIONS_INIT, .prune = TN_PRUNE_OPTIONS_INIT,                \
        .fuse = TN_FUSE_OPTIONS_INIT                                                   \
    }

/* Seconds; `longest` is what the slowest network took of what can be done for all at
 * the same time. */
typedef struct tn_slim_report {
    double start, start_longest; /* training the starts */
    double prune, prune_longest; /* pruning, and training in between */
    double fuse;                 /* several into one */
    double last; /* training what came out of fusion, or of a single network */
    double total, parallel; /* one after another; with a machine for each network */
} tn_slim_report;

/* How many starts `parts` want: as many as there are unions, 2 of 2, 6 of 4, 20 of 6; 1
 * of 0. */
TN_API size_t tn_slim_starts(size_t parts);

/* *out (owned by the caller) is a pruned and trained network out of starts[0..count),
 * which are of one structure; count is tn_slim_starts(parts). `data` is labelled.
 * options, report and observer may be NULL. Errors of tn_train(), tn_prune() and
 * tn_fuse(). Deterministic, but for the seconds. */
TN_API TN_MUST_USE tn_status tn_slim(tn_model **out, tn_slim_report *report,
                                     const tn_model *const *starts, size_t count,
                                     const tn_dataset *data,
                                     const tn_slim_options *options,
                                     const tn_observer *observer, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
