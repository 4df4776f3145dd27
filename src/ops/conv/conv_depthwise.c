/* conv_depthwise.c - the gradients of the parameters of depthwise convolutions, by
 * hand.
 *
 * dw [C, 1, KH, KW] = sum over images n and positions of dy[n, c, i, j] times
 * x[n, c, i sh + a dh - ph, j sw + b dw - pw]. For windows of 5x5 with strides, of 7x7,
 * and for maps smaller than the window, oneDNN falls back to one small product of
 * matrices for each channel. Values lie in blocks of 16 channels. A row of dy meets the
 * KW elements of x that it is multiplied with while those sums are in registers; the
 * sums of an image are f32, those over images double.
 */
#include <string.h>

#include "ops/conv/conv.h"
#include "ops/quick.h"

#if defined(__GNUC__)
#define ALWAYS inline __attribute__((always_inline))
#else
#define ALWAYS inline
#endif

enum { LANES = TN__DEPTHWISE_BLOCK };

/* sums [width, 16] += dy[j] x[...], where the window of j may reach past the edge. */
static void add_edge(float *sums, const float *x, const float *dy,
                     const tn__depthwise *g, int64_t j)
{
    for (int64_t b = 0; b < g->window[1]; b++) {
        int64_t at = j * g->stride[1] - g->pad[1] + b * g->dilation[1];
        for (int k = 0; k < LANES && at >= 0 && at < g->in[1]; k++)
            sums[b * LANES + k] += dy[j * LANES + k] * x[at * LANES + k];
    }
}

/* The same of one row of dy [ow, 16] with one row of x [w, 16]. */
static ALWAYS void add_row(float *restrict sums, const float *restrict x,
                           const float *restrict dy, const tn__depthwise *g,
                           int64_t width)
{
    int64_t stride = g->stride[1], gap = g->dilation[1], out = g->out[1];
    int64_t last = g->in[1] - 1 - (width - 1) * gap + g->pad[1]; /* stride times j */
    int64_t from = TN__MIN((g->pad[1] + stride - 1) / stride, out);
    int64_t to = last < 0 ? 0 : TN__MIN(last / stride + 1, out);
    to = TN__MAX(to, from);
    for (int64_t j = 0; j < from; j++)
        add_edge(sums, x, dy, g, j);
    for (int64_t j = from; j < to; j++) {
        const float *first = x + (j * stride - g->pad[1]) * LANES;
        for (int64_t b = 0; b < width; b++)
            for (int k = 0; k < LANES; k++)
                sums[b * LANES + k] += dy[j * LANES + k] * first[b * gap * LANES + k];
    }
    for (int64_t j = to; j < out; j++)
        add_edge(sums, x, dy, g, j);
}

/* Windows of usual widths get code of their own, with their sums in registers. */
static ALWAYS void add_rows(float *sums, const float *x, const float *dy,
                            const tn__depthwise *g)
{
    switch (g->window[1]) {
    case 3:
        add_row(sums, x, dy, g, 3);
        break;
    case 5:
        add_row(sums, x, dy, g, 5);
        break;
    case 7:
        add_row(sums, x, dy, g, 7);
        break;
    default:
        add_row(sums, x, dy, g, g->window[1]);
    }
}

/* One block of channels of one image; sums [KH, KW, 16]. */
TN__VECTORS static void add_block(float *sums, const float *x, const float *dy,
                                  const tn__depthwise *g)
{
    for (int64_t a = 0; a < g->window[0]; a++)
        for (int64_t i = 0; i < g->out[0]; i++) {
            int64_t at = i * g->stride[0] - g->pad[0] + a * g->dilation[0];
            if (at >= 0 && at < g->in[0])
                add_rows(sums + a * g->window[1] * LANES, x + at * g->in[1] * LANES,
                         dy + i * g->out[1] * LANES, g);
        }
}

void tn__depthwise_weights(float *dw, const float *x, const float *dy,
                           const tn__depthwise *g, double *total, float *sums)
{
    int64_t cells = g->window[0] * g->window[1];
    size_t count = (size_t)(cells * LANES);
    int64_t image = g->in[0] * g->in[1] * LANES, made = g->out[0] * g->out[1] * LANES;
    for (int64_t block = 0; block < g->blocks; block++) {
        memset(total, 0, count * sizeof *total);
        for (int64_t n = 0; n < g->images; n++) {
            memset(sums, 0, count * sizeof *sums);
            int64_t at = n * g->blocks + block;
            add_block(sums, x + at * image, dy + at * made, g);
            for (size_t k = 0; k < count; k++)
                total[k] += (double)sums[k];
        }
        for (int64_t k = 0; k < LANES; k++)
            for (int64_t cell = 0; cell < cells; cell++)
                dw[(block * LANES + k) * cells + cell] = (float)total[cell * LANES + k];
    }
}

TN__VECTORS void tn__depthwise_bias(float *db, const float *dy, const tn__depthwise *g)
{
    int64_t positions = g->out[0] * g->out[1];
    for (int64_t block = 0; block < g->blocks; block++) {
        double total[LANES] = {0};
        for (int64_t n = 0; n < g->images; n++) {
            const float *at = dy + (n * g->blocks + block) * positions * LANES;
            for (int64_t i = 0; i < positions; i++, at += LANES)
                for (int k = 0; k < LANES; k++)
                    total[k] += (double)at[k];
        }
        for (int k = 0; k < LANES; k++)
            db[block * LANES + k] = (float)total[k];
    }
}
