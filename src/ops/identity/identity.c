/* identity.c - Identity, and Dropout, which is the identity at inference. */
#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

static tn_status identity_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = *site->in[0];
    return TN_OK;
}

static bool is_zero(const tn__tensor *value)
{
    return value && tn__tensor_count(value) == 1 && tn__tensor_get_f64(value, 0) == 0;
}

/* Is anything set to 0? Exporters leave `training_mode` on with a ratio of 0. */
static bool drops(const tn__site *site)
{
    return tn__site_in(site, 2) && !is_zero(site->constant[2]) &&
           !is_zero(tn__site_constant(site, 1));
}

/* Inputs 1 (ratio) and 2 (training_mode) came with operator set 12. */
static tn_status dropout_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, site->opset < 12 ? 1 : 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK)
        return status;
    if (drops(site))
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'training_mode' is set, expected a network for inference");
    out->dtype = site->in_dtype[0];
    out->shape = *site->in[0];
    return TN_OK;
}

static tn_status identity_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    return tn__couple_same(c, site, 0, TN__OUT(0), err);
}

const tn__op tn__op_identity = {
    .type = "Identity",
    .domain = "",
    .infer = identity_infer,
    .couple = identity_couple,
    .joint = true,
    .forward = tn__same_forward,
    .backward = tn__same_backward,
    .kernel = &tn__same_dnnl,
};

const tn__op tn__op_dropout = {
    .type = "Dropout",
    .domain = "",
    .infer = dropout_infer,
    .couple = identity_couple,
    .joint = true,
    .forward = tn__same_forward,
    .backward = tn__same_backward,
    .kernel = &tn__same_dnnl,
};
