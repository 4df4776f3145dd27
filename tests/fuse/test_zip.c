/* test_zip.c - clusters of neurons: every neuron in one, budgets kept, duplicates
 * merged; and what zipping must not break. */
#include "nets.h"

#include "fuse/clusters.h"

#define COLOUR "random:3x32x32,limit=48"
#define GREY "random:1x28x28,limit=48"

enum { N = 10, D = 6 };

/* Inner products of random features of two models; `copies`: the second model's are
 * the first's, turned round, else its own; neurons 1 and 4 of the first are alike. */
static double *make_dots(bool copies)
{
    tn__rng rng;
    double x[2 * N][D], *dot = calloc((size_t)4 * N * N, sizeof *dot);
    tn__rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < (size_t)2 * N; i++)
        for (size_t k = 0; k < D; k++)
            x[i][k] = i >= N && copies ? x[2 * N - 1 - i][k] : tn__rng_normal(&rng);
    if (!copies)
        memcpy(x[4], x[1], sizeof x[1]);
    for (size_t i = 0; i < (size_t)2 * N; i++)
        for (size_t j = 0; j < (size_t)2 * N; j++)
            for (size_t k = 0; k < D; k++)
                dot[i * 2 * N + j] += x[i][k] * x[j][k];
    return dot;
}

static const size_t first[3] = {0, N, 2 * N};

static void copies_are_paired(void **state)
{
    (void)state;
    double *dot = make_dots(true);
    uint32_t cluster[2 * N];
    for (int order = 0; order < 2; order++) {
        tn__clustering how = {2, first, dot, N, 1, 0.3};
        assert_ok(tn__cluster(cluster, &how, (size_t)order, err));
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(cluster[i], cluster[2 * N - 1 - i]);
            assert_int_equal(cluster[(size_t)order * N + i], i);
        }
    }
    free(dot);
}

static void duplicates_are_merged_where_the_budget_allows(void **state)
{
    (void)state;
    double *dot = make_dots(false);
    uint32_t cluster[2 * N];
    for (size_t allowed = 0; allowed < 3; allowed++) {
        tn__clustering how = {2, first, dot, N, (double)allowed / 5, 1};
        size_t members[N][2] = {{0}}, within = 0;
        assert_ok(tn__cluster(cluster, &how, 0, err));
        for (size_t i = 0; i < (size_t)2 * N; i++) {
            assert_true(cluster[i] < N);
            members[cluster[i]][i >= N]++;
        }
        for (size_t j = 0; j < N; j++) {
            assert_true(members[j][0] + members[j][1] > 0);
            if (members[j][0] == 0 || members[j][1] == 0)
                within += members[j][0] + members[j][1] - 1;
        }
        assert_true(within <= 2 * allowed);
        assert_int_equal(cluster[1] == cluster[4], allowed > 0);
    }
    free(dot);
}

static tn_fuse_options options_of(tn_support support, double zip)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = support;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.samples = 48;
    options.zip = zip;
    options.threads = 1;
    return options;
}

static void permuted_copies_come_back(void **state)
{
    (void)state;
    const char *nets[][2] = {{"mlp:784-24-12-10:bias", GREY},
                             {"vgg11-bnx0.125", COLOUR},
                             {"resnet20x0.5", COLOUR}};
    for (size_t i = 0; i < TN__COUNT(nets); i++)
        for (int support = TN_SUPPORT_WEIGHTS; support <= TN_SUPPORT_BOTH; support++) {
            tn_model *a = make_net(nets[i][0], 1), *fused = NULL;
            tn_model *models[3] = {permuted(a, 2), a, permuted(a, 3)};
            tn_dataset *data = open_data(nets[i][1]);
            tn_fuse_options options = options_of((tn_support)support, 0.125);
            options.reference = 1;
            options.zip_shrink = 1; /* a third member is as good as a second */
            assert_ok(tn_fuse(&fused, NULL, (const tn_model *const *)models, 3, data,
                              &options, NULL, err));
            double found = distance(a, fused);
            if (!(found < 1e-5))
                fail_msg("%s by %d: off by %g", nets[i][0], support, found);
            tn_model_free(fused);
            for (size_t k = 0; k < 3; k++)
                tn_model_free(models[k]);
            tn_dataset_free(data);
        }
}

static void a_widened_network_zipped_with_itself_keeps_its_function(void **state)
{
    (void)state;
    tn_model *narrow = make_net("mlp:784-12-8-10", 1);
    tn_model *shape = make_net("mlp:784-24-16-10", 2);
    tn_model *wide = carried(narrow, shape, duplicate, NULL), *fused = NULL;
    const tn_model *models[2] = {wide, wide}, *uneven[2] = {wide, narrow};
    const double weights[2] = {0.75, 0.25};
    tn_dataset *data = open_data(GREY);
    float *images = random_images(8, 784, 4);
    tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS, 1);
    options.weights = weights;
    options.zip_shrink = 1;
    assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
    assert_true(output_distance(wide, fused, images, 8) < 1e-5);
    tn_model_free(fused);
    options.reference = 1; /* into the narrow one: duplicates have to go together */
    assert_ok(tn_fuse(&fused, NULL, uneven, 2, data, &options, NULL, err));
    assert_true(output_distance(wide, fused, images, 8) < 1e-5);
    tn_model_free(fused);
    /* each alone is itself, but for what is merged within it */
    assert_ok(tn_align(&fused, uneven, 2, 0, data, &options, NULL, err));
    assert_true(output_distance(wide, fused, images, 8) < 1e-5);
    tn_model_free(fused);
    tn_dataset_free(data);
    free(images);
    tn_model_free(narrow);
    tn_model_free(shape);
    tn_model_free(wide);
}

static void zipped_networks_are_corrected_like_others(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = make_net("resnet20x0.5", 2);
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(COLOUR);
    tn_fuse_options options = options_of(TN_SUPPORT_AUTO, 0.5);
    options.calibration = 24;
    for (int refit = TN_REFIT_NONE; refit <= TN_REFIT_LAYERS; refit++) {
        tn_model *fused = NULL;
        options.refit = (tn_refit)refit;
        options.recalibrate = TN_RECALIBRATE_AUTO;
        assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
        for (size_t v = 0; v < fused->value_count; v++)
            if (is_float_parameter(&fused->values[v]))
                assert_ok(
                    tn__tensor_check_finite(&fused->values[v].parameter, "it", err));
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-10", 1), *fused = NULL;
    const tn_model *models[2] = {a, a};
    tn_fuse_options options = options_of(TN_SUPPORT_WEIGHTS, 0.5);
    options.descents = 1;
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "either zipped or matched");
    options.descents = 0;
    options.width = 1.5;
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_UNSUPPORTED, "matched one to one");
    options.zip = 2;
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "zip is 2");
    assert_null(fused);
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_paired),
        cmocka_unit_test(duplicates_are_merged_where_the_budget_allows),
        cmocka_unit_test(permuted_copies_come_back),
        cmocka_unit_test(a_widened_network_zipped_with_itself_keeps_its_function),
        cmocka_unit_test(zipped_networks_are_corrected_like_others),
        cmocka_unit_test(what_does_not_go_together_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
