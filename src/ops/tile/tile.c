/* tile.c - Tile: an array repeated along its axes; element i of an axis of extent n is
 * element i mod n of the input. The repeats must be known at compile time. */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

#define REPEATS_MAX (INT64_C(1) << 32)

static tn_status tile_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    tn__ints repeats;
    tn_status status;
    if ((status = tn__expect_inputs(site, 2, 2, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__ints_input(&repeats, site, 1, "repeats", err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = *site->in[0];
    if (repeats.count != (size_t)out->shape.rank)
        return tn__fail(err, TN_ERROR_FORMAT, "%zu repeats on %d axes", repeats.count,
                        out->shape.rank);
    for (int k = 0; k < out->shape.rank; k++) {
        int64_t dim = out->shape.dims[k], times = repeats.v[k];
        if (times < 0 || times > REPEATS_MAX || dim > REPEATS_MAX ||
            dim * TN__MAX(times, 1) > REPEATS_MAX)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot repeat %lld elements %lld times", (long long)dim,
                            (long long)times);
        out->shape.dims[k] = dim * times;
    }
    return TN_OK;
}

static tn_status tile_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    const tn__shape *in = site->in[0], *out = &site->out[0];
    tn_status status = TN_OK;
    for (int k = 0; k < in->rank && !status; k++)
        for (int64_t i = 0; i < out->dims[k] && !status; i++)
            status = c->tie(c, 0, k, (size_t)(i % in->dims[k]), TN__OUT(0), k,
                            (size_t)i, err);
    return status ? status : tn__couple_freeze(c, site, 1, "repeats", err);
}

static int64_t source_of(const int64_t *at, const tn__view *dense, const tn__shape *in)
{
    int64_t offset = 0;
    for (int k = 0; k < in->rank; k++)
        offset += at[k] % in->dims[k] * dense->stride[k];
    return offset;
}

static tn_status tile_forward(tn__tensor *const *out, const tn__tensor *const *in,
                              const tn__site *site, tn_error *err)
{
    (void)site;
    const tn__shape *extent = &out[0]->shape;
    tn__view dense = tn__view_dense(&in[0]->shape);
    size_t size = tn__dtype_size(in[0]->dtype);
    int64_t at[TN__MAX_RANK] = {0};
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status)
        return status;
    for (size_t i = 0, count = tn__tensor_count(out[0]); i < count; i++) {
        size_t from = (size_t)source_of(at, &dense, &in[0]->shape);
        memcpy((char *)data + i * size,
               (const char *)tn__tensor_data(in[0]) + from * size, size);
        (void)tn__index_next(at, extent, extent->rank);
    }
    return TN_OK;
}

static tn_status tile_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                               const tn__tensor *const *in,
                               const tn__tensor *const *out, const tn__site *site,
                               tn_error *err)
{
    (void)out;
    (void)site;
    if (!din[0])
        return TN_OK;
    size_t count = tn__tensor_count(din[0]);
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    tn__view dense = tn__view_dense(&in[0]->shape);
    const tn__shape *extent = &dout[0]->shape;
    int64_t at[TN__MAX_RANK] = {0};
    for (size_t i = 0, all = tn__tensor_count(dout[0]); i < all; i++) {
        sum[source_of(at, &dense, &in[0]->shape)] +=
            (double)tn__tensor_f32_const(dout[0])[i];
        (void)tn__index_next(at, extent, extent->rank);
    }
    tn__store_f64(din[0], sum);
    tn__free(sum);
    return TN_OK;
}

const tn__op tn__op_tile = {
    .type = "Tile",
    .domain = "",
    .infer = tile_infer,
    .couple = tile_couple,
    .forward = tile_forward,
    .backward = tile_backward,
};
