/* operand.c - checks and small helpers that operators share; see operand.h. */
#include "ops/operand.h"

#include <math.h>
#include <string.h>

tn_status tn__expect_inputs(const tn__site *site, size_t least, size_t most,
                            tn_error *err)
{
    if (site->input_count < least || site->input_count > most)
        return tn__fail(err, TN_ERROR_FORMAT, "expected %zu to %zu inputs, found %zu",
                        least, most, site->input_count);
    for (size_t k = 0; k < least; k++)
        if (!site->in[k])
            return tn__fail(err, TN_ERROR_FORMAT, "input %zu is left out", k);
    return TN_OK;
}

static bool value_is_read(const tn_model *model, size_t value)
{
    for (size_t i = 0; i < model->output_count; i++)
        if (model->outputs[i] == value)
            return true;
    for (size_t n = 0; n < model->node_count; n++)
        for (size_t k = 0; k < model->nodes[n].input_count; k++)
            if (model->nodes[n].inputs[k] == value)
                return true;
    return false;
}

tn_status tn__expect_one_output(const tn__site *site, tn_error *err)
{
    if (site->output_count == 0 || site->node->outputs[0] == TN__NONE)
        return tn__fail(err, TN_ERROR_FORMAT, "output 0 is left out");
    for (size_t k = 1; k < site->output_count; k++) {
        size_t value = site->node->outputs[k];
        if (value != TN__NONE && value_is_read(site->model, value))
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "output %zu ('%s') is read, only output 0 is made", k,
                            site->model->values[value].name);
    }
    return TN_OK;
}

tn_status tn__expect_rank(const tn__site *site, size_t k, int least, int most,
                          tn_error *err)
{
    const tn__shape *shape = site->in[k];
    if (shape->rank >= least && shape->rank <= most)
        return TN_OK;
    char text[TN__SHAPE_TEXT];
    tn__shape_text(text, sizeof text, shape);
    if (least == most)
        return tn__fail(err, TN_ERROR_MISMATCH, "input %zu is %s, expected %d axes", k,
                        text, least);
    return tn__fail(err, TN_ERROR_MISMATCH, "input %zu is %s, expected %d to %d axes",
                    k, text, least, most);
}

bool tn__dtype_is_float(tn_dtype dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16 || dtype == TN_F64;
}

tn_status tn__expect_float(const tn__site *site, size_t k, tn_error *err)
{
    if (tn__dtype_is_float(site->in_dtype[k]))
        return TN_OK;
    return tn__fail(err, TN_ERROR_UNSUPPORTED, "input %zu is %s, expected a float type",
                    k, tn__dtype_name(site->in_dtype[k]));
}

tn_status tn__expect_same_dtype(const tn__site *site, size_t k, size_t l, tn_error *err)
{
    if (site->in_dtype[k] == site->in_dtype[l])
        return TN_OK;
    return tn__fail(err, TN_ERROR_MISMATCH, "input %zu is %s, expected %s as input %zu",
                    l, tn__dtype_name(site->in_dtype[l]),
                    tn__dtype_name(site->in_dtype[k]), k);
}

tn_status tn__expect_vector(const tn__site *site, size_t k, int64_t extent,
                            const char *what, tn_error *err)
{
    const tn__shape *shape = site->in[k];
    if (shape->rank == 1 && shape->dims[0] == extent)
        return tn__expect_same_dtype(site, 0, k, err);
    char text[TN__SHAPE_TEXT];
    return tn__fail(err, TN_ERROR_MISMATCH, "input %zu is %s, expected %lld %s", k,
                    tn__shape_text(text, sizeof text, shape), (long long)extent, what);
}

tn_status tn__axis_resolve(int *out, int64_t axis, int rank, tn_error *err)
{
    if (axis < -rank || axis >= rank)
        return tn__fail(err, TN_ERROR_FORMAT, "axis %lld is not in [%d, %d)",
                        (long long)axis, -rank, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return TN_OK;
}

tn_status tn__ints_attr(tn__ints *out, const tn__site *site, const char *name,
                        tn_error *err)
{
    *out = (tn__ints){0};
    const tn__attr *attr = tn__node_attr(site->node, name);
    if (!attr)
        return TN_OK;
    if (attr->kind != TN__ATTR_INTS)
        return tn__fail(err, TN_ERROR_FORMAT, "attribute '%s' is no list of integers",
                        name);
    if (attr->count > TN__INTS_MAX)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "attribute '%s' has %zu elements, expected at most %d", name,
                        attr->count, TN__INTS_MAX);
    out->given = true;
    out->count = attr->count;
    if (attr->count)
        memcpy(out->v, attr->ints, attr->count * sizeof *out->v);
    return TN_OK;
}

tn_status tn__ints_input(tn__ints *out, const tn__site *site, size_t k,
                         const char *name, tn_error *err)
{
    *out = (tn__ints){0};
    if (!tn__site_in(site, k))
        return TN_OK;
    const tn__tensor *value = site->constant[k];
    if (!value)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'%s' depends on the data, expected a constant", name);
    if (value->dtype != TN_I64 && value->dtype != TN_I32)
        return tn__fail(err, TN_ERROR_FORMAT, "'%s' is %s, expected integers", name,
                        tn__dtype_name(value->dtype));
    size_t count = tn__tensor_count(value);
    if (value->shape.rank > 1 || count > TN__INTS_MAX)
        return tn__fail(
            err, TN_ERROR_FORMAT,
            "'%s' has %d axes and %zu elements, expected a list of at most %d", name,
            value->shape.rank, count, TN__INTS_MAX);
    out->given = true;
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->v[i] = tn__tensor_get_i64(value, i);
    return TN_OK;
}

tn_status tn__ints_either(tn__ints *out, const tn__site *site, const char *name,
                          int64_t opset, size_t k, tn_error *err)
{
    return site->opset < opset ? tn__ints_attr(out, site, name, err)
                               : tn__ints_input(out, site, k, name, err);
}

tn_status tn__axes_mark(bool marked[TN__MAX_RANK], const tn__ints *axes, int rank,
                        tn_error *err)
{
    memset(marked, 0, TN__MAX_RANK * sizeof *marked);
    for (size_t i = 0; i < axes->count; i++) {
        int axis;
        tn_status status = tn__axis_resolve(&axis, axes->v[i], rank, err);
        if (status)
            return status;
        if (marked[axis])
            return tn__fail(err, TN_ERROR_FORMAT, "axis %d occurs twice", axis);
        marked[axis] = true;
    }
    return TN_OK;
}

uint64_t tn__saturating_mul(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

tn_status tn__same_forward(tn__tensor *const *out, const tn__tensor *const *in,
                           const tn__site *site, tn_error *err)
{
    (void)site;
    void *to;
    tn_status status = tn__tensor_write(out[0], &to, err);
    if (status)
        return status;
    size_t bytes = tn__tensor_bytes(in[0]);
    if (bytes)
        memcpy(to, tn__tensor_data(in[0]), bytes);
    return TN_OK;
}

tn_status tn__same_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                            const tn__tensor *const *in, const tn__tensor *const *out,
                            const tn__site *site, tn_error *err)
{
    (void)in;
    (void)out;
    return din[0] ? tn__same_forward(din, dout, site, err) : TN_OK;
}

tn__standard tn__standard_of(const float *x, size_t n, double epsilon)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return (tn__standard){mean, 1 / sqrt(squares / (double)n + epsilon)};
}

void tn__store_f64(tn__tensor *to, const double *from)
{
    if (!to)
        return;
    float *f = tn__tensor_f32(to);
    for (size_t i = 0, count = tn__tensor_count(to); i < count; i++)
        f[i] = (float)from[i];
}

tn_status tn__expect_f32(const tn__tensor *tensor, tn_error *err)
{
    if (tensor->dtype == TN_F32)
        return TN_OK;
    return tn__fail(err, TN_ERROR_UNSUPPORTED, "cannot compute in %s, expected f32",
                    tn__dtype_name(tensor->dtype));
}
