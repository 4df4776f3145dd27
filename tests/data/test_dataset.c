/* test_dataset.c - opening by kind, reading, and random images (random.c). */
#include "test.h"

#include "base/base.h"
#include "tenon/data.h"

static tn_dataset *open_spec(const char *spec)
{
    tn_dataset *data = NULL;
    assert_ok(tn_dataset_open(&data, spec, "test", err));
    return data;
}

static void random_images_are_standard_normal(void **state)
{
    (void)state;
    enum { N = 200, AREA = 3 * 8 * 8 };
    static float images[N * AREA];
    tn_dataset *data = open_spec("random:3x8x8,limit=200,classes=4");
    double sum = 0, squares = 0;
    int32_t labels[N];
    assert_ok(tn_dataset_read(images, labels, data, NULL, 0, N, err));
    for (size_t k = 0; k < N * AREA; k++) {
        sum += (double)images[k];
        squares += (double)images[k] * (double)images[k];
    }
    assert_near(sum / (N * AREA), 0, 0.03);
    assert_near(squares / (N * AREA), 1, 0.03);
    for (size_t i = 0; i < N; i++)
        assert_in_range(labels[i], 0, 3);
    tn_dataset_free(data);
}

static void random_images_depend_on_seed_and_number_alone(void **state)
{
    (void)state;
    tn_dataset *a = open_spec("random:1x2x2,limit=5,seed=9");
    tn_dataset *b = open_spec("random:1x2x2,limit=3,seed=9,skip=2");
    tn_dataset *c = open_spec("random:1x2x2,limit=3,seed=8,skip=2");
    float x[12], y[12], z[12];
    int32_t p[3], q[3];
    assert_ok(tn_dataset_read(x, p, a, NULL, 2, 3, err));
    assert_ok(tn_dataset_read(y, q, b, NULL, 0, 3, err));
    assert_ok(tn_dataset_read(z, NULL, c, NULL, 0, 3, err));
    assert_memory_equal(x, y, sizeof x);
    assert_memory_equal(p, q, sizeof p);
    assert_memory_not_equal(x, z, sizeof x);
    tn_dataset_free(a);
    tn_dataset_free(b);
    tn_dataset_free(c);
}

static void an_index_chooses_images(void **state)
{
    (void)state;
    tn_dataset *data = open_spec("random:2x3x1,limit=10");
    static const uint32_t index[] = {7, 7, 0};
    float all[60], some[18];
    int32_t labels[10], chosen[3];
    assert_ok(tn_dataset_read(all, labels, data, NULL, 0, 10, err));
    assert_ok(tn_dataset_read(some, chosen, data, index, 0, 3, err));
    for (size_t k = 0; k < 3; k++) {
        assert_memory_equal(some + k * 6, all + index[k] * 6, 6 * sizeof *all);
        assert_int_equal(chosen[k], labels[index[k]]);
    }
    tn_dataset_free(data);
}

static void images_that_are_not_there_are_refused(void **state)
{
    (void)state;
    tn_dataset *data = open_spec("random:1x1x1,limit=4");
    static const uint32_t index[] = {0, 4};
    float x[4] = {9, 9, 9, 9};
    assert_fails(tn_dataset_read(x, NULL, data, NULL, 2, 3, err), TN_ERROR_ARGUMENT,
                 "of a data set of 4");
    assert_fails(tn_dataset_read(x, NULL, data, NULL, SIZE_MAX, 3, err),
                 TN_ERROR_ARGUMENT, "of a data set of 4");
    assert_fails(tn_dataset_read(x, NULL, data, index, 0, 2, err), TN_ERROR_ARGUMENT,
                 "image 4 of a data set of 4");
    assert_true(x[0] == 9);
    assert_ok(tn_dataset_read(x, NULL, data, NULL, 4, 0, err));
    tn_dataset_free(data);
}

static void mean_and_std_apply_to_each_channel(void **state)
{
    (void)state;
    tn_dataset *plain = open_spec("random:2x1x1,limit=1");
    tn_dataset *moved = open_spec("random:2x1x1,limit=1,mean=1/2,std=4/8");
    float x[2], y[2];
    assert_ok(tn_dataset_read(x, NULL, plain, NULL, 0, 1, err));
    assert_ok(tn_dataset_read(y, NULL, moved, NULL, 0, 1, err));
    assert_near(y[0], ((double)x[0] - 1) / 4, 1e-7);
    assert_near(y[1], ((double)x[1] - 2) / 8, 1e-7);
    tn_dataset_free(plain);
    tn_dataset_free(moved);
}

static void the_spec_of_a_set_opens_the_same_set(void **state)
{
    (void)state;
    tn_dataset *a = open_spec("random:1x4x4,limit=6,seed=3,skip=1,mean=0.1");
    tn_dataset *b = open_spec(tn_dataset_spec(a));
    float x[96], y[96];
    assert_string_equal(tn_dataset_spec(a), tn_dataset_spec(b));
    assert_ok(tn_dataset_read(x, NULL, a, NULL, 0, 6, err));
    assert_ok(tn_dataset_read(y, NULL, b, NULL, 0, 6, err));
    assert_memory_equal(x, y, sizeof x);
    tn_dataset_free(a);
    tn_dataset_free(b);
}

static void classes_have_names(void **state)
{
    (void)state;
    tn_dataset *data = open_spec("random:1x1x1,classes=12");
    assert_int_equal(tn_dataset_count(data), 1000);
    assert_string_equal(tn_dataset_class_name(data, 11), "11");
    assert_null(tn_dataset_class_name(data, 12));
    tn_dataset_free(data);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *split, *message;
    } cases[] = {
        {"tra:x", NULL, "did you mean 'tar'"},
        {"x.tar.gz", NULL, "unknown kind in the data spec 'x.tar.gz'"},
        {"", NULL, "known are idx, fashion-mnist"},
        {"idx", NULL, "no path in the data spec 'idx', expected idx:PATH"},
        {"random:3x4", NULL, "expected CxHxW"},
        {"random:3x4x0", NULL, "expected CxHxW"},
        {"random:3x4x5x6", NULL, "expected CxHxW"},
        {"random:3x99999x5", NULL, "expected CxHxW"},
        {"random:1x1x1,size=4", NULL, "no other size"},
        {"random:1x1x1,split=test", NULL, "no splits"},
        {"random:1x1x1", "tset", "unknown split 'tset'"},
    };
    for (size_t k = 0; k < TN__COUNT(cases); k++) {
        tn_dataset *data = NULL;
        assert_fails(tn_dataset_open(&data, cases[k].spec, cases[k].split, err),
                     TN_ERROR_ARGUMENT, cases[k].message);
        assert_null(data);
    }
}

static void too_many_images_are_out_of_memory(void **state)
{
    (void)state;
    tn_dataset *data = NULL;
    assert_fails(
        tn_dataset_open(&data, "random:16384x16384x16384,limit=4294967295", NULL, err),
        TN_ERROR_MEMORY, "memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_images_are_standard_normal),
        cmocka_unit_test(random_images_depend_on_seed_and_number_alone),
        cmocka_unit_test(an_index_chooses_images),
        cmocka_unit_test(images_that_are_not_there_are_refused),
        cmocka_unit_test(mean_and_std_apply_to_each_channel),
        cmocka_unit_test(the_spec_of_a_set_opens_the_same_set),
        cmocka_unit_test(classes_have_names),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(too_many_images_are_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
