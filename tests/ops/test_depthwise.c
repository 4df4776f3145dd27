/* test_depthwise.c - gradients of parameters by hand against their definition. */
#include "base/rng.h"
#include "ops/conv/conv.h"
#include "test.h"

#define B TN__DEPTHWISE_BLOCK

enum { N = 3, BLOCKS = 2, CELLS_MAX = 81, SIDE_MAX = 9 };

/* x and dy of one channel at a position; 0 outside. */
static double at(const float *v, const int64_t *extent, int64_t n, int64_t c, int64_t i,
                 int64_t j)
{
    if (i < 0 || j < 0 || i >= extent[0] || j >= extent[1])
        return 0;
    int64_t row = (n * BLOCKS + c / B) * extent[0] + i;
    return (double)v[(row * extent[1] + j) * B + c % B];
}

static double by_definition(const float *x, const float *dy, const tn__depthwise *g,
                            int64_t c, int64_t a, int64_t b)
{
    double sum = 0;
    for (int64_t n = 0; n < N; n++)
        for (int64_t i = 0; i < g->out[0]; i++)
            for (int64_t j = 0; j < g->out[1]; j++)
                sum += at(dy, g->out, n, c, i, j) *
                       at(x, g->in, n, c,
                          i * g->stride[0] - g->pad[0] + a * g->dilation[0],
                          j * g->stride[1] - g->pad[1] + b * g->dilation[1]);
    return sum;
}

static void check(tn__depthwise g)
{
    static float x[N * BLOCKS * SIDE_MAX * SIDE_MAX * B], dy[N * BLOCKS * 144 * B];
    static float dw[BLOCKS * B * CELLS_MAX], sums[CELLS_MAX * B];
    static double total[CELLS_MAX * B];
    float db[BLOCKS * B];
    tn__rng rng;
    g.images = N;
    g.blocks = BLOCKS;
    for (int k = 0; k < 2; k++)
        g.out[k] = (g.in[k] + 2 * g.pad[k] - (g.window[k] - 1) * g.dilation[k] - 1) /
                       g.stride[k] +
                   1;
    tn__rng_seed(&rng, 3, 0);
    for (size_t k = 0; k < TN__COUNT(x); k++)
        x[k] = (float)tn__rng_normal(&rng);
    for (size_t k = 0; k < TN__COUNT(dy); k++)
        dy[k] = (float)tn__rng_normal(&rng);
    tn__depthwise_weights(dw, x, dy, &g, total, sums);
    for (int64_t c = 0, k = 0; c < BLOCKS * B; c++)
        for (int64_t a = 0; a < g.window[0]; a++)
            for (int64_t b = 0; b < g.window[1]; b++, k++)
                assert_near(dw[k], by_definition(x, dy, &g, c, a, b), 1e-4);
    tn__depthwise_bias(db, dy, &g);
    for (int64_t c = 0; c < BLOCKS * B; c++) {
        double sum = 0;
        for (int64_t n = 0; n < N; n++)
            for (int64_t i = 0; i < g.out[0]; i++)
                for (int64_t j = 0; j < g.out[1]; j++)
                    sum += at(dy, g.out, n, c, i, j);
        assert_near(db[c], sum, 1e-4);
    }
}

static void the_gradient_is_its_definition(void **state)
{
    (void)state;
    static const int64_t windows[] = {1, 2, 3, 5, 7, 9};
    for (size_t k = 0; k < TN__COUNT(windows); k++)
        for (int64_t stride = 1; stride < 4; stride++)
            for (int64_t pad = 0; pad < 4; pad++)
                for (int64_t side = 2; side <= SIDE_MAX; side += 7) {
                    int64_t w = windows[k];
                    if (side + 2 * pad < w || pad >= w)
                        continue;
                    check((tn__depthwise){.in = {side, SIDE_MAX - 2},
                                          .window = {w, w},
                                          .stride = {stride, stride},
                                          .pad = {pad, pad + (w > 7)},
                                          .dilation = {1, 1}});
                }
}

static void windows_may_be_stretched_and_oblong(void **state)
{
    (void)state;
    check((tn__depthwise){.in = {7, 9},
                          .window = {3, 5},
                          .stride = {2, 1},
                          .pad = {2, 4},
                          .dilation = {2, 2}});
    check((tn__depthwise){.in = {9, 5},
                          .window = {5, 3},
                          .stride = {1, 2},
                          .pad = {0, 1},
                          .dilation = {1, 3}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_is_its_definition),
        cmocka_unit_test(windows_may_be_stretched_and_oblong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
