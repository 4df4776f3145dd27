/* matmul.c - MatMul: shapes, cost and coupling rule. Batch axes broadcast, operands may
 * be vectors, either may be a parameter. */
#include "ops/matmul/matmul.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn__shape leading(const tn__shape *shape)
{
    tn__shape batch = *shape;
    batch.rank = TN__MAX(shape->rank - 2, 0);
    return batch;
}

tn_status tn__matmul_read(tn__matmul *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 0, 1, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 1, TN__MAX_RANK, err)) != TN_OK ||
        (status = tn__expect_rank(site, 1, 1, TN__MAX_RANK, err)) != TN_OK)
        return status;
    const tn__shape *a = site->in[0], *b = site->in[1];
    tn__matmul mm = {.row = a->rank == 1,
                     .column = b->rank == 1,
                     .a_batch = leading(a),
                     .b_batch = leading(b)};
    mm.m = mm.row ? 1 : a->dims[a->rank - 2];
    mm.k = a->dims[a->rank - 1];
    mm.n = mm.column ? 1 : b->dims[b->rank - 1];
    int64_t k = b->dims[mm.column ? 0 : b->rank - 2];
    if (k != mm.k)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "expected %lld input features, found %lld", (long long)k,
                        (long long)mm.k);
    status = tn__broadcast_shape(&mm.batch, &mm.a_batch, &mm.b_batch, err);
    if (!status)
        *out = mm;
    return status;
}

static tn_status matmul_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__matmul mm;
    tn_status status = tn__matmul_read(&mm, site, err);
    if (status)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = mm.batch;
    if (!mm.row)
        out->shape.dims[out->shape.rank++] = mm.m;
    if (!mm.column)
        out->shape.dims[out->shape.rank++] = mm.n;
    return TN_OK;
}

/* batch m n k */
static uint64_t matmul_macs(const tn__site *site)
{
    const tn__shape *a = site->in[0], *y = &site->out[0];
    uint64_t macs = (uint64_t)a->dims[a->rank - 1];
    for (int i = 0; i < y->rank; i++)
        macs = tn__saturating_mul(macs, (uint64_t)y->dims[i]);
    return macs;
}

/* Ties the leading axes of input `a` with those of the output, right-aligned. */
static tn_status couple_batch(tn__coupling *c, int a, const tn__shape *from,
                              const tn__shape *batch, tn_error *err)
{
    int shift = batch->rank - from->rank;
    tn_status status = TN_OK;
    for (int i = 0; i < from->rank && !status; i++)
        if (from->dims[i] == batch->dims[i + shift])
            status = tn__couple_axes(c, a, i, TN__OUT(0), i + shift,
                                     (size_t)from->dims[i], err);
    return status;
}

/* Ties the leading axes that both inputs have: with the contracted axis they are one
 * bundle, as the heads and the inner axis of attention. */
static tn_status couple_batches(tn__coupling *c, const tn__matmul *mm, tn_error *err)
{
    const tn__shape *a = &mm->a_batch, *b = &mm->b_batch;
    tn_status status = TN_OK;
    for (int i = 1; i <= TN__MIN(a->rank, b->rank) && !status; i++)
        if (a->dims[a->rank - i] == b->dims[b->rank - i])
            status = tn__couple_axes(c, 0, a->rank - i, 1, b->rank - i,
                                     (size_t)a->dims[a->rank - i], err);
    return status;
}

static tn_status matmul_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__matmul mm;
    tn_status status = tn__matmul_read(&mm, site, err);
    if (status)
        return status;
    int a_last = site->in[0]->rank - 1, b_last = site->in[1]->rank - 1;
    int b_inner = mm.column ? 0 : b_last - 1;
    if (site->constant[1] && !mm.column) {
        c->role(c, 1, b_last, TN__PRODUCER);
        c->role(c, 1, b_inner, TN__CONSUMER);
    } else if (site->constant[0] && !mm.row) {
        c->role(c, 0, a_last - 1, TN__PRODUCER);
        c->role(c, 0, a_last, TN__CONSUMER);
    }
    if ((status = tn__couple_axes(c, 0, a_last, 1, b_inner, (size_t)mm.k, err)) !=
            TN_OK ||
        (status = couple_batch(c, 0, &mm.a_batch, &mm.batch, err)) != TN_OK ||
        (status = couple_batch(c, 1, &mm.b_batch, &mm.batch, err)) != TN_OK ||
        (status = couple_batches(c, &mm, err)) != TN_OK)
        return status;
    int axis = mm.batch.rank;
    if (!mm.row && (status = tn__couple_axes(c, 0, a_last - 1, TN__OUT(0), axis++,
                                             (size_t)mm.m, err)) != TN_OK)
        return status;
    if (!mm.column)
        status = tn__couple_axes(c, 1, b_last, TN__OUT(0), axis, (size_t)mm.n, err);
    return status;
}

const tn__op tn__op_matmul = {
    .type = "MatMul",
    .domain = "",
    .infer = matmul_infer,
    .macs = matmul_macs,
    .couple = matmul_couple,
    .joint = true,
    .forward = tn__matmul_forward,
    .backward = tn__matmul_backward,
    .kernel = &tn__matmul_fast,
};
