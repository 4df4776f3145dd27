/* torch_legacy.c - PyTorch's files before the zip format.
 *
 *  1. pickle: the integer 0x1950a86a20f9469cfc6c
 *  2. pickle: the protocol version, 1001
 *  3. pickle: a dict of the system; "little_endian" must be true
 *  4. pickle: what was saved; its storages are named by a key
 *  5. pickle: the list of keys, in the order of the storages
 *  6. for each storage: the number of elements (8 bytes, little-endian), the elements
 *
 * Source: _legacy_save() in torch/serialization.py.
 */
#include "format/torch.h"

#include <string.h>

enum { PROTOCOL_VERSION = 1001 };

/* The magic number as LONG1 writes it: 10 bytes of two's complement. */
static const uint8_t magic[] = {0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

/* PROTO and its version stand before the magic number. */
bool tn__torch_legacy_is(const tn__buffer *file)
{
    const uint8_t *bytes = tn__buffer_bytes(file);
    return tn__buffer_size(file) >= 2 + sizeof magic && bytes[0] == 0x80 &&
           memcmp(bytes + 2, magic, sizeof magic) == 0;
}

/* Pickles 1 to 3. */
static tn_status read_head(const tn__torch_file *file, tn__reader *r, tn_error *err)
{
    for (int k = 0; k < 3; k++) {
        tn__pickle pickle = {0};
        tn_status status = tn__pickle_read(&pickle, r, err);
        if (status)
            return status;
        const tn__pickle_value *root = pickle.root, *little = NULL;
        if (k == 1 &&
            (root->kind != TN__PICKLE_INT || root->integer != PROTOCOL_VERSION))
            status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                              "cannot read '%s': its protocol version is not %d",
                              file->path, PROTOCOL_VERSION);
        if (k == 2 && root->kind == TN__PICKLE_DICT)
            little = tn__pickle_get(root, "little_endian");
        if (k == 2 && !(little && little->kind == TN__PICKLE_BOOL && little->integer))
            status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                              "cannot read '%s': its byte order is not little-endian",
                              file->path);
        tn__pickle_release(&pickle);
        if (status)
            return status;
    }
    return TN_OK;
}

/* One storage of part 6: remembers where its elements begin. */
static tn_status locate_storage(const tn__torch_file *file, tn__reader *r,
                                const tn__pickle_value *key, tn_error *err)
{
    const uint8_t *elements = NULL;
    uint64_t count = 0;
    size_t bytes = 0;
    tn__torch_storage *storage =
        key->kind == TN__PICKLE_TEXT
            ? tn__torch_storage_find(file, key->text.bytes, key->text.length)
            : NULL;
    if (!storage || storage->offset)
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "cannot read '%s': its list of storages names one that is not in "
            "the pickle, or one twice",
            file->path);
    tn_status status = tn__read_u64le(r, &count, "size of a storage", err);
    if (status)
        return status;
    if (count != storage->count ||
        !tn__mul(&bytes, storage->count, tn__dtype_size(storage->dtype)))
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "cannot read '%s': a storage at byte %zu has %llu elements, the "
            "pickle says %zu",
            file->path, r->at, (unsigned long long)count, storage->count);
    storage->offset = r->at;
    return tn__read_bytes(r, &elements, bytes, "a storage", err);
}

static tn_status locate_storages(const tn__torch_file *file, tn__reader *r,
                                 tn_error *err)
{
    tn__pickle keys = {0};
    tn_status status = tn__pickle_read(&keys, r, err);
    if (status)
        return status;
    if (keys.root->kind != TN__PICKLE_LIST)
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': no list of storages behind the pickle",
                          file->path);
    for (size_t k = 0; !status && k < keys.root->items.count; k++)
        status = locate_storage(file, r, keys.root->items.at[k], err);
    tn__pickle_release(&keys);
    return status;
}

/* A view of the file where the elements are aligned in it, else a copy. */
static tn_status load_storage(tn__torch_file *file, tn__torch_storage *storage,
                              tn_error *err)
{
    tn__tensor all = {0};
    int64_t count = (int64_t)storage->count;
    if (!storage->offset)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': storage '%.*s' is not in the file",
                        file->path, (int)TN__MIN(storage->key->text.length, 64),
                        storage->key->text.bytes);
    tn_status status = tn__tensor_over(&all, storage->dtype, 1, &count, file->bytes,
                                       storage->offset, err);
    if (status)
        return status;
    storage->buffer = all.buffer;
    storage->buffer_offset = all.offset;
    return TN_OK;
}

tn_status tn__torch_legacy_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                                tn_error *err)
{
    tn__torch_file f = {.path = path, .bytes = file, .load = load_storage};
    tn__reader r;
    tn__reader_init(&r, path, tn__buffer_bytes(file), tn__buffer_size(file));
    tn_status status = read_head(&f, &r, err);
    if (!status)
        status = tn__pickle_read(&f.pickle, &r, err);
    if (!status)
        status = tn__torch_storages(&f, err);
    if (!status)
        status = locate_storages(&f, &r, err);
    if (!status && tn__reader_left(&r))
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': %zu bytes behind the last storage", path,
                          tn__reader_left(&r));
    if (!status)
        status = tn__torch_collect(out, &f, err);
    tn__torch_storages_release(&f);
    tn__pickle_release(&f.pickle);
    return status;
}
