/* add.c - Add: a member of the family of binary functions with a folder, and so a fast
 * kernel, of its own. */
#include "ops/binary/binary.h"
#include "ops/kernel.h"
#include "ops/registry.h"

const tn__op tn__op_add = {
    .type = "Add",
    .domain = "",
    .infer = tn__binary_infer,
    .couple = tn__binary_couple,
    .joint = true,
    .forward = tn__binary_forward,
    .backward = tn__binary_backward,
    .kernel = &tn__add_dnnl,
};
