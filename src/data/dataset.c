/* dataset.c - opens a data set of any kind and hands out normalised images.
 *
 * Images are kept as bytes and normalised when read, through a table of 256 values for
 * each channel: value = (byte / 255 - mean) / std, computed in double.
 */
#include "data/dataset.h"

#include <string.h>
#include <sys/stat.h>

#include "data/image.h"

/* Mean and standard deviation of pixels in 0..1. */
typedef struct norm {
    double mean[3], std[3];
} norm;

static const norm norm_mnist = {{.1307, .1307, .1307}, {.3081, .3081, .3081}};
static const norm norm_fashion = {{.2860, .2860, .2860}, {.3530, .3530, .3530}};
static const norm norm_cifar = {{.4914, .4822, .4465}, {.2470, .2435, .2616}};
static const norm norm_imagenet = {{.485, .456, .406}, {.229, .224, .225}};

static const struct kind {
    const char *name;
    tn__data_reader *read;
    const norm *norm; /* NULL: CIFAR's for 32 x 32, else ImageNet's */
    bool alone;       /* needs no path */
} kinds[] = {
    {"idx", tn__idx_read, &norm_mnist, false},
    {"fashion-mnist", tn__idx_read, &norm_fashion, true},
    {"cifar10", tn__cifar_read, &norm_cifar, false},
    {"images", tn__folder_read, NULL, false},
    {"tar", tn__tar_read, NULL, false},
    {"random", tn__random_read, NULL, false},
};
#define KIND_LIST "idx, fashion-mnist, cifar10, images, tar, random"

bool tn__is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

tn_status tn__dataset_reserve(tn_dataset *data, const tn__data_spec *spec, size_t count,
                              size_t channels, size_t height, size_t width,
                              tn_error *err)
{
    size_t bytes = 0;
    data->count = count;
    data->channels = channels;
    data->height = spec->size ? spec->size : height;
    data->width = spec->size ? spec->size : width;
    if (!tn__mul(&bytes, count, channels * data->height * data->width))
        return tn__fail_memory(err, SIZE_MAX);
    data->bytes = tn__alloc(bytes, 1);
    data->labels = tn__alloc(count, sizeof *data->labels);
    return data->bytes && data->labels ? TN_OK : tn__fail_memory(err, bytes);
}

tn_status tn__dataset_put(tn_dataset *data, size_t i, const uint8_t *pixels,
                          size_t height, size_t width, tn_error *err)
{
    size_t area = data->channels * data->height * data->width;
    uint8_t *at = data->bytes + i * area;
    tn__image image = {data->channels, height, width};
    if (height != data->height || width != data->width)
        return tn__image_resize(at, data->height, data->width, pixels, &image, err);
    memcpy(at, pixels, area);
    return TN_OK;
}

tn_status tn__dataset_name_classes(tn_dataset *data, const char *const *names,
                                   size_t count, tn_error *err)
{
    data->class_names = tn__alloc(count, sizeof *data->class_names);
    if (!data->class_names)
        return tn__fail_memory(err, count * sizeof *data->class_names);
    for (size_t k = 0; k < count; k++) {
        data->class_names[k] = tn__strdup(names[k]);
        if (!data->class_names[k])
            return tn__fail_memory(err, strlen(names[k]));
        data->name_count = k + 1;
    }
    return TN_OK;
}

/* --- finishing ----------------------------------------------------------------------
 */

static tn_status check_labels(tn_dataset *data, const tn__data_spec *spec,
                              tn_error *err)
{
    if (!spec->classes)
        return TN_OK;
    for (size_t i = 0; i < data->count; i++) {
        if ((size_t)data->labels[i] >= spec->classes)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "label %d of image %zu in '%s' is not below classes=%zu",
                            data->labels[i], i, spec->path, spec->classes);
    }
    data->classes = spec->classes;
    return TN_OK;
}

/* Exactly one name a class: numbers where the reader knew none. */
static tn_status finish_names(tn_dataset *data, tn_error *err)
{
    while (data->name_count > data->classes)
        tn__free(data->class_names[--data->name_count]);
    char **names = tn__realloc(data->class_names, data->classes, sizeof *names);
    if (!names)
        return tn__fail_memory(err, data->classes * sizeof *names);
    data->class_names = names;
    while (data->name_count < data->classes) {
        char *name = tn__format("%zu", data->name_count);
        if (!name)
            return tn__fail_memory(err, 1);
        names[data->name_count++] = name;
    }
    return TN_OK;
}

/* One value serves all channels; none means the kind's own. */
static tn_status choose_norm(double *out, const char *key, const double *given,
                             size_t given_count, const double *usual, size_t channels,
                             tn_error *err)
{
    if (given_count > 1 && given_count != channels)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "%s= has %zu values, the images have %zu channels", key,
                        given_count, channels);
    for (size_t c = 0; c < channels; c++) {
        if (given_count)
            out[c] = given[given_count > 1 ? c : 0];
        else
            out[c] = usual[c % 3];
    }
    return TN_OK;
}

static tn_status finish_norm(tn_dataset *data, const tn__data_spec *spec,
                             const norm *usual, tn_error *err)
{
    static const norm none = {{0, 0, 0}, {1, 1, 1}};
    size_t channels = data->channels;
    if (data->floats)
        usual = &none;
    else if (!usual)
        usual = data->height == 32 && data->width == 32 ? &norm_cifar : &norm_imagenet;
    data->mean = tn__alloc(channels, sizeof *data->mean);
    data->std = tn__alloc(channels, sizeof *data->std);
    data->table = tn__alloc(channels * 256, sizeof *data->table);
    if (!data->mean || !data->std || !data->table)
        return tn__fail_memory(err, channels * 256 * sizeof *data->table);
    tn_status status = choose_norm(data->mean, "mean", spec->mean, spec->mean_count,
                                   usual->mean, channels, err);
    if (!status)
        status = choose_norm(data->std, "std", spec->std, spec->std_count, usual->std,
                             channels, err);
    for (size_t c = 0; c < channels && !status; c++) {
        for (int byte = 0; byte < 256; byte++)
            data->table[c * 256 + (size_t)byte] =
                (float)((byte / 255.0 - data->mean[c]) / data->std[c]);
    }
    return status;
}

tn_status tn__dataset_finish(tn_dataset *data, const tn__data_spec *spec, tn_error *err)
{
    const norm *usual = NULL;
    for (size_t k = 0; k < TN__COUNT(kinds); k++)
        if (strcmp(kinds[k].name, spec->kind) == 0)
            usual = kinds[k].norm;
    tn_status status = finish_names(data, err);
    if (!status)
        status = finish_norm(data, spec, usual, err);
    if (!status)
        status = tn__data_spec_format(&data->spec, spec, data, err);
    return status;
}

/* --- the public functions -----------------------------------------------------------
 */

static const struct kind *find_kind(const tn__data_spec *spec, const char *text,
                                    tn_error *err)
{
    const char *names[TN__COUNT(kinds)];
    for (size_t k = 0; k < TN__COUNT(kinds); k++) {
        names[k] = kinds[k].name;
        if (strcmp(names[k], spec->kind) != 0)
            continue;
        if (spec->path[0] || kinds[k].alone)
            return &kinds[k];
        (void)tn__fail(err, TN_ERROR_ARGUMENT,
                       "no path in the data spec '%s', expected %s:PATH", text,
                       spec->kind);
        return NULL;
    }
    const char *near = tn__nearest_name(spec->kind, names, TN__COUNT(kinds));
    (void)tn__fail(err, TN_ERROR_ARGUMENT,
                   "unknown kind in the data spec '%s'%s%s%s: expected "
                   "kind:path[,key=value...], known are " KIND_LIST,
                   text, near ? ", did you mean '" : "", near ? near : "",
                   near ? "'" : "");
    return NULL;
}

tn_status tn_dataset_open(tn_dataset **out, const char *spec_text, const char *split,
                          tn_error *err)
{
    tn__data_spec spec = {0};
    if (split && tn__split_find(split, strlen(split)) == TN__SPLITS)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "unknown split '%s', expected train, test or val", split);
    tn_status status = tn__data_spec_parse(&spec, spec_text, err);
    if (status)
        return status;
    tn_dataset *data = tn__alloc(1, sizeof *data);
    const struct kind *kind = find_kind(&spec, spec_text, err);
    if (!data || !kind) {
        status = data ? TN_ERROR_ARGUMENT : tn__fail_memory(err, sizeof *data);
        goto done;
    }
    if ((status = kind->read(data, &spec, split, err)) != TN_OK ||
        (status = check_labels(data, &spec, err)) != TN_OK ||
        (status = tn__dataset_finish(data, &spec, err)) != TN_OK)
        goto done;
    *out = data;
    data = NULL;
done:
    tn_dataset_free(data);
    tn__data_spec_release(&spec);
    return status;
}

void tn_dataset_free(tn_dataset *data)
{
    if (!data)
        return;
    tn__free(data->bytes);
    if (data->buffer)
        tn__buffer_release(data->buffer);
    else
        tn__free(data->floats);
    tn__free(data->labels);
    for (size_t k = 0; k < data->name_count; k++)
        tn__free(data->class_names[k]);
    tn__free(data->class_names);
    tn__free(data->mean);
    tn__free(data->std);
    tn__free(data->table);
    tn__free(data->spec);
    tn__free(data);
}

size_t tn_dataset_count(const tn_dataset *data)
{
    return data->count;
}

size_t tn_dataset_classes(const tn_dataset *data)
{
    return data->classes;
}

void tn_dataset_shape(int64_t shape[3], const tn_dataset *data)
{
    shape[0] = (int64_t)data->channels;
    shape[1] = (int64_t)data->height;
    shape[2] = (int64_t)data->width;
}

const char *tn_dataset_class_name(const tn_dataset *data, size_t k)
{
    return k < data->classes ? data->class_names[k] : NULL;
}

const char *tn_dataset_spec(const tn_dataset *data)
{
    return data->spec;
}

/* One image, normalised, to out [channels, height, width] */
static void read_image(float *out, const tn_dataset *data, size_t i)
{
    size_t plane = data->height * data->width;
    for (size_t c = 0; c < data->channels; c++) {
        size_t at = (i * data->channels + c) * plane;
        float *to = out + c * plane;
        if (data->bytes) {
            const float *table = data->table + c * 256;
            for (size_t k = 0; k < plane; k++)
                to[k] = table[data->bytes[at + k]];
        } else {
            for (size_t k = 0; k < plane; k++)
                to[k] = (float)(((double)data->floats[at + k] - data->mean[c]) /
                                data->std[c]);
        }
    }
}

tn_status tn_dataset_read(float *images, int32_t *labels, const tn_dataset *data,
                          const uint32_t *index, size_t first, size_t n, tn_error *err)
{
    size_t area = data->channels * data->height * data->width;
    if (!index && (first > data->count || n > data->count - first))
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "images %zu to %zu of a data set of %zu", first, first + n,
                        data->count);
    for (size_t k = 0; index && k < n; k++) {
        if (index[k] >= data->count)
            return tn__fail(err, TN_ERROR_ARGUMENT, "image %u of a data set of %zu",
                            index[k], data->count);
    }
    for (size_t k = 0; k < n; k++) {
        size_t i = index ? index[k] : first + k;
        if (images)
            read_image(images + k * area, data, i);
        if (labels)
            labels[k] = data->labels[i];
    }
    return TN_OK;
}
