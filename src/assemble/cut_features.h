/* cut_features.h - how alike the cuts of a zoo are, on probe images streamed once. */
#ifndef TN_ASSEMBLE_CUT_FEATURES_H
#define TN_ASSEMBLE_CUT_FEATURES_H

#include "assemble/zoo.h"
#include "base/threads.h"
#include "cluster/cluster.h"

/* What is kept of one cut. */
typedef struct tn__cut_features {
    size_t channels, positions; /* after pooling to a small grid */
    float *rows; /* [sampled * positions, channels], of the first images */
    float *gram; /* [shards, shard, shard]: centred so that the product of
                    two is the unbiased HSIC times images (U-centring,
                    Szekely and Rizzo 2014) */
} tn__cut_features;

typedef struct tn__probe {
    const float *images; /* [n, input] */
    size_t n;
    size_t sampled; /* images whose rows are kept, at most n */
    bool pooled;    /* the mean over positions, else a grid of 4 x 4 */
    bool rbf;       /* Gram matrices of exp(-d^2 / 2 m), m the median of d^2 */
    tn__workers *workers;
    const tn_cluster *cluster; /* every process streams a part of the images; NULL: this
                                  one all of them */
    const char *cache;         /* folder, or NULL; process 0 reads and writes it */
    const char *describe;      /* what the images are, for the key of the cache */
} tn__probe;

typedef struct tn__zoo_features {
    size_t cuts, shards, shard, sampled;
    size_t *offset;         /* [members]: number of their cut 0 */
    tn__cut_features *list; /* [cuts] */
    size_t cached;          /* members whose features were found in the cache */
} tn__zoo_features;
/* With a cluster, process 0 has all features, the same bytes as alone; the others have
 * what they need not use. */
tn_status tn__zoo_features_create(tn__zoo_features *out, const tn_zoo *zoo,
                                  const tn__probe *probe, tn_error *err) TN_MUST_USE;
void tn__zoo_features_release(tn__zoo_features *features);

/* Unbiased CKA of all cuts, [cuts, cuts]; owned by the caller. */
tn_status tn__zoo_features_cka(double **out, const tn__zoo_features *features,
                               tn_error *err) TN_MUST_USE;
/* Share of the variance of cut v that ridge regression from cut u does not explain, on
 * images it was not fitted on: 0 where u tells all of v. Directional. */
tn_status tn__zoo_features_residual(double *out, const tn__zoo_features *features,
                                    size_t u, size_t v, tn_error *err) TN_MUST_USE;
/* 1 - residual, the mean of both directions, [cuts, cuts]; owned by the caller. */
tn_status tn__zoo_features_regression(double **out, const tn__zoo_features *features,
                                      tn__workers *workers, tn_error *err) TN_MUST_USE;

/* --- features of a part of the images (feature_shares.c) ---------------------------
 */

/* The images and shards that fall to a process, in whole shards. */
typedef struct tn__images_share {
    size_t shard, shards, image, images;
} tn__images_share;
void tn__share_of(tn__images_share *out, const tn__zoo_features *features,
                  const tn__probe *probe, size_t rank);
/* Every process gets what the others streamed for cuts [first, first + count). */
tn_status tn__shares_join(tn__zoo_features *features, size_t first, size_t count,
                          const tn__probe *probe, tn_error *err) TN_MUST_USE;

/* --- files of features (feature_cache.c) ------------------------------------------ */

/* Fills what was allocated for cuts [first, first + count) from the cache; *found tells
 * whether it was there and whole. */
tn_status tn__cache_read(bool *found, tn__zoo_features *features, size_t first,
                         size_t count, const tn_model *model, const tn__probe *probe,
                         tn_error *err) TN_MUST_USE;
tn_status tn__cache_write(const tn__zoo_features *features, size_t first, size_t count,
                          const tn_model *model, const tn__probe *probe,
                          tn_error *err) TN_MUST_USE;

#endif
