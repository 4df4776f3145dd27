/* reduce.c - the reductions: shapes and coupling rule. They differ in what they
 * collect, which is in reduce_ref.c. The axes are an attribute, and an input since
 * operator set 18 (ReduceSum: 13). */
#include "ops/reduce/reduce.h"

#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

tn_status tn__reduce_axes(bool reduced[TN__MAX_RANK], const tn__site *site,
                          tn_error *err)
{
    int64_t since = strcmp(site->node->type, "ReduceSum") == 0 ? 13 : 18;
    int rank = site->in[0]->rank;
    tn__ints axes;
    tn_status status = tn__ints_either(&axes, site, "axes", since, 1, err);
    if (status)
        return status;
    if (axes.count)
        return tn__axes_mark(reduced, &axes, rank, err);
    bool none = tn__node_int(site->node, "noop_with_empty_axes", 0) != 0;
    for (int k = 0; k < TN__MAX_RANK; k++)
        reduced[k] = k < rank && !none;
    return TN_OK;
}

static tn_status reduce_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    bool reduced[TN__MAX_RANK];
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__reduce_axes(reduced, site, err)) != TN_OK)
        return status;
    bool keep = tn__node_int(site->node, "keepdims", 1) != 0;
    out->dtype = site->in_dtype[0];
    for (int k = 0; k < site->in[0]->rank; k++)
        if (keep || !reduced[k])
            out->shape.dims[out->shape.rank++] = reduced[k] ? 1 : site->in[0]->dims[k];
    return TN_OK;
}

/* No reduction minds the order of what it collects: those axes stay free. */
static tn_status reduce_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    bool reduced[TN__MAX_RANK];
    tn_status status = tn__reduce_axes(reduced, site, err);
    bool keep = tn__node_int(site->node, "keepdims", 1) != 0;
    int to = 0;
    for (int k = 0; k < site->in[0]->rank && !status; k++) {
        if (!reduced[k])
            status = tn__couple_axes(c, 0, k, TN__OUT(0), to,
                                     (size_t)site->in[0]->dims[k], err);
        to += keep || !reduced[k];
    }
    if (!status && tn__site_in(site, 1))
        status = tn__couple_freeze(c, site, 1, "list of axes", err);
    return status;
}

#define REDUCE(name)                                                                   \
    {                                                                                  \
        .type = name, .domain = "", .infer = reduce_infer, .couple = reduce_couple,    \
        .joint = true, .forward = tn__reduce_forward, .backward = tn__reduce_backward  \
    }

const tn__op tn__op_reduce_mean = REDUCE("ReduceMean");
const tn__op tn__op_reduce_sum = REDUCE("ReduceSum");
const tn__op tn__op_reduce_max = REDUCE("ReduceMax");
const tn__op tn__op_reduce_min = REDUCE("ReduceMin");
const tn__op tn__op_reduce_prod = REDUCE("ReduceProd");
const tn__op tn__op_reduce_l1 = REDUCE("ReduceL1");
const tn__op tn__op_reduce_l2 = REDUCE("ReduceL2");
const tn__op tn__op_reduce_sum_square = REDUCE("ReduceSumSquare");
const tn__op tn__op_reduce_log_sum = REDUCE("ReduceLogSum");
const tn__op tn__op_reduce_log_sum_exp = REDUCE("ReduceLogSumExp");
