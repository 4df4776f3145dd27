/* gemm_ref.c - Y = alpha op(A) op(B) + beta C in double: the oracle of the fast kernel.
 *
 * With G = dY: d op(A) = alpha G op(B)^T, d op(B) = alpha op(A)^T G, and dC is beta G
 * summed over the axes along which C was stretched.
 */
#include "ops/gemm/gemm.h"
#include "ops/matmul/product.h"
#include "ops/operand.h"
#include "ops/view.h"

/* op(X) for X with `columns` columns; the transpose of op(X) has the strides swapped.
 */
static tn__matrix seen(const tn__tensor *x, bool transposed)
{
    size_t columns = (size_t)x->shape.dims[1];
    return (tn__matrix){.data = tn__tensor_f32_const(x),
                        .row = transposed ? 1 : columns,
                        .column = transposed ? columns : 1};
}

static tn__matrix flipped(tn__matrix x)
{
    return (tn__matrix){.data = x.data, .row = x.column, .column = x.row};
}

tn_status tn__gemm_forward(tn__tensor *const *out, const tn__tensor *const *in,
                           const tn__site *site, tn_error *err)
{
    tn__gemm g;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = tn__gemm_read(&g, site, err)) != TN_OK)
        return status;
    double *y = tn__alloc(g.m * g.n, sizeof *y);
    if (!y)
        return tn__fail_memory(err, g.m * g.n * sizeof *y);
    if (g.bias) {
        const float *c = tn__tensor_f32_const(in[2]);
        tn__view view = tn__view_broadcast(&in[2]->shape, &site->out[0]);
        for (size_t i = 0; i < g.m; i++)
            for (size_t j = 0; j < g.n; j++) {
                int64_t at[2] = {(int64_t)i, (int64_t)j};
                y[i * g.n + j] = (double)g.beta * (double)c[tn__view_at(&view, at, 2)];
            }
    }
    tn__matrix a = seen(in[0], g.ta), b = seen(in[1], g.tb);
    tn__product_add(y, &a, &b, (size_t[]){g.m, g.n, g.k}, (double)g.alpha);
    tn__store_f64(out[0], y);
    tn__free(y);
    return TN_OK;
}

/* to = scale A B, an m by n matrix. */
static tn_status product(tn__tensor *to, tn__matrix a, tn__matrix b,
                         const size_t mnk[3], double scale, tn_error *err)
{
    if (!to)
        return TN_OK;
    double *sum = tn__alloc(mnk[0] * mnk[1], sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, mnk[0] * mnk[1] * sizeof *sum);
    tn__product_add(sum, &a, &b, mnk, scale);
    tn__store_f64(to, sum);
    tn__free(sum);
    return TN_OK;
}

static tn_status bias_gradient(tn__tensor *dc, const tn__tensor *dy, double beta,
                               tn_error *err)
{
    size_t count = tn__tensor_count(dc);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    tn__view view = tn__view_broadcast(&dc->shape, &dy->shape);
    tn__view_sum(sum, &view, tn__tensor_f32_const(dy), &dy->shape);
    for (size_t i = 0; i < count; i++)
        sum[i] *= beta;
    tn__store_f64(dc, sum);
    tn__free(sum);
    return TN_OK;
}

tn_status tn__gemm_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                            const tn__tensor *const *in, const tn__tensor *const *out,
                            const tn__site *site, tn_error *err)
{
    (void)out;
    tn__gemm g;
    tn_status status = tn__gemm_read(&g, site, err);
    if (status)
        return status;
    tn__matrix a = seen(in[0], g.ta), b = seen(in[1], g.tb), dy = seen(dout[0], false);
    double alpha = (double)g.alpha;
    /* A itself is op(A) or its transpose, (G B^T)^T = B G^T. */
    if (g.ta)
        status = product(din[0], b, flipped(dy), (size_t[]){g.k, g.m, g.n}, alpha, err);
    else
        status = product(din[0], dy, flipped(b), (size_t[]){g.m, g.k, g.n}, alpha, err);
    if (status)
        return status;
    if (g.tb)
        status = product(din[1], flipped(dy), a, (size_t[]){g.n, g.k, g.m}, alpha, err);
    else
        status = product(din[1], flipped(a), dy, (size_t[]){g.k, g.n, g.m}, alpha, err);
    if (!status && g.bias && din[2])
        status = bias_gradient(din[2], dout[0], (double)g.beta, err);
    return status;
}
