/* onnx_external.c - weights that an ONNX model keeps in files beside it.
 *
 * A location is a path below the model's folder. It comes from an untrusted file, so it
 * may not be absolute, climb by "..", or end at anything but a regular file.
 * Source: onnx.proto, TensorProto.external_data; docs/ExternalData.md of ONNX.
 */
#include "format/onnx.h"

#include <string.h>
#include <sys/stat.h>

/* Copies of tensors that are not aligned may come to this many times their files. */
enum { COPY_FACTOR = 2 };

void tn__onnx_source_release(tn__onnx_source *source)
{
    for (size_t k = 0; k < source->file_count; k++) {
        tn__free(source->files[k].location);
        tn__buffer_release(source->files[k].bytes);
    }
    source->file_count = 0;
}

/* Relative, and no part of it is "..". */
static bool is_below(const char *location)
{
    if (location[0] == '/' || location[0] == 0)
        return false;
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return false;
    }
    return true;
}

static tn_status map_file(tn__buffer **out, const tn__onnx_source *source,
                          const char *location, tn_error *err)
{
    const char *slash = strrchr(source->path, '/');
    size_t folder = slash ? (size_t)(slash - source->path) + 1 : 0;
    struct stat info;
    tn_status status = TN_OK;
    if (!is_below(location))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "its external data '%s' is not below the model's folder",
                        location);
    char *path = tn__format("%.*s%s", (int)folder, source->path, location);
    if (!path)
        return tn__fail_memory(err, folder + strlen(location));
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "its external data '%s' is a symbolic link", location);
    else
        status = tn__buffer_map(out, path, err);
    tn__free(path);
    return status;
}

/* The file, mapped once. */
static tn_status find_file(tn__buffer **out, tn__onnx_source *source,
                           const char *location, tn_error *err)
{
    for (size_t k = 0; k < source->file_count; k++)
        if (strcmp(source->files[k].location, location) == 0) {
            *out = source->files[k].bytes;
            return TN_OK;
        }
    if (source->file_count == TN__ONNX_FILES_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "its external data is in one file more than the limit of %d",
                        TN__ONNX_FILES_MAX);
    tn__onnx_file file = {.location = tn__strdup(location)};
    if (!file.location)
        return tn__fail_memory(err, strlen(location) + 1);
    tn_status status = map_file(&file.bytes, source, location, err);
    if (status) {
        tn__free(file.location);
        return status;
    }
    source->files[source->file_count++] = file;
    *out = file.bytes;
    return TN_OK;
}

tn_status tn__onnx_external(tn__tensor *out, tn__onnx_source *source, tn_dtype dtype,
                            const tn__shape *shape, const char *location,
                            uint64_t offset, tn_error *err)
{
    tn__buffer *bytes = NULL;
    tn__tensor tensor = {0};
    tn_status status = find_file(&bytes, source, location, err);
    if (!status)
        status = tn__tensor_over(&tensor, dtype, shape->rank, shape->dims, bytes,
                                 offset, err);
    if (status)
        return status;
    if (tensor.buffer != bytes)
        source->copied += tn__tensor_bytes(&tensor);
    if (source->copied / COPY_FACTOR > tn__buffer_size(bytes)) {
        tn__tensor_release(&tensor);
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "its external data '%s' is not aligned, and used over and over",
                        location);
    }
    *out = tensor;
    return TN_OK;
}
