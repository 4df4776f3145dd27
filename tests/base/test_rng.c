/* Random numbers: reproducible, uniform, normal. */
#include "test.h"

#include "base/rng.h"

static void the_sequence_depends_on_seed_and_stream(void **state)
{
    (void)state;
    tn__rng a, b, c, d;
    tn__rng_seed(&a, 1, 0);
    tn__rng_seed(&b, 1, 0);
    tn__rng_seed(&c, 2, 0);
    tn__rng_seed(&d, 1, 1);
    uint64_t x = tn__rng_next(&a);
    assert_true(x == tn__rng_next(&b));
    assert_true(x != tn__rng_next(&c));
    assert_true(x != tn__rng_next(&d));
}

static void uniform_and_normal_have_their_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    tn__rng rng;
    tn__rng_seed(&rng, 7, 0);
    double u = 0, n = 0, n2 = 0;
    for (int k = 0; k < N; k++) {
        double x = tn__rng_uniform(&rng), z = tn__rng_normal(&rng);
        assert_true(x >= 0 && x < 1);
        u += x;
        n += z;
        n2 += z * z;
    }
    assert_near(u / N, 0.5, 0.01);
    assert_near(n / N, 0, 0.02);
    assert_near(n2 / N, 1, 0.02);
}

static void numbers_below_n_are_even(void **state)
{
    (void)state;
    tn__rng rng;
    tn__rng_seed(&rng, 3, 0);
    size_t count[5] = {0};
    for (int k = 0; k < 50000; k++)
        count[tn__rng_below(&rng, 5)]++;
    for (int k = 0; k < 5; k++)
        assert_near(count[k], 10000, 400);
}

static void a_permutation_has_each_index_once(void **state)
{
    (void)state;
    tn__rng rng;
    tn__rng_seed(&rng, 3, 0);
    uint32_t index[100];
    bool seen[100] = {false};
    tn__rng_permutation(&rng, index, 100);
    size_t fixed = 0;
    for (size_t k = 0; k < 100; k++) {
        assert_false(seen[index[k]]);
        seen[index[k]] = true;
        fixed += index[k] == k;
    }
    assert_true(fixed < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_depends_on_seed_and_stream),
        cmocka_unit_test(uniform_and_normal_have_their_moments),
        cmocka_unit_test(numbers_below_n_are_even),
        cmocka_unit_test(a_permutation_has_each_index_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
