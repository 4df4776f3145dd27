/* binary.c - elementwise functions of two broadcast tensors: shapes and coupling rule
 * of the family Add (which has a folder of its own), Sub, Mul, Div and Pow. They differ
 * in a formula only; the formulas are in binary_ref.c. */
#include "ops/binary/binary.h"

#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

tn_status tn__binary_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    bool pow = strcmp(site->node->type, "Pow") == 0; /* its exponent has a type apart */
    if (!pow && (status = tn__expect_same_dtype(site, 0, 1, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    return tn__broadcast_shape(&out->shape, site->in[0], site->in[1], err);
}

tn_status tn__binary_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = tn__couple_broadcast(c, site, 0, err);
    return status ? status : tn__couple_broadcast(c, site, 1, err);
}

#define BINARY(name)                                                                   \
    {                                                                                  \
        .type = name, .domain = "", .infer = tn__binary_infer,                         \
        .couple = tn__binary_couple, .forward = tn__binary_forward,                    \
        .backward = tn__binary_backward                                                \
    }

const tn__op tn__op_sub = BINARY("Sub");
const tn__op tn__op_mul = BINARY("Mul");
const tn__op tn__op_div = BINARY("Div");
const tn__op tn__op_pow = BINARY("Pow");
