/* global_average_pool.c - GlobalAveragePool: shapes and coupling rule. */
#include "ops/global_average_pool/global_average_pool.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/window.h"

static tn_status global_average_pool_infer(tn__inferred *out, const tn__site *site,
                                           tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 2, TN__MAX_RANK, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = *site->in[0];
    for (int k = 2; k < out->shape.rank; k++)
        out->shape.dims[k] = 1;
    return TN_OK;
}

const tn__op tn__op_global_average_pool = {
    .type = "GlobalAveragePool",
    .domain = "",
    .infer = global_average_pool_infer,
    .couple = tn__window_couple_pool,
    .joint = true,
    .forward = tn__global_average_pool_forward,
    .backward = tn__global_average_pool_backward,
    .kernel = &tn__globalaveragepool_dnnl,
};
