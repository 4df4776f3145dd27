/* test_fuse.c - what fusion must do whatever the weights: permuted copies come back, a
 * network fused with itself is itself, bad input is named. */
#include "nets.h"

#define COLOUR "random:3x32x32,limit=48"
#define GREY "random:1x28x28,limit=48"

typedef struct net {
    const char *arch, *data;
} net;

static const net nets[] = {
    {"mlp:784-32-16-10", GREY}, {"mlp:784-24-12-10:bias", GREY},
    {"lenet5", GREY},           {"vgg11x0.125", COLOUR},
    {"vgg11-bnx0.125", COLOUR}, {"resnet20x0.5", COLOUR},
    {"resnet20bx0.5", COLOUR},  {"resnet18x0.125", COLOUR},
};

static tn_fuse_options options_of(tn_support support)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.support = support;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.samples = 48;
    options.calibration = 48;
    options.threads = 1;
    return options;
}

/* Fuses A with a permuted copy of itself and asks for A back. */
static void expect_recovery(const net *n, const tn_fuse_options *options,
                            const double *w)
{
    tn_model *a = make_net(n->arch, 1), *b = permuted(a, 2), *fused = NULL;
    tn_dataset *data = open_data(n->data);
    const tn_model *models[2] = {a, b};
    tn_fuse_options o = *options;
    tn_fuse_report report = {0};
    o.weights = w;
    assert_true(distance(a, b) > 0.1);
    assert_ok(tn_fuse(&fused, &report, models, 2, data, &o, NULL, err));
    double found = distance(a, fused);
    if (!(found < 1e-5))
        fail_msg("%s comes back with a difference of %g", n->arch, found);
    for (size_t g = 0; g < report.group_count; g++)
        assert_true(report.groups[g].marginal_error <= 1e-6);
    tn_fuse_report_release(&report);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

static void a_permuted_copy_comes_back_by_weights(void **state)
{
    (void)state;
    tn_fuse_options options = options_of(TN_SUPPORT_WEIGHTS);
    for (size_t i = 0; i < TN__COUNT(nets); i++)
        expect_recovery(&nets[i], &options, (double[]){0.3, 0.7});
    options.features = TN_FEATURES_RAW;
    expect_recovery(&nets[0], &options, NULL);
    expect_recovery(&nets[5], &options, (double[]){0, 1});
}

static void a_permuted_copy_comes_back_by_activations(void **state)
{
    (void)state;
    tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
    for (size_t i = 0; i < TN__COUNT(nets); i++)
        expect_recovery(&nets[i], &options, NULL);
    options.features = TN_FEATURES_RAW;
    options.metric = TN_OT_EUCLIDEAN;
    expect_recovery(&nets[0], &options, (double[]){0, 1});
    expect_recovery(&nets[5], &options, (double[]){1, 0});
}

static void a_permuted_copy_comes_back_through_sinkhorn(void **state)
{
    (void)state;
    for (int support = TN_SUPPORT_WEIGHTS; support <= TN_SUPPORT_ACTIVATIONS;
         support++) {
        tn_fuse_options options = options_of((tn_support)support);
        options.solver = TN_SOLVER_SINKHORN;
        options.sinkhorn.regularization = 0.002;
        expect_recovery(&nets[0], &options, NULL);
        expect_recovery(&nets[5], &options, NULL);
    }
}

static void a_permuted_copy_comes_back_by_distances_within(void **state)
{
    (void)state;
    for (int support = TN_SUPPORT_WEIGHTS; support <= TN_SUPPORT_BOTH; support++) {
        tn_fuse_options options = options_of((tn_support)support);
        options.gromov = true;
        expect_recovery(&nets[1], &options, NULL);
        expect_recovery(&nets[5], &options, NULL);
        options.metric = TN_OT_EUCLIDEAN;
        options.gromov_loss = TN_OT_GROMOV_KL;
        expect_recovery(&nets[4], &options, NULL);
    }
}

static void a_permuted_copy_comes_back_under_importance(void **state)
{
    (void)state;
    tn_fuse_options options = options_of(TN_SUPPORT_WEIGHTS);
    options.importance = TN_IMPORTANCE_L1;
    expect_recovery(&nets[1], &options, NULL);
    options.importance = TN_IMPORTANCE_L2;
    expect_recovery(&nets[5], &options, NULL);
}

static void the_reference_may_be_any_of_the_models(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = permuted(a, 2), *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_fuse_options options = options_of(TN_SUPPORT_AUTO);
    options.reference = 1;
    assert_ok(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err));
    assert_true(distance(b, fused) < 1e-5);
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

static void a_network_fused_with_itself_is_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(nets); i += 3) {
        tn_model *a = make_net(nets[i].arch, 1), *fused = NULL;
        const tn_model *models[3] = {a, a, a};
        tn_fuse_options options = options_of(TN_SUPPORT_WEIGHTS);
        assert_ok(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err));
        assert_near(distance(a, fused), 0, 0);
        tn_model_free(fused);
        options.recalibrate = TN_RECALIBRATE_DATA_FREE;
        assert_ok(tn_fuse(&fused, NULL, models, 3, NULL, &options, NULL, err));
        assert_near(distance(a, fused), 0, 1e-6);
        tn_model_free(fused);
        tn_model_free(a);
    }
}

static void dead_and_duplicate_neurons_stay_in_place(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-16-8-10", 1), *fused = NULL;
    float *w = parameter_of(a, tn__model_find_value(a, "fc1.weight"));
    memset(w + 3 * 784, 0, 784 * sizeof *w); /* two dead */
    memset(w + 7 * 784, 0, 784 * sizeof *w);
    memcpy(w + 9 * 784, w, 784 * sizeof *w); /* a twin */
    tn_dataset *data = open_data(GREY);
    const tn_model *models[2] = {a, a};
    for (int support = TN_SUPPORT_WEIGHTS; support <= TN_SUPPORT_ACTIVATIONS;
         support++) {
        tn_fuse_options options = options_of((tn_support)support);
        assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
        assert_near(distance(a, fused), 0, 0);
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    tn_model_free(a);
}

static void three_permuted_copies_come_back(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = permuted(a, 2), *c = permuted(a, 3);
    tn_model *fused = NULL;
    const tn_model *models[3] = {b, a, c};
    tn_dataset *data = open_data(COLOUR);
    for (int support = TN_SUPPORT_WEIGHTS; support <= TN_SUPPORT_ACTIVATIONS;
         support++) {
        tn_fuse_options options = options_of((tn_support)support);
        tn_fuse_report report = {0};
        options.reference = 1;
        assert_ok(tn_fuse(&fused, &report, models, 3, data, &options, NULL, err));
        assert_true(distance(a, fused) < 1e-5);
        assert_int_equal(report.groups[0].model, 0);
        assert_int_equal(report.groups[report.group_count / 2].model, 2);
        assert_string_equal(report.groups[0].name,
                            report.groups[report.group_count / 2].name);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
    tn_model_free(c);
}

static void a_widened_network_comes_back_narrow(void **state)
{
    (void)state;
    static const char *const pairs[][3] = {
        {"mlp:784-12-8-10", "mlp:784-24-16-10", GREY},
        {"vgg11x0.125", "vgg11x0.25", COLOUR}};
    for (size_t i = 0; i < TN__COUNT(pairs); i++) {
        tn_model *narrow = make_net(pairs[i][0], 1), *shape = make_net(pairs[i][1], 2);
        tn_model *wide = carried(narrow, shape, duplicate, NULL), *fused = NULL;
        const tn_model *models[2] = {wide, narrow};
        tn_dataset *data = open_data(pairs[i][2]);
        for (int s = TN_SUPPORT_WEIGHTS; s <= TN_SUPPORT_ACTIVATIONS; s++) {
            tn_fuse_options options = options_of((tn_support)s);
            options.reference = 1;
            assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
            assert_true(distance(narrow, fused) < 1e-5);
            tn_model_free(fused);
            options.scaling = TN_SCALING_PAPER; /* loses n/m of the consumers */
            assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
            assert_true(distance(narrow, fused) > 0.2);
            tn_model_free(fused);
        }
        tn_dataset_free(data);
        tn_model_free(narrow);
        tn_model_free(shape);
        tn_model_free(wide);
    }
}

static void an_aligned_parent_is_the_parents_function(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN__COUNT(nets); i += 2) {
        tn_model *a = make_net(nets[i].arch, 1), *b = make_net(nets[i].arch, 2);
        tn_model *aligned = NULL;
        const tn_model *models[2] = {a, b};
        size_t pixels = strcmp(nets[i].data, GREY) ? 3072 : 784;
        float *images = random_images(8, pixels, 4);
        tn_dataset *data = open_data(nets[i].data);
        tn_fuse_options options = options_of(TN_SUPPORT_AUTO);
        assert_ok(tn_align(&aligned, models, 2, 1, data, &options, NULL, err));
        assert_true(distance(b, aligned) > 0.1);
        assert_true(output_distance(b, aligned, images, 8) < 1e-4);
        free(images);
        tn_dataset_free(data);
        tn_model_free(aligned);
        tn_model_free(a);
        tn_model_free(b);
    }
}

static void without_alignment_it_is_the_plain_average(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-10", 1), *b = make_net("mlp:784-8-10", 2);
    tn_model *fused = NULL;
    const tn_model *models[2] = {a, b};
    tn_fuse_options options = options_of(TN_SUPPORT_AUTO);
    options.align = false;
    options.weights = (double[]){0.25, 0.75};
    assert_ok(tn_fuse(&fused, NULL, models, 2, NULL, &options, NULL, err));
    for (size_t v = 0; v < a->value_count; v++) {
        for (size_t i = 0; is_float_parameter(&a->values[v]) &&
                           i < tn__tensor_count(&a->values[v].parameter);
             i++)
            assert_near(tn__tensor_get_f64(&fused->values[v].parameter, i),
                        0.25 * tn__tensor_get_f64(&a->values[v].parameter, i) +
                            0.75 * tn__tensor_get_f64(&b->values[v].parameter, i),
                        1e-7);
    }
    tn_model_free(fused);
    tn_model_free(a);
    tn_model_free(b);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    tn_model *a = make_net("resnet20x0.5", 1), *b = make_net("resnet20x0.5", 2);
    const tn_model *models[2] = {a, b};
    tn_model *fused[2] = {NULL, NULL};
    tn_dataset *data = open_data("random:3x32x32,limit=400");
    for (size_t k = 0; k < 2; k++) {
        tn_fuse_options options = options_of(TN_SUPPORT_ACTIVATIONS);
        options.recalibrate = TN_RECALIBRATE_AUTO;
        options.samples = options.calibration = 200;
        options.threads = k + 1;
        assert_ok(tn_fuse(&fused[k], NULL, models, 2, data, &options, NULL, err));
    }
    for (size_t v = 0; v < a->value_count; v++) {
        if (is_float_parameter(&a->values[v]))
            assert_memory_equal(tn__tensor_data(&fused[0]->values[v].parameter),
                                tn__tensor_data(&fused[1]->values[v].parameter),
                                tn__tensor_bytes(&fused[0]->values[v].parameter));
    }
    tn_dataset_free(data);
    tn_model_free(fused[0]);
    tn_model_free(fused[1]);
    tn_model_free(a);
    tn_model_free(b);
}

/* --- what is refused --- */

static void expect_refusal(const tn_model *a, const tn_model *b, tn_dataset *data,
                           const tn_fuse_options *options, tn_status status,
                           const char *text)
{
    const tn_model *models[2] = {a, b};
    tn_model *fused = NULL;
    tn_fuse_report report = {0};
    assert_fails(tn_fuse(&fused, &report, models, 2, data, options, NULL, err), status,
                 text);
    assert_null(fused);
    assert_null(report.groups);
}

static void networks_that_do_not_match_are_named(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-6-10", 1), *conv = make_net("lenet5", 1);
    tn_model *wide = make_net("mlp:784-9-6-10", 1), *six = make_net("mlp:784-8-6-6", 1);
    tn_fuse_options plain = options_of(TN_SUPPORT_WEIGHTS);
    plain.align = false;
    expect_refusal(a, conv, NULL, NULL, TN_ERROR_MISMATCH, "stages");
    expect_refusal(a, six, NULL, NULL, TN_ERROR_MISMATCH, "fc3.weight");
    expect_refusal(a, wide, NULL, &plain, TN_ERROR_MISMATCH, "fc1.weight");
    tn_model_free(a);
    tn_model_free(conv);
    tn_model_free(wide);
    tn_model_free(six);
}

static void weights_that_are_not_finite_are_named(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-6-10", 1), *b = make_net("mlp:784-8-6-10", 2);
    parameter_of(b, tn__model_find_value(b, "fc2.weight"))[3] = NAN;
    expect_refusal(a, b, NULL, NULL, TN_ERROR_NUMERIC, "fc2.weight");
    tn_model_free(a);
    tn_model_free(b);
}

static void options_without_meaning_are_refused(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-10", 1), *fused = NULL;
    const tn_model *one[1] = {a};
    tn_dataset *colour = open_data("random:3x32x32,limit=4");
    tn_fuse_options o = options_of(TN_SUPPORT_ACTIVATIONS);
    expect_refusal(a, a, NULL, &o, TN_ERROR_ARGUMENT, "data");
    expect_refusal(a, a, colour, &o, TN_ERROR_MISMATCH, "3072");
    o = options_of(TN_SUPPORT_AUTO);
    o.recalibrate = TN_RECALIBRATE_REPAIR;
    expect_refusal(a, a, NULL, &o, TN_ERROR_ARGUMENT, "data");
    o = options_of(TN_SUPPORT_AUTO);
    o.weights = (double[]){0.5, 0.6};
    expect_refusal(a, a, NULL, &o, TN_ERROR_ARGUMENT, "sum to 1.1");
    o.weights = (double[]){-1, 2};
    expect_refusal(a, a, NULL, &o, TN_ERROR_ARGUMENT, "weight 0");
    o.weights = NULL;
    o.reference = 2;
    expect_refusal(a, a, NULL, &o, TN_ERROR_ARGUMENT, "reference 2");
    assert_fails(tn_fuse(&fused, NULL, one, 1, NULL, NULL, NULL, err),
                 TN_ERROR_ARGUMENT, "2 or more");
    assert_fails(tn_align(&fused, one, 1, 1, NULL, NULL, NULL, err), TN_ERROR_ARGUMENT,
                 "parent 1");
    tn_dataset_free(colour);
    tn_model_free(a);
}

static int cancel(void *user, const tn_progress *progress)
{
    (void)user;
    return progress->done >= 2;
}

static void an_observer_may_cancel(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-6-4-10", 1), *fused = NULL;
    const tn_model *models[2] = {a, a};
    tn_observer observer = {.progress = cancel};
    assert_fails(tn_fuse(&fused, NULL, models, 2, NULL, NULL, &observer, err),
                 TN_ERROR_CANCELLED, "");
    assert_null(fused);
    tn_model_free(a);
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-8-6-10:bias", 1);
    const tn_model *models[2] = {a, a};
    tn_status status = TN_ERROR_MEMORY;
    for (size_t k = 1; status == TN_ERROR_MEMORY; k += 3) {
        tn_model *fused = NULL;
        tn_fuse_report report = {0};
        tn_error err = {0};
        tn__alloc_fail_after(k);
        status = tn_fuse(&fused, &report, models, 2, NULL, NULL, NULL, &err);
        tn__alloc_fail_after(0);
        assert_true(status == TN_OK || !fused);
        tn_fuse_report_release(&report);
        tn_model_free(fused);
    }
    assert_int_equal(status, TN_OK);
    tn_model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permuted_copy_comes_back_by_weights),
        cmocka_unit_test(a_permuted_copy_comes_back_by_activations),
        cmocka_unit_test(a_permuted_copy_comes_back_through_sinkhorn),
        cmocka_unit_test(a_permuted_copy_comes_back_by_distances_within),
        cmocka_unit_test(a_permuted_copy_comes_back_under_importance),
        cmocka_unit_test(the_reference_may_be_any_of_the_models),
        cmocka_unit_test(a_network_fused_with_itself_is_itself),
        cmocka_unit_test(dead_and_duplicate_neurons_stay_in_place),
        cmocka_unit_test(three_permuted_copies_come_back),
        cmocka_unit_test(a_widened_network_comes_back_narrow),
        cmocka_unit_test(an_aligned_parent_is_the_parents_function),
        cmocka_unit_test(without_alignment_it_is_the_plain_average),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(networks_that_do_not_match_are_named),
        cmocka_unit_test(weights_that_are_not_finite_are_named),
        cmocka_unit_test(options_without_meaning_are_refused),
        cmocka_unit_test(an_observer_may_cancel),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
