/* average_pool_ref.c - the mean of each window, over its elements or, with
 * count_include_pad, over its padding too (but never over what ceil_mode adds beyond
 * the padding). */
#include "ops/average_pool/average_pool.h"
#include "ops/operand.h"
#include "ops/window.h"

typedef struct loops {
    size_t planes, inputs, outputs, taps; /* planes: images times channels */
    size_t *at;                           /* [outputs, taps] */
    double *weight;                       /* [outputs]: 1 / elements of the window */
} loops;

/* Taps of output position y on the padded input. */
static size_t padded_taps(const tn__window *w, size_t y)
{
    size_t count = 1;
    for (int k = w->rank - 1; k >= 0; k--) {
        int64_t start = (int64_t)(y % (size_t)w->out[k]) * w->stride[k] - w->begin[k];
        size_t inside = 0;
        for (int64_t t = 0; t < w->kernel[k]; t++)
            inside += start + t * w->dilation[k] < w->in[k] + w->end[k];
        count *= inside;
        y /= (size_t)w->out[k];
    }
    return count;
}

static void release(loops *l)
{
    tn__free(l->at);
    tn__free(l->weight);
}

static tn_status prepare(loops *l, const tn__site *site, tn_error *err)
{
    tn__window w;
    *l = (loops){0};
    tn_status status = tn__window_read(&w, site, NULL, err);
    if (status)
        return status;
    const int64_t *dims = site->in[0]->dims;
    *l = (loops){.planes = (size_t)dims[0] * (size_t)dims[1],
                 .inputs = tn__window_inputs(&w),
                 .outputs = tn__window_outputs(&w),
                 .taps = tn__window_taps(&w)};
    if ((status = tn__window_table(&l->at, &w, err)) != TN_OK)
        return status;
    l->weight = tn__alloc(l->outputs, sizeof *l->weight);
    if (!l->weight)
        return tn__fail_memory(err, l->outputs * sizeof *l->weight);
    bool pad = tn__node_int(site->node, "count_include_pad", 0) != 0;
    for (size_t p = 0; p < l->outputs; p++) {
        size_t count = 0;
        for (size_t t = 0; t < l->taps; t++)
            count += l->at[p * l->taps + t] != TN__NONE;
        count = pad ? padded_taps(&w, p) : count;
        l->weight[p] = count ? 1 / (double)count : 0;
    }
    return TN_OK;
}

static double window_sum(const loops *l, const float *x, const size_t *at)
{
    double sum = 0;
    for (size_t t = 0; t < l->taps; t++)
        if (at[t] != TN__NONE)
            sum += (double)x[at[t]];
    return sum;
}

tn_status tn__average_pool_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                   const tn__site *site, tn_error *err)
{
    loops l = {0};
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = prepare(&l, site, err)) != TN_OK)
        goto done;
    const float *x = tn__tensor_f32_const(in[0]);
    float *y = tn__tensor_f32(out[0]);
    for (size_t plane = 0; plane < l.planes; plane++, x += l.inputs)
        for (size_t p = 0; p < l.outputs; p++)
            *y++ = (float)(window_sum(&l, x, l.at + p * l.taps) * l.weight[p]);
done:
    release(&l);
    return status;
}

tn_status tn__average_pool_backward(tn__tensor *const *din,
                                    const tn__tensor *const *dout,
                                    const tn__tensor *const *in,
                                    const tn__tensor *const *out, const tn__site *site,
                                    tn_error *err)
{
    (void)in;
    (void)out;
    loops l;
    double *sum = NULL;
    tn_status status = prepare(&l, site, err);
    if (status)
        goto done;
    size_t count = l.planes * l.inputs;
    if (!(sum = tn__alloc(count, sizeof *sum))) {
        status = tn__fail_memory(err, count * sizeof *sum);
        goto done;
    }
    const float *dy = tn__tensor_f32_const(dout[0]);
    for (size_t i = 0; i < l.planes * l.outputs; i++) {
        double *plane = sum + i / l.outputs * l.inputs;
        size_t p = i % l.outputs;
        const size_t *at = l.at + p * l.taps;
        for (size_t t = 0; t < l.taps; t++)
            if (at[t] != TN__NONE)
                plane[at[t]] += (double)dy[i] * l.weight[p];
    }
    tn__store_f64(din[0], sum);
done:
    tn__free(sum);
    release(&l);
    return status;
}
