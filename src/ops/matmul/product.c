/* product.c - C += scale A B with double sums, row by row; see product.h. */
#include "ops/matmul/product.h"

void tn__product_add(double *c, const tn__matrix *a, const tn__matrix *b,
                     const size_t mnk[3], double scale)
{
    size_t m = mnk[0], n = mnk[1], k = mnk[2];
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++) {
            double s = scale * (double)a->data[i * a->row + p * a->column];
            const float *row = b->data + p * b->row;
            for (size_t j = 0; j < n; j++)
                c[i * n + j] += s * (double)row[j * b->column];
        }
}
