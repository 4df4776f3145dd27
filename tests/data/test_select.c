/* test_select.c - choosing images of a source: classes, parts, skip and limit. */
#include "made.h"

#include "data/dataset.h"

enum { N = 2000, CLASSES = 10, PARTS_MAX = 7 };

static int32_t labels[N];
static const tn__source source = {labels, N, CLASSES, .sorted = false};

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++)
        labels[i] = (int32_t)((unsigned)i * 7919 % 977 % CLASSES);
    return 0;
}

/* The images that a spec's keys leave of `from`; the count */
static size_t choose(uint32_t out[N], const char *keys, const tn__source *from)
{
    char text[256];
    tn__data_spec spec = {0};
    uint32_t *index = NULL;
    size_t count = 0;
    snprintf(text, sizeof text, "idx:x%s", keys);
    assert_ok(tn__data_spec_parse(&spec, text, err));
    assert_ok(tn__data_select(&index, &count, &spec, from, err));
    memcpy(out, index, count * sizeof *out);
    tn__free(index);
    tn__data_spec_release(&spec);
    return count;
}

/* Deals the source out to `parts` with these keys: owner[i] of each image, size[k] of
 * each part and cell[k][c] of each class in it. */
typedef struct deal {
    size_t owner[N], size[PARTS_MAX], cell[PARTS_MAX][CLASSES], class_size[CLASSES];
} deal;

static deal deal_out(size_t parts, const char *keys)
{
    deal d = {0};
    for (size_t k = 0; k < parts; k++) {
        uint32_t index[N];
        char text[128];
        snprintf(text, sizeof text, ",part=%zu/%zu%s", k + 1, parts, keys);
        d.size[k] = choose(index, text, &source);
        for (size_t i = 0; i < d.size[k]; i++) {
            assert_int_equal(d.owner[index[i]], 0); /* disjoint */
            assert_true(i == 0 || index[i] > index[i - 1]);
            d.owner[index[i]] = k + 1;
            d.cell[k][labels[index[i]]]++;
        }
    }
    for (size_t i = 0; i < N; i++) {
        assert_true(d.owner[i] > 0); /* nothing is left over */
        d.class_size[labels[i]]++;
    }
    return d;
}

static void parts_are_disjoint_and_together_all(void **state)
{
    (void)state;
    for (size_t parts = 1; parts <= PARTS_MAX; parts++) {
        deal_out(parts, "");
        deal_out(parts, ",dirichlet=1,seed=3");
        deal_out(parts, ",special=2/4-5");
    }
    deal_out(3, ",shares=1/2/3");
    deal_out(3, ",shares=1/2/3,dirichlet=0.5,special=0");
}

static void equal_parts_have_equal_shares_of_each_class(void **state)
{
    (void)state;
    deal d = deal_out(4, "");
    for (size_t k = 0; k < 4; k++) {
        for (size_t c = 0; c < CLASSES; c++)
            assert_near(d.cell[k][c], (double)d.class_size[c] / 4, 1);
    }
}

static void shares_are_the_sizes_of_the_parts(void **state)
{
    (void)state;
    deal d = deal_out(3, ",shares=0.1/0.3/0.6");
    static const double share[] = {0.1, 0.3, 0.6};
    for (size_t k = 0; k < 3; k++) {
        for (size_t c = 0; c < CLASSES; c++)
            assert_near(d.cell[k][c], share[k] * (double)d.class_size[c], 1);
    }
}

static void special_classes_are_the_first_part_s_alone(void **state)
{
    (void)state;
    deal d = deal_out(2, ",shares=0.1/0.9,special=4");
    assert_int_equal(d.cell[0][4], d.class_size[4]);
    assert_int_equal(d.cell[1][4], 0);
    assert_near(d.cell[0][3], 0.1 * (double)d.class_size[3], 1);
}

static void single_images_of_many_classes_go_to_all_parts(void **state)
{
    (void)state;
    int32_t own[N];
    uint32_t index[N];
    const tn__source many = {own, N, N, .sorted = false};
    for (int32_t i = 0; i < N; i++)
        own[i] = i;
    size_t half = choose(index, ",part=1/2", &many);
    assert_near(half, N / 2, 4 * sqrt(N) / 2);
}

/* Var of a Beta(A, A) share is 1 / (4 (2A + 1)): over many classes it must be near. */
static void dirichlet_shares_have_their_mean_and_variance(void **state)
{
    (void)state;
    static const double parameter[] = {0.1, 0.5, 1, 5};
    enum { SEEDS = 40 };
    for (size_t p = 0; p < TN__COUNT(parameter); p++) {
        double sum = 0, squares = 0, n = SEEDS * CLASSES;
        for (int seed = 0; seed < SEEDS; seed++) {
            char keys[64];
            snprintf(keys, sizeof keys, ",dirichlet=%g,seed=%d", parameter[p], seed);
            deal d = deal_out(2, keys);
            for (size_t c = 0; c < CLASSES; c++) {
                double share = (double)d.cell[0][c] / (double)d.class_size[c];
                sum += share;
                squares += (share - 0.5) * (share - 0.5);
            }
        }
        double variance = 0.25 / (2 * parameter[p] + 1);
        assert_near(sum / n, 0.5, 4 * sqrt(variance / n));
        assert_near(squares / n / variance, 1, 0.2);
    }
}

static void a_tiny_parameter_leaves_classes_whole(void **state)
{
    (void)state;
    deal d = deal_out(3, ",dirichlet=1e-6,seed=2");
    for (size_t c = 0; c < CLASSES; c++) {
        size_t owners = 0;
        for (size_t k = 0; k < 3; k++)
            owners += d.cell[k][c] > 0;
        assert_int_equal(owners, 1);
    }
}

static void the_seed_decides(void **state)
{
    (void)state;
    uint32_t a[N], b[N], c[N];
    size_t n = choose(a, ",part=1/2,dirichlet=0.5,seed=5", &source);
    assert_int_equal(choose(b, ",part=1/2,dirichlet=0.5,seed=5", &source), n);
    assert_memory_equal(a, b, n * sizeof *a);
    size_t m = choose(c, ",part=1/2,dirichlet=0.5,seed=6", &source);
    assert_true(m != n || memcmp(a, c, n * sizeof *a) != 0);
}

static void classes_and_parts_do_not_depend_on_each_other(void **state)
{
    (void)state;
    uint32_t both[N], part[N];
    size_t n = choose(both, ",only=1/3-4,part=2/3,dirichlet=1", &source), at = 0;
    size_t m = choose(part, ",part=2/3,dirichlet=1", &source);
    for (size_t i = 0; i < m; i++) {
        int32_t c = labels[part[i]];
        if (c == 1 || c == 3 || c == 4)
            assert_int_equal(both[at++], part[i]);
    }
    assert_int_equal(at, n);
    assert_true(n > 0);
}

static void skip_and_limit_come_after(void **state)
{
    (void)state;
    uint32_t all[N], some[N];
    choose(all, ",only=7", &source);
    assert_int_equal(choose(some, ",only=7,skip=2,limit=3", &source), 3);
    assert_memory_equal(some, all + 2, 3 * sizeof *some);
}

static void a_sorted_source_is_shuffled_before_skip_and_limit(void **state)
{
    (void)state;
    tn__source sorted = source;
    uint32_t a[N], b[N];
    sorted.sorted = true;
    assert_int_equal(choose(a, "", &sorted), N);
    assert_int_equal(a[5], 5);
    assert_int_equal(choose(a, ",limit=50", &sorted), 50);
    assert_int_equal(choose(b, ",skip=20,limit=30", &sorted), 30);
    assert_memory_equal(a + 20, b, 30 * sizeof *b);
    size_t moved = 0;
    for (uint32_t i = 0; i < 50; i++)
        moved += a[i] != i;
    assert_true(moved > 40);
}

static void refused(const char *keys, tn_status status, const char *message)
{
    char text[128];
    tn__data_spec spec = {0};
    uint32_t *index = NULL;
    size_t count = 0;
    snprintf(text, sizeof text, "idx:x%s", keys);
    assert_ok(tn__data_spec_parse(&spec, text, err));
    assert_fails(tn__data_select(&index, &count, &spec, &source, err), status, message);
    assert_null(index);
    tn__data_spec_release(&spec);
}

static void what_is_not_there_is_refused(void **state)
{
    (void)state;
    refused(",only=3/8-10", TN_ERROR_MISMATCH,
            "class 10 of only= is not in 'x', whose classes are 0 to 9");
    refused(",part=1/2,special=12", TN_ERROR_MISMATCH, "class 12 of special=");
    refused(",skip=2000", TN_ERROR_FORMAT, "no images in 'x' after skip=2000, it has");
    refused(",only=4,skip=1999", TN_ERROR_FORMAT, "of what only= and part= ask");
    refused(",only=4,part=2/2,special=4", TN_ERROR_FORMAT,
            "no images in 'x' of what only= and part= ask");
}

static void files_are_split_too(void **state)
{
    (void)state;
    char folder[64];
    make_folder(folder);
    write_idx(folder, "train", 40, 2, 2, 4);
    tn_dataset *data =
        open_data("idx", folder, ",only=1/3,part=2/2,mean=0,std=1", NULL);
    float images[40 * 4];
    int32_t found[40];
    assert_int_equal(tn_dataset_count(data), 10);
    assert_int_equal(tn_dataset_classes(data), 4);
    assert_ok(tn_dataset_read(images, found, data, NULL, 0, 10, err));
    for (size_t i = 0; i < 10; i++) { /* image i of the file begins with byte i */
        int number = (int)lround((double)images[i * 4] * 255);
        assert_int_equal(number % 4, found[i]);
        assert_int_equal(found[i] % 2, 1);
    }
    tn_dataset_free(data);
    open_survives_failing_allocations("idx", folder);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_disjoint_and_together_all),
        cmocka_unit_test(equal_parts_have_equal_shares_of_each_class),
        cmocka_unit_test(shares_are_the_sizes_of_the_parts),
        cmocka_unit_test(special_classes_are_the_first_part_s_alone),
        cmocka_unit_test(single_images_of_many_classes_go_to_all_parts),
        cmocka_unit_test(dirichlet_shares_have_their_mean_and_variance),
        cmocka_unit_test(a_tiny_parameter_leaves_classes_whole),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(classes_and_parts_do_not_depend_on_each_other),
        cmocka_unit_test(skip_and_limit_come_after),
        cmocka_unit_test(a_sorted_source_is_shuffled_before_skip_and_limit),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(files_are_split_too),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
