/* onednn_sums.c - sums of the rows of a matrix: the gradient of a bias, in double. */
#include <string.h>

#include "ops/onednn.h"
#include "ops/quick.h"

typedef struct row_sums {
    tn_dtype type;
    size_t rows, columns;
    double *total; /* [columns] */
} row_sums;

TN__VECTORS static void add_row(double *total, const float *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        total[i] += (double)row[i];
}

TN__VECTORS static void add_row_bf16(double *total, const uint16_t *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        total[i] += (double)tn__bf16_to_f32(row[i]);
}

static void sum_rows(void *to, const void *from, const void *with)
{
    const row_sums *s = with;
    float *sums = to;
    size_t n = s->columns;
    memset(s->total, 0, n * sizeof *s->total);
    for (size_t r = 0; r < s->rows; r++)
        if (s->type == TN_BF16)
            add_row_bf16(s->total, (const uint16_t *)from + r * n, n);
        else
            add_row(s->total, (const float *)from + r * n, n);
    for (size_t i = 0; i < n; i++)
        sums[i] = (float)s->total[i];
}

void tn__program_sum_rows(tn__program *p, const tn__layout *matrix, const void *from,
                          void *sums)
{
    row_sums *s = p->dry ? NULL : tn__dnnl_alloc(p->d, 1, sizeof *s);
    if (!s)
        return;
    s->type = matrix->dtype;
    s->rows = (size_t)matrix->shape.dims[0];
    s->columns = (size_t)matrix->shape.dims[1];
    s->total = tn__dnnl_alloc(p->d, s->columns, sizeof *s->total);
    tn__program_work(p, sum_rows, sums, from, s);
}
