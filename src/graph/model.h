/* model.h - a network: nodes, values and parameters, with ONNX semantics.
 *
 * Values are numbered; nodes name their inputs and outputs by these numbers. A value
 * that carries a tensor is a parameter (an ONNX initialiser). Nodes are kept in
 * topological order: tn__model_check() sorts them and rejects cycles, doubly defined
 * and undefined values. Nothing here knows what an operator means; src/ops does.
 */
#ifndef TN_GRAPH_MODEL_H
#define TN_GRAPH_MODEL_H

#include "tenon/model.h"
#include "tensor/tensor.h"

#define TN__NONE SIZE_MAX /* no value: an optional input left out; no node */

typedef enum tn__attr_kind { /* ONNX's AttributeProto.AttributeType */
                             TN__ATTR_FLOAT = 1,
                             TN__ATTR_INT = 2,
                             TN__ATTR_STRING = 3,
                             TN__ATTR_TENSOR = 4,
                             TN__ATTR_FLOATS = 6,
                             TN__ATTR_INTS = 7,
                             TN__ATTR_STRINGS = 8
} tn__attr_kind;

typedef struct tn__attr {
    char *name;
    tn__attr_kind kind;
    float f;
    int64_t i;
    char *s;       /* zero-terminated; may hold further zeros: length counts */
    size_t length; /* of s */
    tn__tensor tensor;
    float *floats;  /* count */
    int64_t *ints;  /* count */
    char **strings; /* count */
    size_t count;
} tn__attr;

typedef struct tn__node {
    char *name;     /* may be empty, never NULL */
    char *type;     /* "Conv" */
    char *domain;   /* "" for ONNX's own operators */
    char *doc;      /* NULL where there is none */
    size_t *inputs; /* value numbers, TN__NONE where left out */
    size_t input_count;
    size_t *outputs;
    size_t output_count;
    tn__attr *attrs;
    size_t attr_count;
} tn__node;

typedef struct tn__value {
    char *name;     /* unique, never empty */
    tn_dtype dtype; /* TN_UNDEFINED where not declared */
    bool shaped;    /* `dims` was declared in the file */
    int rank;
    int64_t dims[TN__MAX_RANK];    /* -1: symbolic or unknown */
    char *dim_names[TN__MAX_RANK]; /* of symbolic dims, or NULL */
    tn__tensor parameter;          /* dtype TN_UNDEFINED where it is none */
} tn__value;

typedef struct tn__entry { /* a key and its text: metadata, opset imports */
    char *key;
    char *text;
} tn__entry;

typedef struct tn__opset {
    char *domain;
    int64_t version;
} tn__opset;

struct tn_model {
    char *name;                        /* of the graph */
    char *doc;                         /* of the model, or NULL */
    char *graph_doc;                   /* of the graph, or NULL */
    char *domain;                      /* of the model (reverse DNS), or NULL */
    char *producer, *producer_version; /* or NULL */
    int64_t ir_version, model_version;
    tn__opset *opsets;
    size_t opset_count;
    tn__entry *metadata;
    size_t metadata_count;
    tn__value *values;
    size_t value_count, value_capacity;
    tn__node *nodes;
    size_t node_count, node_capacity;
    size_t *inputs; /* without the parameters */
    size_t input_count;
    size_t *outputs;
    size_t output_count;
    char *source;           /* the file it came from, or NULL */
    char source_sha256[65]; /* of that file, or "" */
};

/* An empty model: IR version 8, opset 13 of ONNX's own operators. */
tn_status tn__model_create(tn_model **out, const char *name, tn_error *err) TN_MUST_USE;

/* Adds a value called `name`, which must be new. *out is its number. */
tn_status tn__model_add_value(size_t *out, tn_model *model, const char *name,
                              tn_error *err) TN_MUST_USE;
/* Adds a value that carries `tensor` (a reference is taken). */
tn_status tn__model_add_parameter(size_t *out, tn_model *model, const char *name,
                                  const tn__tensor *tensor, tn_error *err) TN_MUST_USE;
/* Declares a value as the next input (or output) of the graph; dims with -1 for the
 * symbolic batch. */
tn_status tn__model_add_input(size_t *out, tn_model *model, const char *name,
                              tn_dtype dtype, int rank, const int64_t *dims,
                              tn_error *err) TN_MUST_USE;
tn_status tn__model_add_output(tn_model *model, size_t value,
                               tn_error *err) TN_MUST_USE;
/* Appends a node; *out is its number. Inputs may hold TN__NONE. */
tn_status tn__model_add_node(size_t *out, tn_model *model, const char *type,
                             const char *name, size_t input_count, const size_t *inputs,
                             size_t output_count, const size_t *outputs,
                             tn_error *err) TN_MUST_USE;
/* Sets (or replaces) an attribute. */
tn_status tn__node_set_int(tn__node *node, const char *name, int64_t i,
                           tn_error *err) TN_MUST_USE;
tn_status tn__node_set_float(tn__node *node, const char *name, float f,
                             tn_error *err) TN_MUST_USE;
tn_status tn__node_set_ints(tn__node *node, const char *name, size_t count,
                            const int64_t *ints, tn_error *err) TN_MUST_USE;
tn_status tn__node_set_string(tn__node *node, const char *name, const char *text,
                              size_t length, tn_error *err) TN_MUST_USE;
/* Gives `to` the domain and copies of the attributes of `from`, in place of its own. */
tn_status tn__node_copy_attrs(tn__node *to, const tn__node *from,
                              tn_error *err) TN_MUST_USE;
/* Changes the type of a node of ONNX's own; its attributes go. */
tn_status tn__node_become(tn__node *node, const char *type, tn_error *err) TN_MUST_USE;
/* An empty attribute of that name and kind, to be filled by the caller. */
tn_status tn__node_add_attr(tn__attr **out, tn__node *node, const char *name,
                            tn__attr_kind kind, tn_error *err) TN_MUST_USE;

const tn__attr *tn__node_attr(const tn__node *node, const char *name); /* or NULL */
int64_t tn__node_int(const tn__node *node, const char *name, int64_t otherwise);
float tn__node_float(const tn__node *node, const char *name, float otherwise);
/* The text of a string attribute, or `otherwise`. */
const char *tn__node_string(const tn__node *node, const char *name,
                            const char *otherwise);
/* An attribute of integers; *count is 0 and NULL returned where it is left out. */
const int64_t *tn__node_ints(const tn__node *node, const char *name, size_t *count);
void tn__attr_release(tn__attr *attr); /* frees what it holds and zeroes it */
/* "Conv 'layer1.0.conv1'", or "Conv (node 12)" where it has no name, into text. */
const char *tn__node_label(const tn_model *model, size_t node, char *text, size_t size);
#define TN__LABEL_TEXT 192

/* The number of the value called `name`, or TN__NONE. */
size_t tn__model_find_value(const tn_model *model, const char *name);
static inline bool tn__value_is_parameter(const tn__value *value)
{
    return value->parameter.dtype != TN_UNDEFINED;
}
/* Version of ONNX's own operator set, 0 where none is imported. */
int64_t tn__model_opset(const tn_model *model);
#define TN__METADATA_MAX 4096 /* texts; more are TN_ERROR_UNSUPPORTED */
const char *tn__model_metadata(const tn_model *model, const char *key); /* or NULL */
tn_status tn__model_set_metadata(tn_model *model, const char *key, const char *text,
                                 tn_error *err) TN_MUST_USE;

/* Validates references and puts nodes into topological order, stably. */
tn_status tn__model_check(tn_model *model, tn_error *err) TN_MUST_USE;
/* A deep copy whose parameters share bytes until written. */
tn_status tn__model_clone(tn_model **out, const tn_model *model,
                          tn_error *err) TN_MUST_USE;

/* Who makes and who reads each value. */
typedef struct tn__use {
    size_t node;
    size_t input; /* position among the node's inputs */
} tn__use;
typedef struct tn__links {
    size_t *producer;  /* [values]: node, or TN__NONE for inputs and parameters */
    size_t *first_use; /* [values + 1]: uses of v are uses[first_use[v] .. [v + 1]) */
    tn__use *uses;     /* in node order */
} tn__links;
tn_status tn__links_create(tn__links *out, const tn_model *model,
                           tn_error *err) TN_MUST_USE;
void tn__links_release(tn__links *links);

/* Edits. None touches another value's number. */
/* Makes every reader of `from` (graph outputs too) read `to`. */
void tn__model_redirect(tn_model *model, size_t from, size_t to);
/* Removes nodes whose mark is set; their outputs must have no reader left. */
void tn__model_remove_nodes(tn_model *model, const bool *marked);
/* Drops nodes and parameters that no graph output depends on; value numbers change. */
tn_status tn__model_prune_unused(tn_model *model, tn_error *err) TN_MUST_USE;

/* Positions with exactly one live tensor: the values v (activations, in topological
 * order) such that every path from the inputs to the outputs passes through v. */
tn_status tn__model_cuts(size_t **values, size_t *count, const tn_model *model,
                         tn_error *err) TN_MUST_USE;

#endif
