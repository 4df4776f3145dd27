/* test_ladder.c - method auto: what it tries, what it takes, and what it must not
 * break.
 */
#include "nets.h"

#include "fuse/selector.h"

#define COLOUR "random:3x32x32,limit=96"
#define GREY "random:1x28x28,limit=96"

static tn_fuse_options options_of(tn_effort effort)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.method = TN_FUSE_AUTO;
    options.effort = effort;
    options.samples = 32;
    options.calibration = 32;
    options.threads = 1;
    return options;
}

static void a_permuted_copy_comes_back_with_any_effort(void **state)
{
    (void)state;
    static const struct {
        const char *arch, *data;
        size_t pixels;
    } nets[] = {{"mlp:784-24-12-10", GREY, 784}, {"resnet20x0.5", COLOUR, 3072}};
    for (size_t i = 0; i < TN__COUNT(nets); i++)
        for (int effort = TN_EFFORT_NORMAL; effort <= TN_EFFORT_MAX; effort++) {
            tn_model *a = make_net(nets[i].arch, 1), *b = permuted(a, 2), *fused = NULL;
            const tn_model *models[2] = {a, b};
            tn_dataset *data = open_data(nets[i].data);
            float *images = random_images(8, nets[i].pixels, 4);
            tn_fuse_report report = {0};
            tn_fuse_options options = options_of((tn_effort)effort);
            /* images that are not those of the statistics would change norms */
            options.recalibrate = TN_RECALIBRATE_NONE;
            assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
            assert_true(output_distance(a, fused, images, 8) < 1e-3);
            assert_near(report.candidates[report.chosen].agreement, 1, 0);
            assert_int_equal(report.held_out, 24);
            tn_fuse_report_release(&report);
            free(images);
            tn_dataset_free(data);
            tn_model_free(fused);
            tn_model_free(a);
            tn_model_free(b);
        }
}

static void dearer_ways_follow_cheaper_ones(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10", 1), *b = make_net("mlp:784-24-12-10", 2);
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(GREY);
    size_t tried[3] = {0};
    for (int effort = TN_EFFORT_NORMAL; effort <= TN_EFFORT_MAX; effort++) {
        tn_model *fused = NULL;
        tn_fuse_report report = {0};
        tn_fuse_options options = options_of((tn_effort)effort);
        assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
        tried[effort] = report.candidate_count;
        assert_true(report.chosen < report.candidate_count);
        assert_int_equal(report.options.method, TN_FUSE_TRANSPORT);
        /* the parents follow */
        assert_string_equal(report.candidates[report.candidate_count + 1].name,
                            "model 1");
        assert_true(report.candidates[report.candidate_count].agreement > 0);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    assert_true(tried[TN_EFFORT_FAST] < tried[TN_EFFORT_NORMAL]);
    assert_true(tried[TN_EFFORT_NORMAL] < tried[TN_EFFORT_MAX]);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void the_largest_effort_tries_what_these_networks_can(void **state)
{
    (void)state;
    tn_model *models[3] = {make_net("mlp:784-24-12-10", 1),
                           make_net("mlp:784-24-12-10", 2),
                           make_net("mlp:784-20-12-10", 3)};
    tn_dataset *data = open_data(GREY);
    for (size_t count = 2; count < 4; count++) { /* three: of different widths */
        tn_model *fused = NULL;
        tn_fuse_report report = {0};
        tn_fuse_options options = options_of(TN_EFFORT_MAX);
        size_t pairs = 0, clusters = 0, together = 0;
        assert_ok(tn_fuse(&fused, &report, (const tn_model *const *)models, count, data,
                          &options, NULL, err));
        for (size_t i = 0; i < report.candidate_count; i++) {
            pairs += strstr(report.candidates[i].name, "pairs") != NULL;
            clusters += strstr(report.candidates[i].name, "clusters") != NULL;
            together += strstr(report.candidates[i].name, "all at once") != NULL;
        }
        assert_int_equal(pairs, count == 2 ? 2 : 0);
        assert_int_equal(clusters, 2);
        assert_int_equal(together, 0);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    for (size_t k = 0; k < 3; k++)
        tn_model_free(models[k]);
}

static void the_result_is_what_the_reported_options_make(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10", 1), *b = make_net("mlp:784-24-12-10", 2);
    tn_model *fused = NULL, *again = NULL;
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data(GREY);
    tn_fuse_report report = {0};
    tn_fuse_options options = options_of(TN_EFFORT_NORMAL);
    assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
    assert_ok(tn_fuse(&again, NULL, models, 2, data, &report.options, NULL, err));
    assert_near(distance(fused, again), 0, 0);
    tn_fuse_report_release(&report);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(again);
    tn_model_free(a);
    tn_model_free(b);
}

static void few_images_and_more_threads_do_no_harm(void **state)
{
    (void)state;
    tn_model *a = make_net("vgg11-bnx0.125", 1), *b = make_net("vgg11-bnx0.125", 2);
    tn_model *fused[2] = {NULL, NULL};
    const tn_model *models[2] = {a, b};
    tn_dataset *data = open_data("random:3x32x32,limit=64");
    for (size_t k = 0; k < 2; k++) {
        tn_fuse_options options = options_of(TN_EFFORT_NORMAL);
        options.samples = 200; /* more than there are */
        options.calibration = 1000;
        options.threads = k + 1;
        assert_ok(tn_fuse(&fused[k], NULL, models, 2, data, &options, NULL, err));
    }
    assert_near(distance(fused[0], fused[1]), 0, 0);
    for (size_t v = 0; v < fused[0]->value_count; v++)
        if (is_float_parameter(&fused[0]->values[v]))
            assert_ok(
                tn__tensor_check_finite(&fused[0]->values[v].parameter, "it", err));
    tn_dataset_free(data);
    tn_model_free(fused[0]);
    tn_model_free(fused[1]);
    tn_model_free(a);
    tn_model_free(b);
}

static void the_ensemble_is_the_measure(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10", 1), *b = make_net("mlp:784-24-12-10", 2);
    const tn_model *models[2] = {a, b};
    const double all_a[2] = {1, 0};
    uint32_t index[20];
    tn_dataset *data = open_data(GREY);
    tn__selector selector = {0};
    tn__verdict of_a = {0}, of_b = {0};
    for (uint32_t i = 0; i < 20; i++)
        index[i] = i;
    assert_ok(
        tn__selector_create(&selector, models, all_a, 2, data, index, 20, 1, err));
    assert_ok(tn__selector_judge(&of_a, &selector, a, err));
    assert_ok(tn__selector_judge(&of_b, &selector, b, err));
    assert_near(of_a.agreement, 1, 0);
    assert_near(of_a.divergence, 0, 1e-9);
    assert_true(of_b.agreement < 1);
    assert_true(of_b.divergence > 0);
    assert_true(tn__verdict_better(&of_a, &of_b, 20));
    assert_false(tn__verdict_better(&of_b, &of_a, 20));
    tn__verdict_release(&of_a);
    tn__verdict_release(&of_b);
    tn__selector_release(&selector);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void within_a_standard_error_divergence_decides(void **state)
{
    (void)state;
    bool x[10] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0}, y[10] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 0};
    tn__verdict a = {.agrees = x, .divergence = 2}, b = {.agrees = y, .divergence = 1};
    assert_false(tn__verdict_better(&a, &b, 10)); /* one image more is chance */
    assert_true(tn__verdict_better(&b, &a, 10));
    for (size_t i = 0; i < 5; i++)
        y[i] = false;
    assert_true(tn__verdict_better(&a, &b, 10));
}

static void answers_that_are_not_finite_are_worst(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-10", 1), *bad = make_net("mlp:784-8-10", 1);
    const tn_model *models[1] = {a};
    const double weights[1] = {1};
    const uint32_t index[2] = {0, 1};
    tn_dataset *data = open_data(GREY);
    tn__selector selector = {0};
    tn__verdict of = {0};
    parameter_of(bad, tn__model_find_value(bad, "fc2.weight"))[0] = NAN;
    assert_ok(
        tn__selector_create(&selector, models, weights, 1, data, index, 2, 1, err));
    assert_ok(tn__selector_judge(&of, &selector, bad, err));
    assert_near(of.agreement, 0, 0);
    assert_true(isinf(of.divergence));
    tn__verdict_release(&of);
    tn__selector_release(&selector);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(bad);
}

static void without_images_it_is_refused(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-10", 1), *fused = NULL;
    const tn_model *models[2] = {a, a};
    tn_fuse_options options = options_of(TN_EFFORT_NORMAL);
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "wants data");
    assert_null(fused);
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permuted_copy_comes_back_with_any_effort),
        cmocka_unit_test(dearer_ways_follow_cheaper_ones),
        cmocka_unit_test(the_largest_effort_tries_what_these_networks_can),
        cmocka_unit_test(the_result_is_what_the_reported_options_make),
        cmocka_unit_test(few_images_and_more_threads_do_no_harm),
        cmocka_unit_test(the_ensemble_is_the_measure),
        cmocka_unit_test(within_a_standard_error_divergence_decides),
        cmocka_unit_test(answers_that_are_not_finite_are_worst),
        cmocka_unit_test(without_images_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
