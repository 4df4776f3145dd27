/* global_average_pool_dnnl.c - GlobalAveragePool: one window over the whole map. */
#include "ops/onednn_pool.h"

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    tn__pd_spec spec = {.pooling = dnnl_pooling_avg_exclude_padding};
    const tn__layout *x = request->in[0];
    if (!x || !x->md || x->shape.rank < 3 || x->shape.rank > 5)
        return TN_OK;
    for (int i = 2; i < x->shape.rank; i++) {
        spec.window[i - 2] = x->shape.dims[i];
        spec.strides[i - 2] = 1;
    }
    return tn__dnnl_pool(out, request, &spec, err);
}

const tn__kernel_class tn__globalaveragepool_dnnl = {
    .name = "globalaveragepool:onednn", .bf16 = TN__BF16_FOLLOWS, .create = create};
