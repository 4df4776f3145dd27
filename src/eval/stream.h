/* stream.h - models over a data set, a stretch of images at a time.
 *
 * The float images of a whole data set are never in memory: a stretch is read, all
 * models run on it, and a visitor sees their outputs, in the order of the images.
 */
#ifndef TN_EVAL_STREAM_H
#define TN_EVAL_STREAM_H

#include "engine/engine.h"
#include "tenon/eval.h"

/* Inference engines of some models on the same workers. */
typedef struct tn__runners {
    tn__workers *workers;
    tn__engine **engines; /* [count] */
    size_t count;
} tn__runners;

/* shard 0: the engine's own. options NULL: defaults. */
tn_status tn__runners_create(tn__runners *out, const tn_model *const *models,
                             size_t count, int64_t shard,
                             const tn_eval_options *options, tn_error *err) TN_MUST_USE;
void tn__runners_release(tn__runners *runners);

/* What a visitor sees. */
typedef struct tn__stretch {
    size_t first, images;       /* images first .. first + images - 1 of all */
    const int32_t *labels;      /* [images] */
    const float *const *logits; /* [engines]: [images, K] */
    const double *seconds;      /* [engines]: what this stretch took */
} tn__stretch;
typedef tn_status tn__stretch_visit(void *user, const tn__stretch *stretch,
                                    tn_error *err);

typedef struct tn__stream {
    tn__engine *const *engines;
    size_t count;
    const tn_dataset *data;
    const uint32_t *index; /* [index_count]: the images, or NULL: all */
    size_t index_count;
    const tn_cluster
        *cluster;      /* each process sees its run of them; NULL: one sees all */
    const char *stage; /* of the progress */
    const tn_observer *observer; /* or NULL */
} tn__stream;

/* Engines must take the images of the data (tn__check_fit()). Labels are below the
 * data's classes. TN_ERROR_MEMORY, _CANCELLED, and what engines and the visitor return.
 */
tn_status tn__stream_run(const tn__stream *stream, tn__stretch_visit *visit, void *user,
                         tn_error *err) TN_MUST_USE;

#endif
