/* test_leaves.c - images that are drawn: standardised, none like another, the same by
 * the same seed. */
#include "test.h"

#include "prune/prune.h"

static void drawn_images_are_like_standardised_ones(void **state)
{
    (void)state;
    tn__shape shape = {4, {1, 3, 32, 32}};
    float *x = NULL;
    double mean = 0, square = 0;
    size_t count = 64 * 3072;
    assert_ok(tn__leaves_create(&x, 64, &shape, 1, err));
    for (size_t i = 0; i < count; i++) {
        mean += (double)x[i] / (double)count;
        square += (double)x[i] * (double)x[i] / (double)count;
    }
    assert_near(mean, 0, 0.25);
    assert_near(square, 1, 0.25);
    tn__free(x);
}

static void a_seed_is_a_set_of_images(void **state)
{
    (void)state;
    tn__shape shape = {4, {1, 1, 16, 16}};
    float *x = NULL, *again = NULL, *other = NULL;
    assert_ok(tn__leaves_create(&x, 2, &shape, 1, err));
    assert_ok(tn__leaves_create(&again, 2, &shape, 1, err));
    assert_ok(tn__leaves_create(&other, 2, &shape, 2, err));
    assert_memory_equal(x, again, 2 * 256 * sizeof *x);
    assert_memory_not_equal(x, other, 2 * 256 * sizeof *x);
    assert_memory_not_equal(x, x + 256, 256 * sizeof *x);
    tn__free(x);
    tn__free(again);
    tn__free(other);
}

static void vectors_are_white_noise(void **state)
{
    (void)state;
    tn__shape shape = {2, {1, 400}};
    float *x = NULL;
    double square = 0, product = 0;
    assert_ok(tn__leaves_create(&x, 10, &shape, 1, err));
    for (size_t i = 0; i + 1 < 4000; i++) {
        square += (double)x[i] * (double)x[i] / 4000;
        product += (double)x[i] * (double)x[i + 1] / 4000;
    }
    assert_near(square, 1, 0.1);
    assert_near(product, 0, 0.1);
    tn__free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_images_are_like_standardised_ones),
        cmocka_unit_test(a_seed_is_a_set_of_images),
        cmocka_unit_test(vectors_are_white_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
