/* checkpoint.h - the readers and writers of this room: named tensors, or whole models.
 *
 * Every reader takes the bytes of a file and its path. The path is for messages, and
 * for finding the files an ONNX model keeps its weights in.
 */
#ifndef TN_FORMAT_CHECKPOINT_H
#define TN_FORMAT_CHECKPOINT_H

#include "arch/arch.h"

/* Named tensors read from a file without a graph. */
typedef struct tn__checkpoint {
    tn__named_tensor *tensors; /* in file order, names unique */
    size_t count, capacity;
    tn__entry *metadata; /* of safetensors */
    size_t metadata_count, metadata_capacity;
} tn__checkpoint;
void tn__checkpoint_release(tn__checkpoint *checkpoint); /* zeroes it */
/* Appends a tensor (a reference is taken) under the first `length` bytes of `name`.
 * TN_ERROR_FORMAT, naming `path`, where they are none or hold a zero; TN_ERROR_MEMORY.
 */
tn_status tn__checkpoint_add(tn__checkpoint *checkpoint, const char *name,
                             size_t length, const tn__tensor *tensor, const char *path,
                             tn_error *err) TN_MUST_USE;
/* TN_ERROR_FORMAT, naming `path`, where two tensors have one name. O(n log n). */
tn_status tn__checkpoint_check_names(const tn__checkpoint *checkpoint, const char *path,
                                     tn_error *err) TN_MUST_USE;

/* The model that the tensors are of, by options->arch or options->graph; `path` names
 * them in messages. */
tn_status tn__checkpoint_model(tn_model **out, const tn__checkpoint *weights,
                               const char *path, const tn_load_options *options,
                               tn_error *err) TN_MUST_USE;

/* A tensor over `buffer` from byte `offset`: a view where that is aligned for its
 * elements, else an aligned copy. TN_ERROR_FORMAT where it does not fit. */
tn_status tn__tensor_over(tn__tensor *out, tn_dtype dtype, int rank,
                          const int64_t *dims, tn__buffer *buffer, size_t offset,
                          tn_error *err) TN_MUST_USE;

/* safetensors; PyTorch zip and legacy. Tensors point into `file` where they can. On
 * success *out, which must be empty, is to be released by the caller. */
bool tn__safetensors_is(const tn__buffer *file);
tn_status tn__safetensors_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                               tn_error *err) TN_MUST_USE;
tn_status tn__safetensors_write(const tn_model *model, const char *path, bool replace,
                                tn_error *err) TN_MUST_USE;

bool tn__torch_is(const tn__buffer *file);
tn_status tn__torch_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                         tn_error *err) TN_MUST_USE;

bool tn__onnx_is(const tn__buffer *file);
tn_status tn__onnx_read(tn_model **out, tn__buffer *file, const char *path,
                        tn_error *err) TN_MUST_USE;
/* Writes the model; what is larger than a protocol buffer may be has its large tensors
 * in `path`.data. */
tn_status tn__onnx_write(const tn_model *model, const char *path, bool replace,
                         tn_error *err) TN_MUST_USE;
#define TN__ONNX_SIZE_MAX ((size_t)INT32_MAX)
/* The same for a file of at most `limit` bytes. */
tn_status tn__onnx_write_within(const tn_model *model, const char *path, bool replace,
                                size_t limit, tn_error *err) TN_MUST_USE;

#endif
