/* gather.c - Gather: shapes and coupling rule. */
#include "ops/gather/gather.h"

#include "ops/operand.h"
#include "ops/registry.h"

static bool is_index(tn_dtype dtype)
{
    return dtype == TN_I64 || dtype == TN_I32;
}

tn_status tn__gather_index(int64_t *out, const tn__tensor *indices, size_t i,
                           int64_t extent, tn_error *err)
{
    int64_t index = tn__tensor_get_i64(indices, i);
    if (index < -extent || index >= extent)
        return tn__fail(err, TN_ERROR_MISMATCH, "index %lld is not in [%lld, %lld)",
                        (long long)index, (long long)-extent, (long long)extent);
    *out = index < 0 ? index + extent : index;
    return TN_OK;
}

tn_status tn__gather_axis(int *axis, const tn__site *site, tn_error *err)
{
    return tn__axis_resolve(axis, tn__node_int(site->node, "axis", 0),
                            site->in[0]->rank, err);
}

static tn_status gather_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    int axis;
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__gather_axis(&axis, site, err)) != TN_OK)
        return status;
    const tn__shape *data = site->in[0], *indices = site->in[1];
    if (!is_index(site->in_dtype[1]))
        return tn__fail(err, TN_ERROR_FORMAT, "the indices are %s, expected integers",
                        tn__dtype_name(site->in_dtype[1]));
    if (data->rank - 1 + indices->rank > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "the output would have %d axes, expected at most %d",
                        data->rank - 1 + indices->rank, TN__MAX_RANK);
    const tn__tensor *known = site->constant[1];
    int64_t index;
    for (size_t i = 0; known && i < tn__tensor_count(known) && !status; i++)
        status = tn__gather_index(&index, known, i, data->dims[axis], err);
    if (status)
        return status;
    out->dtype = site->in_dtype[0];
    for (int k = 0; k < data->rank; k++) {
        if (k != axis) {
            out->shape.dims[out->shape.rank++] = data->dims[k];
            continue;
        }
        for (int j = 0; j < indices->rank; j++)
            out->shape.dims[out->shape.rank++] = indices->dims[j];
    }
    return TN_OK;
}

/* The gathered axis: a known vector of indices says where each cell goes; a scalar
 * picks one; indices from the data single cells out, so that none may move. */
static tn_status couple_gathered(tn__coupling *c, const tn__site *site, int axis,
                                 tn_error *err)
{
    const tn__tensor *indices = site->constant[1];
    int rank = site->in[1]->rank;
    tn_status status = TN_OK;
    if (indices && rank == 0) {
        int64_t at;
        status = tn__gather_index(&at, indices, 0, site->in[0]->dims[axis], err);
        return status ? status : c->pick(c, 0, axis, (size_t)at, err);
    }
    if (!indices || rank != 1) {
        status = c->freeze(c, 0, axis, "indexed axis", err);
        for (int j = 0; j < rank && !status; j++)
            status = c->freeze(c, TN__OUT(0), axis + j, "indexed axis", err);
        return status;
    }
    for (size_t i = 0; i < tn__tensor_count(indices) && !status; i++) {
        int64_t from;
        status = tn__gather_index(&from, indices, i, site->in[0]->dims[axis], err);
        if (!status)
            status = c->tie(c, (tn__spot){0, axis, (size_t)from},
                            (tn__spot){TN__OUT(0), axis, i}, 1, err);
    }
    return status;
}

static tn_status gather_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    int axis;
    tn_status status = tn__gather_axis(&axis, site, err);
    int shift = site->in[1]->rank - 1;
    for (int k = 0; k < site->in[0]->rank && !status; k++)
        if (k != axis)
            status = tn__couple_axes(c, 0, k, TN__OUT(0), k < axis ? k : k + shift,
                                     (size_t)site->in[0]->dims[k], err);
    if (!status)
        status = couple_gathered(c, site, axis, err);
    if (!status)
        status = tn__couple_freeze(c, site, 1, "indices", err);
    return status;
}

const tn__op tn__op_gather = {
    .type = "Gather",
    .domain = "",
    .infer = gather_infer,
    .couple = gather_couple,
    .joint = true,
    .forward = tn__gather_forward,
    .backward = tn__gather_backward,
};
