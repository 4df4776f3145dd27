/* teachers.h - what the teachers of a distillation say of a batch. */
#ifndef TN_TRAIN_TEACHERS_H
#define TN_TRAIN_TEACHERS_H

#include "engine/engine.h"
#include "tenon/train.h"

typedef struct tn__teaching {
    const tn_teachers *teachers; /* borrowed; NULL: there are none */
    tn__engine **engines;        /* [teachers->count] */
    float *logits, *taught;      /* [batch, K] */
    size_t classes;
} tn__teaching;

/* Engines of the teachers on the student's workers and shard; data is what they will
 * see. TN_ERROR_ARGUMENT (temperature, weight, no teacher), _MISMATCH. On failure too
 * *teaching is to be released. */
tn_status tn__teaching_open(tn__teaching *teaching, const tn_teachers *teachers,
                            const tn__engine_options *options, size_t classes,
                            size_t batch, const tn_dataset *data,
                            tn_error *err) TN_MUST_USE;
void tn__teaching_release(tn__teaching *teaching);

/* teaching->taught = mean over the teachers of softmax(z / T), of images first .. first
 * + n - 1 of a batch [batch, input]. */
tn_status tn__teaching_teach(tn__teaching *teaching, const float *images, size_t first,
                             size_t n, tn_error *err) TN_MUST_USE;

#endif
