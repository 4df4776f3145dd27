/* dataset_array.c - a data set of images that a caller has in memory, normalised
 * already: no mean and no standard deviation are taken from them. */
#include <math.h>
#include <string.h>

#include "data/dataset.h"
#include "tenon/arrays.h"

static tn_status check_images(const tn_array *images, size_t *area, tn_error *err)
{
    if (images->dtype != TN_F32 || images->rank != 4)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "images of rank %d and element type %d, expected [n, C, H, W] "
                        "of type %d (f32)",
                        images->rank, (int)images->dtype, (int)TN_F32);
    *area = 1;
    for (int axis = 0; axis < images->rank; axis++) {
        int64_t most = axis ? TN__IMAGE_SIDE_MAX : UINT32_MAX;
        if (images->shape[axis] < 1 || images->shape[axis] > most)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "axis %d of the images has %lld, expected 1 to %lld", axis,
                            (long long)images->shape[axis], (long long)most);
        *area *= axis ? (size_t)images->shape[axis] : 1;
    }
    return TN_OK;
}

static tn_status check_pixels(const float *pixels, size_t count, size_t area,
                              tn_error *err)
{
    for (size_t i = 0; i < count * area; i++)
        if (!isfinite(pixels[i]))
            return tn__fail(err, TN_ERROR_NUMERIC, "a pixel of image %zu is %g",
                            i / area, (double)pixels[i]);
    return TN_OK;
}

static tn_status copy_labels(tn_dataset *data, const int32_t *labels, tn_error *err)
{
    data->labels = tn__alloc(data->count, sizeof *data->labels);
    if (!data->labels)
        return tn__fail_memory(err, data->count * sizeof *data->labels);
    for (size_t i = 0; labels && i < data->count; i++) {
        if (labels[i] < 0 || (size_t)labels[i] >= data->classes)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "label %d of image %zu, expected 0 to %zu", labels[i], i,
                            data->classes - 1);
        data->labels[i] = labels[i];
    }
    return TN_OK;
}

/* Fills `data` but for the images themselves. */
static tn_status describe(tn_dataset *data, const tn_array *images,
                          const int32_t *labels, tn_error *err)
{
    tn__data_spec spec = {.kind = tn__strdup("memory"), .seed = 1};
    spec.path = tn__format("%lldx%lldx%lld", (long long)images->shape[1],
                           (long long)images->shape[2], (long long)images->shape[3]);
    data->count = spec.limit = (size_t)images->shape[0];
    data->channels = (size_t)images->shape[1];
    data->height = (size_t)images->shape[2];
    data->width = (size_t)images->shape[3];
    tn_status status = spec.kind && spec.path ? TN_OK : tn__fail_memory(err, 32);
    if (!status)
        status = copy_labels(data, labels, err);
    if (!status)
        status = tn__dataset_finish(data, &spec, err);
    tn__data_spec_release(&spec);
    return status;
}

/* The images where they lie, or a copy of them. */
static tn_status hold_images(tn_dataset *data, const tn_array *images, size_t bytes,
                             const tn_array_owner *owner, tn_error *err)
{
    tn_status status = TN_OK;
    if (owner)
        status = tn__buffer_adopt(&data->buffer, images->data, bytes, owner->release,
                                  owner->user, err);
    else if (!(status = tn__buffer_create(&data->buffer, bytes, err)))
        memcpy(tn__buffer_writable(data->buffer), images->data, bytes);
    if (!status)
        data->floats = (float *)(uintptr_t)tn__buffer_bytes(data->buffer);
    else if (owner)
        owner->release(owner->user);
    return status;
}

tn_status tn_dataset_from_array(tn_dataset **out, const tn_array *images,
                                const int32_t *labels, size_t classes,
                                const tn_array_owner *owner, tn_error *err)
{
    tn_dataset *data = NULL;
    size_t area = 0, bytes = 0;
    tn_status status = check_images(images, &area, err);
    if (!status && (!classes || classes > TN__DATA_CLASSES_MAX))
        status = tn__fail(err, TN_ERROR_ARGUMENT, "%zu classes, expected 1 to %d",
                          classes, TN__DATA_CLASSES_MAX);
    if (!status && !tn__mul(&bytes, (size_t)images->shape[0], area * sizeof(float)))
        status = tn__fail_memory(err, SIZE_MAX);
    if (!status)
        status = check_pixels(images->data, (size_t)images->shape[0], area, err);
    if (!status && !(data = tn__alloc(1, sizeof *data)))
        status = tn__fail_memory(err, sizeof *data);
    if (status) {
        if (owner)
            owner->release(owner->user);
        return status;
    }
    data->classes = classes;
    status = hold_images(data, images, bytes, owner, err);
    if (!status)
        status = describe(data, images, labels, err);
    if (status)
        tn_dataset_free(data);
    else
        *out = data;
    return status;
}
