/* average_pool.c - AveragePool: shapes and coupling rule. */
#include "ops/average_pool/average_pool.h"

#include "ops/kernel.h"
#include "ops/registry.h"
#include "ops/window.h"

static tn_status average_pool_infer(tn__inferred *out, const tn__site *site,
                                    tn_error *err)
{
    tn__window window;
    return tn__window_infer_pool(out, &window, site, err);
}

const tn__op tn__op_average_pool = {
    .type = "AveragePool",
    .domain = "",
    .infer = average_pool_infer,
    .couple = tn__window_couple_pool,
    .joint = true,
    .forward = tn__average_pool_forward,
    .backward = tn__average_pool_backward,
    .kernel = &tn__averagepool_dnnl,
};
