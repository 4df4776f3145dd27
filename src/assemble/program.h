/* program.h - the best chain of blocks, one of each stage and set, under budgets. */
#ifndef TN_ASSEMBLE_PROGRAM_H
#define TN_ASSEMBLE_PROGRAM_H

#include "assemble/partition.h"

enum { TN__PARAMS, TN__MACS, TN__LATENCY, TN__RESOURCES };

typedef struct tn__choice { /* a block that may be taken, or a stitch */
    bool legal;
    double cost[TN__RESOURCES];
    double value;
    size_t set; /* of blocks */
} tn__choice;

typedef struct tn__program {
    size_t stages, width;       /* width: blocks of each stage */
    const tn__choice *blocks;   /* [stages, width] */
    const tn__choice *stitches; /* [stages - 1, width, width]: from, to */
    double min[TN__RESOURCES], max[TN__RESOURCES]; /* HUGE_VAL: no limit */
} tn__program;

typedef struct tn__path {
    size_t block[TN__BLOCKS_MAX];
    double cost[TN__RESOURCES];
    double value;
} tn__path;

/* The `most` best paths by falling value, exactly: labels (Desrochers and Soumis 1988)
 * that `most` others dominate are dropped, no others. *count is 0 where no path keeps
 * the budgets, which is then proven. paths [most]. */
tn_status tn__program_solve(tn__path *paths, size_t *count, size_t most,
                            const tn__program *program, tn_error *err) TN_MUST_USE;
/* For a program without a path: the path whose largest relative excess over a budget is
 * smallest, and that excess. TN_ERROR_MISMATCH where there is none under any budget. */
tn_status tn__program_nearest(tn__path *path, double *excess,
                              const tn__program *program, tn_error *err) TN_MUST_USE;
/* The best path by branch and cut (COIN-OR CBC): a flow through the stages with one
 * block of each set. *count is 0 or 1. */
tn_status tn__program_solve_cbc(tn__path *path, size_t *count,
                                const tn__program *program, tn_error *err) TN_MUST_USE;
/* Costs and value of a path. */
void tn__path_add_up(tn__path *path, const tn__program *program);

#endif
