/* idx.c - MNIST's IDX files, plain, gzip or zstd.
 *
 *   1. u32 big-endian magic: 0x803 (bytes, 3 dimensions) for images, 0x801 for labels
 *   2. u32 big-endian: images; for images also height and width
 *   3. one byte a pixel, row by row; one byte a label
 *
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", file format. Magic and
 * sizes must fit the length of the file exactly.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/reader.h"
#include "data/dataset.h"
#include "data/unpack.h"

#define FASHION_FOLDER "/usr/share/datasets/fashion-mnist"

enum { MAGIC_IMAGES = 0x803, MAGIC_LABELS = 0x801 };

static const char *const fashion_names[] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

typedef struct idx_file {
    uint8_t *memory;       /* owned: the whole file */
    const uint8_t *values; /* its pixels or labels */
    size_t count, height, width;
} idx_file;

static tn_status idx_load(idx_file *out, const char *path, uint32_t magic,
                          tn_error *err)
{
    idx_file file = {0};
    size_t size = 0, bytes = 0;
    tn__reader r;
    uint32_t found = 0, dims[3] = {0, 1, 1};
    size_t rank = magic & 0xff;
    tn_status status =
        tn__unpack_file(&file.memory, &size, path, TN__DATA_FILE_MAX, err);
    if (status)
        return status;
    tn__reader_init(&r, path, file.memory, size);
    if ((status = tn__read_u32be(&r, &found, "magic number", err)) != TN_OK)
        goto done;
    if (found != magic) {
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': magic number is 0x%08x, expected 0x%08x",
                          path, found, magic);
        goto done;
    }
    for (size_t d = 0; d < rank && !status; d++)
        status = tn__read_u32be(&r, &dims[d], "dimension", err);
    if (status)
        goto done;
    bool fits = dims[1] <= TN__IMAGE_SIDE_MAX && dims[2] <= TN__IMAGE_SIDE_MAX &&
                tn__mul(&bytes, dims[0], (size_t)dims[1] * dims[2]);
    if (!fits || (dims[0] && !bytes) || bytes != tn__reader_left(&r)) {
        status =
            tn__fail(err, TN_ERROR_FORMAT,
                     "cannot read '%s': its header says %u x %u x %u bytes, but %zu "
                     "follow",
                     path, dims[0], dims[1], dims[2], tn__reader_left(&r));
        goto done;
    }
    file.values = file.memory + r.at;
    file.count = dims[0];
    file.height = dims[1];
    file.width = dims[2];
done:
    if (status)
        tn__free(file.memory);
    else
        *out = file;
    return status;
}

/* "DIR/train-images-idx3-ubyte.gz" as it is spelt on disc; false where it is not there
 */
static bool find_file(char *out, size_t size, const char *folder, size_t split,
                      const char *what)
{
    static const char *const prefixes[TN__SPLITS][2] = {
        {"train", "train"}, {"t10k", "test"}, {"val", "val"}};
    static const char *const endings[] = {"", ".gz", ".zst"};
    for (size_t k = 0; k < 2 * 2 * TN__COUNT(endings); k++) {
        int length = snprintf(out, size, "%s/%s-%s%cidx%c-ubyte%s", folder,
                              prefixes[split][k & 1], what, k & 2 ? '.' : '-',
                              what[0] == 'i' ? '3' : '1', endings[k / 4]);
        if (length > 0 && (size_t)length < size && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

static tn_status find_in_folder(char *images, char *labels, size_t size,
                                tn_dataset *data, const tn__data_spec *spec,
                                const char *wanted, tn_error *err)
{
    unsigned there = 0;
    size_t split = 0;
    for (size_t s = 0; s < TN__SPLITS; s++) {
        if (find_file(images, size, spec->path, s, "images"))
            there |= 1U << s;
    }
    if (!there)
        return tn__fail(err, TN_ERROR_IO,
                        "no images in '%s': expected train-images-idx3-ubyte or "
                        "t10k-images-idx3-ubyte, plain, .gz or .zst",
                        spec->path);
    tn_status status = tn__split_choose(&split, there, spec, wanted, err);
    if (status)
        return status;
    if (!find_file(images, size, spec->path, split, "images") ||
        !find_file(labels, size, spec->path, split, "labels"))
        return tn__fail(err, TN_ERROR_IO, "no labels in '%s' beside its %s images",
                        spec->path, tn__split_names[split]);
    data->split = tn__split_names[split];
    return TN_OK;
}

/* The labels' file of an images' file: "images" becomes "labels", "idx3" "idx1". */
static tn_status name_labels(char *labels, size_t size, const char *images,
                             tn_error *err)
{
    int length = snprintf(labels, size, "%s", images);
    char *base = strrchr(labels, '/');
    char *what = strstr(base ? base : labels, "images");
    if (length < 0 || (size_t)length >= size || !what)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "cannot tell the labels' file of '%s': expected a name with "
                        "'images'",
                        images);
    memcpy(what, "labels", 6);
    char *rank = strstr(what, "idx3");
    if (rank)
        rank[3] = '1';
    return TN_OK;
}

static tn_status copy_images(tn_dataset *data, const tn__data_spec *spec,
                             const idx_file *images, const idx_file *labels,
                             tn_error *err)
{
    size_t count = 0, area = images->height * images->width;
    uint32_t *index = NULL;
    int32_t *all = tn__alloc(labels->count, sizeof *all);
    if (!all)
        return tn__fail_memory(err, labels->count * sizeof *all);
    for (size_t i = 0; i < labels->count; i++) {
        all[i] = labels->values[i];
        data->classes = TN__MAX(data->classes, (size_t)all[i] + 1);
    }
    tn__source source = {
        .labels = all, .count = labels->count, .classes = data->classes};
    tn_status status = tn__data_select(&index, &count, spec, &source, err);
    if (!status)
        status = tn__dataset_reserve(data, spec, count, 1, images->height,
                                     images->width, err);
    for (size_t i = 0; i < count && !status; i++) {
        data->labels[i] = all[index[i]];
        status = tn__dataset_put(data, i, images->values + index[i] * area,
                                 images->height, images->width, err);
    }
    tn__free(all);
    tn__free(index);
    return status;
}

tn_status tn__idx_read(tn_dataset *data, const tn__data_spec *spec, const char *wanted,
                       tn_error *err)
{
    enum { PATH = 4096 };
    char image_path[PATH], label_path[PATH];
    bool fashion = strcmp(spec->kind, "fashion-mnist") == 0;
    tn__data_spec at = *spec;
    idx_file images = {0}, labels = {0};
    char folder[] = FASHION_FOLDER;
    if (fashion && !spec->path[0])
        at.path = folder;
    tn_status status = TN_OK;
    if (tn__is_folder(at.path) || fashion) {
        status = find_in_folder(image_path, label_path, PATH, data, &at, wanted, err);
    } else if (access(at.path, R_OK) != 0) {
        status = tn__fail(err, TN_ERROR_IO, "cannot read '%s': %s", at.path,
                          strerror(errno));
    } else {
        status = tn__split_check_file(at.path, spec, err);
        if (!status)
            status = name_labels(label_path, PATH, at.path, err);
        snprintf(image_path, PATH, "%s", at.path);
    }
    if (status)
        return status;
    if ((status = idx_load(&images, image_path, MAGIC_IMAGES, err)) != TN_OK ||
        (status = idx_load(&labels, label_path, MAGIC_LABELS, err)) != TN_OK)
        goto done;
    if (images.count != labels.count) {
        status =
            tn__fail(err, TN_ERROR_MISMATCH, "'%s' has %zu images, '%s' has %zu labels",
                     image_path, images.count, label_path, labels.count);
        goto done;
    }
    status = copy_images(data, &at, &images, &labels, err);
    if (!status && fashion)
        status = tn__dataset_name_classes(data, fashion_names, TN__COUNT(fashion_names),
                                          err);
done:
    tn__free(images.memory);
    tn__free(labels.memory);
    return status;
}
