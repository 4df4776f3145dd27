/* arch_builder.h - builds the graph of an architecture layer by layer.
 *
 * The first error sticks: later calls do nothing and return TN__NONE, so that a builder
 * reads like the definition of the network and is checked once, at the end.
 */
#ifndef TN_ARCH_ARCH_BUILDER_H
#define TN_ARCH_ARCH_BUILDER_H

#include "graph/model.h"

typedef struct tn__builder {
    tn_model *model;
    uint64_t seed, stream; /* of the next parameter */
    size_t room; /* not 0: parameters stay 0, only their shapes are wanted, and they may
                    have fewer elements than that, all together */
    tn_status status;
    tn_error *err;
} tn__builder;

/* How a parameter starts. */
typedef enum tn__init {
    TN__INIT_ZERO,
    TN__INIT_ONE,
    TN__INIT_HE,     /* normal, variance 2 / fan (He et al. 2015) */
    TN__INIT_UNIFORM /* in +-1 / sqrt(fan): PyTorch's default of Linear */
} tn__init;

/* Fills a fresh f32 tensor from the stream `stream` of `seed`. */
void tn__init_fill(tn__tensor *tensor, tn__init init, int64_t fan, uint64_t seed,
                   uint64_t stream);

/* The value of a parameter "path.suffix". */
size_t tn__build_parameter(tn__builder *b, const char *path, const char *suffix,
                           const tn__shape *shape, tn__init init, int64_t fan);
/* An int64 parameter: bounds of a slice, pads. */
size_t tn__build_list(tn__builder *b, const char *path, const char *suffix,
                      size_t count, const int64_t *list);
/* A node called `path` whose one output has the same name. */
size_t tn__build_node(tn__builder *b, const char *type, const char *path, size_t count,
                      const size_t *inputs);

/* The graph's input [N, channels, height, width]. */
size_t tn__build_input(tn__builder *b, const int64_t chw[3]);
/* Declares value x the graph's output "logits" [N, classes]. */
void tn__build_output(tn__builder *b, size_t x, int64_t classes);

typedef struct tn__conv_layer {
    int64_t in, out, kernel, stride, pad;
    int64_t groups; /* 0: one */
    bool bias;
} tn__conv_layer;
/* Square kernel; He normal by fan-out, bias 0. */
size_t tn__build_conv(tn__builder *b, const char *path, size_t x,
                      const tn__conv_layer *layer);
/* weight 1, bias 0, running_mean 0, running_var 1. */
size_t tn__build_batch_norm(tn__builder *b, const char *path, size_t x,
                            int64_t channels);
size_t tn__build_relu(tn__builder *b, const char *path, size_t x);
size_t tn__build_max_pool(tn__builder *b, const char *path, size_t x, int64_t kernel,
                          int64_t stride, int64_t pad);
size_t tn__build_add(tn__builder *b, const char *path, size_t x, size_t y);
size_t tn__build_flatten(tn__builder *b, const char *path, size_t x);

typedef struct tn__linear_layer {
    int64_t in, out;
    bool bias;
    bool last; /* nothing follows: PyTorch's default; else He normal by fan-in */
} tn__linear_layer;
size_t tn__build_linear(tn__builder *b, const char *path, size_t x,
                        const tn__linear_layer *layer);
/* Global average pool, flatten and the last linear layer with bias. */
size_t tn__build_head(tn__builder *b, const char *path, size_t x, int64_t in,
                      int64_t classes);

/* "a.b" in `text`; cut where too long, which no architecture reaches. */
#define TN__PATH_TEXT 96
const char *tn__path(char text[TN__PATH_TEXT], const char *format, ...)
    TN__PRINTF(2, 3);

#endif
