/* matmul_ref.c - MatMul in double: one product for each index of the batch axes.
 *
 * dA = dY B^T and dB = A^T dY, summed over batch axes along which an operand was
 * stretched.
 */
#include "ops/matmul/matmul.h"
#include "ops/matmul/product.h"
#include "ops/operand.h"
#include "ops/view.h"

/* First element of the matrices of A, B and Y for one index of the batch axes. */
typedef struct cursor {
    tn__matmul mm;
    tn__view a, b, y; /* in matrices */
    int64_t at[TN__MAX_RANK];
    int64_t batches;
} cursor;

static tn_status cursor_init(cursor *c, const tn__site *site, tn_error *err)
{
    *c = (cursor){.batches = 1};
    tn_status status = tn__matmul_read(&c->mm, site, err);
    if (status)
        return status;
    c->a = tn__view_broadcast(&c->mm.a_batch, &c->mm.batch);
    c->b = tn__view_broadcast(&c->mm.b_batch, &c->mm.batch);
    c->y = tn__view_dense(&c->mm.batch);
    for (int i = 0; i < c->mm.batch.rank; i++)
        c->batches *= c->mm.batch.dims[i];
    return TN_OK;
}

static tn__matrix matrix(const float *data, const tn__view *view, const cursor *c,
                         int64_t rows, int64_t columns)
{
    int64_t first = tn__view_at(view, c->at, c->mm.batch.rank) * rows * columns;
    return (tn__matrix){.data = data + first, .row = (size_t)columns, .column = 1};
}

static tn__matrix flipped(tn__matrix x)
{
    return (tn__matrix){.data = x.data, .row = x.column, .column = x.row};
}

tn_status tn__matmul_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    cursor c;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = cursor_init(&c, site, err)) != TN_OK)
        return status;
    int64_t m = c.mm.m, n = c.mm.n, k = c.mm.k;
    size_t count = tn__tensor_count(out[0]);
    double *y = tn__alloc(count, sizeof *y);
    if (!y)
        return tn__fail_memory(err, count * sizeof *y);
    for (int64_t i = 0; i < c.batches; i++) {
        tn__matrix a = matrix(tn__tensor_f32_const(in[0]), &c.a, &c, m, k);
        tn__matrix b = matrix(tn__tensor_f32_const(in[1]), &c.b, &c, k, n);
        tn__product_add(y + i * m * n, &a, &b,
                        (size_t[]){(size_t)m, (size_t)n, (size_t)k}, 1);
        (void)tn__index_next(c.at, &c.mm.batch, c.mm.batch.rank);
    }
    tn__store_f64(out[0], y);
    tn__free(y);
    return TN_OK;
}

tn_status tn__matmul_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    (void)out;
    cursor c;
    tn_status status = cursor_init(&c, site, err);
    if (status)
        return status;
    size_t m = (size_t)c.mm.m, n = (size_t)c.mm.n, k = (size_t)c.mm.k;
    size_t as = tn__tensor_count(in[0]), bs = tn__tensor_count(in[1]);
    double *da = tn__alloc(as, sizeof *da), *db = tn__alloc(bs, sizeof *db);
    if (!da || !db) {
        status = tn__fail_memory(err, (as + bs) * sizeof *da);
        goto done;
    }
    const float *a_data = tn__tensor_f32_const(in[0]);
    const float *b_data = tn__tensor_f32_const(in[1]);
    for (int64_t i = 0; i < c.batches; i++) {
        tn__matrix a = matrix(a_data, &c.a, &c, c.mm.m, c.mm.k);
        tn__matrix b = matrix(b_data, &c.b, &c, c.mm.k, c.mm.n);
        tn__matrix dy = matrix(tn__tensor_f32_const(dout[0]), &c.y, &c, c.mm.m, c.mm.n);
        tn__matrix at = flipped(a), bt = flipped(b);
        tn__product_add(da + (a.data - a_data), &dy, &bt, (size_t[]){m, k, n}, 1);
        tn__product_add(db + (b.data - b_data), &at, &dy, (size_t[]){k, n, m}, 1);
        (void)tn__index_next(c.at, &c.mm.batch, c.mm.batch.rank);
    }
    tn__store_f64(din[0], da);
    tn__store_f64(din[1], db);
done:
    tn__free(da);
    tn__free(db);
    return status;
}
