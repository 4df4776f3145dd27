/* job.h - what the steps of tn_assemble() hand to each other. */
#ifndef TN_ASSEMBLE_JOB_H
#define TN_ASSEMBLE_JOB_H

#include "assemble/cut_features.h"
#include "assemble/partition.h"
#include "assemble/program.h"
#include "assemble/stitch.h"

typedef struct tn__assembly {
    tn_zoo *zoo;
    const tn_dataset *data;
    const tn_assemble_options *options;
    const tn_observer *observer;
    tn__workers *workers;
    float *images; /* [fitted + kept, input] */
    int32_t *labels;
    size_t input;        /* numbers of an image */
    size_t fitted, kept; /* images to learn from, and behind them those to judge by */
    tn__zoo_features features;
    double *similarity; /* [cuts, cuts] */
    double **sizes;     /* [members][units] */
    size_t *units;      /* [members] */
    tn__partitioning partitioning;
    tn__partition partition;
    tn__choice *blocks, *stitches; /* of the program */
    tn__program program;
    tn_assemble_report report;
} tn__assembly;

/* Features of all cuts, with the other processes where there are any; partition_zoo.c.
 */
tn_status tn__assembly_features(tn__assembly *job, tn_error *err) TN_MUST_USE;
/* Cuts the members and groups their blocks; partition_zoo.c. */
tn_status tn__assembly_partition(tn__assembly *job, tn_error *err) TN_MUST_USE;

/* The program of choosing blocks; program_zoo.c. */
tn_status tn__assembly_plan(tn__assembly *job, tn_error *err) TN_MUST_USE;
/* The best chains under the budgets, at most `most`. */
tn_status tn__assembly_choose(tn__path *paths, size_t *count, size_t most,
                              const tn__assembly *job, tn_error *err) TN_MUST_USE;
/* MEMBER:FIRST-LAST,... as blocks [*count], at most TN__BLOCKS_MAX, that lead from an
 * input to an output. */
tn_status tn__chain_parse(tn__block *blocks, size_t *count, const tn_zoo *zoo,
                          const char *text, tn_error *err) TN_MUST_USE;

/* Stitches the chain and fills *chain, but for what an audit adds; candidates.c. */
tn_status tn__chain_try(tn_model **out, double *residual, tn_assemble_chain *chain,
                        const tn__assembly *job, const tn__block *blocks, size_t count,
                        tn_error *err) TN_MUST_USE;
/* Tries paths and keeps the best network by the images kept apart. */
tn_status tn__candidates_try(tn_model **out, size_t *best, tn__assembly *job,
                             const tn__path *paths, size_t count,
                             tn_error *err) TN_MUST_USE;
/* Adds random chains, and lets every proxy judge all that were tried. */
tn_status tn__audit(tn__assembly *job, const tn__path *paths, size_t count,
                    tn_error *err) TN_MUST_USE;
void tn__path_blocks(tn__block *blocks, const tn__assembly *job, const tn__path *path);

/* How the chain is stitched with the images at hand; candidates.c. */
tn__stitching tn__assembly_stitching(const tn__assembly *job, const tn__block *blocks,
                                     size_t count);

typedef struct tn__tuning {
    const tn__assembly *job;
    const tn__block *blocks; /* [count], the chain */
    size_t count;
    const tn_dataset *data; /* the first images of job->data, or all */
    const tn_observer *observer;
    tn_train_report *report; /* or NULL */
} tn__tuning;
/* `model` is the chain, stitched; tune.c. */
tn_status tn__tune(tn_model **out, const tn_model *model, const tn__tuning *how,
                   tn_error *err) TN_MUST_USE;

/* Sets tenon.blocks: what each block is, from which file; origin.c. */
tn_status tn__origin_set(tn_model *model, const tn_zoo *zoo, const tn__block *blocks,
                         size_t count, tn_error *err) TN_MUST_USE;

#endif
