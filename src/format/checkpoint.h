/* checkpoint.h - named tensors read from a file without a graph. */
#ifndef TN_FORMAT_CHECKPOINT_H
#define TN_FORMAT_CHECKPOINT_H

#include "arch/arch.h"

typedef struct tn__checkpoint {
    tn__named_tensor *tensors; /* in file order */
    size_t count;
} tn__checkpoint;
void tn__checkpoint_release(tn__checkpoint *checkpoint);

/* safetensors; PyTorch zip; PyTorch legacy. Tensors point into `file` where they can. */
tn_status tn__safetensors_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                               tn_error *err) TN_MUST_USE;
tn_status tn__torch_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                         tn_error *err) TN_MUST_USE;
tn_status tn__onnx_read(tn_model **out, tn__buffer *file, const char *path,
                        tn_error *err) TN_MUST_USE;
tn_status tn__onnx_write(const tn_model *model, const char *path, bool replace,
                         tn_error *err) TN_MUST_USE;
tn_status tn__safetensors_write(const tn_model *model, const char *path, bool replace,
                                tn_error *err) TN_MUST_USE;

#endif
