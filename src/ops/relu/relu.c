/* relu.c - Relu: a member of the elementwise family with a folder, and so a fast
 * kernel, of its own. */
#include "ops/kernel.h"
#include "ops/registry.h"
#include "ops/unary/unary.h"

const tn__op tn__op_relu = {
    .type = "Relu",
    .domain = "",
    .infer = tn__unary_infer,
    .couple = tn__unary_couple,
    .joint = true,
    .forward = tn__unary_forward,
    .backward = tn__unary_backward,
    .kernel = &tn__relu_dnnl,
};
