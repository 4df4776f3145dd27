/* softmax.c - Softmax and LogSoftmax: shapes and coupling rule. Before operator set 13
 * the input is taken as a matrix whose columns are the axes from `axis` on. */
#include "ops/softmax/softmax.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

tn_status tn__softmax_read(tn__softmax *out, const tn__site *site, tn_error *err)
{
    const tn__shape *x = site->in[0];
    bool flat = site->opset < 13;
    int axis;
    tn_status status = tn__axis_resolve(
        &axis, tn__node_int(site->node, "axis", flat ? 1 : -1), x->rank, err);
    if (status)
        return status;
    *out = (tn__softmax){1, 1, 1};
    for (int k = 0; k < x->rank; k++) {
        bool summed = flat ? k >= axis : k == axis;
        size_t *extent = summed ? &out->n : k < axis ? &out->outer : &out->inner;
        *extent *= (size_t)x->dims[k];
    }
    return TN_OK;
}

static tn_status softmax_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__softmax s;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 1, TN__MAX_RANK, err)) != TN_OK ||
        (status = tn__softmax_read(&s, site, err)) != TN_OK)
        return status;
    out->shape = *site->in[0];
    out->dtype = site->in_dtype[0];
    return TN_OK;
}

static tn_status softmax_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    return tn__couple_same(c, site, 0, TN__OUT(0), err);
}

#define SOFTMAX(name)                                                                  \
    {                                                                                  \
        .type = name, .domain = "", .infer = softmax_infer, .couple = softmax_couple,  \
        .forward = tn__softmax_forward, .backward = tn__softmax_backward,              \
        .kernel = &tn__softmax_quick                                                   \
    }

const tn__op tn__op_softmax = SOFTMAX("Softmax");
const tn__op tn__op_log_softmax = SOFTMAX("LogSoftmax");
