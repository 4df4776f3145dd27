/* conv_ref.c - convolution by its definition, in double: the oracle of the fast kernel.
 *
 *     y[n, o, p] = b[o] + sum_{c, t} w[o, c, t] x[n, g(o) cg + c, at(p, t)]
 *
 * with cg channels a group, g(o) the group of o and at(p, t) the input position that
 * tap t of output position p reads; padding contributes nothing.
 */
#include "ops/conv/conv.h"
#include "ops/operand.h"

/* What the loops need: extents, and where each tap reads. */
typedef struct loops {
    size_t n, cg, o, og; /* images; channels a group, in and out */
    size_t c, inputs, outputs, taps;
    size_t *at; /* [outputs, taps] */
} loops;

static tn_status prepare(loops *l, const tn__site *site, tn_error *err)
{
    tn__conv conv;
    tn_status status = tn__conv_read(&conv, site, err);
    if (status)
        return status;
    *l = (loops){.n = conv.n,
                 .cg = conv.c / conv.groups,
                 .o = conv.o,
                 .og = conv.o / conv.groups,
                 .c = conv.c,
                 .inputs = tn__window_inputs(&conv.window),
                 .outputs = tn__window_outputs(&conv.window),
                 .taps = tn__window_taps(&conv.window)};
    return tn__window_table(&l->at, &conv.window, err);
}

/* The sum for one output position; x starts at the group's first channel. */
static double dot(const loops *l, const float *w, const float *x, const size_t *at)
{
    double sum = 0;
    for (size_t c = 0; c < l->cg; c++)
        for (size_t t = 0; t < l->taps; t++)
            if (at[t] != TN__NONE)
                sum += (double)w[c * l->taps + t] * (double)x[c * l->inputs + at[t]];
    return sum;
}

tn_status tn__conv_forward(tn__tensor *const *out, const tn__tensor *const *in,
                           const tn__site *site, tn_error *err)
{
    loops l = {0};
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = prepare(&l, site, err)) != TN_OK)
        return status;
    const float *x = tn__tensor_f32_const(in[0]), *w = tn__tensor_f32_const(in[1]);
    const float *b = tn__site_in(site, 2) ? tn__tensor_f32_const(in[2]) : NULL;
    float *y = tn__tensor_f32(out[0]);
    for (size_t n = 0; n < l.n; n++)
        for (size_t o = 0; o < l.o; o++)
            for (size_t p = 0; p < l.outputs; p++) {
                size_t first = n * l.c + o / l.og * l.cg;
                double sum = dot(&l, w + o * l.cg * l.taps, x + first * l.inputs,
                                 l.at + p * l.taps);
                *y++ = (float)(sum + (b ? (double)b[o] : 0.0));
            }
    tn__free(l.at);
    return TN_OK;
}

/* Adds the share of one output position with gradient g to dx and dw. */
static void spread(const loops *l, double g, double *dx, double *dw, const float *x,
                   const float *w, const size_t *at)
{
    for (size_t c = 0; c < l->cg; c++)
        for (size_t t = 0; t < l->taps; t++) {
            if (at[t] == TN__NONE)
                continue;
            size_t i = c * l->inputs + at[t], j = c * l->taps + t;
            dx[i] += g * (double)w[j];
            dw[j] += g * (double)x[i];
        }
}

tn_status tn__conv_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                            const tn__tensor *const *in, const tn__tensor *const *out,
                            const tn__site *site, tn_error *err)
{
    (void)out;
    loops l = {0};
    double *dx = NULL, *dw = NULL, *db = NULL;
    tn_status status = prepare(&l, site, err);
    if (status)
        goto done;
    size_t xs = l.n * l.c * l.inputs, ws = l.o * l.cg * l.taps;
    dx = tn__alloc(xs, sizeof *dx);
    dw = tn__alloc(ws, sizeof *dw);
    db = tn__alloc(l.o, sizeof *db);
    if (!dx || !dw || !db) {
        status = tn__fail_memory(err, (xs + ws + l.o) * sizeof *dx);
        goto done;
    }
    const float *x = tn__tensor_f32_const(in[0]), *w = tn__tensor_f32_const(in[1]);
    const float *dy = tn__tensor_f32_const(dout[0]);
    for (size_t n = 0; n < l.n; n++)
        for (size_t o = 0; o < l.o; o++)
            for (size_t p = 0; p < l.outputs; p++) {
                size_t first = (n * l.c + o / l.og * l.cg) * l.inputs;
                size_t row = o * l.cg * l.taps;
                double g = (double)*dy++;
                db[o] += g;
                spread(&l, g, dx + first, dw + row, x + first, w + row,
                       l.at + p * l.taps);
            }
    tn__store_f64(din[0], dx);
    tn__store_f64(din[1], dw);
    if (tn__site_in(site, 2))
        tn__store_f64(din[2], db);
done:
    tn__free(dx);
    tn__free(dw);
    tn__free(db);
    tn__free(l.at);
    return status;
}
