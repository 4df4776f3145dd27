/* torch_zip.c - PyTorch's zip files (torch.save since 1.6).
 *
 *  1. NAME/data.pkl    the pickle; its storages are named by a key
 *  2. NAME/byteorder   "little" (left out by older writers)
 *  3. NAME/data/KEY    the bytes of a storage
 *  4. NAME/version, and others that are not read
 *
 * libzip reads the directory and checks the CRC of what is read. Entries are stored,
 * never compressed. Source: caffe2/serialize/inline_container.cc,
 * torch/serialization.py.
 */
#include "format/torch.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

typedef struct container {
    zip_t *zip;
    char *prefix;  /* NAME/ */
    size_t loaded; /* bytes read so far */
} container;

bool tn__torch_zip_is(const tn__buffer *file)
{
    return tn__buffer_size(file) >= 4 &&
           memcmp(tn__buffer_bytes(file), "PK\3\4", 4) == 0;
}

static tn_status fail_zip(const tn__torch_file *file, zip_error_t *error, tn_error *err)
{
    tn_status status = tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': %s",
                                file->path, zip_error_strerror(error));
    zip_error_fini(error);
    return status;
}

static tn_status open_zip(tn__torch_file *file, tn_error *err)
{
    container *c = file->container;
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(
        tn__buffer_bytes(file->bytes), tn__buffer_size(file->bytes), 0, &error);
    if (!source)
        return fail_zip(file, &error, err);
    c->zip = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (!c->zip) {
        zip_source_free(source);
        return fail_zip(file, &error, err);
    }
    zip_error_fini(&error);
    return TN_OK;
}

/* Reads the whole of an open entry, and on to its end, where libzip checks the CRC. */
static tn_status read_bytes(tn__buffer *into, zip_file_t *entry, const char *name,
                            const tn__torch_file *file, tn_error *err)
{
    uint8_t *bytes = tn__buffer_writable(into), beyond;
    zip_uint64_t size = tn__buffer_size(into), at = 0;
    zip_int64_t got = 1;
    while (got > 0 && at < size) {
        got = zip_fread(entry, bytes + at, size - at);
        at += got > 0 ? (zip_uint64_t)got : 0;
    }
    if (got > 0 || !size)
        got = zip_fread(entry, &beyond, 1);
    if (got == 0 && at == size)
        return TN_OK;
    return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': entry '%s': %s",
                    file->path, name,
                    got < 0 ? zip_file_strerror(entry) : "its size is wrong");
}

/* The bytes of entry `index`. What is loaded may not come to more than the file: a
 * directory may name the same bytes many times. */
static tn_status load_entry(tn__buffer **out, tn__torch_file *file, zip_uint64_t index,
                            tn_error *err)
{
    container *c = file->container;
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    zip_stat_t stat;
    tn__buffer *buffer = NULL;
    if (zip_stat_index(c->zip, index, 0, &stat) || (stat.valid & wanted) != wanted)
        return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': entry %llu: %s",
                        file->path, (unsigned long long)index, zip_strerror(c->zip));
    if (stat.comp_method != ZIP_CM_STORE)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': entry '%s' is compressed, as PyTorch never "
                        "writes it",
                        file->path, stat.name);
    if (stat.size > tn__buffer_size(file->bytes) - c->loaded)
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "cannot read '%s': entry '%s' of %llu bytes does not fit into the "
            "file",
            file->path, stat.name, (unsigned long long)stat.size);
    c->loaded += stat.size;
    tn_status status = tn__buffer_create(&buffer, stat.size, err);
    if (status)
        return status;
    zip_file_t *entry = zip_fopen_index(c->zip, index, 0);
    if (!entry)
        status = tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': entry '%s': %s",
                          file->path, stat.name, zip_strerror(c->zip));
    else
        status = read_bytes(buffer, entry, stat.name, file, err);
    if (entry)
        zip_fclose(entry);
    if (status)
        tn__buffer_release(buffer);
    else
        *out = buffer;
    return status;
}

/* The bytes of the entry NAME/name; *out stays NULL where there is none. */
static tn_status load_named(tn__buffer **out, tn__torch_file *file, const char *name,
                            size_t length, tn_error *err)
{
    container *c = file->container;
    char *full = tn__format("%s%.*s", c->prefix, (int)TN__MIN(length, 4096), name);
    if (!full)
        return tn__fail_memory(err, length);
    zip_int64_t index = zip_name_locate(c->zip, full, ZIP_FL_ENC_RAW);
    tn__free(full);
    return index < 0 ? TN_OK : load_entry(out, file, (zip_uint64_t)index, err);
}

static tn_status load_storage(tn__torch_file *file, tn__torch_storage *storage,
                              tn_error *err)
{
    char name[128];
    int key = (int)TN__MIN(storage->key->text.length, 100);
    size_t bytes = 0;
    tn__buffer *buffer = NULL;
    int length =
        snprintf(name, sizeof name, "data/%.*s", key, storage->key->text.bytes);
    tn_status status = load_named(&buffer, file, name, (size_t)length, err);
    if (status)
        return status;
    if (!buffer)
        return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': entry '%s' is missing",
                        file->path, name);
    if (!tn__mul(&bytes, storage->count, tn__dtype_size(storage->dtype)) ||
        bytes != tn__buffer_size(buffer)) {
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': entry '%s' has %zu bytes, the pickle says "
                          "%zu elements of %s",
                          file->path, name, tn__buffer_size(buffer), storage->count,
                          tn__dtype_name(storage->dtype));
        tn__buffer_release(buffer);
        return status;
    }
    storage->buffer = buffer;
    return TN_OK;
}

/* NAME/ of the first entry that ends in /data.pkl. */
static tn_status find_pickle(zip_uint64_t *index, tn__torch_file *file, tn_error *err)
{
    container *c = file->container;
    static const char end[] = "data.pkl";
    zip_int64_t entries = zip_get_num_entries(c->zip, 0);
    for (zip_int64_t k = 0; k < entries; k++) {
        const char *name = zip_get_name(c->zip, (zip_uint64_t)k, ZIP_FL_ENC_RAW);
        size_t length = name ? strlen(name) : 0;
        if (length <= strlen(end) || strcmp(name + length - strlen(end), end) != 0 ||
            name[length - strlen(end) - 1] != '/')
            continue;
        c->prefix = tn__strndup(name, length - strlen(end));
        *index = (zip_uint64_t)k;
        return c->prefix ? TN_OK : tn__fail_memory(err, length);
    }
    return tn__fail(err, TN_ERROR_FORMAT,
                    "cannot read '%s': a zip without data.pkl, not a PyTorch file",
                    file->path);
}

static tn_status check_byte_order(tn__torch_file *file, tn_error *err)
{
    tn__buffer *order = NULL;
    tn_status status = load_named(&order, file, "byteorder", 9, err);
    if (!status && order &&
        (tn__buffer_size(order) != 6 || memcmp(tn__buffer_bytes(order), "little", 6)))
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "cannot read '%s': its byte order is not little-endian",
                          file->path);
    tn__buffer_release(order);
    return status;
}

tn_status tn__torch_zip_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                             tn_error *err)
{
    container c = {0};
    tn__torch_file f = {
        .path = path, .bytes = file, .load = load_storage, .container = &c};
    tn__buffer *pickle = NULL;
    tn__reader r;
    zip_uint64_t index = 0;
    tn_status status = open_zip(&f, err);
    if (!status)
        status = find_pickle(&index, &f, err);
    if (!status)
        status = check_byte_order(&f, err);
    if (!status)
        status = load_entry(&pickle, &f, index, err);
    if (status)
        goto done;
    tn__reader_init(&r, path, tn__buffer_bytes(pickle), tn__buffer_size(pickle));
    status = tn__pickle_read(&f.pickle, &r, err);
    if (!status)
        status = tn__torch_storages(&f, err);
    if (!status)
        status = tn__torch_collect(out, &f, err);
done:
    tn__torch_storages_release(&f);
    tn__pickle_release(&f.pickle);
    tn__buffer_release(pickle);
    tn__free(c.prefix);
    if (c.zip)
        zip_discard(c.zip);
    return status;
}
