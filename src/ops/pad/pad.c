/* pad.c - Pad: shapes, coupling rule and the copy it is, strided where a constant is
 * added. Negative pads crop. The pads are an attribute, and inputs since operator set
 * 11. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

#define PAD_MAX (INT64_C(1) << 32)

/* What stands beyond the input: a constant, its last element, its image in a mirror on
 * the last element, or the input again. */
typedef enum pad_mode { CONSTANT, EDGE, REFLECT, WRAP, MODES } pad_mode;
static const char *const mode_names[] = {"constant", "edge", "reflect", "wrap"};

typedef struct padding {
    pad_mode mode;
    int64_t begin[TN__MAX_RANK], end[TN__MAX_RANK];
} padding;

static tn_status read_axes(int axis_of[TN__MAX_RANK], size_t *count,
                           const tn__site *site, tn_error *err)
{
    int rank = site->in[0]->rank;
    bool seen[TN__MAX_RANK];
    tn__ints axes = {0};
    tn_status status =
        site->opset < 18 ? TN_OK : tn__ints_input(&axes, site, 3, "axes", err);
    if (!status && axes.given)
        status = tn__axes_mark(seen, &axes, rank, err);
    if (status)
        return status;
    *count = axes.given ? axes.count : (size_t)rank;
    for (size_t i = 0; i < *count; i++)
        axis_of[i] =
            !axes.given ? (int)i : (int)(axes.v[i] < 0 ? axes.v[i] + rank : axes.v[i]);
    return TN_OK;
}

static tn_status read_padding(padding *out, const tn__site *site, tn_error *err)
{
    int axis_of[TN__MAX_RANK];
    size_t count;
    tn__ints pads;
    tn_status status;
    if ((status = tn__ints_either(&pads, site, "pads", 11, 1, err)) != TN_OK ||
        (status = read_axes(axis_of, &count, site, err)) != TN_OK)
        return status;
    if (pads.count != 2 * count)
        return tn__fail(err, TN_ERROR_FORMAT, "'pads' has %zu elements, expected %zu",
                        pads.count, 2 * count);
    *out = (padding){0};
    const char *mode = tn__node_string(site->node, "mode", mode_names[CONSTANT]);
    while (out->mode < MODES && strcmp(mode, mode_names[out->mode]) != 0)
        out->mode++;
    if (out->mode == MODES)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "mode is '%s', expected 'constant', 'edge', 'reflect' or "
                        "'wrap'",
                        mode);
    for (size_t i = 0; i < count; i++) {
        int64_t begin = pads.v[i], end = pads.v[i + count];
        if (TN__MAX(begin, end) > PAD_MAX || TN__MIN(begin, end) < -PAD_MAX)
            return tn__fail(err, TN_ERROR_FORMAT, "'pads' holds %lld and %lld",
                            (long long)begin, (long long)end);
        out->begin[axis_of[i]] = begin;
        out->end[axis_of[i]] = end;
    }
    return TN_OK;
}

static tn_status pad_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    padding p;
    tn_status status;
    bool inputs = site->opset >= 11;
    if ((status = tn__expect_inputs(site, inputs ? 2 : 1, inputs ? 4 : 1, err)) !=
            TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = read_padding(&p, site, err)) != TN_OK)
        return status;
    const tn__shape *value = tn__site_in(site, 2);
    size_t count;
    if (value && (!tn__shape_count(&count, value) || count != 1))
        return tn__fail(err, TN_ERROR_FORMAT, "the constant value is no scalar");
    if (value && (status = tn__expect_same_dtype(site, 0, 2, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = *site->in[0];
    for (int k = 0; k < out->shape.rank; k++) {
        if (p.mode != CONSTANT && site->in[0]->dims[k] == 0)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "axis %d is empty: there is nothing to pad it with", k);
        out->shape.dims[k] += p.begin[k] + p.end[k];
        if (out->shape.dims[k] < 0)
            return tn__fail(
                err, TN_ERROR_MISMATCH,
                "cannot crop %lld and %lld off axis %d, whose extent is %lld",
                (long long)-p.begin[k], (long long)-p.end[k], k,
                (long long)site->in[0]->dims[k]);
    }
    return TN_OK;
}

/* Cells that padding adds are tied to nothing: all hold the same constant. Where they
 * repeat others, the order of those counts. */
static tn_status pad_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    padding p;
    tn_status status = read_padding(&p, site, err);
    for (int k = 0; k < site->in[0]->rank && !status; k++) {
        if (p.mode != CONSTANT && (p.begin[k] != 0 || p.end[k] != 0)) {
            status = c->freeze(c, 0, k, "padded axis", err);
            if (!status)
                status = c->freeze(c, TN__OUT(0), k, "padded axis", err);
            continue;
        }
        int64_t first = TN__MAX(-p.begin[k], 0);
        int64_t end = TN__MIN(site->in[0]->dims[k], site->out[0].dims[k] - p.begin[k]);
        if (first < end)
            status = c->tie(c, (tn__spot){0, k, (size_t)first},
                            (tn__spot){TN__OUT(0), k, (size_t)(first + p.begin[k])},
                            (size_t)(end - first), err);
    }
    for (int k = 1; k < (int)site->input_count && !status; k++)
        if (site->in[k])
            status = tn__couple_freeze(c, site, k, "padding", err);
    return status;
}

/* What is kept of the input, seen from both sides. */
static tn_status read_views(tn__view *from, tn__view *to, tn__shape *extent,
                            const tn__site *site, tn_error *err)
{
    padding p;
    tn_status status = read_padding(&p, site, err);
    if (status)
        return status;
    *from = tn__view_dense(site->in[0]);
    *to = tn__view_dense(&site->out[0]);
    *extent = *site->in[0];
    for (int k = 0; k < extent->rank; k++) {
        int64_t first = TN__MAX(-p.begin[k], 0);
        int64_t last = site->in[0]->dims[k] + TN__MIN(p.end[k], 0);
        extent->dims[k] = TN__MAX(last - first, 0);
        from->offset += first * from->stride[k];
        to->offset += TN__MAX(p.begin[k], 0) * to->stride[k];
    }
    return TN_OK;
}

/* Fills the output with the constant: the input of that name, the attribute, or 0. */
static void fill(char *to, size_t count, const tn__tensor *const *in,
                 const tn__site *site)
{
    size_t size = tn__dtype_size(in[0]->dtype);
    float value = tn__node_float(site->node, "value", 0);
    const void *bytes = NULL;
    if (tn__site_in(site, 2))
        bytes = tn__tensor_data(in[2]);
    else if (site->opset < 11 && in[0]->dtype == TN_F32)
        bytes = &value;
    for (size_t i = 0; i < count; i++)
        if (bytes)
            memcpy(to + i * size, bytes, size);
        else
            memset(to + i * size, 0, size);
}

/* The index of an axis of the input that stands at index `at` counted from its first;
 * `at` may lie beyond. */
static int64_t source_index(pad_mode mode, int64_t at, int64_t extent)
{
    int64_t period = mode == WRAP ? extent : TN__MAX(2 * (extent - 1), 1);
    if (mode == EDGE)
        return TN__MIN(TN__MAX(at, 0), extent - 1);
    at %= period;
    at += at < 0 ? period : 0;
    return at < extent ? at : period - at;
}

/* The element of the input that is element i of the output. */
static size_t source_of(size_t i, const padding *p, const tn__site *site)
{
    const tn__shape *in = site->in[0], *out = &site->out[0];
    size_t source = 0, stride = 1;
    for (int a = in->rank - 1; a >= 0; a--) {
        int64_t at = (int64_t)(i % (size_t)out->dims[a]) - p->begin[a];
        i /= (size_t)out->dims[a];
        source += stride * (size_t)source_index(p->mode, at, in->dims[a]);
        stride *= (size_t)in->dims[a];
    }
    return source;
}

static tn_status repeat_forward(tn__tensor *out, const tn__tensor *in, const padding *p,
                                const tn__site *site, tn_error *err)
{
    void *data;
    tn_status status = tn__tensor_write(out, &data, err);
    size_t count = tn__tensor_count(out), size = tn__dtype_size(in->dtype);
    const char *from = tn__tensor_data(in);
    for (size_t i = 0; i < count && !status; i++)
        memcpy((char *)data + i * size, from + source_of(i, p, site) * size, size);
    return status;
}

static tn_status repeat_backward(tn__tensor *dx, const tn__tensor *dy, const padding *p,
                                 const tn__site *site, tn_error *err)
{
    size_t count = tn__tensor_count(dx);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    for (size_t i = 0; i < tn__tensor_count(dy); i++)
        sum[source_of(i, p, site)] += (double)tn__tensor_f32_const(dy)[i];
    tn__store_f64(dx, sum);
    tn__free(sum);
    return TN_OK;
}

static tn_status pad_forward(tn__tensor *const *out, const tn__tensor *const *in,
                             const tn__site *site, tn_error *err)
{
    tn__view from, to;
    tn__shape extent;
    padding p;
    void *data;
    tn_status status = read_padding(&p, site, err);
    if (!status && p.mode != CONSTANT)
        return repeat_forward(out[0], in[0], &p, site, err);
    if (status || (status = read_views(&from, &to, &extent, site, err)) != TN_OK ||
        (status = tn__tensor_write(out[0], &data, err)) != TN_OK)
        return status;
    fill(data, tn__tensor_count(out[0]), in, site);
    tn__view_copy(data, &to, tn__tensor_data(in[0]), &from, &extent,
                  tn__dtype_size(in[0]->dtype));
    return TN_OK;
}

static tn_status pad_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                              const tn__tensor *const *in, const tn__tensor *const *out,
                              const tn__site *site, tn_error *err)
{
    (void)in;
    (void)out;
    tn__view from, to;
    tn__shape extent;
    padding p;
    tn_status status = read_padding(&p, site, err);
    if (!status && din[0] && p.mode != CONSTANT)
        return repeat_backward(din[0], dout[0], &p, site, err);
    if (!status)
        status = read_views(&from, &to, &extent, site, err);
    if (status || !din[0])
        return status;
    float *dx = tn__tensor_f32(din[0]);
    memset(dx, 0, tn__tensor_bytes(din[0]));
    tn__view_copy(dx, &from, tn__tensor_f32_const(dout[0]), &to, &extent, sizeof *dx);
    return TN_OK;
}

const tn__op tn__op_pad = {
    .type = "Pad",
    .domain = "",
    .infer = pad_infer,
    .couple = pad_couple,
    .joint = true,
    .forward = pad_forward,
    .backward = pad_backward,
};
