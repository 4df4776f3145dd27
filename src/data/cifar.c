/* cifar.c - CIFAR-10's binary version, plain, gzip or zstd.
 *
 * A file is a run of records: one byte of label, then 3 x 32 x 32 bytes, red plane
 * first, row by row. A folder has data_batch_1.bin to data_batch_5.bin and
 * test_batch.bin.
 *
 * Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
 * and the data set's page.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/unpack.h"

enum { CHANNELS = 3, SIDE = 32, PIXELS = CHANNELS * SIDE * SIDE, RECORD = 1 + PIXELS };
enum { TRAIN_FILES = 5, PATH = 4096 };

static const char *const names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                    "dog",      "frog",       "horse", "ship", "truck"};

/* Records of all files, one after another. */
typedef struct records {
    uint8_t *bytes;
    size_t count;
} records;

static tn_status append_file(records *all, const char *path, tn_error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    tn_status status = tn__unpack_file(&bytes, &size, path, TN__DATA_FILE_MAX, err);
    if (status)
        return status;
    if (size % RECORD != 0) {
        status =
            tn__fail(err, TN_ERROR_FORMAT,
                     "cannot read '%s': %zu bytes are not a multiple of the record's "
                     "%d",
                     path, size, RECORD);
        goto done;
    }
    for (size_t i = 0; i < size / RECORD; i++) {
        if (bytes[i * RECORD] < TN__COUNT(names))
            continue;
        status = tn__fail(err, TN_ERROR_MISMATCH,
                          "label %u of image %zu in '%s' is not below %zu",
                          bytes[i * RECORD], i, path, TN__COUNT(names));
        goto done;
    }
    if (!all->count) { /* the usual case of one file is not copied */
        tn__free(all->bytes);
        *all = (records){bytes, size / RECORD};
        return TN_OK;
    }
    uint8_t *joined = tn__realloc(all->bytes, all->count * RECORD + size, 1);
    if (!joined) {
        status = tn__fail_memory(err, all->count * RECORD + size);
        goto done;
    }
    memcpy(joined + all->count * RECORD, bytes, size);
    *all = (records){joined, all->count + size / RECORD};
done:
    tn__free(bytes);
    return status;
}

/* The spelling of FOLDER/NAME.bin on disc; false where it is not there */
static bool find_file(char out[PATH], const char *folder, const char *name)
{
    static const char *const endings[] = {"", ".gz", ".zst"};
    for (size_t k = 0; k < TN__COUNT(endings); k++) {
        int length = snprintf(out, PATH, "%s/%s.bin%s", folder, name, endings[k]);
        if (length > 0 && length < PATH && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

static tn_status append_folder(records *all, tn_dataset *data,
                               const tn__data_spec *spec, const char *wanted,
                               tn_error *err)
{
    char path[PATH], name[32];
    size_t split = 0;
    unsigned there =
        find_file(path, spec->path, "test_batch") ? 1U << TN__SPLIT_TEST : 0;
    if (find_file(path, spec->path, "data_batch_1"))
        there |= 1U << TN__SPLIT_TRAIN;
    if (!there)
        return tn__fail(
            err, TN_ERROR_IO,
            "no images in '%s': expected data_batch_1.bin or test_batch.bin",
            spec->path);
    tn_status status = tn__split_choose(&split, there, spec, wanted, err);
    if (status)
        return status;
    data->split = tn__split_names[split];
    if (split == TN__SPLIT_TEST) {
        if (find_file(path, spec->path, "test_batch"))
            status = append_file(all, path, err);
        return status;
    }
    for (int k = 1; k <= TRAIN_FILES && !status; k++) {
        snprintf(name, sizeof name, "data_batch_%d", k);
        status =
            find_file(path, spec->path, name)
                ? append_file(all, path, err)
                : tn__fail(err, TN_ERROR_IO, "no '%s.bin' in '%s'", name, spec->path);
    }
    return status;
}

tn_status tn__cifar_read(tn_dataset *data, const tn__data_spec *spec,
                         const char *wanted, tn_error *err)
{
    records all = {0};
    size_t count = 0;
    int32_t *labels = NULL;
    uint32_t *index = NULL;
    tn_status status = TN_OK;
    if (tn__is_folder(spec->path)) {
        status = append_folder(&all, data, spec, wanted, err);
    } else {
        status = tn__split_check_file(spec->path, spec, err);
        if (!status)
            status = append_file(&all, spec->path, err);
    }
    if (status)
        goto done;
    labels = tn__alloc(all.count, sizeof *labels);
    if (!labels) {
        status = tn__fail_memory(err, all.count * sizeof *labels);
        goto done;
    }
    for (size_t i = 0; i < all.count; i++)
        labels[i] = all.bytes[i * RECORD];
    tn__source source = {.labels = labels, .count = all.count};
    source.classes = TN__COUNT(names);
    if ((status = tn__data_select(&index, &count, spec, &source, err)) != TN_OK ||
        (status = tn__dataset_reserve(data, spec, count, CHANNELS, SIDE, SIDE, err)) !=
            TN_OK)
        goto done;
    for (size_t i = 0; i < count && !status; i++) {
        const uint8_t *record = all.bytes + index[i] * (size_t)RECORD;
        data->labels[i] = record[0];
        status = tn__dataset_put(data, i, record + 1, SIDE, SIDE, err);
    }
    data->classes = TN__COUNT(names);
    if (!status)
        status = tn__dataset_name_classes(data, names, TN__COUNT(names), err);
done:
    tn__free(labels);
    tn__free(index);
    tn__free(all.bytes);
    return status;
}
