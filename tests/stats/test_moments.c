/* test_moments.c - one pass over channels against two passes over everything. */
#include "test.h"

#include "base/rng.h"
#include "stats/stats.h"

enum { IMAGES = 23, CHANNELS = 3, POSITIONS = 5 };

static void fill(float *x, double offset)
{
    tn__rng rng;
    tn__rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < IMAGES * CHANNELS * POSITIONS; i++)
        x[i] = (float)(offset + tn__rng_normal(&rng));
}

static void expect(const tn__moments *m, const float *x)
{
    double rows = IMAGES * POSITIONS;
    assert_near(m->rows, rows, 0);
    for (size_t c = 0; c < CHANNELS; c++) {
        double mean = 0, m2 = 0;
        for (size_t k = 0; k < IMAGES * POSITIONS; k++) {
            size_t i = k / POSITIONS, p = k % POSITIONS;
            mean += (double)x[(i * CHANNELS + c) * POSITIONS + p] / rows;
        }
        for (size_t k = 0; k < IMAGES * POSITIONS; k++) {
            size_t i = k / POSITIONS, p = k % POSITIONS;
            double d = (double)x[(i * CHANNELS + c) * POSITIONS + p] - mean;
            m2 += d * d;
        }
        assert_near(m->mean[c], mean, 1e-12 * fabs(mean) + 1e-12);
        assert_near(m->m2[c], m2, 1e-9 * m2);
        assert_near(tn__moments_variance(m, c), m2 / rows, 1e-9 * m2);
    }
}

static void batches_of_any_size_give_the_moments_of_all(void **state)
{
    (void)state;
    float x[IMAGES * CHANNELS * POSITIONS];
    fill(x, 1e4); /* a mean far above the deviation: squares would cancel */
    for (size_t step = 1; step <= IMAGES; step += 5) {
        tn__moments m;
        assert_ok(tn__moments_create(&m, CHANNELS, err));
        for (size_t first = 0; first < IMAGES; first += step)
            tn__moments_add(&m, x + first * CHANNELS * POSITIONS,
                            TN__MIN(step, IMAGES - first), POSITIONS);
        expect(&m, x);
        tn__moments_release(&m);
    }
}

static void merged_parts_are_the_whole(void **state)
{
    (void)state;
    float x[IMAGES * CHANNELS * POSITIONS];
    fill(x, -3);
    tn__moments a, b;
    assert_ok(tn__moments_create(&a, CHANNELS, err));
    assert_ok(tn__moments_create(&b, CHANNELS, err));
    tn__moments_merge(&a, &b);
    assert_near(a.rows, 0, 0);
    tn__moments_add(&a, x, 9, POSITIONS);
    tn__moments_add(&b, x + 9 * CHANNELS * POSITIONS, IMAGES - 9, POSITIONS);
    tn__moments_merge(&a, &b);
    expect(&a, x);
    tn__moments_release(&a);
    tn__moments_release(&b);
}

static void nothing_seen_has_variance_zero(void **state)
{
    (void)state;
    tn__moments m;
    assert_ok(tn__moments_create(&m, CHANNELS, err));
    tn__moments_add(&m, NULL, 0, POSITIONS);
    assert_near(tn__moments_variance(&m, 0), 0, 0);
    tn__moments_release(&m);
    tn__moments_release(NULL);
}

static void a_shape_without_channels_has_no_extent(void **state)
{
    (void)state;
    tn__extent extent;
    tn__shape image = {4, {1, 16, 8, 4}}, row = {2, {1, 10}}, flat = {1, {10}};
    assert_ok(tn__extent_of(&extent, &image, err));
    assert_int_equal(extent.channels, 16);
    assert_int_equal(extent.positions, 32);
    assert_ok(tn__extent_of(&extent, &row, err));
    assert_int_equal(extent.positions, 1);
    assert_fails(tn__extent_of(&extent, &flat, err), TN_ERROR_UNSUPPORTED, "[10]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_any_size_give_the_moments_of_all),
        cmocka_unit_test(merged_parts_are_the_whole),
        cmocka_unit_test(nothing_seen_has_variance_zero),
        cmocka_unit_test(a_shape_without_channels_has_no_extent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
