/* test_resize.c - scaling byte images. */
#include "test.h"

#include "base/rng.h"
#include "data/image.h"

static void constants_stay_constant(void **state)
{
    (void)state;
    static const size_t sides[][4] = {
        {7, 5, 3, 2}, {3, 4, 9, 11}, {5, 9, 13, 4}, {1, 1, 6, 6}, {64, 64, 32, 32}};
    for (size_t k = 0; k < TN__COUNT(sides); k++) {
        const size_t *s = sides[k];
        uint8_t in[3 * 64 * 64], out[3 * 64 * 64] = {0};
        tn__image image = {3, s[0], s[1]};
        for (int value = 0; value < 256; value += 51) {
            memset(in, value, sizeof in);
            assert_ok(tn__image_resize(out, s[2], s[3], in, &image, err));
            for (size_t i = 0; i < 3 * s[2] * s[3]; i++)
                assert_int_equal(out[i], value);
        }
    }
}

static void the_same_size_changes_nothing(void **state)
{
    (void)state;
    uint8_t in[2 * 30], out[2 * 30];
    tn__rng rng;
    tn__rng_seed(&rng, 1, 0);
    for (size_t k = 0; k < sizeof in; k++)
        in[k] = (uint8_t)tn__rng_below(&rng, 256);
    assert_ok(tn__image_resize(out, 5, 6, in, &(tn__image){2, 5, 6}, err));
    assert_memory_equal(out, in, sizeof in);
}

static void halving_takes_means_of_four(void **state)
{
    (void)state;
    static const uint8_t in[] = {0, 10, 20, 30, 4, 6, 100, 250};
    uint8_t out[2];
    assert_ok(tn__image_resize(out, 1, 2, in, &(tn__image){1, 2, 4}, err));
    assert_int_equal(out[0], 5);
    assert_int_equal(out[1], 100);
}

static void shrinking_weighs_by_area(void **state)
{
    (void)state;
    static const uint8_t in[] = {30, 60, 90};
    uint8_t out[2];
    assert_ok(tn__image_resize(out, 1, 2, in, &(tn__image){1, 1, 3}, err));
    assert_int_equal(out[0], 40); /* (30 + 60 / 2) / 1.5 */
    assert_int_equal(out[1], 80);
}

static void growing_interpolates_between_centres(void **state)
{
    (void)state;
    static const uint8_t in[] = {0, 100};
    uint8_t out[4];
    assert_ok(tn__image_resize(out, 1, 4, in, &(tn__image){1, 1, 2}, err));
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 25);
    assert_int_equal(out[2], 75);
    assert_int_equal(out[3], 100);
}

static void transposing_commutes(void **state)
{
    (void)state;
    enum { H = 6, W = 9, OH = 4, OW = 13 };
    uint8_t in[H * W], turned[H * W], a[OH * OW], b[OH * OW];
    tn__rng rng;
    tn__rng_seed(&rng, 2, 0);
    for (size_t k = 0; k < H * W; k++)
        in[k] = (uint8_t)tn__rng_below(&rng, 256);
    for (size_t y = 0; y < H; y++) {
        for (size_t x = 0; x < W; x++)
            turned[x * H + y] = in[y * W + x];
    }
    assert_ok(tn__image_resize(a, OH, OW, in, &(tn__image){1, H, W}, err));
    assert_ok(tn__image_resize(b, OW, OH, turned, &(tn__image){1, W, H}, err));
    for (size_t y = 0; y < OH; y++) {
        for (size_t x = 0; x < OW; x++)
            assert_int_equal(a[y * OW + x], b[x * OH + y]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_stay_constant),
        cmocka_unit_test(the_same_size_changes_nothing),
        cmocka_unit_test(halving_takes_means_of_four),
        cmocka_unit_test(shrinking_weighs_by_area),
        cmocka_unit_test(growing_interpolates_between_centres),
        cmocka_unit_test(transposing_commutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
