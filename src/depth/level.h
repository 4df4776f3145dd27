/* level.h - several networks made equally deep, for the jobs that want one graph.
 *
 *     tn__level level = {0};
 *     if (tn__level_wanted(&wanted, models, count, err) == TN_OK && wanted)
 *         status = tn__level_create(&level, models, count, &probe, &how, err);
 */
#ifndef TN_DEPTH_LEVEL_H
#define TN_DEPTH_LEVEL_H

#include "depth/costs.h"

typedef struct tn__level {
    size_t count, target; /* target: the model whose graph all have */
    tn_model **models;    /* [count], owned */
    bool **present;       /* [count][values]: false for what lies in inserted units */
    tn_alignment *alignments; /* [count - 1], owned */
} tn__level;

/* Whether some model differs from models[0] in structure. */
tn_status tn__level_wanted(bool *wanted, const tn_model *const *models, size_t count,
                           tn_error *err) TN_MUST_USE;

typedef struct tn__level_how {
    const tn_depth_options *options;
    const tn__probe *probe; /* may hold no images */
    uint64_t seed;          /* of a random map */
} tn__level_how;
tn_status tn__level_create(tn__level *out, const tn_model *const *models, size_t count,
                           const tn__level_how *how, tn_error *err) TN_MUST_USE;
void tn__level_release(tn__level *level);

/* The first `wanted` images (or all, where there are fewer) of a data set in the order
 * of `seed`, and workers to run them. Release with tn__probe_close(). */
typedef struct tn__probe_data {
    tn__probe probe;
    float *images;
} tn__probe_data;
tn_status tn__probe_open(tn__probe_data *out, const tn_dataset *data, size_t wanted,
                         uint64_t seed, size_t threads, tn_error *err) TN_MUST_USE;
void tn__probe_close(tn__probe_data *data);

#endif
