/* average_pool_dnnl.c - AveragePool on oneDNN.
 *
 * With ceil_mode ONNX and oneDNN differ in what the last window is divided by, so that
 * is left to the reference.
 */
#include "ops/onednn_pool.h"

static tn_status create(tn__kernel **out, const tn__kernel_request *request,
                        tn_error *err)
{
    const tn__site *site = request->site;
    bool include = tn__node_int(site->node, "count_include_pad", 0) != 0;
    tn__pd_spec spec = {.pooling = include ? dnnl_pooling_avg_include_padding
                                           : dnnl_pooling_avg_exclude_padding};
    if (!request->in[0] || !request->in[0]->md ||
        tn__node_int(site->node, "ceil_mode", 0) || !tn__dnnl_window(&spec, site, NULL))
        return TN_OK;
    return tn__dnnl_pool(out, request, &spec, err);
}

const tn__kernel_class tn__averagepool_dnnl = {
    .name = "averagepool:onednn", .bf16 = TN__BF16_FOLLOWS, .create = create};
