/* partition.h - every member into K blocks, all blocks into K sets of like function. */
#ifndef TN_ASSEMBLE_PARTITION_H
#define TN_ASSEMBLE_PARTITION_H

#include "base/base.h"

#define TN__BLOCKS_MAX 8 /* the dynamic programme has 2^K states a cut */

typedef struct tn__block {
    size_t member, first, last; /* units */
    size_t set;
} tn__block;

typedef struct tn__partitioning {
    size_t members, blocks;    /* N, K */
    const size_t *units;       /* [N] */
    const double *const *size; /* [N][units]: of each unit */
    const size_t *offset;      /* [N]: cut 0 of a member among all cuts */
    const double *similarity;  /* [cuts, cuts], symmetric */
    size_t cuts;
    double eps;         /* a block is at most (1 + eps) / K of its member */
    size_t restarts;    /* at least 1 */
    size_t proof_limit; /* enumerate all choices of anchors where no more than these */
    uint64_t seed;
} tn__partitioning;

typedef struct tn__partition {
    tn__block *blocks;   /* [N * K], member by member in order of depth */
    size_t *anchors;     /* [K]: positions in blocks */
    double objective;    /* sum of S(block, anchor of its set) */
    double mean, lowest; /* of the objective over restarts */
    double least_gain;   /* of any half step; never negative */
    size_t steps;        /* alternations in all */
    bool proven;         /* no partition has a larger objective */
} tn__partition;
void tn__partition_release(tn__partition *partition);

/* The smallest eps at which every member can be cut: its largest block divided by its
 * mean block, less 1, at the best cuts. TN_ERROR_ARGUMENT where a member has fewer
 * units than blocks. */
tn_status tn__partition_least_eps(double *out, const tn__partitioning *problem,
                                  tn_error *err) TN_MUST_USE;

/* S(a, b): similarity of the inputs plus that of the outputs (Yang et al. 2022,
 * section 3.3), in [0, 2]. */
double tn__block_similarity(const tn__partitioning *problem, const tn__block *a,
                            const tn__block *b);

/* Maximises the objective: cuts and sets exactly for given anchors, anchors as medoids
 * for given sets, in turn, from random starts. Every member has one block in each set.
 * TN_ERROR_ARGUMENT naming the least eps where a member cannot be cut. */
tn_status tn__partition_solve(tn__partition *out, const tn__partitioning *problem,
                              tn_error *err) TN_MUST_USE;

#endif
