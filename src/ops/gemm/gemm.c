/* gemm.c - Gemm: shapes, cost and coupling rule. */
#include "ops/gemm/gemm.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status check_bias(const tn__gemm *gemm, const tn__site *site, tn_error *err)
{
    const tn__shape *c = site->in[2];
    tn__shape y = {.rank = 2, .dims = {(int64_t)gemm->m, (int64_t)gemm->n}}, all;
    tn_status status = tn__expect_same_dtype(site, 0, 2, err);
    if (!status)
        status = tn__broadcast_shape(&all, c, &y, err);
    if (!status && !tn__shape_equal(&all, &y)) {
        char text[TN__SHAPE_TEXT];
        status = tn__fail(err, TN_ERROR_MISMATCH,
                          "input 2 is %s, expected what broadcasts onto [%zu, %zu]",
                          tn__shape_text(text, sizeof text, c), gemm->m, gemm->n);
    }
    return status;
}

tn_status tn__gemm_read(tn__gemm *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 0, 1, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 2, 2, err)) != TN_OK ||
        (status = tn__expect_rank(site, 1, 2, 2, err)) != TN_OK)
        return status;
    const int64_t *a = site->in[0]->dims, *b = site->in[1]->dims;
    bool ta = tn__node_int(site->node, "transA", 0) != 0;
    bool tb = tn__node_int(site->node, "transB", 0) != 0;
    if (a[ta ? 0 : 1] != b[tb ? 1 : 0])
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "expected %lld input features, found %lld",
                        (long long)b[tb ? 1 : 0], (long long)a[ta ? 0 : 1]);
    tn__gemm gemm = {.m = (size_t)a[ta ? 1 : 0],
                     .n = (size_t)b[tb ? 0 : 1],
                     .k = (size_t)a[ta ? 0 : 1],
                     .ta = ta,
                     .tb = tb,
                     .alpha = tn__node_float(site->node, "alpha", 1),
                     .beta = tn__node_float(site->node, "beta", 1),
                     .bias = tn__site_in(site, 2) != NULL};
    if (gemm.bias)
        status = check_bias(&gemm, site, err);
    if (!status)
        *out = gemm;
    return status;
}

static tn_status gemm_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__gemm gemm;
    tn_status status = tn__gemm_read(&gemm, site, err);
    if (status)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = (tn__shape){.rank = 2, .dims = {(int64_t)gemm.m, (int64_t)gemm.n}};
    return TN_OK;
}

/* m n k */
static uint64_t gemm_macs(const tn__site *site)
{
    bool ta = tn__node_int(site->node, "transA", 0) != 0;
    const tn__shape *y = &site->out[0];
    uint64_t mn = tn__saturating_mul((uint64_t)y->dims[0], (uint64_t)y->dims[1]);
    return tn__saturating_mul(mn, (uint64_t)site->in[0]->dims[ta ? 0 : 1]);
}

static tn_status gemm_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__gemm g;
    tn_status status = tn__gemm_read(&g, site, err);
    if (status)
        return status;
    c->role(c, 1, g.tb ? 0 : 1, TN__PRODUCER);
    c->role(c, 1, g.tb ? 1 : 0, TN__CONSUMER);
    if ((status = tn__couple_axes(c, 0, g.ta ? 0 : 1, 1, g.tb ? 1 : 0, g.k, err)) !=
            TN_OK ||
        (status = tn__couple_axes(c, 0, g.ta ? 1 : 0, TN__OUT(0), 0, g.m, err)) !=
            TN_OK ||
        (status = tn__couple_axes(c, 1, g.tb ? 0 : 1, TN__OUT(0), 1, g.n, err)) !=
            TN_OK)
        return status;
    if (!g.bias)
        return TN_OK;
    const tn__shape *bias = site->in[2];
    if (bias->rank && bias->dims[bias->rank - 1] == (int64_t)g.n)
        c->role(c, 2, bias->rank - 1, TN__PRODUCER);
    return tn__couple_broadcast(c, site, 2, err);
}

const tn__op tn__op_gemm = {
    .type = "Gemm",
    .domain = "",
    .infer = gemm_infer,
    .macs = gemm_macs,
    .couple = gemm_couple,
    .joint = true,
    .forward = tn__gemm_forward,
    .backward = tn__gemm_backward,
    .kernel = &tn__gemm_dnnl,
};
