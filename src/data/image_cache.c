/* image_cache.c - decoded images on disc; see image_cache.h. */
#include "data/image_cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "format/checkpoint.h"
#include "tenon/version.h"

tn_status tn__image_cache_path(char **out, const tn__data_spec *spec,
                               const char *wanted, tn_error *err)
{
    char archive[TN__SHA256_HEX], key[TN__SHA256_HEX], *chosen = NULL, *text = NULL;
    if (mkdir(spec->cache, 0777) != 0 && errno != EEXIST)
        return tn__fail(err, TN_ERROR_IO, "cannot make the folder '%s': %s",
                        spec->cache, strerror(errno));
    tn_status status = tn__sha256_file(archive, spec->path, err);
    if (status || (status = tn__data_spec_chosen(&chosen, spec, err)) != TN_OK)
        return status;
    const char *split = spec->split ? spec->split : wanted ? wanted : "";
    text = tn__format("%s %s %s%s", tn_version(), archive, split, chosen);
    if (text) {
        tn__sha256_hex(key, text, strlen(text));
        *out = tn__format("%s/%s.images", spec->cache, key);
    }
    if (!text || !*out)
        status = tn__fail_memory(err, strlen(spec->cache));
    tn__free(chosen);
    tn__free(text);
    return status;
}

/* --- loading --- */

static const tn__tensor *find(const tn__checkpoint *file, const char *name)
{
    for (size_t k = 0; k < file->count; k++)
        if (strcmp(file->tensors[k].name, name) == 0)
            return &file->tensors[k].tensor;
    return NULL;
}

static const char *find_text(const tn__checkpoint *file, const char *key)
{
    for (size_t k = 0; k < file->metadata_count; k++)
        if (strcmp(file->metadata[k].key, key) == 0)
            return file->metadata[k].text;
    return NULL;
}

/* Names joined by '/'; data->classes is their number. */
static tn_status take_names(tn_dataset *data, const char *joined, tn_error *err)
{
    size_t count = 1;
    for (const char *at = joined; (at = strchr(at, '/')) != NULL; at++)
        count++;
    if (count > TN__DATA_CLASSES_MAX)
        return tn__fail(err, TN_ERROR_FORMAT, "%zu classes, at most %d can be", count,
                        TN__DATA_CLASSES_MAX);
    char *text = tn__strdup(joined);
    const char **names = tn__alloc(count, sizeof *names);
    tn_status status = text && names ? TN_OK : tn__fail_memory(err, strlen(joined));
    char *at = text;
    for (size_t k = 0; k < count && !status; k++) {
        names[k] = at;
        at += strcspn(at, "/");
        *at++ = 0;
    }
    if (!status)
        status = tn__dataset_name_classes(data, names, count, err);
    data->classes = count;
    tn__free(names);
    tn__free(text);
    return status;
}

static bool labels_fit(const tn_dataset *data)
{
    for (size_t i = 0; i < data->count; i++)
        if (data->labels[i] < 0 || (size_t)data->labels[i] >= data->classes)
            return false;
    return true;
}

/* Whether images [N, C, H, W] are such as a reader makes. */
static bool shape_fits(const int64_t *dims, const tn__data_spec *spec)
{
    bool sized = true;
    for (int a = 2; a < 4; a++)
        sized = sized && dims[a] <= TN__IMAGE_SIDE_MAX &&
                (!spec->size || dims[a] == (int64_t)spec->size);
    return sized && (dims[1] == 1 || dims[1] == 3);
}

/* What does not fit is TN_ERROR_FORMAT. */
static tn_status take(tn_dataset *data, const tn__data_spec *spec,
                      const tn__checkpoint *file, const char *path, tn_error *err)
{
    const tn__tensor *images = find(file, "images"), *labels = find(file, "labels");
    const char *names = find_text(file, "classes"), *split = find_text(file, "split");
    size_t named = split ? tn__split_find(split, strlen(split)) : TN__SPLITS;
    if (!images || !labels || !names || !split || images->dtype != TN_U8 ||
        images->shape.rank != 4 || labels->dtype != TN_I32 ||
        !tn__tensor_count(images) ||
        tn__tensor_count(labels) != (size_t)images->shape.dims[0])
        return tn__fail(err, TN_ERROR_FORMAT, "'%s' has no images", path);
    const int64_t *dims = images->shape.dims;
    if (!shape_fits(dims, spec))
        return tn__fail(err, TN_ERROR_FORMAT, "'%s' has images of another size", path);
    tn_status status = tn__dataset_reserve(data, spec, (size_t)dims[0], (size_t)dims[1],
                                           (size_t)dims[2], (size_t)dims[3], err);
    if (!status)
        status = take_names(data, names, err);
    if (status)
        return status;
    memcpy(data->bytes, tn__tensor_data(images), tn__tensor_bytes(images));
    memcpy(data->labels, tn__tensor_data(labels), tn__tensor_bytes(labels));
    data->split = named < TN__SPLITS ? tn__split_names[named] : NULL;
    return labels_fit(data)
               ? TN_OK
               : tn__fail(err, TN_ERROR_FORMAT, "'%s' has labels of no class", path);
}

/* Leaves *data as it was before a reader saw it. */
static void forget(tn_dataset *data)
{
    for (size_t k = 0; k < data->name_count; k++)
        tn__free(data->class_names[k]);
    tn__free(data->class_names);
    tn__free(data->bytes);
    tn__free(data->labels);
    *data = (tn_dataset){0};
}

tn_status tn__image_cache_load(bool *found, tn_dataset *data, const tn__data_spec *spec,
                               const char *path, tn_error *err)
{
    tn__buffer *bytes = NULL;
    tn__checkpoint file = {0};
    *found = false;
    if (!tn__file_exists(path))
        return TN_OK;
    tn_error why = {0};
    tn_status status = tn__buffer_map(&bytes, path, &why);
    if (!status)
        status = tn__safetensors_read(&file, bytes, path, &why);
    if (!status)
        status = take(data, spec, &file, path, &why);
    tn__checkpoint_release(&file);
    tn__buffer_release(bytes);
    *found = !status;
    if (status)
        forget(data);
    return status && status != TN_ERROR_FORMAT
               ? tn__fail(err, status, "%s", why.message)
               : TN_OK;
}

/* --- storing --- */

static char *join_names(const tn_dataset *data)
{
    size_t length = 1;
    for (size_t k = 0; k < data->name_count; k++)
        length += strlen(data->class_names[k]) + 1;
    char *joined = tn__alloc(length, 1), *at = joined;
    for (size_t k = 0; joined && k < data->name_count; k++)
        at += snprintf(at, length - (size_t)(at - joined), "%s%s", k ? "/" : "",
                       data->class_names[k]);
    return joined;
}

static tn_status add(tn_model *file, const char *name, tn_dtype dtype, int rank,
                     const int64_t *dims, const void *numbers, tn_error *err)
{
    tn__tensor tensor = {0};
    void *bytes = NULL;
    size_t value = 0;
    tn_status status = tn__tensor_create(&tensor, dtype, rank, dims, err);
    if (!status)
        status = tn__tensor_write(&tensor, &bytes, err);
    if (!status) {
        memcpy(bytes, numbers, tn__tensor_bytes(&tensor));
        status = tn__model_add_parameter(&value, file, name, &tensor, err);
    }
    tn__tensor_release(&tensor);
    return status;
}

tn_status tn__image_cache_store(const tn_dataset *data, const char *path, tn_error *err)
{
    const int64_t dims[4] = {(int64_t)data->count, (int64_t)data->channels,
                             (int64_t)data->height, (int64_t)data->width};
    tn_model *file = NULL;
    char *names = join_names(data);
    tn_status status = names ? tn__model_create(&file, "images", err)
                             : tn__fail_memory(err, data->name_count);
    if (!status)
        status = tn__model_set_metadata(file, "classes", names, err);
    if (!status)
        status =
            tn__model_set_metadata(file, "split", data->split ? data->split : "", err);
    if (!status)
        status = add(file, "images", TN_U8, 4, dims, data->bytes, err);
    if (!status)
        status = add(file, "labels", TN_I32, 1, dims, data->labels, err);
    if (!status)
        status = tn__safetensors_write(file, path, true, err);
    tn_model_free(file);
    tn__free(names);
    return status;
}
