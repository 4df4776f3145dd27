/* onednn_layer.h - what the kernels of Conv and Gemm have in common: a value, weights
 * and a bias that are parameters, one primitive forward and one for each gradient.
 *
 * They differ in what they ask oneDNN for; from the descriptors on they are the same.
 * Inputs are numbered as both operators number them. After ReLU fused in training, the
 * gradient first passes the ReLU, in place, by the sign of the output. In bf16 weights
 * are rounded when they are taken over, gradients of parameters are f32.
 */
#ifndef TN_OPS_ONEDNN_LAYER_H
#define TN_OPS_ONEDNN_LAYER_H

#include "ops/onednn.h"

enum { TN__LAYER_X, TN__LAYER_W, TN__LAYER_B };

typedef struct tn__layer_kernel tn__layer_kernel;
struct tn__layer_kernel {
    tn__program_kernel k;
    bool want_x, want_w, want_b, has_bias, relu;
    bool folded;             /* weights and bias last during refresh() only */
    tn_dtype type;           /* computed in */
    const tn__layout *x, *y; /* as the neighbours have them */
    const tn__layout *w_plain, *b_plain; /* as the parameters lie */
    dnnl_primitive_desc_t forward, data, weights, relu_back;
    const tn__layout *w_forward, *w_data, *w_made;
    const tn__layout *x_forward, *y_forward, *x_weights, *dx_data, *dy_data,
        *dy_weights;
    void *w_forward_copy, *w_data_copy, *b_copy;
};

/* What an operator adds. */
typedef struct tn__layer_class {
    size_t size; /* of its kernel, which begins with a tn__layer_kernel */
    /* Fills in `x` to `dy_weights`; false where some primitive is
     * missing in l->type. */
    bool (*describe)(tn__layer_kernel *l, const tn__kernel_request *request);
    void (*build)(tn__program_kernel *kernel, const tn__kernel_memory *m);
} tn__layer_class;

/* The value is an activation that oneDNN knows, the weights are an f32 parameter. */
bool tn__layer_suits(const tn__kernel_request *request);
/* The kernel in bf16 where that is asked for and there, else in f32; *out is NULL where
 * there is neither. */
tn_status tn__layer_create(tn__kernel **out, const tn__kernel_request *request,
                           const tn__layer_class *class, tn_error *err);

/* --- for describe() --- */

/* What the forward primitive of `kind` is asked for, with the weights as `shape`. Sets
 * the layouts of bias and weights, these by `strides` (NULL: row-major). */
tn__pd_spec tn__layer_spec(tn__layer_kernel *l, const tn__kernel_request *request,
                           tn__pd_kind kind, const tn__shape *shape,
                           const int64_t *strides);
bool tn__layer_forward(tn__layer_kernel *l, const tn__kernel_request *request,
                       const tn__pd_spec *spec);
/* Turns the spec of the forward primitive into one for the gradients, and describes the
 * ReLU's. The next two take it. */
bool tn__layer_backward(tn__layer_kernel *l, tn__dnnl *d, tn__pd_spec *spec);
bool tn__layer_data(tn__layer_kernel *l, tn__dnnl *d, const tn__pd_spec *spec,
                    tn__pd_kind kind);
bool tn__layer_weights(tn__layer_kernel *l, tn__dnnl *d, const tn__pd_spec *spec,
                       tn__pd_kind kind);

/* --- for build() --- */

/* Taking over the parameters. The gradient of the value sees the weights as `w_seen`.
 */
void tn__layer_build_refresh(tn__layer_kernel *l, const tn__kernel_memory *m,
                             const tn__layout *w_seen);
/* The value as the forward primitive reads it. */
void *tn__layer_read(tn__layer_kernel *l, const tn__kernel_memory *m);
/* The forward program from there on, and the ReLU's part of the backward one. */
void tn__layer_build_forward(tn__layer_kernel *l, const tn__kernel_memory *m, void *x);
void tn__layer_build_weights(tn__layer_kernel *l, const tn__kernel_memory *m);
void tn__layer_build_data(tn__layer_kernel *l, const tn__kernel_memory *m);

#endif
