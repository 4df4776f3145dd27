/* product.h - plain matrix products in double, shared by Gemm and MatMul. */
#ifndef TN_OPS_MATMUL_PRODUCT_H
#define TN_OPS_MATMUL_PRODUCT_H

#include "base/base.h"

/* A matrix seen through strides: element (i, j) at data[i * row + j * column]. */
typedef struct tn__matrix {
    const float *data;
    size_t row, column;
} tn__matrix;

/* C [m, n] += scale A [m, k] B [k, n]; C is dense and double. */
void tn__product_add(double *c, const tn__matrix *a, const tn__matrix *b,
                     const size_t mnk[3], double scale);

#endif
