/* max_pool_ref.c - the largest element of each window; its gradient goes to the first
 * of the largest in row-major order. Padding never wins. */
#include "ops/max_pool/max_pool.h"
#include "ops/operand.h"
#include "ops/window.h"

typedef struct loops {
    size_t planes, inputs, outputs, taps; /* planes: images times channels */
    size_t *at;                           /* [outputs, taps] */
} loops;

static tn_status prepare(loops *l, const tn__site *site, tn_error *err)
{
    tn__window w;
    tn_status status = tn__window_read(&w, site, NULL, err);
    if (status)
        return status;
    const int64_t *dims = site->in[0]->dims;
    *l = (loops){.planes = (size_t)dims[0] * (size_t)dims[1],
                 .inputs = tn__window_inputs(&w),
                 .outputs = tn__window_outputs(&w),
                 .taps = tn__window_taps(&w)};
    return tn__window_table(&l->at, &w, err);
}

/* Position of the largest element of a window; a NaN counts as the largest. Every
 * window holds one element at least: infer() sees to it. */
static size_t largest(const loops *l, const float *x, const size_t *at)
{
    size_t best = TN__NONE;
    for (size_t t = 0; t < l->taps; t++) {
        if (at[t] == TN__NONE)
            continue;
        if (best == TN__NONE || (x[best] == x[best] && !(x[at[t]] <= x[best])))
            best = at[t];
    }
    return best;
}

tn_status tn__max_pool_forward(tn__tensor *const *out, const tn__tensor *const *in,
                               const tn__site *site, tn_error *err)
{
    loops l;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = prepare(&l, site, err)) != TN_OK)
        return status;
    const float *x = tn__tensor_f32_const(in[0]);
    float *y = tn__tensor_f32(out[0]);
    for (size_t plane = 0; plane < l.planes; plane++, x += l.inputs)
        for (size_t p = 0; p < l.outputs; p++)
            *y++ = x[largest(&l, x, l.at + p * l.taps)];
    tn__free(l.at);
    return TN_OK;
}

tn_status tn__max_pool_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                const tn__tensor *const *in,
                                const tn__tensor *const *out, const tn__site *site,
                                tn_error *err)
{
    (void)out;
    loops l;
    tn_status status = prepare(&l, site, err);
    if (status)
        return status;
    size_t count = l.planes * l.inputs;
    double *sum = tn__alloc(count, sizeof *sum);
    if (!sum) {
        tn__free(l.at);
        return tn__fail_memory(err, count * sizeof *sum);
    }
    const float *x = tn__tensor_f32_const(in[0]);
    const float *dy = tn__tensor_f32_const(dout[0]);
    for (size_t plane = 0; plane < l.planes; plane++) {
        size_t first = plane * l.inputs;
        for (size_t p = 0; p < l.outputs; p++)
            sum[first + largest(&l, x + first, l.at + p * l.taps)] += (double)*dy++;
    }
    tn__store_f64(din[0], sum);
    tn__free(sum);
    tn__free(l.at);
    return TN_OK;
}
