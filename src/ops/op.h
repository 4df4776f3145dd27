/* op.h - what Tenon knows of an operator.
 *
 * One folder per operator: src/ops/conv/conv.c has shapes, cost and coupling rule,
 * conv_ref.c the plain C oracle, conv_dnnl.c the fast kernel. registry.c lists them
 * all; to add an operator, add a folder and a line there. The graph walkers (infer.c
 * here, the engine, the groups) know nothing about operators but this table.
 */
#ifndef TN_OPS_OP_H
#define TN_OPS_OP_H

#include "graph/model.h"

/* A node seen with concrete shapes: the batch has been put in. */
typedef struct tn__site {
    const tn_model *model;
    const tn__node *node;
    size_t node_index;
    int64_t opset;
    size_t input_count, output_count;
    const tn__shape *const *in;        /* [input_count], NULL where left out */
    const tn_dtype *in_dtype;          /* [input_count] */
    const tn__tensor *const *constant; /* [input_count]: the value where it is known at
                                          compile time (parameters and what follows from
                                          shapes alone), else NULL */
    const tn__shape *out;              /* [output_count]; not yet known in infer() */
} tn__site;

/* What infer() fills for each output. */
typedef struct tn__inferred {
    tn__shape shape;
    tn_dtype dtype;
} tn__inferred;

/* --- coupling: which indices of which axes are the same neuron -------------------- */

/* An operand of a node: input k, or output k as TN__OUT(k). */
#define TN__OUT(k) (-1 - (int)(k))

/* Axis `rank` (one past the last) of a grouped convolution's weight [O, C/g, ...]: the
 * input channels of all groups one after another, extent C; index group * (C/g) + i. */

typedef enum tn__role {
    TN__CARRIER,  /* follows: activations, elementwise and normalisation vectors */
    TN__PRODUCER, /* makes the neuron: weight rows, bias */
    TN__CONSUMER  /* reads the neuron: weight columns */
} tn__role;

/* A cell of an operand: an index of one of its axes. */
typedef struct tn__spot {
    int operand, axis;
    size_t index;
} tn__spot;

typedef struct tn__coupling tn__coupling;
/* The walker's side; ops only call the functions below. */
struct tn__coupling {
    /* `count` cells from `a` on are those from `b` on, one by one. */
    tn_status (*tie)(tn__coupling *c, tn__spot a, tn__spot b, size_t count,
                     tn_error *err);
    tn_status (*freeze)(tn__coupling *c, int operand, int axis, const char *reason,
                        tn_error *err);
    void (*role)(tn__coupling *c, int operand, int axis, tn__role role);
    /* Axis `axis` of operand `one` is the axes first .. last of operand `many`, one
     * after another in row-major order; axes of extent 1 do not count. */
    tn_status (*merge)(tn__coupling *c, int one, int axis, int many, int first,
                       int last, tn_error *err);
    /* Of that axis only this index is read, and the other operands lack the axis. */
    tn_status (*pick)(tn__coupling *c, int operand, int axis, size_t index,
                      tn_error *err);
};

/* Index i of axis a_axis of operand a is index i of axis b_axis of operand b. */
tn_status tn__couple_axes(tn__coupling *c, int a, int a_axis, int b, int b_axis,
                          size_t extent, tn_error *err) TN_MUST_USE;
/* All axes of two operands of equal shape. */
tn_status tn__couple_same(tn__coupling *c, const tn__site *site, int a, int b,
                          tn_error *err) TN_MUST_USE;
/* Right-aligned broadcasting of input `a` against output 0: axes of extent 1 that are
 * stretched contribute nothing. */
tn_status tn__couple_broadcast(tn__coupling *c, const tn__site *site, int a,
                               tn_error *err) TN_MUST_USE;
/* Row-major reshape of input a into output 0. Where one axis is cut into several, or
 * the other way round, that is a merge; of runs of axes that correspond in no such way
 * the leading ones move in blocks, if they can, and the others are frozen. */
tn_status tn__couple_reshape(tn__coupling *c, const tn__site *site, int a,
                             tn_error *err) TN_MUST_USE;
/* No axis of the operand may move. */
tn_status tn__couple_freeze(tn__coupling *c, const tn__site *site, int operand,
                            const char *reason, tn_error *err) TN_MUST_USE;
const tn__shape *tn__site_shape(const tn__site *site, int operand);

/* --- the operator ----------------------------------------------------------------- */

struct tn__kernel_class; /* ops/kernel.h */

typedef struct tn__op {
    const char *type;   /* "Conv" */
    const char *domain; /* "" */
    /* Output shapes and types; validates attributes and input shapes, so that the
     * others below may assume them. */
    tn_status (*infer)(tn__inferred *out, const tn__site *site, tn_error *err);
    /* Multiply-accumulates; NULL: none. */
    uint64_t (*macs)(const tn__site *site);
    /* Coupling rule; NULL: such a node is refused by whatever needs groups. */
    tn_status (*couple)(tn__coupling *c, const tn__site *site, tn_error *err);
    /* Where the rule ties axis a with c and b with d, the operator is also indifferent
     * to permutations of the pairs (i, j) on a and b: it moves elements, computes them
     * one by one, or sums products. False for what treats an axis as a whole (Softmax,
     * layer norm): such axes are then permuted each by itself. */
    bool joint;
    /* Plain C: fills `out` (created with the inferred shapes) from `in` (NULL where
     * left out). f32 unless the operator says more. */
    tn_status (*forward)(tn__tensor *const *out, const tn__tensor *const *in,
                         const tn__site *site, tn_error *err);
    /* Gradient of a scalar L: din[k] = dL/d in[k] from dout[k] = dL/d out[k]; din[k]
     * NULL where not wanted, else overwritten. NULL: no gradient passes. */
    tn_status (*backward)(tn__tensor *const *din, const tn__tensor *const *dout,
                          const tn__tensor *const *in, const tn__tensor *const *out,
                          const tn__site *site, tn_error *err);
    /* Fast kernel, or NULL: the engine then runs forward() and backward(). */
    const struct tn__kernel_class *kernel;
    /* forward() reads the shapes in the site and never an element of `in`: the result
     * is known as soon as the shapes are (Shape). */
    bool shape_only;
} tn__op;

/* The operator, or NULL. */
const tn__op *tn__op_find(const char *domain, const char *type);

/* --- shapes of a whole model ------------------------------------------------------ */

typedef struct tn__shapes {
    size_t value_count;
    bool *known;          /* [values] */
    tn__shape *shape;     /* [values] */
    tn_dtype *dtype;      /* [values] */
    tn__tensor *constant; /* [values]; dtype TN_UNDEFINED where not known. Parameters
                             are shared, and folded values are owned */
    int64_t batch;
} tn__shapes;
#define TN__FOLD_MAX ((size_t)1 << 20)   /* elements of a value that is folded */
#define TN__FOLD_TOTAL ((size_t)1 << 24) /* and of all such values of a model */

/* Shapes of every value for a batch of `batch`: symbolic dims of inputs become the
 * batch (axis 0) or fail; a leading 1 of the first input counts as symbolic where
 * further axes follow, since exporters write it for want of a batch. Fails on the first
 * node that is unknown or ill-shaped, naming it. Outputs that nobody reads stay unknown
 * where an operator does not make them (Dropout's mask). */
tn_status tn__shapes_infer(tn__shapes *out, const tn_model *model, int64_t batch,
                           tn_error *err) TN_MUST_USE;
void tn__shapes_release(tn__shapes *shapes);

/* Fills a site for node n; the arrays live in `memory`. */
typedef struct tn__site_memory {
    const tn__shape **in;
    tn_dtype *in_dtype;
    const tn__tensor **constant;
    tn__shape *out;
    size_t in_capacity, out_capacity;
} tn__site_memory;
tn_status tn__site_fill(tn__site *site, tn__site_memory *memory, const tn_model *model,
                        const tn__shapes *shapes, size_t node,
                        tn_error *err) TN_MUST_USE;
void tn__site_memory_release(tn__site_memory *memory);

/* Multiply-accumulates of the whole model for the shapes' batch; TN_ERROR_UNSUPPORTED
 * where the count does not fit. */
tn_status tn__model_macs(uint64_t *out, const tn_model *model, const tn__shapes *shapes,
                         tn_error *err) TN_MUST_USE;

#endif
