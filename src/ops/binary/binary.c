/* binary.c - elementwise functions of two broadcast tensors: shapes and coupling rule
 * of the family of Add (which has a folder of its own). They differ in a formula only;
 * the formulas are in binary_ref.c. */
#include "ops/binary/binary.h"

#include <string.h>

#include "ops/kernel.h"
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

/* Mod of floats is C's fmod; of integers the divisor gives the sign unless `fmod`. */
static tn_status mod_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status = tn__binary_infer(out, site, err);
    if (!status && tn__dtype_is_float(site->in_dtype[0]) &&
        tn__node_int(site->node, "fmod", 0) == 0)
        status = tn__fail(err, TN_ERROR_FORMAT, "'fmod' is 0, expected 1 for floats");
    return status;
}

/* The slope must fit the input as it is. */
static tn_status prelu_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status = tn__binary_infer(out, site, err);
    if (!status)
        status = tn__expect_float(site, 0, err);
    if (!status && !tn__shape_equal(&out->shape, site->in[0]))
        status = tn__fail(err, TN_ERROR_MISMATCH, "the slope is larger than the input");
    return status;
}

tn_status tn__binary_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = tn__couple_broadcast(c, site, 0, err);
    return status ? status : tn__couple_broadcast(c, site, 1, err);
}

#define BINARY(name, shapes)                                                           \
    {                                                                                  \
        .type = name, .domain = "", .infer = shapes, .couple = tn__binary_couple,      \
        .joint = true, .forward = tn__binary_forward, .backward = tn__binary_backward, \
        .kernel = &tn__binary_quick                                                    \
    }

const tn__op tn__op_sub = BINARY("Sub", tn__binary_infer);
const tn__op tn__op_mul = BINARY("Mul", tn__binary_infer);
const tn__op tn__op_div = BINARY("Div", tn__binary_infer);
const tn__op tn__op_pow = BINARY("Pow", tn__binary_infer);
const tn__op tn__op_mod = BINARY("Mod", mod_infer);
const tn__op tn__op_prelu = BINARY("PRelu", prelu_infer);
