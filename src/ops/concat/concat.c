/* concat.c - Concat: shapes, coupling rule and the strided copies it is. */
#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status read_axis(int *axis, const tn__site *site, tn_error *err)
{
    const tn__attr *attr = tn__node_attr(site->node, "axis");
    if (!attr || attr->kind != TN__ATTR_INT)
        return tn__fail(err, TN_ERROR_FORMAT, "attribute 'axis' is missing");
    return tn__axis_resolve(axis, attr->i, site->in[0]->rank, err);
}

static tn_status concat_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    int axis;
    tn_status status;
    size_t n = site->input_count;
    if ((status = tn__expect_inputs(site, TN__MAX(n, 1), SIZE_MAX, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = read_axis(&axis, site, err)) != TN_OK)
        return status;
    tn__shape shape = *site->in[0];
    for (size_t k = 1; k < n; k++) {
        tn__shape other = *site->in[k];
        int64_t extent = other.rank == shape.rank ? other.dims[axis] : 0;
        if (other.rank == shape.rank)
            other.dims[axis] = shape.dims[axis];
        char text[TN__SHAPE_TEXT], first[TN__SHAPE_TEXT];
        if (!tn__shape_equal(&other, &shape))
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "input %zu is %s, which does not join %s on axis %d", k,
                            tn__shape_text(text, sizeof text, site->in[k]),
                            tn__shape_text(first, sizeof first, site->in[0]), axis);
        if ((status = tn__expect_same_dtype(site, 0, k, err)) != TN_OK)
            return status;
        shape.dims[axis] += extent;
    }
    out->shape = shape;
    out->dtype = site->in_dtype[0];
    return TN_OK;
}

static tn_status concat_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    int axis;
    int64_t offset = 0;
    tn_status status = read_axis(&axis, site, err);
    for (int k = 0; k < (int)site->input_count && !status; k++) {
        const tn__shape *in = site->in[k];
        for (int a = 0; a < in->rank && !status; a++) {
            const tn__spot to = {TN__OUT(0), a, a == axis ? (size_t)offset : 0};
            status = c->tie(c, (tn__spot){k, a, 0}, to, (size_t)in->dims[a], err);
        }
        offset += in->dims[axis];
    }
    return status;
}

static tn_status concat_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                const tn__site *site, tn_error *err)
{
    int axis;
    void *data;
    tn_status status;
    if ((status = read_axis(&axis, site, err)) != TN_OK ||
        (status = tn__tensor_write(out[0], &data, err)) != TN_OK)
        return status;
    tn__view to = tn__view_dense(&site->out[0]);
    for (size_t k = 0; k < site->input_count; k++) {
        tn__view from = tn__view_dense(site->in[k]);
        tn__view_copy(data, &to, tn__tensor_data(in[k]), &from, site->in[k],
                      tn__dtype_size(in[k]->dtype));
        to.offset += site->in[k]->dims[axis] * to.stride[axis];
    }
    return TN_OK;
}

static tn_status concat_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                 const tn__tensor *const *in,
                                 const tn__tensor *const *out, const tn__site *site,
                                 tn_error *err)
{
    (void)in;
    (void)out;
    int axis;
    tn_status status = read_axis(&axis, site, err);
    if (status)
        return status;
    tn__view from = tn__view_dense(&site->out[0]);
    for (size_t k = 0; k < site->input_count; k++) {
        tn__view to = tn__view_dense(site->in[k]);
        if (din[k])
            tn__view_copy(tn__tensor_f32(din[k]), &to, tn__tensor_f32_const(dout[0]),
                          &from, site->in[k], sizeof(float));
        from.offset += site->in[k]->dims[axis] * from.stride[axis];
    }
    return TN_OK;
}

const tn__op tn__op_concat = {
    .type = "Concat",
    .domain = "",
    .infer = concat_infer,
    .couple = concat_couple,
    .joint = true,
    .forward = concat_forward,
    .backward = concat_backward,
};
