/* group_norm.c - InstanceNormalization and GroupNormalization: shapes and coupling
 * rule. Before operator set 21 a group norm's scale and bias are per group. Ulyanov et
 * al., arXiv 1607.08022; Wu and He, arXiv 1803.08494. */
#include "ops/group_norm/group_norm.h"

#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"

tn_status tn__group_norm_read(tn__group_norm *out, const tn__site *site, tn_error *err)
{
    const tn__shape *x = site->in[0];
    bool instance = strcmp(site->node->type, "InstanceNormalization") == 0;
    int64_t channels = x->dims[1];
    int64_t groups = instance ? channels : tn__node_int(site->node, "num_groups", 0);
    if (groups < 1 ? channels != 0 || !instance : channels % groups != 0)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot cut %lld channels into %lld groups",
                        (long long)channels, (long long)groups);
    *out = (tn__group_norm){.images = (size_t)x->dims[0],
                            .groups = (size_t)groups,
                            .width = groups ? (size_t)(channels / groups) : 0,
                            .inner = 1,
                            .per_group = !instance && site->opset < 21};
    out->epsilon = (double)tn__node_float(site->node, "epsilon", 1e-5f);
    for (int k = 2; k < x->rank; k++)
        out->inner *= (size_t)x->dims[k];
    return TN_OK;
}

static tn_status group_norm_infer(tn__inferred *out, const tn__site *site,
                                  tn_error *err)
{
    tn__group_norm norm;
    tn_status status;
    if ((status = tn__expect_inputs(site, 3, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_float(site, 0, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 2, TN__MAX_RANK, err)) != TN_OK ||
        (status = tn__group_norm_read(&norm, site, err)) != TN_OK)
        return status;
    if (!(norm.epsilon >= 0))
        return tn__fail(err, TN_ERROR_FORMAT, "'epsilon' is %g, expected at least 0",
                        norm.epsilon);
    int64_t extent = norm.per_group ? (int64_t)norm.groups : site->in[0]->dims[1];
    for (size_t k = 1; k < 3 && !status; k++)
        status = tn__expect_vector(site, k, extent,
                                   norm.per_group ? "groups" : "channels", err);
    out->shape = *site->in[0];
    out->dtype = site->in_dtype[0];
    return status;
}

/* Channels of an instance norm move alone, those of a norm over all of them together;
 * which channels share a group of several is kept by freezing them. */
static tn_status group_norm_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn__group_norm norm;
    tn_status status = tn__group_norm_read(&norm, site, err);
    bool free_channels = norm.width == 1 || norm.groups == 1;
    if (!status)
        status = tn__couple_same(c, site, 0, TN__OUT(0), err);
    if (!status && !free_channels)
        status = c->freeze(c, 0, 1, "channels of a group norm", err);
    for (int k = 1; k < 3 && !status; k++)
        status =
            norm.per_group || !free_channels
                ? c->freeze(c, k, 0, "groups of a group norm", err)
                : tn__couple_axes(c, 0, 1, k, 0, (size_t)site->in[0]->dims[1], err);
    return status;
}

#define GROUP_NORM(name)                                                               \
    {                                                                                  \
        .type = name, .domain = "", .infer = group_norm_infer,                         \
        .couple = group_norm_couple, .forward = tn__group_norm_forward,                \
        .backward = tn__group_norm_backward                                            \
    }

const tn__op tn__op_instance_norm = GROUP_NORM("InstanceNormalization");
const tn__op tn__op_group_norm = GROUP_NORM("GroupNormalization");
