/* torch.h - what PyTorch's two file formats have in common: a pickle whose tensors name
 * storages, and storages whose bytes lie elsewhere in the file.
 *
 * torch_zip.c and torch_legacy.c read the pickle and know where storages lie;
 * torch_tensor.c makes tensors of them; torch.c finds the state dict and names the
 * tensors. Source: torch/serialization.py and torch/_utils.py of PyTorch.
 */
#ifndef TN_FORMAT_TORCH_H
#define TN_FORMAT_TORCH_H

#include "format/checkpoint.h"
#include "format/pickle.h"

#define TN__TORCH_DEPTH_MAX 64                  /* dicts and modules in each other */
#define TN__TORCH_NAME_MAX 1024                 /* bytes of a tensor's joined name */
#define TN__TORCH_TENSORS_MAX ((size_t)1 << 16) /* tensors of a file */
#define TN__TORCH_STEPS_MAX ((size_t)1 << 22)   /* items looked at to find them */

typedef struct tn__torch_storage {
    const tn__pickle_value *key; /* text */
    tn_dtype dtype;              /* U8 where it is untyped */
    size_t count;                /* elements */
    size_t offset;               /* in the file, legacy only */
    tn__buffer *buffer;          /* the elements, aligned; NULL until loaded */
    size_t buffer_offset;        /* of the first element in it, bytes */
} tn__torch_storage;

typedef struct tn__torch_file tn__torch_file;
struct tn__torch_file {
    const char *path;  /* borrowed */
    tn__buffer *bytes; /* borrowed: the whole file */
    tn__pickle pickle;
    tn__torch_storage *storages; /* sorted by key, each once */
    size_t storage_count;
    size_t copied; /* bytes copied for tensors that are not contiguous */
    /* Fills storage->buffer and buffer_offset. */
    tn_status (*load)(tn__torch_file *file, tn__torch_storage *storage, tn_error *err);
    void *container; /* of the format's own */
};

/* The storages the pickle names. TN_ERROR_FORMAT where a key has two types or sizes. */
tn_status tn__torch_storages(tn__torch_file *file, tn_error *err) TN_MUST_USE;
tn__torch_storage *tn__torch_storage_find(const tn__torch_file *file, const char *key,
                                          size_t length);
void tn__torch_storages_release(tn__torch_file *file);

/* value is what PyTorch rebuilds a tensor from. */
bool tn__torch_is_tensor(const tn__pickle_value *value);
tn_status tn__torch_tensor(tn__tensor *out, tn__torch_file *file,
                           const tn__pickle_value *value, tn_error *err) TN_MUST_USE;

/* Collects the tensors of the state dict. */
tn_status tn__torch_collect(tn__checkpoint *out, tn__torch_file *file,
                            tn_error *err) TN_MUST_USE;

bool tn__torch_zip_is(const tn__buffer *file);
bool tn__torch_legacy_is(const tn__buffer *file);
tn_status tn__torch_zip_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                             tn_error *err) TN_MUST_USE;
tn_status tn__torch_legacy_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                                tn_error *err) TN_MUST_USE;

#endif
