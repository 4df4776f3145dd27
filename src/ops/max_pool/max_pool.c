/* max_pool.c - MaxPool: shapes and coupling rule. The indices (output 1) are not made.
 */
#include "ops/max_pool/max_pool.h"

#include "ops/kernel.h"
#include "ops/registry.h"
#include "ops/window.h"

static tn_status max_pool_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__window window;
    return tn__window_infer_pool(out, &window, site, err);
}

const tn__op tn__op_max_pool = {
    .type = "MaxPool",
    .domain = "",
    .infer = max_pool_infer,
    .couple = tn__window_couple_pool,
    .joint = true,
    .forward = tn__max_pool_forward,
    .backward = tn__max_pool_backward,
    .kernel = &tn__maxpool_dnnl,
};
