/* test_mix.c - mixtures of aligned parents: all weight on one is that parent's
 * function, a line between permuted copies is flat, errors of the visitor end it. */
#include "nets.h"

#define GREY "random:1x28x28,limit=48"

typedef struct seen {
    tn_model *model[4];
    size_t count, fail_at;
} seen;

static tn_status keep(void *user, size_t k, const tn_model *model, tn_error *err)
{
    seen *s = user;
    assert_int_equal(k, s->count);
    if (k == s->fail_at)
        return tn__fail(err, TN_ERROR_CANCELLED, "enough");
    return tn_model_clone(&s->model[s->count++], model, err);
}

static void release(seen *s)
{
    for (size_t k = 0; k < s->count; k++)
        tn_model_free(s->model[k]);
}

static tn_fuse_options options_by_weights(void)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = TN_SUPPORT_WEIGHTS;
    options.threads = 1;
    return options;
}

static void an_aligned_parent_alone_is_that_parents_function(void **state)
{
    (void)state;
    const char *archs[] = {"mlp:784-24-12-10:bias", "lenet5"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *models[3] = {make_net(archs[i], 1), make_net(archs[i], 2),
                               make_net(archs[i], 3)};
        const double unit[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
        tn_fuse_mixture list[3] = {
            {unit[0], false}, {unit[1], false}, {unit[2], false}};
        seen s = {.fail_at = SIZE_MAX};
        tn_fuse_mixtures mixtures = {list, 3, keep, &s};
        tn_fuse_options options = options_by_weights();
        float *images = random_images(8, 784, 4);
        assert_ok(tn_fuse_mix(&mixtures, (const tn_model *const *)models, 3, NULL,
                              &options, NULL, err));
        assert_int_equal(s.count, 3);
        for (size_t k = 0; k < 3; k++) {
            double found = output_distance(models[k], s.model[k], images, 8);
            if (!(found < 1e-5))
                fail_msg("%s: parent %zu moved by %g", archs[i], k, found);
            tn_model_free(models[k]);
        }
        assert_true(output_distance(s.model[0], s.model[1], images, 8) > 0.1);
        release(&s);
        free(images);
    }
}

static void the_line_between_permuted_copies_is_flat(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10:bias", 1), *b = permuted(a, 2);
    const tn_model *models[2] = {a, b};
    const double t[3][2] = {{0.75, 0.25}, {0.5, 0.5}, {0.1, 0.9}};
    tn_fuse_mixture list[3] = {{t[0], true}, {t[1], true}, {t[2], false}};
    seen s = {.fail_at = SIZE_MAX};
    tn_fuse_mixtures mixtures = {list, 3, keep, &s};
    tn_fuse_options options = options_by_weights();
    tn_dataset *data = open_data(GREY);
    float *images = random_images(8, 784, 4);
    assert_ok(tn_fuse_mix(&mixtures, models, 2, data, &options, NULL, err));
    for (size_t k = 0; k < 3; k++)
        assert_true(output_distance(a, s.model[k], images, 8) < 1e-4);
    release(&s);
    free(images);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void an_error_of_the_visitor_ends_it(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10:bias", 1);
    const tn_model *models[2] = {a, a};
    const double half[2] = {0.5, 0.5};
    tn_fuse_mixture list[3] = {{half, false}, {half, false}, {half, false}};
    seen s = {.fail_at = 1};
    tn_fuse_mixtures mixtures = {list, 3, keep, &s};
    assert_fails(tn_fuse_mix(&mixtures, models, 2, NULL, NULL, NULL, err),
                 TN_ERROR_CANCELLED, "enough");
    assert_int_equal(s.count, 1);
    release(&s);
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aligned_parent_alone_is_that_parents_function),
        cmocka_unit_test(the_line_between_permuted_copies_is_flat),
        cmocka_unit_test(an_error_of_the_visitor_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
