/* test_descent.c - weight matching by coordinate descent over groups. */
#include "nets.h"

#define COLOUR "random:3x32x32,limit=48"

static tn_fuse_options options_of(size_t descents)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = TN_SUPPORT_WEIGHTS;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.samples = 48;
    options.descents = descents;
    options.threads = 1;
    return options;
}

static void a_permuted_copy_comes_back(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "vgg11x0.125",
                                        "resnet20x0.5", "resnet18x0.125"};
    for (size_t i = 0; i < TN__COUNT(archs); i++)
        for (size_t starts = 1; starts <= 3; starts += 2) {
            tn_model *a = make_net(archs[i], 1), *b = permuted(a, 2), *fused = NULL;
            const tn_model *models[2] = {a, b};
            tn_fuse_options options = options_of(starts);
            assert_ok(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err));
            assert_true(distance(a, fused) < 1e-5);
            tn_model_free(fused);
            tn_model_free(a);
            tn_model_free(b);
        }
}

/* Sum over tensors of two or more axes of the cosine between two networks. */
static double likeness(const tn_model *a, const tn_model *b)
{
    double sum = 0;
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        double dot = 0, xx = 0, yy = 0;
        if (!is_float_parameter(&a->values[v]) || x->shape.rank < 2)
            continue;
        for (size_t i = 0; i < tn__tensor_count(x); i++) {
            double p = tn__tensor_get_f64(x, i), q = tn__tensor_get_f64(y, i);
            dot += p * q;
            xx += p * p;
            yy += q * q;
        }
        sum += dot / sqrt(xx * yy);
    }
    return sum;
}

static double likeness_after(const tn_model *a, const tn_model *b, size_t descents,
                             bool align)
{
    tn_model *aligned = NULL;
    const tn_model *models[2] = {a, b};
    tn_fuse_options options = options_of(descents);
    options.align = align;
    assert_ok(tn_align(&aligned, models, 2, 1, NULL, &options, NULL, err));
    double found = likeness(a, aligned);
    tn_model_free(aligned);
    return found;
}

static void descending_raises_the_sum_and_more_starts_never_lower_it(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-32-24-16-10", "vgg11x0.125"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *a = NULL, *b = NULL; /* without biases the sum is of weights alone */
        assert_ok(tn_model_create(&a, archs[i], NULL, 0, 1, err));
        assert_ok(tn_model_create(&b, archs[i], NULL, 0, 2, err));
        double plain = likeness_after(a, b, 0, false);
        double once = likeness_after(a, b, 0, true);
        double one = likeness_after(a, b, 1, true), two = likeness_after(a, b, 2, true);
        double many = likeness_after(a, b, 6, true);
        assert_true(once > plain);
        assert_true(one > once);
        assert_true(two >= one - 1e-9);
        assert_true(many >= two - 1e-9);
        tn_model_free(a);
        tn_model_free(b);
    }
}

static void one_hidden_layer_is_matched_as_well_as_can_be(void **state)
{
    (void)state;
    enum { N = 5 };
    tn_model *a = NULL, *b = NULL;
    assert_ok(tn_model_create(&a, "mlp:784-5-10", NULL, 0, 1, err));
    assert_ok(tn_model_create(&b, "mlp:784-5-10", NULL, 0, 2, err));
    double found = likeness_after(a, b, 1, true), best = -10;
    tn__groups *groups = groups_of(b);
    size_t count = N * N * N * N * N;
    for (size_t code = 0; code < count; code++) {
        uint32_t order[N];
        bool used[N] = {false}, valid = true;
        for (size_t i = 0, rest = code; i < N; i++, rest /= N) {
            order[i] = (uint32_t)(rest % N);
            valid = valid && !used[order[i]];
            used[order[i]] = true;
        }
        if (!valid)
            continue;
        tn__map map = {0};
        tn_model *carried_by = NULL;
        assert_ok(tn__map_select(&map, N, N, order, err));
        assert_ok(tn__map_apply(&carried_by, b, groups, a, groups, NULL, &map, err));
        best = TN__MAX(best, likeness(a, carried_by));
        tn_model_free(carried_by);
        tn__map_release(&map);
    }
    assert_near(found, best, 1e-6);
    tn__groups_free(groups);
    tn_model_free(a);
    tn_model_free(b);
}

static void aligned_parents_keep_their_function(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = make_net("resnet20x0.5", 2);
    tn_model *aligned = NULL;
    const tn_model *models[2] = {a, b};
    float *images = random_images(8, 3072, 4);
    tn_dataset *data = open_data(COLOUR);
    for (int support = TN_SUPPORT_WEIGHTS; support <= TN_SUPPORT_BOTH; support++) {
        tn_fuse_options options = options_of(2);
        options.support = (tn_support)support;
        assert_ok(tn_align(&aligned, models, 2, 1, data, &options, NULL, err));
        assert_true(distance(b, aligned) > 0.1);
        assert_true(output_distance(b, aligned, images, 8) < 1e-4);
        tn_model_free(aligned);
    }
    free(images);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void both_kinds_of_support_together_recover_a_copy(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = permuted(a, 2), *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(COLOUR);
    tn_fuse_options options = options_of(0);
    options.support = TN_SUPPORT_BOTH;
    assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
    assert_true(distance(a, fused) < 1e-5);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

static void other_widths_are_transported(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-12-8-10", 1), *b = make_net("mlp:784-24-16-10", 2);
    tn_model *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_fuse_options options = options_of(3);
    tn_fuse_report report = {0};
    assert_ok(tn_fuse(&fused, &report, models, 2, NULL, &options, NULL, err));
    for (size_t g = 0; g < report.group_count; g++)
        assert_true(report.groups[g].marginal_error <= 1e-6);
    tn_fuse_report_release(&report);
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permuted_copy_comes_back),
        cmocka_unit_test(descending_raises_the_sum_and_more_starts_never_lower_it),
        cmocka_unit_test(one_hidden_layer_is_matched_as_well_as_can_be),
        cmocka_unit_test(aligned_parents_keep_their_function),
        cmocka_unit_test(both_kinds_of_support_together_recover_a_copy),
        cmocka_unit_test(other_widths_are_transported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
