/* conv_columns.c - the windows of a convolution as rows of a matrix (im2col), in bf16.
 *
 * Values lie with their channels last, as bf16 kernels leave them. A row of the matrix
 * has the elements of one window in the order of the weights [O, C, taps], so that
 * these and their gradient take part in the products as they are.
 */
#include "ops/conv/conv_columns.h"

#if defined(__GNUC__)
#define ALWAYS inline __attribute__((always_inline))
#else
#define ALWAYS inline
#endif

const tn__columns *tn__columns_make(tn__dnnl *d, const tn__window *window,
                                    size_t images, size_t channels)
{
    tn_error err = {0};
    size_t *table, inputs = tn__window_inputs(window);
    size_t outputs = tn__window_outputs(window), taps = tn__window_taps(window);
    if (tn__window_table(&table, window, &err))
        return NULL;
    tn__columns *g = tn__dnnl_alloc(d, 1, sizeof *g);
    size_t *reads = tn__dnnl_alloc(d, outputs * taps, sizeof *reads);
    size_t *read_by = tn__dnnl_alloc(d, inputs * taps, sizeof *read_by);
    if (g && reads && read_by) {
        for (size_t k = 0; k < inputs * taps; k++)
            read_by[k] = TN__NONE;
        for (size_t k = 0; k < outputs * taps; k++) {
            reads[k] = table[k];
            if (table[k] != TN__NONE)
                read_by[table[k] * taps + k % taps] = k / taps;
        }
        *g = (tn__columns){images,
                           channels,
                           inputs,
                           outputs,
                           taps,
                           reads,
                           read_by,
                           .zeros = tn__dnnl_alloc(d, channels, sizeof *g->zeros),
                           .rows = tn__dnnl_alloc(d, taps, sizeof *g->rows),
                           .parts = tn__dnnl_alloc(d, taps, sizeof *g->parts),
                           .sum = tn__dnnl_alloc(d, channels, sizeof *g->sum)};
    }
    tn__free(table);
    return g && g->zeros && g->rows && g->parts && g->sum ? g : NULL;
}

/* row [channels, taps] of rows [channels] */
static ALWAYS void interleave(uint16_t *restrict row, const uint16_t *const *from,
                              size_t channels, size_t taps)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t t = 0; t < taps; t++)
            row[c * taps + t] = from[t][c];
}

void tn__columns_take(void *columns, const void *from, const void *with)
{
    const tn__columns *g = with;
    const uint16_t *x = from;
    uint16_t *row = columns;
    const size_t channels = g->channels, taps = g->taps;
    for (size_t n = 0; n < g->images; n++, x += g->inputs * channels)
        for (size_t o = 0; o < g->outputs; o++, row += channels * taps) {
            for (size_t t = 0; t < taps; t++) {
                size_t at = g->reads[o * taps + t];
                g->rows[t] = at == TN__NONE ? g->zeros : x + at * channels;
            }
            if (taps == 9) /* most are 3x3: code that knows */
                interleave(row, g->rows, channels, 9);
            else
                interleave(row, g->rows, channels, taps);
        }
}

/* sum [channels] of the parts, each every taps-th element */
static ALWAYS void add_up(float *restrict sum, const float *const *parts, size_t count,
                          size_t channels, size_t taps)
{
    for (size_t c = 0; c < channels; c++) {
        float s = 0;
        for (size_t k = 0; k < count; k++)
            s += parts[k][c * taps];
        sum[c] = s;
    }
}

void tn__columns_give(void *to, const void *columns, const void *with)
{
    const tn__columns *g = with;
    const size_t channels = g->channels, taps = g->taps;
    const float *image = columns;
    uint16_t *dx = to;
    for (size_t n = 0; n < g->images; n++, image += g->outputs * channels * taps)
        for (size_t i = 0; i < g->inputs; i++, dx += channels) {
            size_t count = 0;
            for (size_t t = 0; t < taps; t++) {
                size_t o = g->read_by[i * taps + t];
                if (o != TN__NONE)
                    g->parts[count++] = image + o * channels * taps + t;
            }
            add_up(g->sum, g->parts, count, channels, taps);
            for (size_t c = 0; c < channels; c++)
                dx[c] = tn__f32_to_bf16(g->sum[c]);
        }
}
