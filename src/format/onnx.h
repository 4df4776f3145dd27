/* onnx.h - the parts of the ONNX reader.
 *
 * onnx_read.c walks the model and its graph, onnx_node.c reads nodes and attributes,
 * onnx_tensor.c tensors, onnx_external.c the files that weights may be kept in. Their
 * messages say what is wrong; onnx_read.c puts "cannot read 'file'" before them.
 */
#ifndef TN_FORMAT_ONNX_H
#define TN_FORMAT_ONNX_H

#include "format/checkpoint.h"
#include "format/wire.h"

#define TN__ONNX_NODES_MAX ((size_t)1 << 20)  /* nodes of a graph */
#define TN__ONNX_VALUES_MAX ((size_t)1 << 20) /* values of a graph */
#define TN__ONNX_ATTRS_MAX 256                /* attributes of a node */
#define TN__ONNX_FILES_MAX 64                 /* files with external data */

/* A file beside the model. */
typedef struct tn__onnx_file {
    char *location;
    tn__buffer *bytes;
} tn__onnx_file;

/* Where the bytes of tensors are. */
typedef struct tn__onnx_source {
    tn__buffer *bytes; /* of the model; borrowed */
    const char *path;  /* of the model; borrowed */
    tn__onnx_file files[TN__ONNX_FILES_MAX];
    size_t file_count;
    size_t copied; /* bytes of external data that had to be copied to be aligned */
} tn__onnx_source;
void tn__onnx_source_release(tn__onnx_source *source);

/* Reads a TensorProto; *name replaces what was there, and stays NULL where there is
 * none. */
tn_status tn__onnx_tensor(tn__tensor *out, char **name, tn__onnx_source *source,
                          tn__reader r, tn_error *err) TN_MUST_USE;

/* `bytes` of the file `location`, in the folder of the model, from `offset`. */
tn_status tn__onnx_external(tn__tensor *out, tn__onnx_source *source, tn_dtype dtype,
                            const tn__shape *shape, const char *location,
                            uint64_t offset, tn_error *err) TN_MUST_USE;

/* Reads an AttributeProto and sets it on `node`. */
tn_status tn__onnx_attribute(tn__node *node, tn__onnx_source *source, tn__reader r,
                             tn_error *err) TN_MUST_USE;

#endif
