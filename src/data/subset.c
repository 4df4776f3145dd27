/* subset.c - some images of a data set as one of their own. */
#include "data/subset.h"
#include "data/dataset.h"

#include <string.h>

static void *copy_of(const void *from, size_t count, size_t size)
{
    void *to = from ? tn__alloc(count, size) : NULL;
    if (to && count > 0)
        memcpy(to, from, count * size);
    return to;
}

static tn_status copy_names(tn_dataset *to, const tn_dataset *data, tn_error *err)
{
    to->class_names = tn__alloc(data->classes, sizeof *to->class_names);
    if (!to->class_names)
        return tn__fail_memory(err, data->classes * sizeof *to->class_names);
    for (size_t k = 0; k < data->name_count; k++) {
        to->class_names[k] =
            data->class_names[k] ? tn__strdup(data->class_names[k]) : NULL;
        to->name_count++;
        if (data->class_names[k] && !to->class_names[k])
            return tn__fail_memory(err, strlen(data->class_names[k]));
    }
    return TN_OK;
}

static tn_status copy_images(tn_dataset *to, const tn_dataset *data,
                             const uint32_t *index, tn_error *err)
{
    size_t pixels = data->channels * data->height * data->width;
    to->labels = tn__alloc(to->count, sizeof *to->labels);
    if (data->bytes)
        to->bytes = tn__alloc(to->count, pixels);
    if (data->floats)
        to->floats = tn__alloc(to->count, pixels * sizeof *to->floats);
    if (!to->labels || (data->bytes && !to->bytes) || (data->floats && !to->floats))
        return tn__fail_memory(err, to->count * pixels);
    for (size_t i = 0; i < to->count; i++) {
        to->labels[i] = data->labels[index[i]];
        if (to->bytes)
            memcpy(to->bytes + i * pixels, data->bytes + index[i] * pixels, pixels);
        if (to->floats)
            memcpy(to->floats + i * pixels, data->floats + index[i] * pixels,
                   pixels * sizeof *to->floats);
    }
    return TN_OK;
}

tn_status tn__dataset_subset(tn_dataset **out, const tn_dataset *data,
                             const uint32_t *index, size_t count, tn_error *err)
{
    tn_dataset *made = tn__alloc(1, sizeof *made);
    if (!made)
        return tn__fail_memory(err, sizeof *made);
    *made = (tn_dataset){.count = count,
                         .classes = data->classes,
                         .channels = data->channels,
                         .height = data->height,
                         .width = data->width,
                         .split = data->split};
    made->mean = copy_of(data->mean, data->channels, sizeof *made->mean);
    made->std = copy_of(data->std, data->channels, sizeof *made->std);
    made->table = copy_of(data->table, data->channels * 256, sizeof *made->table);
    made->spec = tn__strdup(data->spec);
    tn_status status = TN_OK;
    if (!made->spec || (data->mean && !made->mean) || (data->std && !made->std) ||
        (data->table && !made->table))
        status = tn__fail_memory(err, data->channels * 256 * sizeof *made->table);
    if (status == TN_OK)
        status = copy_names(made, data, err);
    if (status == TN_OK)
        status = copy_images(made, data, index, err);
    if (status == TN_OK)
        *out = made;
    else
        tn_dataset_free(made);
    return status;
}
