/* batch_norm.c - BatchNormalization at inference: shapes and coupling rule. The
 * training form of ONNX (further outputs, training_mode) is refused. */
#include "ops/batch_norm/batch_norm.h"

#include <string.h>

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

static tn_status batch_norm_infer(tn__inferred *out, const tn__site *site,
                                  tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 5, 5, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 2, TN__MAX_RANK, err)) != TN_OK)
        return status;
    if (tn__node_int(site->node, "training_mode", 0) != 0)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'training_mode' is set, expected a network for inference");
    if (tn__node_int(site->node, "spatial", 1) != 1)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'spatial' is 0, expected statistics per channel");
    float epsilon = tn__node_float(site->node, "epsilon", TN__BN_EPSILON);
    if (!(epsilon >= 0))
        return tn__fail(err, TN_ERROR_FORMAT, "'epsilon' is %g, expected at least 0",
                        (double)epsilon);
    for (size_t k = TN__BN_SCALE; k <= TN__BN_VARIANCE; k++)
        if ((status = tn__expect_vector(site, k, site->in[0]->dims[1], "channels",
                                        err)) != TN_OK)
            return status;
    out->shape = *site->in[0];
    out->dtype = site->in_dtype[0];
    return TN_OK;
}

static tn_status batch_norm_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = tn__couple_same(c, site, 0, TN__OUT(0), err);
    for (int k = TN__BN_SCALE; k <= TN__BN_VARIANCE && !status; k++)
        status = tn__couple_axes(c, 0, 1, k, 0, (size_t)site->in[0]->dims[1], err);
    return status;
}

bool tn__batch_norm_measures(const tn__node *node, size_t input)
{
    return strcmp(node->type, tn__op_batch_norm.type) == 0 && *node->domain == 0 &&
           (input == TN__BN_MEAN || input == TN__BN_VARIANCE);
}

const tn__op tn__op_batch_norm = {
    .type = "BatchNormalization",
    .domain = "",
    .infer = batch_norm_infer,
    .couple = batch_norm_couple,
    .joint = true,
    .forward = tn__batch_norm_forward,
    .backward = tn__batch_norm_backward,
    .kernel = &tn__batchnorm_dnnl,
};
