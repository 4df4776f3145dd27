/* layer_norm.c - LayerNormalization (operator set 17): shapes and coupling rule. Scale
 * and bias must have the normalised axes' shape. Outputs 1 and 2 (mean and inverse
 * deviation) are made where they are read. Ba, Kiros and Hinton, arXiv 1607.06450. */
#include "ops/layer_norm/layer_norm.h"

#include "ops/kernel.h"
#include "ops/operand.h"
#include "ops/registry.h"

tn_status tn__layer_norm_read(tn__layer_norm *out, const tn__site *site, tn_error *err)
{
    const tn__shape *x = site->in[0];
    tn__layer_norm norm = {.rows = 1, .n = 1};
    norm.epsilon = (double)tn__node_float(site->node, "epsilon", 1e-5f);
    tn_status status = tn__axis_resolve(
        &norm.axis, tn__node_int(site->node, "axis", -1), x->rank, err);
    for (int k = 0; k < x->rank && !status; k++)
        *(k < norm.axis ? &norm.rows : &norm.n) *= (size_t)x->dims[k];
    if (!status)
        *out = norm;
    return status;
}

/* Input k (scale, bias) has the shape of the normalised axes. */
static tn_status check_vector(const tn__site *site, size_t k, int axis, tn_error *err)
{
    if (!tn__site_in(site, k))
        return TN_OK;
    tn__shape wanted = {.rank = site->in[0]->rank - axis};
    for (int i = 0; i < wanted.rank; i++)
        wanted.dims[i] = site->in[0]->dims[axis + i];
    char found[TN__SHAPE_TEXT], text[TN__SHAPE_TEXT];
    if (!tn__shape_equal(site->in[k], &wanted))
        return tn__fail(err, TN_ERROR_MISMATCH, "input %zu is %s, expected %s", k,
                        tn__shape_text(found, sizeof found, site->in[k]),
                        tn__shape_text(text, sizeof text, &wanted));
    return tn__expect_same_dtype(site, 0, k, err);
}

static tn_status layer_norm_infer(tn__inferred *out, const tn__site *site,
                                  tn_error *err)
{
    tn__layer_norm norm;
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 3, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 1, TN__MAX_RANK, err)) != TN_OK ||
        (status = tn__layer_norm_read(&norm, site, err)) != TN_OK ||
        (status = check_vector(site, 1, norm.axis, err)) != TN_OK ||
        (status = check_vector(site, 2, norm.axis, err)) != TN_OK)
        return status;
    if (!(norm.epsilon >= 0))
        return tn__fail(err, TN_ERROR_FORMAT, "'epsilon' is %g, expected at least 0",
                        norm.epsilon);
    for (size_t k = 0; k < TN__MIN(site->output_count, 3); k++) {
        out[k].shape = *site->in[0];
        out[k].dtype = k == 0 ? site->in_dtype[0] : TN_F32;
        for (int i = norm.axis; i < out[k].shape.rank && k > 0; i++)
            out[k].shape.dims[i] = 1;
    }
    return TN_OK;
}

static tn_status layer_norm_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__layer_norm norm;
    tn_status status = tn__layer_norm_read(&norm, site, err);
    const tn__shape *x = site->in[0];
    if (!status)
        status = tn__couple_same(c, site, 0, TN__OUT(0), err);
    for (int k = 1; k < 3; k++)
        for (int i = 0; i < x->rank - norm.axis && tn__site_in(site, k) && !status; i++)
            status = tn__couple_axes(c, 0, norm.axis + i, k, i,
                                     (size_t)x->dims[norm.axis + i], err);
    for (int k = 1; k < (int)site->output_count && k < 3; k++)
        for (int i = 0; i < norm.axis && site->node->outputs[k] != TN__NONE && !status;
             i++)
            status = tn__couple_axes(c, 0, i, TN__OUT(k), i, (size_t)x->dims[i], err);
    return status;
}

const tn__op tn__op_layer_norm = {
    .type = "LayerNormalization",
    .domain = "",
    .infer = layer_norm_infer,
    .couple = layer_norm_couple,
    .forward = tn__layer_norm_forward,
    .backward = tn__layer_norm_backward,
    .kernel = &tn__layernorm_quick,
};
