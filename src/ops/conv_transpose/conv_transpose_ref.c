/* conv_transpose_ref.c - Y[n, o, q] = b[o] + sum over c, taps of X[n, c, p] W[c, o, t]
 * where tap t of position p of the adjoint convolution lies on q; in double. */
#include "ops/conv_transpose/conv_transpose.h"
#include "ops/operand.h"

typedef struct loops {
    tn__conv_transpose conv;
    size_t inputs, outputs, taps; /* positions of X and Y */
    size_t per_group;             /* channels of X in a group */
    size_t o_per_group;
    size_t *table; /* [inputs, taps]: position in Y */
} loops;

static tn_status prepare(loops *l, const tn__site *site, tn_error *err)
{
    *l = (loops){0};
    tn_status status = tn__conv_transpose_read(&l->conv, site, err);
    if (status)
        return status;
    l->inputs = tn__window_outputs(&l->conv.window);
    l->outputs = tn__window_inputs(&l->conv.window);
    l->taps = tn__window_taps(&l->conv.window);
    l->per_group = l->conv.c / l->conv.groups;
    l->o_per_group = l->conv.o / l->conv.groups;
    return tn__window_table(&l->table, &l->conv.window, err);
}

/* One image, one channel of X, one channel of Y; w [taps]. */
static void spread(const loops *l, double *y, const float *x, const float *w)
{
    for (size_t p = 0; p < l->inputs; p++)
        for (size_t t = 0; t < l->taps; t++) {
            size_t q = l->table[p * l->taps + t];
            if (q != TN__NONE)
                y[q] += (double)x[p] * (double)w[t];
        }
}

static void collect(const loops *l, double *dx, double *dw, const float *x,
                    const float *w, const float *dy)
{
    for (size_t p = 0; p < l->inputs; p++)
        for (size_t t = 0; t < l->taps; t++) {
            size_t q = l->table[p * l->taps + t];
            if (q == TN__NONE)
                continue;
            dx[p] += (double)w[t] * (double)dy[q];
            dw[t] += (double)x[p] * (double)dy[q];
        }
}

tn_status tn__conv_transpose_forward(tn__tensor *const *out,
                                     const tn__tensor *const *in, const tn__site *site,
                                     tn_error *err)
{
    loops l;
    tn_status status;
    if ((status = tn__expect_f32(in[0], err)) != TN_OK ||
        (status = prepare(&l, site, err)) != TN_OK)
        return status;
    const float *x = tn__tensor_f32_const(in[0]), *w = tn__tensor_f32_const(in[1]);
    bool has_bias = tn__site_in(site, 2) != NULL;
    size_t count = tn__tensor_count(out[0]);
    double *y = tn__alloc(count, sizeof *y);
    if (!y) {
        status = tn__fail_memory(err, count * sizeof *y);
        goto done;
    }
    for (size_t i = 0; i < count && has_bias; i++)
        y[i] = (double)tn__tensor_f32_const(in[2])[i / l.outputs % l.conv.o];
    for (size_t n = 0; n < l.conv.n; n++)
        for (size_t c = 0; c < l.conv.c; c++)
            for (size_t o = 0; o < l.o_per_group; o++) {
                size_t to = n * l.conv.o + c / l.per_group * l.o_per_group + o;
                spread(&l, y + to * l.outputs, x + (n * l.conv.c + c) * l.inputs,
                       w + (c * l.o_per_group + o) * l.taps);
            }
    tn__store_f64(out[0], y);
done:
    tn__free(y);
    tn__free(l.table);
    return status;
}

static void bias_gradient(const loops *l, double *db, const float *dy)
{
    for (size_t i = 0; i < l->conv.n * l->conv.o * l->outputs; i++)
        db[i / l->outputs % l->conv.o] += (double)dy[i];
}

tn_status tn__conv_transpose_backward(tn__tensor *const *din,
                                      const tn__tensor *const *dout,
                                      const tn__tensor *const *in,
                                      const tn__tensor *const *out,
                                      const tn__site *site, tn_error *err)
{
    (void)out;
    loops l;
    tn_status status = prepare(&l, site, err);
    if (status)
        return status;
    const float *x = tn__tensor_f32_const(in[0]), *w = tn__tensor_f32_const(in[1]);
    const float *dy = tn__tensor_f32_const(dout[0]);
    size_t xs = tn__tensor_count(in[0]), ws = tn__tensor_count(in[1]);
    double *dx = tn__alloc(xs, sizeof *dx), *dw = tn__alloc(ws, sizeof *dw);
    double *db = tn__alloc(l.conv.o, sizeof *db);
    if (!dx || !dw || !db) {
        status = tn__fail_memory(err, (xs + ws + l.conv.o) * sizeof *dx);
        goto done;
    }
    for (size_t n = 0; n < l.conv.n; n++)
        for (size_t c = 0; c < l.conv.c; c++)
            for (size_t o = 0; o < l.o_per_group; o++) {
                size_t to = n * l.conv.o + c / l.per_group * l.o_per_group + o;
                size_t from = (n * l.conv.c + c) * l.inputs;
                size_t at = (c * l.o_per_group + o) * l.taps;
                collect(&l, dx + from, dw + at, x + from, w + at, dy + to * l.outputs);
            }
    bias_gradient(&l, db, dy);
    tn__store_f64(din[0], dx);
    tn__store_f64(din[1], dw);
    if (tn__site_in(site, 2))
        tn__store_f64(din[2], db);
done:
    tn__free(dx);
    tn__free(dw);
    tn__free(db);
    tn__free(l.table);
    return status;
}
