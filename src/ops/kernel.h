/* kernel.h - how a fast kernel is asked for, bound to memory and run.
 *
 * A kernel computes one step of a plan: a node, and what the engine fused into it.
 * Values keep the layout their producer chose; a kernel takes its inputs as they come,
 * reorders them into its scratch memory where it wants another layout, and says how its
 * outputs lie. Gradients of activations have their value's layout, gradients of
 * parameters are plain. Nothing here names oneDNN: ops/onednn.h says what a tn__layout
 * holds.
 */
#ifndef TN_OPS_KERNEL_H
#define TN_OPS_KERNEL_H

#include "ops/op.h"

typedef struct tn__dnnl tn__dnnl;     /* what one worker owns of the kernel library */
typedef struct tn__layout tn__layout; /* how a value lies in memory, element type too */
typedef struct tn__kernel tn__kernel;

/* What a kernel does after its own node; bits. */
#define TN__FUSE_RELU 1u   /* out = max(out, 0) */
#define TN__FUSE_SUM 2u    /* out += result: out holds the addend before */
#define TN__FUSE_BIAS 8u   /* out += in[2], a vector for the last axis */
#define TN__FUSE_CURVE 16u /* out = request->curve of it, after all else */
#define TN__FUSE_NORM                                                                  \
    4u /* in[1] and in[2] are weights and bias with a batch norm folded                \
          in: input 2 is there whatever the node says, and both are                    \
          valid during refresh() only */

/* A function of one number that an elementwise operator is. */
typedef enum tn__curve_kind {
    TN__CURVE_GELU,
    TN__CURVE_CLIP, /* to [p[0], p[1]] */
    TN__CURVE_HARD_SWISH,
    TN__CURVE_SIGMOID,
    TN__CURVE_LEAKY /* p[0] x below 0 */
} tn__curve_kind;

typedef struct tn__curve {
    tn__curve_kind kind;
    float p[2];
} tn__curve;

/* The function that the node of a site is, if it is one of those and known. */
bool tn__curve_read(tn__curve *out, const tn__site *site);

/* What a kernel does about bf16 values. A plan in f32 has none. */
typedef enum tn__bf16 {
    TN__BF16_NEVER, /* takes and makes f32 only */
    TN__BF16_LEFT,  /* the same, and plain C, which converts, is good enough for bf16 */
    TN__BF16_FOLLOWS, /* makes what it takes: input 0 and output 0 have one type */
    TN__BF16_TAKES    /* takes either; makes what request->bf16_out says, or f32 */
} tn__bf16;

typedef struct tn__kernel_request {
    const tn__site *site;        /* of the first node; valid during create() only */
    const tn__shapes *shapes;    /* it was filled from; outlives the kernel */
    tn__dnnl *dnnl;              /* borrowed, outlives the kernel */
    const tn__layout *const *in; /* [input_count] of activations; NULL: a parameter, a
                                    constant or left out */
    const bool *wanted;     /* [input_count] gradients wanted, all false in inference */
    bool training;          /* batch norm uses batch statistics, backward is called */
    unsigned fused;         /* TN__FUSE_* */
    const tn__layout *sum;  /* with TN__FUSE_SUM: of the addend, so of the output */
    const tn__curve *curve; /* with TN__FUSE_CURVE */
    bool bf16;              /* compute in bf16 */
    bool bf16_out;          /* output 0 is wanted in bf16, else it must be f32 */
} tn__kernel_request;

/* Where everything lies: fixed addresses for the kernel's whole life. */
typedef struct tn__kernel_memory {
    void *const *in; /* activations; parameters: plain f32, read only */
    void *const *out;
    void *const *din; /* NULL where not wanted; may be dout[0] where in_place says so */
    void *const *dout;
    const bool *added; /* din[k] is to be added to: only where kernel->adds says so */
    void *workspace;   /* kept from forward() to backward() */
    void *scratch_forward, *scratch_backward; /* lost after the call */
} tn__kernel_memory;

struct tn__kernel {
    const tn__layout *const *out;                        /* [output_count] */
    size_t workspace, scratch_forward, scratch_backward; /* bytes wanted */
    bool keeps_in, keeps_out; /* backward() reads the activations in, the outputs */
    bool clobbers;            /* backward() overwrites dout[0] */
    bool alias;        /* out[0] is in[0], the same memory; passes bit 0 is set too */
    unsigned passes;   /* bit k: after backward() dout[0] is the gradient of input k */
    unsigned in_place; /* bit k: din[k] may be dout[0] */
    unsigned adds;     /* bit k: backward() can add to din[k] */

    /* Batch norm in training: the statistics of the last forward(), biased variance. */
    const float *batch_mean, *batch_variance; /* [channels], NULL in other kernels */
    size_t channels, positions;               /* positions averaged over */

    tn_status (*bind)(tn__kernel *kernel, const tn__kernel_memory *memory,
                      tn_error *err);
    /* Takes over changed parameters; called before the first forward(). */
    tn_status (*refresh)(tn__kernel *kernel, tn_error *err);
    tn_status (*forward)(tn__kernel *kernel, tn_error *err);
    tn_status (*backward)(tn__kernel *kernel, tn_error *err);
    void (*free)(tn__kernel *kernel); /* NULL: the tn__dnnl owns everything */
};

typedef struct tn__kernel_class {
    const char *name; /* "conv:onednn" */
    unsigned fuses;   /* TN__FUSE_* it may be asked for */
    tn__bf16 bf16;
    /* Makes a kernel; *out is NULL where it has none for such a node (no error). */
    tn_status (*create)(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err);
} tn__kernel_class;

extern const tn__kernel_class tn__conv_dnnl;
extern const tn__kernel_class tn__gemm_dnnl;
extern const tn__kernel_class tn__matmul_fast;
extern const tn__kernel_class tn__batchnorm_dnnl;
extern const tn__kernel_class tn__relu_dnnl;
extern const tn__kernel_class tn__transpose_dnnl;
extern const tn__kernel_class tn__unary_quick;
extern const tn__kernel_class tn__binary_quick;
extern const tn__kernel_class tn__softmax_quick;
extern const tn__kernel_class tn__layernorm_quick;
extern const tn__kernel_class tn__add_dnnl;
extern const tn__kernel_class tn__same_dnnl;
extern const tn__kernel_class tn__slice_quick;
extern const tn__kernel_class tn__maxpool_dnnl;
extern const tn__kernel_class tn__averagepool_dnnl;
extern const tn__kernel_class tn__globalaveragepool_dnnl;

#endif
