/* axis_product.c - a tensor times an axis map.
 *
 * The tensor is seen as [outer, columns, inner]; out[o, j, :] = sum_i map[j, i] in[o,
 * i, :] in double, entry by entry in the order of the map, or by BLAS where the map is
 * dense. Gathers move bytes of any type and never convert.
 */
#include <string.h>

#include "neurons/axis_map.h"
#include "tensor/linalg.h"

/* Maps with more than this share of entries are multiplied as dense matrices. */
#define DENSE_SHARE 0.125

/* One product: sizes are those of one block. */
typedef struct product {
    const tn__axis_map *map;
    size_t rows, columns; /* of a block */
    size_t outer, inner;
    size_t blocks;
    size_t size; /* bytes of an element */
} product;

/* The block of columns of part o of the outer axis, and the block of the map's rows it
 * is multiplied by; false where it is multiplied by none. */
static bool find_block(size_t *columns, size_t *rows, const product *p, size_t o)
{
    *columns = p->blocks > 1 ? o / (p->outer / p->blocks) : 0;
    *rows = p->map->slab ? p->map->slab[*columns] : *columns;
    return *rows != UINT32_MAX;
}

static void gather_words(uint32_t *out, const uint32_t *in, const product *p)
{
    for (size_t o = 0; o < p->outer; o++) {
        size_t k, to;
        if (!find_block(&k, &to, p, o))
            continue;
        const uint32_t *column = p->map->column + to * p->rows;
        const uint32_t *from = in + o * p->columns;
        for (size_t j = 0; j < p->rows; j++)
            out[o * p->rows + j] = from[column[j] - k * p->columns];
    }
}

static void gather(unsigned char *out, const unsigned char *in, const product *p)
{
    size_t run = p->inner * p->size;
    for (size_t o = 0; o < p->outer; o++) {
        size_t k, to;
        if (!find_block(&k, &to, p, o))
            continue;
        const uint32_t *column = p->map->column + to * p->rows;
        for (size_t j = 0; j < p->rows; j++)
            memcpy(out + (o * p->rows + j) * run,
                   in + (o * p->columns + column[j] - k * p->columns) * run, run);
    }
}

static void multiply(double *out, const double *in, const product *p)
{
    const tn__axis_map *map = p->map;
    size_t inner = p->inner;
    for (size_t o = 0; o < p->outer; o++) {
        size_t k, to;
        if (!find_block(&k, &to, p, o))
            continue;
        for (size_t j = 0; j < p->rows; j++) {
            double *y = out + (o * p->rows + j) * inner;
            size_t row = to * p->rows + j;
            for (size_t e = map->first[row]; e < map->first[row + 1]; e++) {
                size_t i = map->column[e] - k * p->columns;
                const double *x = in + (o * p->columns + i) * inner;
                double w = map->weight[e];
                for (size_t s = 0; s < inner; s++)
                    y[s] += w * x[s];
            }
        }
    }
}

static tn_status multiply_dense(double *out, const double *in, const product *p,
                                tn_error *err)
{
    size_t m = p->rows, n = p->columns;
    double *a = tn__alloc(m * n, sizeof *a);
    if (!a)
        return tn__fail_memory(err, m * n * sizeof *a);
    for (size_t j = 0; j < m; j++)
        for (size_t e = p->map->first[j]; e < p->map->first[j + 1]; e++)
            a[j * n + p->map->column[e]] += p->map->weight[e];
    if (p->inner == 1)
        tn__gemm_f64(false, true, p->outer, m, n, 1, in, n, a, n, 0, out, m);
    for (size_t o = 0; o < p->outer && p->inner > 1; o++)
        tn__gemm_f64(false, false, m, p->inner, n, 1, a, n, in + o * n * p->inner,
                     p->inner, 0, out + o * m * p->inner, p->inner);
    tn__free(a);
    return TN_OK;
}

static bool is_dense(const tn__axis_map *map)
{
    double entries = (double)map->first[map->rows];
    return entries > DENSE_SHARE * (double)map->rows * (double)map->columns;
}

static tn_status run(void *out, const void *in, const product *p, tn_error *err)
{
    if (p->map->gather && p->inner == 1 && p->size == sizeof(uint32_t))
        gather_words(out, in, p);
    else if (p->map->gather)
        gather(out, in, p);
    else if (p->blocks == 1 && is_dense(p->map))
        return multiply_dense(out, in, p, err);
    else
        multiply(out, in, p);
    return TN_OK;
}

tn_status tn__axis_map_apply(tn__tensor *tensor, const tn__axis_map *map, int axis,
                             size_t blocks, tn_error *err)
{
    if (!map->first)
        return TN_OK;
    product p = {.map = map, .outer = 1, .inner = 1, .blocks = blocks};
    p.rows = map->rows / blocks;
    p.columns = map->columns / blocks;
    p.size = tn__dtype_size(tensor->dtype);
    tn__shape shape = tensor->shape;
    for (int a = 0; a < shape.rank; a++)
        *(a < axis ? &p.outer : &p.inner) *= a == axis ? 1 : (size_t)shape.dims[a];
    shape.dims[axis] = (int64_t)(p.rows * map->run);
    p.inner *= map->run;
    tn__tensor made = {0};
    void *data;
    tn_status status =
        tn__tensor_create(&made, tensor->dtype, shape.rank, shape.dims, err);
    if (status || (status = tn__tensor_write(&made, &data, err)) != TN_OK ||
        (status = run(data, tn__tensor_data(tensor), &p, err)) != TN_OK)
        goto done;
    tn__tensor_release(tensor);
    *tensor = made;
    made = (tn__tensor){0};
done:
    tn__tensor_release(&made);
    return status;
}
