/* gemm.h - extents of Gemm. */
#ifndef TN_OPS_GEMM_GEMM_H
#define TN_OPS_GEMM_GEMM_H

#include "ops/op.h"

/* Y [m, n] = alpha op(A) op(B) + beta C; op(A) is [m, k], op(B) is [k, n]. */
typedef struct tn__gemm {
    size_t m, n, k;
    bool ta, tb; /* A is [k, m], B is [n, k] */
    float alpha, beta;
    bool bias; /* C, broadcast onto [m, n] */
} tn__gemm;

/* Reads and checks the node and the shapes of its inputs. */
tn_status tn__gemm_read(tn__gemm *out, const tn__site *site, tn_error *err) TN_MUST_USE;

tn_status tn__gemm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                           const tn__site *site, tn_error *err);
tn_status tn__gemm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                            const tn__tensor *const *in, const tn__tensor *const *out,
                            const tn__site *site, tn_error *err);

#endif
