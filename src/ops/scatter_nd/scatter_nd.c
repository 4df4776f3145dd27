/* scatter_nd.c - ScatterND without a reduction: a copy of `data` in which the slices
 * that `indices` name are those of `updates`. indices [..., q] names slices by their
 * first q indices; updates is [..., data.shape[q:]]. Where a slice is named twice the
 * last one counts, and only it has a gradient. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

static tn_status scatter_nd_infer(tn__inferred *out, const tn__site *site,
                                  tn_error *err)
{
    tn_status status;
    if ((status = tn__expect_inputs(site, 3, 3, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_same_dtype(site, 0, 2, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 1, TN__MAX_RANK, err)) != TN_OK ||
        (status = tn__expect_rank(site, 1, 1, TN__MAX_RANK, err)) != TN_OK)
        return status;
    const char *reduction = tn__node_string(site->node, "reduction", "none");
    if (strcmp(reduction, "none") != 0)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'reduction' is '%s', expected 'none'", reduction);
    if (site->in_dtype[1] != TN_I64)
        return tn__fail(err, TN_ERROR_FORMAT, "the indices are %s, expected i64",
                        tn__dtype_name(site->in_dtype[1]));
    const tn__shape *data = site->in[0], *indices = site->in[1];
    int64_t named = indices->dims[indices->rank - 1];
    tn__shape wanted = *indices;
    wanted.rank--;
    if (named > data->rank || wanted.rank + data->rank - named > TN__MAX_RANK)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the indices name %lld axes, the data has %d", (long long)named,
                        data->rank);
    for (int k = (int)named; k < data->rank; k++)
        wanted.dims[wanted.rank++] = data->dims[k];
    char found[TN__SHAPE_TEXT], text[TN__SHAPE_TEXT];
    if (!tn__shape_equal(&wanted, site->in[2]))
        return tn__fail(err, TN_ERROR_MISMATCH, "the updates are %s, expected %s",
                        tn__shape_text(found, sizeof found, site->in[2]),
                        tn__shape_text(text, sizeof text, &wanted));
    out->dtype = site->in_dtype[0];
    out->shape = *data;
    return TN_OK;
}

/* Single slices are named: no axis may move. */
static tn_status scatter_nd_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    tn_status status = tn__couple_freeze(c, site, TN__OUT(0), "indexed axis", err);
    for (int k = 0; k < 3 && !status; k++)
        status = tn__couple_freeze(c, site, k, "indexed axis", err);
    return status;
}

/* Slices of `data` by number, `size` elements each. */
typedef struct slices {
    size_t count, size;
    int64_t named;
    tn__view lead; /* of the named axes, in slices */
} slices;

static slices slices_of(const tn__tensor *const *in)
{
    const tn__shape *shape = &in[1]->shape;
    slices s = {.named = shape->dims[shape->rank - 1], .size = 1, .count = 1};
    tn__shape lead = in[0]->shape;
    for (int k = (int)s.named; k < lead.rank; k++)
        s.size *= (size_t)lead.dims[k];
    for (int k = 0; k < shape->rank - 1; k++)
        s.count *= (size_t)shape->dims[k];
    lead.rank = (int)s.named;
    s.lead = tn__view_dense(&lead);
    return s;
}

static tn_status slice_at(size_t *out, const slices *s, const tn__tensor *const *in,
                          size_t i, tn_error *err)
{
    int64_t at[TN__MAX_RANK];
    for (int64_t k = 0; k < s->named; k++) {
        int64_t index = tn__tensor_i64_const(in[1])[(int64_t)i * s->named + k];
        int64_t extent = in[0]->shape.dims[k];
        if (index < -extent || index >= extent)
            return tn__fail(err, TN_ERROR_MISMATCH, "index %lld is not in [%lld, %lld)",
                            (long long)index, (long long)-extent, (long long)extent);
        at[k] = index < 0 ? index + extent : index;
    }
    *out = (size_t)tn__view_at(&s->lead, at, (int)s->named);
    return TN_OK;
}

static tn_status scatter_nd_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                    const tn__site *site, tn_error *err)
{
    slices s = slices_of(in);
    void *data;
    tn_status status;
    if ((status = tn__same_forward(out, in, site, err)) != TN_OK ||
        (status = tn__tensor_write(out[0], &data, err)) != TN_OK)
        return status;
    size_t bytes = s.size * tn__dtype_size(in[0]->dtype), to;
    const char *from = tn__tensor_data(in[2]);
    for (size_t i = 0; i < s.count && bytes; i++) {
        if ((status = slice_at(&to, &s, in, i, err)) != TN_OK)
            return status;
        memcpy((char *)data + to * bytes, from + i * bytes, bytes);
    }
    return TN_OK;
}

/* Backwards through the updates: the last one of a slice takes its gradient. */
static tn_status scatter_nd_backward(tn__tensor *const *din,
                                     const tn__tensor *const *dout,
                                     const tn__tensor *const *in,
                                     const tn__tensor *const *out, const tn__site *site,
                                     tn_error *err)
{
    (void)out;
    slices s = slices_of(in);
    tn__tensor left = {0};
    const tn__shape *shape = &dout[0]->shape;
    tn_status status = tn__tensor_create(&left, TN_F32, shape->rank, shape->dims, err);
    if (status)
        return status;
    tn__tensor *copy = &left;
    status = tn__same_forward(&copy, dout, site, err);
    float *g = tn__tensor_f32(&left);
    for (size_t i = s.count; i-- > 0 && s.size && !status;) {
        size_t to;
        if ((status = slice_at(&to, &s, in, i, err)) != TN_OK)
            break;
        if (din[2])
            memcpy(tn__tensor_f32(din[2]) + i * s.size, g + to * s.size,
                   s.size * sizeof *g);
        memset(g + to * s.size, 0, s.size * sizeof *g);
    }
    const tn__tensor *rest = &left;
    if (!status && din[0])
        status = tn__same_forward(din, &rest, site, err);
    tn__tensor_release(&left);
    return status;
}

const tn__op tn__op_scatter_nd = {
    .type = "ScatterND",
    .domain = "",
    .infer = scatter_nd_infer,
    .couple = scatter_nd_couple,
    .forward = scatter_nd_forward,
    .backward = scatter_nd_backward,
};
