/* model.h - load, look at and save networks.
 *
 *     tn_model *model = NULL;
 *     if (tn_model_load(&model, "net.onnx", NULL, &err)) ...
 *     tn_model_info info;
 *     if (tn_model_info_get(&info, model, &err)) ...
 *     printf("%llu parameters\n", (unsigned long long)info.parameters);
 *     tn_model_free(model);
 */
#ifndef TENON_MODEL_H
#define TENON_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A network: a graph and its parameters. Loaded parameters are read-only mappings of
 * the file, copied when first changed; the file must not be truncated while a model
 * lives. */
typedef struct tn_model tn_model;

/* How to read a file that carries weights but no graph (.safetensors, .pt, .pth, .th,
 * .checkpoint). An .onnx file needs neither. */
typedef struct tn_load_options {
    const char *arch;  /* a built-in architecture, "resnet20"; or NULL */
    const char *graph; /* an .onnx file whose graph the weights fill; or NULL */
    int64_t classes;   /* outputs of `arch`; 0: as many as the file's tensors say */
} tn_load_options;
/* The defaults of tn_load_options. */
#define TN_LOAD_OPTIONS_INIT                                                           \
    {                                                                                  \
        0                                                                              \
    }

/* Loads `path`; what it is, is told by its bytes, not its name. options may be NULL.
 * *out is owned by the caller. TN_ERROR_IO, _FORMAT, _UNSUPPORTED, _MISMATCH (tensors
 * do not fit the architecture), _ARGUMENT (weights without `arch` or `graph`). */
TN_API TN_MUST_USE tn_status tn_model_load(tn_model **out, const char *path,
                                           const tn_load_options *options,
                                           tn_error *err);

/* A built-in architecture with random weights (He normal for ReLU layers; PyTorch's
 * defaults elsewhere), drawn from `seed`. `arch` is described by tn_arch_help().
 * `input` is {channels, height, width}; NULL takes the architecture's own. */
TN_API TN_MUST_USE tn_status tn_model_create(tn_model **out, const char *arch,
                                             const int64_t *input, int64_t classes,
                                             uint64_t seed, tn_error *err);

/* A few lines of text on the names tn_model_create() takes; never freed. */
TN_API const char *tn_arch_help(void);

/* How a file is written. */
typedef struct tn_save_options {
    bool replace; /* an existing file may be replaced */
} tn_save_options;
/* The defaults of tn_save_options. */
#define TN_SAVE_OPTIONS_INIT                                                           \
    {                                                                                  \
        0                                                                              \
    }

/* Writes by the ending of `path`: .onnx (graph and weights) or .safetensors (weights).
 * The file appears whole or not at all. TN_ERROR_EXISTS, _IO, _ARGUMENT (ending). */
TN_API TN_MUST_USE tn_status tn_model_save(const tn_model *model, const char *path,
                                           const tn_save_options *options,
                                           tn_error *err);

TN_API void tn_model_free(tn_model *model); /* takes NULL */
/* A copy that shares its parameters until either changes them; owned by the caller. */
TN_API TN_MUST_USE tn_status tn_model_clone(tn_model **out, const tn_model *model,
                                            tn_error *err);

/* What a model is and costs, for a batch of one image. */
typedef struct tn_model_info {
    const char *name;    /* borrowed from the model */
    uint64_t nodes;      /* operators in the graph */
    uint64_t parameters; /* elements of float parameters, running statistics left out */
    uint64_t macs;       /* multiply-accumulates of Conv, Gemm and MatMul */
    uint64_t bytes;      /* of all parameters as stored */
    int64_t input[8];    /* shape of the first input, batch first (1) */
    int input_rank;      /* how many of them count */
    int64_t output[8];   /* shape of the first output */
    int output_rank;     /* the same of it */
} tn_model_info;
/* What `model` is and costs. TN_ERROR_UNSUPPORTED where shapes cannot be told. */
TN_API TN_MUST_USE tn_status tn_model_info_get(tn_model_info *out,
                                               const tn_model *model, tn_error *err);

/* Free-form text that travels with the file (ONNX metadata_props); NULL where absent.
 */
TN_API const char *tn_model_metadata_get(const tn_model *model, const char *key);
/* Sets it, in place of what was there. Both texts are copied. TN_ERROR_MEMORY. */
TN_API TN_MUST_USE tn_status tn_model_metadata_set(tn_model *model, const char *key,
                                                   const char *text, tn_error *err);
/* Path of the file a model was loaded from, or NULL. */
TN_API const char *tn_model_source(const tn_model *model);
/* SHA-256 of that file, 64 hexadecimal digits, or NULL. */
TN_API const char *tn_model_source_sha256(const tn_model *model);

/* One node, parameter, group or cut, as `tenon inspect` shows them: text is a line
 * without its end (of a group: a line, and one for each of its tensors), json an
 * object. Called in order; nonzero stops. */
typedef int tn_line_callback(void *user, const char *text, const char *json);
/* The nodes in an order in which they can be computed. */
TN_API TN_MUST_USE tn_status tn_model_list_nodes(const tn_model *model,
                                                 tn_line_callback *line, void *user,
                                                 tn_error *err);
/* The neuron groups. TN_ERROR_UNSUPPORTED at a node without coupling rule. */
TN_API TN_MUST_USE tn_status tn_model_list_groups(const tn_model *model,
                                                  tn_line_callback *line, void *user,
                                                  tn_error *err);
/* The network in Graphviz's DOT language, every axis in the colour of its group, line
 * by line; json is an empty object. */
TN_API TN_MUST_USE tn_status tn_model_draw_groups(const tn_model *model,
                                                  tn_line_callback *line, void *user,
                                                  tn_error *err);
/* The places where a single tensor is alive. */
TN_API TN_MUST_USE tn_status tn_model_list_cuts(const tn_model *model,
                                                tn_line_callback *line, void *user,
                                                tn_error *err);

#ifdef __cplusplus
}
#endif
#endif
