/* arrays.h - models and images that are in memory already, and the way back: what a
 * binding to another language stands on.
 *
 *     tn_array weights[] = {{"fc1.weight", TN_F32, 2, {100, 784}, w1},
 *                           {"fc2.weight", TN_F32, 2, {10, 100}, w2}};
 *     tn_load_options options = {.arch = "mlp"};
 *     if (tn_model_from_arrays(&model, weights, 2, NULL, &options, &err)) ...
 *     for (size_t k = 0; k < tn_model_array_count(model); k++) {
 *         tn_array array;
 *         tn_model_array_get(&array, model, k);
 *     }
 */
#ifndef TENON_ARRAYS_H
#define TENON_ARRAYS_H

#include "tenon/data.h"
#include "tenon/dtype.h"
#include "tenon/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most axes an array has. */
#define TN_ARRAY_RANK_MAX 8

/* A dense row-major array; name and data are borrowed. */
typedef struct tn_array {
    const char *name;                 /* as in a state dict; NULL where unnamed */
    tn_dtype dtype;                   /* of its elements */
    int rank;                         /* how many axes */
    int64_t shape[TN_ARRAY_RANK_MAX]; /* [rank] */
    const void *data;                 /* aligned for its elements */
} tn_array;

/* Who keeps the bytes of arrays that are handed over without being copied. `release` is
 * called exactly once, from any thread, when nothing refers to any of them any more;
 * also where the call they were handed to fails. Until then they must not change. */
typedef struct tn_array_owner {
    void (*release)(void *user); /* gives the bytes back */
    void *user;                  /* handed to it */
} tn_array_owner;

/* The weights of a model: its parameters but for the integers that belong to the graph
 * (shapes, axes, paddings). */
TN_API size_t tn_model_array_count(const tn_model *model);
/* Weight k < tn_model_array_count(), in the order of the graph. Name and data are
 * borrowed from the model, and stay while it lives. O(parameters). */
TN_API void tn_model_array_get(tn_array *out, const tn_model *model, size_t k);

/* A model out of named arrays, as tn_model_load() makes one out of a file that carries
 * weights and no graph: options->arch or options->graph is wanted. Names may be those
 * of a PyTorch state dict. owner NULL: the bytes are copied; else they are used where
 * they lie (f16, bf16 and f64 are converted all the same). *out is owned by the caller.
 * Errors as tn_model_load(). */
TN_API TN_MUST_USE tn_status tn_model_from_arrays(tn_model **out,
                                                  const tn_array *arrays, size_t count,
                                                  const tn_array_owner *owner,
                                                  const tn_load_options *options,
                                                  tn_error *err);

/* index[i] [count]: the weight of `model` that array i would fill by its name, whatever
 * its shape; SIZE_MAX where there is none. So weights find the names back that they had
 * before tn_model_from_arrays(). TN_ERROR_MEMORY. */
TN_API TN_MUST_USE tn_status tn_model_match_arrays(size_t *index, const tn_model *model,
                                                   const tn_array *arrays, size_t count,
                                                   tn_error *err);

/* A data set of images [n, C, H, W], f32, as networks are to see them: normalised.
 * labels [n], below `classes`, are copied; NULL: all 0, for calls that look at images
 * alone. owner as above. TN_ERROR_ARGUMENT (type, shape), _MISMATCH (labels), _NUMERIC
 * (a pixel is not finite), _MEMORY. */
TN_API TN_MUST_USE tn_status
tn_dataset_from_array(tn_dataset **out, const tn_array *images, const int32_t *labels,
                      size_t classes, const tn_array_owner *owner, tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
