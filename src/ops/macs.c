/* macs.c - what a model costs: multiply-accumulates of its Conv, Gemm and MatMul nodes.
 */
#include "ops/op.h"

tn_status tn__model_macs(uint64_t *out, const tn_model *model, const tn__shapes *shapes,
                         tn_error *err)
{
    tn__site_memory memory = {0};
    tn_status status = TN_OK;
    uint64_t total = 0;
    for (size_t n = 0; n < model->node_count && !status; n++) {
        const tn__node *node = &model->nodes[n];
        const tn__op *op = tn__op_find(node->domain, node->type);
        if (!op || !op->macs)
            continue;
        tn__site site;
        status = tn__site_fill(&site, &memory, model, shapes, n, err);
        if (!status && __builtin_add_overflow(total, op->macs(&site), &total))
            status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                              "the multiply-accumulates cannot be counted in 64 bits");
    }
    tn__site_memory_release(&memory);
    if (!status)
        *out = total;
    return status;
}
