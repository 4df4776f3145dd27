/* unary.c - elementwise functions of one tensor: shapes and coupling rule of the family
 * of Relu (which has a folder of its own). They differ in a formula only; the formulas
 * are in formulas.c, the loops in unary_ref.c. */
#include "ops/unary/unary.h"

#include <string.h>

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

/* Clip alone has further inputs: its bounds, scalars. */
static tn_status check_bounds(const tn__site *site, tn_error *err)
{
    for (size_t k = 1; k < site->input_count; k++) {
        const tn__shape *shape = site->in[k];
        if (!shape)
            continue;
        if (shape->rank > 1 || (shape->rank == 1 && shape->dims[0] != 1))
            return tn__fail(err, TN_ERROR_FORMAT, "bound %zu is no scalar", k);
        tn_status status = tn__expect_same_dtype(site, 0, k, err);
        if (status)
            return status;
    }
    return TN_OK;
}

tn_status tn__unary_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    bool clip = strcmp(site->node->type, "Clip") == 0 && site->opset >= 11;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, clip ? 3 : 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = check_bounds(site, err)) != TN_OK)
        return status;
    bool whole = site->in_dtype[0] == TN_I64 && /* what exporters do with shapes */
                 tn__formula_find(site->node->type)->integer;
    if (!whole && (status = tn__expect_float(site, 0, err)) != TN_OK)
        return status;
    out->shape = *site->in[0];
    out->dtype = site->in_dtype[0];
    return TN_OK;
}

tn_status tn__unary_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    return tn__couple_same(c, site, 0, TN__OUT(0), err);
}

#define UNARY(name)                                                                    \
    {                                                                                  \
        .type = name, .domain = "", .infer = tn__unary_infer,                          \
        .couple = tn__unary_couple, .joint = true, .forward = tn__unary_forward,       \
        .backward = tn__unary_backward, .kernel = &tn__unary_quick                     \
    }

const tn__op tn__op_leaky_relu = UNARY("LeakyRelu");
const tn__op tn__op_clip = UNARY("Clip");
const tn__op tn__op_sigmoid = UNARY("Sigmoid");
const tn__op tn__op_tanh = UNARY("Tanh");
const tn__op tn__op_sqrt = UNARY("Sqrt");
const tn__op tn__op_abs = UNARY("Abs");
const tn__op tn__op_neg = UNARY("Neg");
const tn__op tn__op_sign = UNARY("Sign");
const tn__op tn__op_exp = UNARY("Exp");
const tn__op tn__op_log = UNARY("Log");
const tn__op tn__op_reciprocal = UNARY("Reciprocal");
const tn__op tn__op_floor = UNARY("Floor");
const tn__op tn__op_ceil = UNARY("Ceil");
const tn__op tn__op_round = UNARY("Round");
const tn__op tn__op_sin = UNARY("Sin");
const tn__op tn__op_cos = UNARY("Cos");
const tn__op tn__op_erf = UNARY("Erf");
const tn__op tn__op_gelu = UNARY("Gelu");
const tn__op tn__op_elu = UNARY("Elu");
const tn__op tn__op_selu = UNARY("Selu");
const tn__op tn__op_celu = UNARY("Celu");
const tn__op tn__op_softplus = UNARY("Softplus");
const tn__op tn__op_softsign = UNARY("Softsign");
const tn__op tn__op_mish = UNARY("Mish");
const tn__op tn__op_thresholded_relu = UNARY("ThresholdedRelu");
const tn__op tn__op_hard_sigmoid = UNARY("HardSigmoid");
const tn__op tn__op_hard_swish = UNARY("HardSwish");
