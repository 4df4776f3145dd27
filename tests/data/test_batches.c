/* test_batches.c - shuffled, augmented batches made ahead. */
#include "test.h"

#include "data/batches.h"

enum { N = 10, BATCH = 3, AREA = 2 * 4 * 4, PER_EPOCH = 3 };

static tn_dataset *data;
static float originals[N * AREA];

static int set_up(void **state)
{
    (void)state;
    assert_ok(tn_dataset_open(&data, "random:2x4x4,limit=10,classes=1000", NULL, err));
    assert_ok(tn_dataset_read(originals, NULL, data, NULL, 0, N, err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tn_dataset_free(data);
    return 0;
}

static tn__batches *make(const tn__augment *augment, uint64_t seed)
{
    tn__batches *b = NULL;
    assert_ok(tn__batches_create(&b, data, NULL, 0, BATCH, augment, seed, err));
    assert_int_equal(tn__batches_per_epoch(b), PER_EPOCH);
    return b;
}

/* All images of an epoch, one after another; the thread is slowed down where asked. */
static void run_epoch(float *images, int32_t *labels, tn__batches *b, size_t epoch,
                      unsigned pause)
{
    const float *x = NULL;
    const int32_t *y = NULL;
    size_t k = 0;
    assert_ok(tn__batches_begin(b, epoch, 0, err));
    while (true) {
        assert_ok(tn__batches_next(b, &x, &y, err));
        if (!x)
            break;
        usleep(pause);
        assert_true(k < PER_EPOCH);
        memcpy(images + k * BATCH * AREA, x, BATCH * AREA * sizeof *x);
        memcpy(labels + k * BATCH, y, BATCH * sizeof *y);
        k++;
    }
    assert_int_equal(k, PER_EPOCH);
    assert_ok(tn__batches_next(b, &x, &y, err)); /* the end stays the end */
    assert_null(x);
}

/* The original that equals this image, or N */
static size_t find_original(const float *image)
{
    size_t i = 0;
    while (i < N && memcmp(image, originals + i * AREA, AREA * sizeof *image) != 0)
        i++;
    return i;
}

static void an_epoch_has_each_image_once_with_its_label(void **state)
{
    (void)state;
    float images[PER_EPOCH * BATCH * AREA];
    int32_t labels[PER_EPOCH * BATCH], own = 0;
    tn__batches *b = make(NULL, 1);
    for (size_t epoch = 0; epoch < 3; epoch++) {
        bool seen[N + 1] = {false};
        run_epoch(images, labels, b, epoch, 0);
        for (size_t k = 0; k < PER_EPOCH * BATCH; k++) {
            size_t i = find_original(images + k * AREA);
            assert_true(i < N);
            assert_false(seen[i]);
            seen[i] = true;
            assert_ok(tn_dataset_read(NULL, &own, data, NULL, i, 1, err));
            assert_int_equal(labels[k], own);
        }
    }
    tn__batches_free(b);
}

static void the_sequence_depends_on_seed_and_epoch_alone(void **state)
{
    (void)state;
    static float a[PER_EPOCH * BATCH * AREA], c[PER_EPOCH * BATCH * AREA];
    int32_t p[PER_EPOCH * BATCH], q[PER_EPOCH * BATCH];
    tn__augment augment = {.pad = 2, .flip = true};
    tn__batches *first = make(&augment, 5), *second = make(&augment, 5);
    tn__batches *other = make(&augment, 6);
    run_epoch(a, p, first, 0, 0);
    run_epoch(a, p, first, 1, 0);
    run_epoch(c, q, second, 1, 2000); /* a slow reader, no epoch 0 before */
    assert_memory_equal(a, c, sizeof a);
    assert_memory_equal(p, q, sizeof p);
    run_epoch(c, q, second, 0, 0);
    assert_memory_not_equal(a, c, sizeof a);
    run_epoch(c, q, other, 1, 0);
    assert_memory_not_equal(a, c, sizeof a);
    tn__batches_free(first);
    tn__batches_free(second);
    tn__batches_free(other);
}

static void augmentation_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    static float a[PER_EPOCH * BATCH * AREA];
    int32_t p[PER_EPOCH * BATCH];
    tn__augment augment = {.pad = 1, .flip = true};
    tn__batches *b = make(&augment, 3), *whole = NULL;
    const float *x = NULL;
    const int32_t *y = NULL;
    run_epoch(a, p, b, 4, 0);
    assert_ok(tn__batches_create(&whole, data, NULL, 0, N, &augment, 3, err));
    assert_ok(tn__batches_begin(whole, 4, 0, err));
    assert_ok(tn__batches_next(whole, &x, &y, err));
    assert_memory_equal(x, a, sizeof a);
    tn__batches_free(b);
    tn__batches_free(whole);
}

static void flips_mirror_about_half_of_the_images(void **state)
{
    (void)state;
    static float a[PER_EPOCH * BATCH * AREA];
    int32_t p[PER_EPOCH * BATCH];
    float mirrored[AREA];
    size_t flipped = 0, total = 0;
    tn__batches *b = make(&(tn__augment){.flip = true}, 1);
    for (size_t epoch = 0; epoch < 20; epoch++) {
        run_epoch(a, p, b, epoch, 0);
        for (size_t k = 0; k < PER_EPOCH * BATCH; k++, total++) {
            if (find_original(a + k * AREA) < N)
                continue;
            for (size_t i = 0; i < AREA; i++)
                mirrored[i] = a[k * AREA + i / 4 * 4 + 3 - i % 4];
            assert_true(find_original(mirrored) < N);
            flipped++;
        }
    }
    assert_in_range(flipped, total / 3, 2 * total / 3);
    tn__batches_free(b);
}

/* Whether image is an original moved by at most `pad`, with zeros where nothing came */
static bool is_shifted_original(const float *image, long pad)
{
    for (long i = 0; i < N; i++) {
        for (long at = 0; at < (2 * pad + 1) * (2 * pad + 1); at++) {
            long dy = at / (2 * pad + 1) - pad, dx = at % (2 * pad + 1) - pad;
            bool same = true;
            for (long k = 0; k < AREA && same; k++) {
                long c = k / 16, y = k / 4 % 4 + dy, x = k % 4 + dx;
                bool inside = y >= 0 && y < 4 && x >= 0 && x < 4;
                float expected =
                    inside ? originals[i * AREA + c * 16 + y * 4 + x] : 0.0F;
                same = image[k] == expected;
            }
            if (same)
                return true;
        }
    }
    return false;
}

static void crops_are_shifts_with_zeros(void **state)
{
    (void)state;
    static float a[PER_EPOCH * BATCH * AREA];
    int32_t p[PER_EPOCH * BATCH];
    size_t moved = 0;
    tn__batches *b = make(&(tn__augment){.pad = 2}, 1);
    for (size_t epoch = 0; epoch < 5; epoch++) {
        run_epoch(a, p, b, epoch, 0);
        for (size_t k = 0; k < PER_EPOCH * BATCH; k++) {
            assert_true(is_shifted_original(a + k * AREA, 2));
            moved += find_original(a + k * AREA) == N;
        }
    }
    assert_true(moved > 30);
    tn__batches_free(b);
}

/* Image i is its share of its own and the rest of the last but i; so is what it is said
 * to be. */
static void mixed_images_are_what_they_say(void **state)
{
    (void)state;
    tn__augment augment = {.mixup = 0.5};
    tn__batches *plain = make(NULL, 1), *mixed = make(&augment, 1);
    const float *x = NULL, *z = NULL;
    const int32_t *y = NULL, *same = NULL;
    assert_ok(tn__batches_begin(plain, 2, 0, err));
    assert_ok(tn__batches_begin(mixed, 2, 0, err));
    for (size_t k = 0; k < PER_EPOCH; k++) {
        assert_ok(tn__batches_next(plain, &x, &y, err));
        assert_ok(tn__batches_next(mixed, &z, &same, err));
        assert_null(tn__batches_mixed(plain).shares);
        tn__mixed m = tn__batches_mixed(mixed);
        assert_memory_equal(y, same, BATCH * sizeof *y);
        for (size_t i = 0; i < BATCH; i++) {
            size_t other = BATCH - 1 - i;
            assert_int_equal(m.others[i], y[other]);
            double share = other == i ? 1 : (double)m.shares[i];
            for (size_t p = 0; p < AREA; p++)
                assert_near(z[i * AREA + p],
                            share * (double)x[i * AREA + p] +
                                (1 - share) * (double)x[other * AREA + p],
                            1e-5);
        }
    }
    tn__batches_free(plain);
    tn__batches_free(mixed);
}

static void a_subset_is_all_there_is(void **state)
{
    (void)state;
    static const uint32_t subset[] = {8, 1, 5};
    tn__batches *b = NULL;
    const float *x = NULL;
    const int32_t *y = NULL;
    assert_ok(tn__batches_create(&b, data, subset, 3, 1, NULL, 1, err));
    bool seen[N + 1] = {false};
    assert_ok(tn__batches_begin(b, 0, 0, err));
    for (int k = 0; k < 3; k++) {
        assert_ok(tn__batches_next(b, &x, &y, err));
        seen[find_original(x)] = true;
    }
    assert_true(seen[8] && seen[1] && seen[5]);
    tn__batches_free(b);
}

static void an_epoch_may_be_left_early(void **state)
{
    (void)state;
    static float a[PER_EPOCH * BATCH * AREA], c[PER_EPOCH * BATCH * AREA];
    int32_t p[PER_EPOCH * BATCH];
    const float *x = NULL;
    const int32_t *y = NULL;
    tn__batches *b = make(NULL, 1);
    run_epoch(a, p, b, 7, 0);
    for (int k = 0; k < 20; k++) {
        assert_ok(tn__batches_begin(b, 3, 0, err));
        assert_ok(tn__batches_next(b, &x, &y, err));
    }
    run_epoch(c, p, b, 7, 0);
    assert_memory_equal(a, c, sizeof a);
    assert_ok(tn__batches_begin(b, 3, 0, err));
    tn__batches_free(b); /* in the middle of making */
}

/* The second image of each batch alone; where images are mixed, all. */
static void a_part_of_each_batch_is_that_part(void **state)
{
    (void)state;
    for (int mixed = 0; mixed < 2; mixed++) {
        static float whole[N * AREA], part[N * AREA];
        int32_t labels[N], part_labels[N];
        tn__augment augment = {.pad = 1, .flip = true, .mixup = mixed ? 0.5 : 0};
        tn__batches *b = make(&augment, 3);
        run_epoch(whole, labels, b, 1, 0);
        tn__batches_free(b);
        b = make(&augment, 3);
        tn__batches_narrow(b, 1, 1);
        run_epoch(part, part_labels, b, 1, 0);
        assert_memory_equal(labels, part_labels, PER_EPOCH * BATCH * sizeof *labels);
        for (size_t k = 0; k < PER_EPOCH; k++)
            assert_memory_equal(whole + (k * BATCH + 1) * AREA,
                                part + (k * BATCH + 1) * AREA, AREA * sizeof *whole);
        assert_true(memcmp(whole, part, sizeof whole) == 0 || !mixed);
        tn__batches_free(b);
    }
}

static void what_cannot_fill_a_batch_is_refused(void **state)
{
    (void)state;
    tn__batches *b = NULL;
    assert_fails(tn__batches_create(&b, data, NULL, 0, N + 1, NULL, 1, err),
                 TN_ERROR_MISMATCH, "a batch of 11 cannot be filled from 10 images");
    assert_fails(tn__batches_create(&b, data, NULL, 0, 0, NULL, 1, err),
                 TN_ERROR_MISMATCH, "a batch of 0");
    assert_null(b);
}

static void failing_allocations_are_reported(void **state)
{
    (void)state;
    static const uint32_t subset[] = {8, 1, 5};
    tn_status status = TN_ERROR_MEMORY;
    size_t k = 0;
    for (; status; k++) {
        tn__batches *b = NULL;
        tn__alloc_fail_after(k + 1);
        status = tn__batches_create(&b, data, subset, 3, 2, NULL, 1, NULL);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ERROR_MEMORY);
        tn__batches_free(b);
    }
    assert_true(k > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_has_each_image_once_with_its_label),
        cmocka_unit_test(the_sequence_depends_on_seed_and_epoch_alone),
        cmocka_unit_test(augmentation_does_not_depend_on_the_batch),
        cmocka_unit_test(flips_mirror_about_half_of_the_images),
        cmocka_unit_test(crops_are_shifts_with_zeros),
        cmocka_unit_test(mixed_images_are_what_they_say),
        cmocka_unit_test(a_subset_is_all_there_is),
        cmocka_unit_test(an_epoch_may_be_left_early),
        cmocka_unit_test(a_part_of_each_batch_is_that_part),
        cmocka_unit_test(what_cannot_fill_a_batch_is_refused),
        cmocka_unit_test(failing_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
