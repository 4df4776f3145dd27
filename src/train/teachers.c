/* teachers.c - what the teachers of a distillation say of a batch.
 *
 * Teachers run in inference on the very batch that the student is about to see, so that
 * both see one augmentation. Their softened probabilities are averaged in the order of
 * the teachers.
 */
#include "train/teachers.h"

#include <math.h>
#include <string.h>

#include "eval/fit.h"
#include "train/loss.h"

static tn_status check(const tn_teachers *teachers, tn_error *err)
{
    if (!teachers->count)
        return tn__fail(err, TN_ERROR_ARGUMENT, "there is no teacher");
    if (!(teachers->temperature > 0) || !isfinite(teachers->temperature))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "temperature = %g, expected a finite number above 0",
                        teachers->temperature);
    if (!(teachers->weight >= 0 && teachers->weight <= 1))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "weight = %g, expected a number in [0, 1]", teachers->weight);
    return TN_OK;
}

static tn_status open_one(tn__teaching *teaching, size_t t,
                          const tn__engine_options *options, const tn_dataset *data,
                          tn_error *err)
{
    const tn_model *model = teaching->teachers->models[t];
    tn_status status = tn__engine_create(&teaching->engines[t], model, options, err);
    if (!status)
        status = tn__check_fit(teaching->engines[t], model, data, err);
    if (status)
        return status;
    size_t classes = tn__engine_output_count(teaching->engines[t]);
    if (classes != teaching->classes)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the teacher '%s' has %zu outputs, the student %zu",
                        tn__model_title(model), classes, teaching->classes);
    return TN_OK;
}

tn_status tn__teaching_open(tn__teaching *teaching, const tn_teachers *teachers,
                            const tn__engine_options *options, size_t classes,
                            size_t batch, const tn_dataset *data, tn_error *err)
{
    tn__engine_options inference = *options;
    inference.training = false;
    *teaching = (tn__teaching){.teachers = teachers, .classes = classes};
    tn_status status = teachers ? check(teachers, err) : TN_OK;
    if (!teachers || status)
        return status;
    teaching->engines = tn__alloc(teachers->count, sizeof(tn__engine *));
    teaching->logits = tn__alloc(batch * classes, sizeof *teaching->logits);
    teaching->taught = tn__alloc(batch * classes, sizeof *teaching->taught);
    if (!teaching->engines || !teaching->logits || !teaching->taught)
        return tn__fail_memory(err, batch * classes * sizeof *teaching->taught);
    for (size_t t = 0; t < teachers->count && !status; t++)
        status = open_one(teaching, t, &inference, data, err);
    return status;
}

void tn__teaching_release(tn__teaching *teaching)
{
    for (size_t t = 0; teaching->engines && t < teaching->teachers->count; t++)
        tn__engine_free(teaching->engines[t]);
    tn__free(teaching->engines);
    tn__free(teaching->logits);
    tn__free(teaching->taught);
    *teaching = (tn__teaching){0};
}

tn_status tn__teaching_teach(tn__teaching *teaching, const float *images, size_t first,
                             size_t n, tn_error *err)
{
    const tn_teachers *teachers = teaching->teachers;
    size_t k = teaching->classes;
    float *taught = teaching->taught + first * k;
    images += first * tn__engine_input_count(teaching->engines[0]);
    memset(taught, 0, n * k * sizeof *taught);
    for (size_t t = 0; t < teachers->count; t++) {
        tn_status status =
            tn__engine_infer(teaching->engines[t], teaching->logits, images, n, err);
        if (status)
            return status;
        for (size_t i = 0; i < n; i++)
            tn__softened_add(taught + i * k, teaching->logits + i * k, k,
                             teachers->temperature, 1 / (double)teachers->count);
    }
    return TN_OK;
}
