/* test_columns.c - windows as rows: by definition, and their sums as the adjoint. */
#include "base/rng.h"
#include "ops/conv/conv_columns.h"
#include "test.h"

enum { N = 2, C = 5, CELLS = 9 * 9, TAPS = 25 };

/* Small whole numbers: exact in bf16, and so are their sums in f32. */
static double whole(tn__rng *rng)
{
    return floor(8 * tn__rng_uniform(rng)) - 4;
}

static uint16_t x[N * CELLS * C], columns[N * CELLS * C * TAPS], dx[N * CELLS * C];
static float dcolumns[N * CELLS * C * TAPS];

static int64_t output(const tn__window *w, int k)
{
    int64_t reach = (w->kernel[k] - 1) * w->dilation[k] + 1;
    return (w->in[k] + w->begin[k] + w->end[k] - reach) / w->stride[k] + 1;
}

/* Tap t of output o of image n, or 0 in padding. */
static double read_at(const tn__window *w, size_t n, size_t o, size_t t, size_t c)
{
    int64_t at[2], place[2] = {(int64_t)o / w->out[1], (int64_t)o % w->out[1]};
    int64_t tap[2] = {(int64_t)t / w->kernel[1], (int64_t)t % w->kernel[1]};
    for (int k = 0; k < 2; k++) {
        at[k] = place[k] * w->stride[k] - w->begin[k] + tap[k] * w->dilation[k];
        if (at[k] < 0 || at[k] >= w->in[k])
            return 0;
    }
    size_t i = (size_t)(at[0] * w->in[1] + at[1]);
    return (double)tn__bf16_to_f32(x[(n * tn__window_inputs(w) + i) * C + c]);
}

static void check(tn__dnnl *d, tn__window w)
{
    tn__rng rng;
    w.rank = 2;
    for (int k = 0; k < 2; k++)
        w.out[k] = output(&w, k);
    size_t outputs = tn__window_outputs(&w), taps = tn__window_taps(&w);
    size_t values = N * tn__window_inputs(&w) * C, all = N * outputs * C * taps;
    const tn__columns *g = tn__columns_make(d, &w, N, C);
    assert_non_null(g);
    assert_true(all <= TN__COUNT(columns) && values <= TN__COUNT(x));
    tn__rng_seed(&rng, 3, 0);
    for (size_t k = 0; k < values; k++)
        x[k] = tn__f32_to_bf16((float)whole(&rng));
    for (size_t k = 0; k < all; k++)
        dcolumns[k] = (float)whole(&rng);
    tn__columns_take(columns, x, g);
    double out = 0, in = 0;
    for (size_t k = 0; k < all; k++) {
        size_t t = k % taps, c = k / taps % C, o = k / taps / C % outputs;
        double value = (double)tn__bf16_to_f32(columns[k]);
        assert_near(value, read_at(&w, k / taps / C / outputs, o, t, c), 0);
        out += value * (double)dcolumns[k];
    }
    tn__columns_give(dx, dcolumns, g);
    for (size_t k = 0; k < values; k++)
        in += (double)tn__bf16_to_f32(x[k]) * (double)tn__bf16_to_f32(dx[k]);
    assert_near(in, out, 0);
}

static void columns_are_windows_and_their_sums_the_adjoint(void **state)
{
    tn__dnnl *d;
    (void)state;
    assert_ok(tn__dnnl_create(&d, err));
    for (int64_t kernel = 1; kernel <= 5; kernel += 2)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t gap = 1; gap <= 2; gap++)
                check(d, (tn__window){.in = {9, 9},
                                      .kernel = {kernel, TN__MIN(kernel, 3)},
                                      .stride = {stride, 1},
                                      .dilation = {gap, 1},
                                      .begin = {kernel / 2, 1},
                                      .end = {kernel / 2, 0}});
    check(d, (tn__window){.in = {1, 1},
                          .kernel = {3, 3},
                          .stride = {1, 1},
                          .dilation = {1, 1},
                          .begin = {1, 1},
                          .end = {1, 1}});
    tn__dnnl_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_windows_and_their_sums_the_adjoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
