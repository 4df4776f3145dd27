/* checkpoint.c - lists of named tensors, and tensors over the bytes of a file. */
#include "format/checkpoint.h"

#include <stdlib.h>
#include <string.h>

void tn__checkpoint_release(tn__checkpoint *checkpoint)
{
    for (size_t k = 0; k < checkpoint->count; k++) {
        tn__free(checkpoint->tensors[k].name);
        tn__tensor_release(&checkpoint->tensors[k].tensor);
    }
    tn__free(checkpoint->tensors);
    for (size_t k = 0; k < checkpoint->metadata_count; k++) {
        tn__free(checkpoint->metadata[k].key);
        tn__free(checkpoint->metadata[k].text);
    }
    tn__free(checkpoint->metadata);
    *checkpoint = (tn__checkpoint){0};
}

tn_status tn__checkpoint_add(tn__checkpoint *checkpoint, const char *name,
                             size_t length, const tn__tensor *tensor, const char *path,
                             tn_error *err)
{
    if (!length || memchr(name, 0, length))
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "cannot read '%s': the name of tensor %zu is empty or holds a zero", path,
            checkpoint->count);
    tn_status status = tn__grow(&checkpoint->tensors, &checkpoint->capacity,
                                checkpoint->count, sizeof *checkpoint->tensors, err);
    if (status)
        return status;
    char *copy = tn__strndup(name, length);
    if (!copy)
        return tn__fail_memory(err, length + 1);
    checkpoint->tensors[checkpoint->count++] =
        (tn__named_tensor){copy, tn__tensor_ref(tensor)};
    return TN_OK;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

tn_status tn__checkpoint_check_names(const tn__checkpoint *checkpoint, const char *path,
                                     tn_error *err)
{
    const char **names = tn__alloc(checkpoint->count, sizeof *names);
    tn_status status = TN_OK;
    if (!names)
        return tn__fail_memory(err, checkpoint->count * sizeof *names);
    for (size_t k = 0; k < checkpoint->count; k++)
        names[k] = checkpoint->tensors[k].name;
    qsort(names, checkpoint->count, sizeof *names, compare_names);
    for (size_t k = 1; k < checkpoint->count && !status; k++)
        if (strcmp(names[k - 1], names[k]) == 0)
            status =
                tn__fail(err, TN_ERROR_FORMAT,
                         "cannot read '%s': tensor '%s' occurs twice", path, names[k]);
    tn__free(names);
    return status;
}

tn_status tn__tensor_over(tn__tensor *out, tn_dtype dtype, int rank,
                          const int64_t *dims, tn__buffer *buffer, size_t offset,
                          tn_error *err)
{
    tn__tensor view = {0};
    tn_status status = tn__tensor_view(&view, dtype, rank, dims, buffer, offset, err);
    if (status)
        return status;
    if ((uintptr_t)tn__tensor_data(&view) % tn__dtype_size(dtype)) {
        tn__tensor copy = {0};
        status = tn__tensor_create(&copy, dtype, rank, dims, err);
        if (!status)
            memcpy(tn__buffer_writable(copy.buffer), tn__tensor_data(&view),
                   tn__tensor_bytes(&view));
        tn__buffer_evict(buffer, offset, tn__tensor_bytes(&view));
        tn__tensor_release(&view);
        view = copy;
    }
    if (!status)
        *out = view;
    return status;
}
