/* matmul.h - extents of MatMul. */
#ifndef TN_OPS_MATMUL_MATMUL_H
#define TN_OPS_MATMUL_MATMUL_H

#include "ops/kernel.h"

/* Y [batch..., m, n] = A [batch..., m, k] B [batch..., k, n]; a vector counts as one
 * row (A) or one column (B) whose axis Y does not have. */
typedef struct tn__matmul {
    int64_t m, n, k;
    bool row, column;           /* A, B is a vector */
    tn__shape batch;            /* the leading axes, broadcast against each other */
    tn__shape a_batch, b_batch; /* those of A and of B */
} tn__matmul;

/* Reads and checks the shapes of the inputs. */
tn_status tn__matmul_read(tn__matmul *out, const tn__site *site,
                          tn_error *err) TN_MUST_USE;

tn_status tn__matmul_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err);
tn_status tn__matmul_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err);

/* The kernel of products of two activations with the same batch axes; *out is left
 * alone where it does not suit. */
tn_status tn__matmul_batched(tn__kernel **out, const tn__kernel_request *request,
                             tn_error *err) TN_MUST_USE;
/* The kernel of any product of plain f32 operands. */
tn_status tn__matmul_plain(tn__kernel **out, const tn__kernel_request *request,
                           tn_error *err) TN_MUST_USE;

#endif
