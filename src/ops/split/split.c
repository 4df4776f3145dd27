/* split.c - Split: shapes, coupling rule and the strided copies it is. The sizes are an
 * attribute, an input since operator set 13, or equal; since 18 the last of equal parts
 * may be smaller. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status read_axis(int *axis, const tn__site *site, tn_error *err)
{
    return tn__axis_resolve(axis, tn__node_int(site->node, "axis", 0),
                            site->in[0]->rank, err);
}

static tn_status equal_sizes(tn__inferred *out, const tn__site *site, int axis,
                             tn_error *err)
{
    int64_t extent = site->in[0]->dims[axis], n = (int64_t)site->output_count;
    int64_t size = (extent + n - 1) / n, left = extent;
    int64_t wanted = tn__node_int(site->node, "num_outputs", n);
    if (wanted != n)
        return tn__fail(err, TN_ERROR_FORMAT, "'num_outputs' is %lld, found %lld",
                        (long long)wanted, (long long)n);
    if (extent % n != 0 && (site->opset < 18 || size * (n - 1) > extent))
        return tn__fail(err, TN_ERROR_MISMATCH, "cannot split %lld into %lld parts",
                        (long long)extent, (long long)n);
    for (int64_t k = 0; k < n; k++) {
        out[k].shape.dims[axis] = TN__MIN(size, left);
        left -= out[k].shape.dims[axis];
    }
    return TN_OK;
}

/* Sizes as given, which must use up the axis. */
static tn_status given_sizes(tn__inferred *out, const tn__site *site, int axis,
                             const tn__ints *sizes, tn_error *err)
{
    int64_t left = site->in[0]->dims[axis];
    if (sizes->count != site->output_count)
        return tn__fail(err, TN_ERROR_FORMAT, "'split' has %zu elements, expected %zu",
                        sizes->count, site->output_count);
    for (size_t k = 0; k < sizes->count; k++) {
        if (sizes->v[k] < 0 || sizes->v[k] > left)
            return tn__fail(err, TN_ERROR_MISMATCH, "part %zu is %lld of %lld left", k,
                            (long long)sizes->v[k], (long long)left);
        out[k].shape.dims[axis] = sizes->v[k];
        left -= sizes->v[k];
    }
    if (left)
        return tn__fail(err, TN_ERROR_MISMATCH, "'split' leaves %lld of %lld",
                        (long long)left, (long long)site->in[0]->dims[axis]);
    return TN_OK;
}

static tn_status split_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    int axis;
    tn__ints sizes;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, site->opset < 13 ? 1 : 2, err)) != TN_OK ||
        (status = read_axis(&axis, site, err)) != TN_OK ||
        (status = tn__ints_either(&sizes, site, "split", 13, 1, err)) != TN_OK)
        return status;
    if (site->output_count == 0)
        return tn__fail(err, TN_ERROR_FORMAT, "there are no outputs");
    for (size_t k = 0; k < site->output_count; k++) {
        out[k].dtype = site->in_dtype[0];
        out[k].shape = *site->in[0];
    }
    return sizes.given ? given_sizes(out, site, axis, &sizes, err)
                       : equal_sizes(out, site, axis, err);
}

static tn_status split_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    int axis;
    int64_t offset = 0;
    tn_status status = read_axis(&axis, site, err);
    for (int k = 0; k < (int)site->output_count && !status; k++) {
        const tn__shape *part = &site->out[k];
        for (int a = 0; a < part->rank && !status; a++) {
            const tn__spot from = {0, a, a == axis ? (size_t)offset : 0};
            status = c->tie(c, from, (tn__spot){TN__OUT(k), a, 0},
                            (size_t)part->dims[a], err);
        }
        offset += part->dims[axis];
    }
    if (!status && tn__site_in(site, 1))
        status = tn__couple_freeze(c, site, 1, "sizes of a split", err);
    return status;
}

static tn_status split_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    int axis;
    tn_status status = read_axis(&axis, site, err);
    tn__view from = tn__view_dense(site->in[0]);
    for (size_t k = 0; k < site->output_count && !status; k++) {
        tn__view to = tn__view_dense(&site->out[k]);
        void *data;
        if (out[k] && (status = tn__tensor_write(out[k], &data, err)) == TN_OK)
            tn__view_copy(data, &to, tn__tensor_data(in[0]), &from, &site->out[k],
                          tn__dtype_size(in[0]->dtype));
        from.offset += site->out[k].dims[axis] * from.stride[axis];
    }
    return status;
}

/* A part without gradient (NULL) counts as 0. */
static tn_status split_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    (void)in;
    (void)out;
    int axis;
    tn_status status = read_axis(&axis, site, err);
    if (status || !din[0])
        return status;
    tn__view to = tn__view_dense(site->in[0]);
    float *dx = tn__tensor_f32(din[0]);
    memset(dx, 0, tn__tensor_bytes(din[0]));
    for (size_t k = 0; k < site->output_count; k++) {
        tn__view from = tn__view_dense(&site->out[k]);
        if (dout[k])
            tn__view_copy(dx, &to, tn__tensor_f32_const(dout[k]), &from, &site->out[k],
                          sizeof *dx);
        to.offset += site->out[k].dims[axis] * to.stride[axis];
    }
    return TN_OK;
}

const tn__op tn__op_split = {
    .type = "Split",
    .domain = "",
    .infer = split_infer,
    .couple = split_couple,
    .joint = true,
    .forward = split_forward,
    .backward = split_backward,
};
