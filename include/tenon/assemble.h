/* assemble.h - one network out of blocks of several (DeRy).
 *
 *     tn_zoo *zoo = NULL;
 *     tn_model *made = NULL;
 *     tn_assemble_options options = TN_ASSEMBLE_OPTIONS_INIT;
 *     tn_assemble_report report = {0};
 *     options.max_params = 350000;
 *     if (tn_zoo_create(&zoo, &err) || tn_zoo_add(zoo, a, NULL, &err) ||
 *         tn_zoo_add(zoo, b, NULL, &err) ||
 *         tn_assemble(&made, NULL, &report, zoo, data, &options, NULL, &err)) ...
 *
 * Yang et al., "Deep Model Reassembly", NeurIPS 2022. What the paper searches for at
 * random is solved exactly here, and stitches are fitted in closed form.
 */
#ifndef TENON_ASSEMBLE_H
#define TENON_ASSEMBLE_H

#include <stdbool.h>

#include "tenon/cluster.h"
#include "tenon/data.h"
#include "tenon/model.h"
#include "tenon/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Networks that blocks are taken from. */
typedef struct tn_zoo tn_zoo;

/* What is said of a member besides its file. */
typedef struct tn_zoo_member {
    const char *name;         /* NULL: the file's, else the graph's */
    const char *licence;      /* NULL: not known */
    size_t channels;          /* of mean and std */
    const double *mean, *std; /* [channels], of pixels in 0..1, that this member was
                                 trained with; NULL: those of the data */
} tn_zoo_member;

/* An empty zoo, owned by the caller. TN_ERROR_MEMORY. */
TN_API TN_MUST_USE tn_status tn_zoo_create(tn_zoo **out, tn_error *err);
TN_API void tn_zoo_free(tn_zoo *zoo); /* takes NULL */
/* Adds a copy of `model` that shares its parameters. member may be NULL.
 * TN_ERROR_UNSUPPORTED where it has no place to cut. */
TN_API TN_MUST_USE tn_status tn_zoo_add(tn_zoo *zoo, const tn_model *model,
                                        const tn_zoo_member *member, tn_error *err);
/* Adds the members that a JSON file names: {"members": [{"file", "arch", "name",
 * "licence", "mean", "std"}]}, all but "file" optional, files beside the JSON file.
 * TN_ERROR_IO, _FORMAT, and what loading and adding return. */
TN_API TN_MUST_USE tn_status tn_zoo_load(tn_zoo *zoo, const char *path, tn_error *err);
TN_API size_t tn_zoo_count(const tn_zoo *zoo);                    /* members */
TN_API const char *tn_zoo_name(const tn_zoo *zoo, size_t member); /* borrowed */
/* Borrowed; with the Mul and Add that undo another normalisation once the zoo was
 * used. */
TN_API const tn_model *tn_zoo_model(const tn_zoo *zoo, size_t member);

/* --- assembling --------------------------------------------------------------------
 */

/* What blocks of a member are to have in equal shares. */
typedef enum tn_block_size {
    TN_BLOCK_SIZE_MACS,
    TN_BLOCK_SIZE_PARAMS,
    TN_BLOCK_SIZE_UNITS /* pieces between neighbouring cuts */
} tn_block_size;

/* How alike what is alive at two cuts is. */
typedef enum tn_cut_similarity {
    TN_CUT_SIMILARITY_CKA,       /* linear, unbiased */
    TN_CUT_SIMILARITY_RBF,       /* the same with a Gaussian kernel */
    TN_CUT_SIMILARITY_REGRESSION /* variance explained by ridge regression */
} tn_cut_similarity;

/* What finds the best chain. */
typedef enum tn_assemble_solver {
    TN_ASSEMBLE_LABELS, /* label setting, exact; gives the runners-up too */
    TN_ASSEMBLE_CBC     /* branch and cut (COIN-OR); one solution */
} tn_assemble_solver;

/* What a chain of blocks is worth. */
typedef enum tn_assemble_objective {
    TN_OBJECTIVE_RESIDUAL,  /* sum of log(1 - residual) of its stitches */
    TN_OBJECTIVE_SIMILARITY /* sum of S(block, anchor) of its sets */
} tn_assemble_objective;

/* The last layer of the result. */
typedef enum tn_assemble_head {
    TN_ASSEMBLE_HEAD_AUTO, /* the better of both on a quarter of the images */
    TN_ASSEMBLE_HEAD_KEEP, /* the last block's */
    TN_ASSEMBLE_HEAD_RIDGE /* fitted to the labels */
} tn_assemble_head;

/* What gradient steps move. */
typedef enum tn_assemble_tune {
    TN_TUNE_NONE,
    TN_TUNE_STITCHES, /* stitches and the last layer */
    TN_TUNE_ALL
} tn_assemble_tune;

/* What tuning learns from. */
typedef enum tn_assemble_teacher {
    TN_TEACHER_LABELS,
    TN_TEACHER_MEMBERS /* the answers of the members that the chain has blocks of, mean
                          of their softened probabilities; labels play no part */
} tn_assemble_teacher;

/* How members are cut, which chains are wanted, and what becomes of them. */
typedef struct tn_assemble_options {
    size_t blocks; /* K, 2 to 8 */
    double eps;    /* a block has at most (1 + eps) / K of its member; below 0: 0.2,
                      or the least that works where that is more */
    tn_block_size size;           /* what blocks share out */
    tn_cut_similarity similarity; /* by which they are put into sets */
    bool pooled;     /* similarity of the means over positions, not of 4 x 4 grids */
    size_t samples;  /* images for similarity */
    size_t restarts; /* of the partition */
    uint64_t min_params, max_params; /* max 0: no limit */
    uint64_t min_macs, max_macs;     /* the same, of one image */
    uint64_t max_memory;             /* bytes of activations alive at once, one image */
    double max_latency; /* seconds; blocks are then measured, one image, one thread */
    tn_assemble_objective objective; /* what is maximised */
    tn_assemble_solver solver;       /* by which way */
    size_t candidates; /* best chains that are stitched; the one that answers most
                          images right, of those kept apart, is taken, among equals
                          that of least cross-entropy */
    const char *path;  /* the chain itself instead: MEMBER:FIRST-LAST,... (members from
                          1, units from 0); no partition, no budgets */
    bool random_stitches;        /* drawn instead of fitted, for comparison */
    bool norms;                  /* re-estimate batch norms */
    tn_assemble_head head;       /* the last layer */
    size_t calibration;          /* images for stitches, batch norms and the head */
    double ridge;                /* of stitches, relative to the mean variance */
    tn_assemble_tune tune;       /* gradient steps after stitching */
    tn_assemble_teacher teacher; /* what they learn from */
    tn_train_options train; /* of tuning; seed and threads are set from those below */
    size_t audit;           /* random chains within the budgets that every proxy judges
                               besides the candidates */
    const char *cache;      /* folder for features; NULL: none are kept */
    const tn_cluster *cluster; /* processes among which the images for similarity are
                                  shared; NULL: this one alone */
    uint64_t seed;             /* of restarts, of the audit and of tuning */
    size_t threads;            /* 0: one for each processor */
} tn_assemble_options;
/* The defaults of tn_assemble_options. */
#define TN_ASSEMBLE_OPTIONS_INIT                                                       \
    {                                                                                  \
        .blocks = 4, .eps = -1, .samples = 2048, .restarts = 200, .candidates = 8,     \
        .norms = true, .calibration = 1024, .ridge = 1e-3,                             \
        .train = TN_TRAIN_OPTIONS_INIT, .seed = 1                                      \
    }

/* A block, of a member's partition or of the chain. */
typedef struct tn_assemble_block {
    size_t member, first, last; /* from 0; units */
    size_t set;                 /* 0 where there is no partition */
    bool chosen;                /* it is part of the chain */
} tn_assemble_block;

/* The most blocks of a chain. */
#define TN_ASSEMBLE_BLOCKS_MAX 8

/* A chain that was stitched, with what each proxy says of it. */
typedef struct tn_assemble_chain {
    size_t member[TN_ASSEMBLE_BLOCKS_MAX]; /* of each block, from 0 */
    size_t first[TN_ASSEMBLE_BLOCKS_MAX];  /* its first unit */
    size_t last[TN_ASSEMBLE_BLOCKS_MAX];   /* its last */
    uint64_t params, macs; /* planned; those of the network are the same */
    bool random;           /* of the audit */
    double stitched, loss; /* accuracy and cross-entropy on the images kept apart,
                              nothing tuned */
    double tuned;          /* after one epoch on the stitches; NaN outside an audit */
    double residual;       /* sum of log(1 - residual) */
    double similarity;     /* sum of S(block, anchor) */
    double naswot, naswot_per_unit; /* Mellor et al. 2021; NaN outside an audit */
} tn_assemble_chain;

/* What was found on the way. */
typedef struct tn_assemble_report {
    size_t block_count; /* of `blocks` */
    tn_assemble_block
        *blocks; /* of the partition, member by member; none with `path` */
    double objective, mean_objective; /* of the partition: best, mean of restarts */
    double eps;                       /* that was asked for, or that was needed */
    size_t restarts;                  /* made */
    bool proven;                      /* the partition is the best there is */
    size_t chain_length;              /* blocks */
    tn_assemble_block chain[TN_ASSEMBLE_BLOCKS_MAX]; /* from input to output */
    double residual[TN_ASSEMBLE_BLOCKS_MAX]; /* of the stitch behind each block */
    uint64_t stitch_params[TN_ASSEMBLE_BLOCKS_MAX]; /* that it has */
    uint64_t params, macs, memory;                  /* planned */
    size_t chain_count;                             /* of `chains` */
    tn_assemble_chain *chains; /* the candidates by falling value, then the audit's */
    size_t features_cached;    /* members */
    tn_train_report train;     /* where tuned */
    struct {
        double features, partition, program, stitching, tuning; /* of each step */
    } seconds; /* where the time went */
} tn_assemble_report;
TN_API void tn_assemble_report_release(tn_assemble_report *report); /* takes NULL */

/* Cuts every member into blocks, groups blocks that do the same work, chooses one of
 * each under the budgets, and makes one network of them. `stitched` (may be NULL) is
 * the network before tuning, where it is tuned. Of `data` the first images serve
 * similarity and fitting; a fifth of `data`, 500 images at most, is kept apart behind
 * them to choose by. Tuning sees all, and re-estimates the batch norms that it moved.
 * Deterministic, but for max_latency. The result says in metadata `tenon.blocks` where
 * each block comes from. With a cluster the result is that of process 0, the same bytes
 * as alone; the others help with the features, and end with *out and the report
 * untouched. TN_ERROR_MISMATCH where no chain keeps the budgets, naming the nearest
 * that some chain keeps; _ARGUMENT (options, eps too small); _UNSUPPORTED. */
TN_API TN_MUST_USE tn_status tn_assemble(tn_model **out, tn_model **stitched,
                                         tn_assemble_report *report, tn_zoo *zoo,
                                         const tn_dataset *data,
                                         const tn_assemble_options *options,
                                         const tn_observer *observer, tn_error *err);

/* The zoo, its sets and the chosen chain as SVG. TN_ERROR_EXISTS, _IO. */
TN_API TN_MUST_USE tn_status tn_assemble_picture(const char *path, bool replace,
                                                 const tn_zoo *zoo,
                                                 const tn_assemble_report *report,
                                                 tn_error *err);

/* Kendall's tau-b of x [n] and y [n], in [-1, 1]; 0 where either is constant. */
TN_API double tn_kendall(const double *x, const double *y, size_t n);

/* Similarity of every cut of the first member with every cut of the second, [units of a
 * + 1, units of b + 1], row-major; owned by the caller, released with
 * tn_cut_matrix_release(). */
typedef struct tn_cut_matrix {
    size_t rows, columns;             /* cuts of a, of b */
    double *values;                   /* [rows, columns] */
    char **row_names, **column_names; /* [rows], [columns]: values at the cuts */
} tn_cut_matrix;
TN_API void tn_cut_matrix_release(tn_cut_matrix *matrix); /* zeroes it */
/* Every cut of a with every cut of b on all of data; pooled: of means over positions.
 * TN_ERROR_UNSUPPORTED where one has no cut, _MISMATCH (inputs). */
TN_API TN_MUST_USE tn_status tn_compare_cuts(tn_cut_matrix *out, const tn_model *a,
                                             const tn_model *b, const tn_dataset *data,
                                             tn_cut_similarity similarity, bool pooled,
                                             size_t threads, tn_error *err);
/* The matrix as SVG. TN_ERROR_EXISTS, _IO. */
TN_API TN_MUST_USE tn_status tn_cut_matrix_picture(const char *path, bool replace,
                                                   const tn_cut_matrix *matrix,
                                                   tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
