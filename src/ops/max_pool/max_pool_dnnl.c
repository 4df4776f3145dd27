/* max_pool_dnnl.c - MaxPool with one output on oneDNN. */
#include "ops/onednn_pool.h"

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    tn__pd_spec spec = {.pooling = dnnl_pooling_max};
    const tn__site *site = request->site;
    if (!request->in[0] || !request->in[0]->md || site->output_count != 1 ||
        !tn__dnnl_window(&spec, site, NULL))
        return TN_OK;
    return tn__dnnl_pool(out, request, &spec, err);
}

const tn__kernel_class tn__maxpool_dnnl = {
    .name = "maxpool:onednn", .bf16 = TN__BF16_FOLLOWS, .create = create};
