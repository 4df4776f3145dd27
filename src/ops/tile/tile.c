/* tile.c - Tile: an array repeated along its axes; element i of an axis of extent n is
 * element i mod n of the input. The repeats must be known at compile time. */
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
        if (times < 0 || times > REPEATS_MAX || dim > REPEATS_MAX / TN__MAX(times, 1))
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
        for (int64_t i = 0; i < out->dims[k] && !status; i += in->dims[k])
            status =
                c->tie(c, (tn__spot){0, k, 0}, (tn__spot){TN__OUT(0), k, (size_t)i},
                       (size_t)in->dims[k], err);
    return status ? status : tn__couple_freeze(c, site, 1, "repeats", err);
}

/* The copies of the input, numbered by `copy` [rank], in the output. */
static tn__view copy_view(const int64_t *copy, const tn__shape *in,
                          const tn__shape *out)
{
    tn__view view = tn__view_dense(out);
    for (int k = 0; k < in->rank; k++)
        view.offset += copy[k] * in->dims[k] * view.stride[k];
    return view;
}

/* How many copies there are along each axis. */
static tn__shape copies_of(const tn__shape *in, const tn__shape *out)
{
    tn__shape copies = {.rank = in->rank};
    for (int k = 0; k < in->rank; k++)
        copies.dims[k] = in->dims[k] ? out->dims[k] / in->dims[k] : 0;
    return copies;
}

static tn_status tile_forward(tn__tensor *const *out, const tn__tensor *const *in,
                              const tn__site *site, tn_error *err)
{
    (void)site;
    const tn__shape *shape = &in[0]->shape, *extent = &out[0]->shape;
    tn__view dense = tn__view_dense(shape);
    tn__shape copies = copies_of(shape, extent);
    int64_t copy[TN__MAX_RANK] = {0};
    void *data;
    tn_status status = tn__tensor_write(out[0], &data, err);
    if (status || tn__tensor_count(out[0]) == 0)
        return status;
    do {
        tn__view view = copy_view(copy, shape, extent);
        tn__view_copy(data, &view, tn__tensor_data(in[0]), &dense, shape,
                      tn__dtype_size(in[0]->dtype));
    } while (tn__index_next(copy, &copies, copies.rank));
    return TN_OK;
}

/* The sum of the gradients of all copies; the place of the result holds one of them at
 * a time. */
static tn_status tile_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                               const tn__tensor *const *in,
                               const tn__tensor *const *out, const tn__site *site,
                               tn_error *err)
{
    (void)out;
    (void)site;
    if (!din[0])
        return TN_OK;
    const tn__shape *shape = &in[0]->shape, *extent = &dout[0]->shape;
    size_t count = tn__tensor_count(din[0]);
    tn__view dense = tn__view_dense(shape);
    tn__shape copies = copies_of(shape, extent);
    int64_t copy[TN__MAX_RANK] = {0};
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum)
        return tn__fail_memory(err, count * sizeof *sum);
    float *one = tn__tensor_f32(din[0]);
    bool more = tn__tensor_count(dout[0]) > 0;
    while (more) {
        tn__view view = copy_view(copy, shape, extent);
        tn__view_copy(one, &dense, tn__tensor_f32_const(dout[0]), &view, shape,
                      sizeof *one);
        for (size_t i = 0; i < count; i++)
            sum[i] += (double)one[i];
        more = tn__index_next(copy, &copies, copies.rank);
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
