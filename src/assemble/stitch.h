/* stitch.h - a chain of blocks made into one network, in closed form. */
#ifndef TN_ASSEMBLE_STITCH_H
#define TN_ASSEMBLE_STITCH_H

#include "assemble/adapter.h"
#include "assemble/partition.h"
#include "base/threads.h"

#define TN__STITCH_NAME "stitch" /* what names of a stitch's nodes begin with */

/* Whether blocks b and c are neighbours of one member, which need no stitch. */
bool tn__blocks_join(const tn__block *b, const tn__block *c);

/* What a chain costs once it is stitched; stitches [count - 1] (may be NULL) is the
 * part of each stitch. TN_ERROR_MISMATCH where two blocks cannot be stitched. */
tn_status tn__chain_cost(tn__cost *out, tn__cost *stitches, const tn_zoo *zoo,
                         const tn__block *blocks, size_t count,
                         tn_error *err) TN_MUST_USE;
/* The stitch from block b to block c; *legal is false where there is none. */
tn_status tn__stitch_cost(tn__cost *out, bool *legal, const tn_zoo *zoo,
                          const tn__block *b, const tn__block *c,
                          tn_error *err) TN_MUST_USE;

typedef struct tn__stitching {
    const tn_zoo *zoo;
    const tn__block *blocks;
    size_t count;
    const float *images;   /* [n, input], for everything fitted */
    const int32_t *labels; /* [n] */
    size_t n;
    double ridge; /* relative to the mean diagonal */
    bool random;  /* stitches drawn (He normal) instead of fitted */
    bool norms;   /* re-estimate batch norms behind the first stitch */
    bool apart;   /* leave stitches that can be folded as layers of their own */
    tn_assemble_head head;
    uint64_t seed;
    tn__workers *workers;
} tn__stitching;

/* One network out of the chain. residual [count - 1] (may be NULL): share of variance
 * that each stitch leaves unexplained; 0 where blocks join. */
tn_status tn__stitch_chain(tn_model **out, double *residual, const tn__stitching *how,
                           tn_error *err) TN_MUST_USE;

/* Bit k: the stitch behind block k is folded into block k + 1. */
tn_status tn__chain_folds(unsigned *out, const tn_zoo *zoo, const tn__block *blocks,
                          size_t count, tn_error *err) TN_MUST_USE;
/* Folds the stitches of those bits, which were left apart. */
tn_status tn__stitches_fold(tn_model *model, unsigned folds, tn_error *err) TN_MUST_USE;
/* The running statistics of the first nodes as they were in `before`, a network of the
 * same structure. */
void tn__norms_restore(tn_model *model, const tn_model *before, size_t nodes);

/* Fits the last Gemm to the labels by ridge regression on what it reads; head.c. */
tn_status tn__head_fit(tn_model *model, const tn__stitching *how,
                       tn_error *err) TN_MUST_USE;
/* Share of images whose largest output is their label, and the mean cross-entropy
 * (*loss may be NULL). */
tn_status tn__accuracy(double *out, double *loss, const tn_model *model,
                       const float *images, const int32_t *labels, size_t n,
                       tn__workers *workers, tn_error *err) TN_MUST_USE;

#endif
