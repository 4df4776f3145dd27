/* test_augment.c - properties of what happens to training images. */
#include "test.h"

#include "data/augment.h"

enum { C = 2, H = 12, W = 9, AREA = C * H * W };

static const tn__extent extent = {C, H, W};

static void ones(float *x)
{
    for (size_t i = 0; i < AREA; i++)
        x[i] = 1 + (float)i;
}

/* out = the image of ones() augmented by stream `stream`. */
static void run(float *out, tn__augment augment, uint64_t stream)
{
    float in[AREA];
    tn__rng rng;
    ones(in);
    tn__rng_seed(&rng, 3, stream);
    tn__augment_image(out, in, &extent, &augment, &rng);
}

static void nothing_asked_is_nothing_done(void **state)
{
    float in[AREA], out[AREA];
    (void)state;
    ones(in);
    for (uint64_t k = 0; k < 5; k++) {
        run(out, (tn__augment){0}, k);
        assert_memory_equal(in, out, sizeof in);
    }
}

static void equal_streams_give_equal_images(void **state)
{
    float a[AREA], b[AREA];
    tn__augment all = {.pad = 2, .flip = true, .cutout = 3, .erase = 0.8};
    (void)state;
    for (uint64_t k = 0; k < 20; k++) {
        run(a, all, k);
        run(b, all, k);
        assert_memory_equal(a, b, sizeof a);
        run(b, all, k + 1);
        assert_memory_not_equal(a, b, sizeof a);
    }
}

/* Pixels that differ from the original, which must be those of one rectangle and the
 * same in all channels; 0 where nothing does. */
static size_t changed_box(const float *x)
{
    float in[AREA];
    size_t top = H, bottom = 0, left = W, right = 0, count = 0;
    ones(in);
    for (size_t y = 0; y < H; y++)
        for (size_t k = 0; k < W; k++) {
            bool changed = x[y * W + k] != in[y * W + k];
            for (size_t c = 1; c < C; c++)
                assert_true(changed ==
                            (x[(c * H + y) * W + k] != in[(c * H + y) * W + k]));
            if (!changed)
                continue;
            count++;
            top = y < top ? y : top;
            bottom = y + 1 > bottom ? y + 1 : bottom;
            left = k < left ? k : left;
            right = k + 1 > right ? k + 1 : right;
        }
    assert_true(count == 0 || count == (bottom - top) * (right - left));
    return count;
}

static void cutout_clears_one_square_cut_at_the_border(void **state)
{
    enum { SIDE = 5, RUNS = 200 };
    float out[AREA];
    size_t whole = 0;
    (void)state;
    for (uint64_t k = 0; k < RUNS; k++) {
        run(out, (tn__augment){.cutout = SIDE}, k);
        size_t cleared = 0;
        for (size_t i = 0; i < H * W; i++)
            cleared += out[i] == 0;
        assert_int_equal(cleared, changed_box(out));
        assert_in_range(cleared, 3 * 3, SIDE * SIDE); /* a corner at least */
        whole += cleared == SIDE * SIDE;
    }
    /* 8 of 12 rows and 5 of 9 columns as centres leave it whole: 37 %. */
    assert_in_range(whole, RUNS / 4, RUNS / 2);
}

static void erasing_has_its_probability_and_share(void **state)
{
    enum { RUNS = 400 };
    float out[AREA];
    size_t erased = 0;
    double share = 0;
    (void)state;
    for (uint64_t k = 0; k < RUNS; k++) {
        run(out, (tn__augment){.erase = 0.5}, k);
        size_t pixels = changed_box(out);
        erased += pixels > 0;
        share += (double)pixels / (H * W);
        assert_true(pixels <= H * W / 2);
    }
    assert_in_range(erased, RUNS * 2 / 5, RUNS * 3 / 5);
    assert_near(share / (double)erased, 0.2, 0.06); /* between 0.02 and 0.4 */
}

/* Mean 1/2 and variance 1 / (4 (2 alpha + 1)). */
static void beta_has_its_moments(void **state)
{
    enum { DRAWS = 20000 };
    static const double alphas[] = {0.05, 0.2, 1, 4};
    (void)state;
    for (size_t a = 0; a < 4; a++) {
        tn__rng rng;
        double sum = 0, squares = 0;
        tn__rng_seed(&rng, 1, a);
        for (size_t k = 0; k < DRAWS; k++) {
            double x = tn__draw_beta(&rng, alphas[a]);
            assert_true(x >= 0 && x <= 1);
            sum += x;
            squares += (x - 0.5) * (x - 0.5);
        }
        double variance = 1 / (4 * (2 * alphas[a] + 1));
        assert_near(sum / DRAWS, 0.5, 0.015);
        assert_near(squares / DRAWS, variance, 0.03 * variance + 0.002);
    }
}

static void mixing_takes_both_as_they_were(void **state)
{
    float a[2] = {1, -4}, b[2] = {3, 8};
    (void)state;
    tn__mix_pair(a, b, 2, 0.75, 0.5);
    assert_near(a[0], 1.5, 1e-7);
    assert_near(a[1], -1, 1e-7);
    assert_near(b[0], 2, 1e-7);
    assert_near(b[1], 2, 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_nothing_done),
        cmocka_unit_test(equal_streams_give_equal_images),
        cmocka_unit_test(cutout_clears_one_square_cut_at_the_border),
        cmocka_unit_test(erasing_has_its_probability_and_share),
        cmocka_unit_test(beta_has_its_moments),
        cmocka_unit_test(mixing_takes_both_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
