/* test_recalibrate.c - batch norm re-estimated, layers repaired, and nothing else
 * moved. */
#include "nets.h"

#include "fuse/fusion.h"

enum { IMAGES = 96 };

static tn__workers *one_worker(void)
{
    tn__workers *workers = NULL;
    assert_ok(tn__workers_create(&workers, 1, err));
    return workers;
}

/* Mean and standard deviation of channel c of a value, over the images. */
static tn__moments moments_of(const tn_model *model, size_t value, const float *images)
{
    tn__engine *engine = NULL;
    tn__shapes shapes = {0};
    tn__moments moments = {0};
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.keep = &value;
    options.keep_count = 1;
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    assert_ok(tn__extent_of(&moments.extent, &shapes.shape[value], err));
    assert_ok(tn__engine_create(&engine, model, &options, err));
    assert_ok(tn__stats_moments(&moments, engine, 1, images, IMAGES, err));
    tn__engine_free(engine);
    tn__shapes_release(&shapes);
    return moments;
}

static void every_norm_gets_the_population_statistics(void **state)
{
    (void)state;
    tn_model *model = make_net("resnet20x0.5", 1);
    float *images = random_images(IMAGES, 3072, 2);
    tn__recalibration how = {
        .norms = true, .workers = one_worker(), .images = images, .n = IMAGES};
    size_t layers = 0, norms = 0;
    assert_ok(tn__recalibrate(model, &layers, &how, err));
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        if (!tn__node_is_norm(node) || norms++ % 6)
            continue;
        tn__moments found = moments_of(model, node->inputs[0], images);
        const tn__tensor *mean = &model->values[node->inputs[3]].parameter;
        const tn__tensor *variance = &model->values[node->inputs[4]].parameter;
        for (size_t c = 0; c < found.channels; c++) {
            double expected = tn__moments_variance(&found, c);
            assert_near(tn__tensor_get_f64(mean, c), found.mean[c],
                        1e-4 * sqrt(expected));
            assert_near(tn__tensor_get_f64(variance, c), expected, 1e-4 * expected);
        }
        tn__moments_release(&found);
    }
    assert_int_equal(layers, norms);
    tn__workers_free(how.workers);
    free(images);
    tn_model_free(model);
}

/* Goals for every Conv and Gemm but the last, different for neighbouring channels. */
static tn__goal *made_up_goals(const tn_model *model, size_t *count)
{
    tn__links links = {0};
    tn__goal *goals = calloc(model->node_count, sizeof *goals);
    assert_ok(tn__links_create(&links, model, err));
    *count = 0;
    for (size_t n = 0; n + 1 < model->node_count; n++) {
        tn__layer layer;
        if (!tn__layer_of(&layer, model, &links, n))
            continue;
        const tn__shape *shape = &model->values[layer.weight].parameter.shape;
        tn__goal *goal = &goals[(*count)++];
        assert_ok(tn__goal_create(goal, n, (size_t)shape->dims[layer.axis], err));
        for (size_t c = 0; c < goal->channels; c++) {
            goal->mean[c] = 0.1 * (double)(c % 5);
            goal->sd[c] = 1 + 0.05 * (double)(c % 4);
        }
    }
    tn__links_release(&links);
    return goals;
}

static void repair_meets_its_goals(void **state)
{
    (void)state;
    static const char *const archs[] = {"vgg11x0.125", "mlp:784-16-8-10:bias"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *model = make_net(archs[i], 1);
        float *images = random_images(IMAGES, i ? 784 : 3072, 2);
        size_t count = 0, layers = 0;
        tn__goal *goals = made_up_goals(model, &count);
        tn__recalibration how = {.goals = goals,
                                 .goal_count = count,
                                 .workers = one_worker(),
                                 .images = images,
                                 .n = IMAGES};
        assert_ok(tn__recalibrate(model, &layers, &how, err));
        assert_int_equal(layers, count);
        for (size_t g = 0; g < count; g++) {
            size_t value = model->nodes[goals[g].node].outputs[0];
            tn__moments found = moments_of(model, value, images);
            for (size_t c = 0; c < found.channels; c++) {
                assert_near(found.mean[c], goals[g].mean[c], 1e-3 * goals[g].sd[c]);
                double sd = sqrt(tn__moments_variance(&found, c));
                /* Beyond the clamp only if the net's own deviation was far off. */
                if (sd > 1e-3 && fabs(sd / goals[g].sd[c] - 1) > 1e-3)
                    fail_msg("%s, layer %zu, channel %zu: deviation %g, wanted %g",
                             archs[i], g, c, sd, goals[g].sd[c]);
            }
            tn__moments_release(&found);
        }
        tn__goals_free(goals, count);
        tn__workers_free(how.workers);
        free(images);
        tn_model_free(model);
    }
}

static void a_constant_channel_keeps_its_weights(void **state)
{
    (void)state;
    tn_model *model = make_net("mlp:784-6-10", 1);
    float *images = random_images(IMAGES, 784, 2);
    size_t weight = tn__model_find_value(model, "fc1.weight"), count = 0;
    memset(parameter_of(model, weight) + 784, 0, 784 * sizeof(float));
    tn__goal *goals = made_up_goals(model, &count);
    goals[0].sd[2] = -1;
    tn__recalibration how = {.goals = goals,
                             .goal_count = count,
                             .workers = one_worker(),
                             .images = images,
                             .n = IMAGES};
    tn_model *before = NULL;
    assert_ok(tn_model_clone(&before, model, err));
    assert_ok(tn__recalibrate(model, NULL, &how, err));
    const tn__tensor *old = &before->values[weight].parameter;
    const tn__tensor *new = &model->values[weight].parameter;
    assert_memory_equal(tn__tensor_f32_const(old) + 784,
                        tn__tensor_f32_const(new) + 784, 2 * 784 * sizeof(float));
    assert_near(
        tn__tensor_get_f64(
            &model->values[tn__model_find_value(model, "fc1.bias")].parameter, 1),
        0.1, 1e-6);
    assert_near(
        tn__tensor_get_f64(
            &model->values[tn__model_find_value(model, "fc1.bias")].parameter, 2),
        0, 0);
    tn__goals_free(goals, count);
    tn__workers_free(how.workers);
    free(images);
    tn_model_free(before);
    tn_model_free(model);
}

static void recalibrating_a_network_fused_with_itself_changes_nothing(void **state)
{
    (void)state;
    static const char *const archs[] = {"vgg11x0.125", "resnet20x0.5"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        tn_model *a = make_net(archs[i], 1), *fused = NULL;
        float *images = calloc(IMAGES, 3072 * sizeof *images);
        tn_dataset *data = open_data("random:3x32x32,limit=96");
        assert_ok(tn_dataset_read(images, NULL, data, NULL, 0, IMAGES, err));
        tn__recalibration how = {
            .norms = i == 1, .workers = one_worker(), .images = images, .n = IMAGES};
        if (how.norms) /* statistics of these very images */
            assert_ok(tn__recalibrate(a, NULL, &how, err));
        const tn_model *models[2] = {a, a};
        tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
        tn_fuse_report report = {0};
        options.samples = options.calibration = IMAGES;
        options.threads = 1;
        assert_ok(tn_fuse(&fused, &report, models, 2, data, &options, NULL, err));
        assert_true(report.layers_recalibrated >= 8);
        assert_true(output_distance(a, fused, images, IMAGES) < 1e-3);
        tn_fuse_report_release(&report);
        tn__workers_free(how.workers);
        free(images);
        tn_dataset_free(data);
        tn_model_free(fused);
        tn_model_free(a);
    }
}

static void goals_lie_between_the_parents(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-12-8-10", 1), *b = make_net("mlp:784-12-8-10", 2);
    const tn_model *models[2] = {a, b};
    tn_model *fused = NULL, *aligned = NULL;
    tn_dataset *data = open_data("random:1x28x28,limit=96");
    float *images = calloc(IMAGES, 784 * sizeof *images);
    assert_ok(tn_dataset_read(images, NULL, data, NULL, 0, IMAGES, err));
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.samples = options.calibration = IMAGES;
    options.weights = (double[]){0.25, 0.75};
    options.threads = 1;
    assert_ok(tn_fuse(&fused, NULL, models, 2, data, &options, NULL, err));
    assert_ok(tn_align(&aligned, models, 2, 1, data, &options, NULL, err));
    for (size_t n = 0; n < a->node_count; n++) {
        if (strcmp(a->nodes[n].type, "Gemm") || a->nodes[n].outputs[0] == a->outputs[0])
            continue;
        size_t value = a->nodes[n].outputs[0];
        tn__moments of_a = moments_of(a, value, images);
        tn__moments of_b = moments_of(aligned, value, images);
        tn__moments of_f = moments_of(fused, value, images);
        for (size_t c = 0; c < of_a.channels; c++) {
            double sd = 0.25 * sqrt(tn__moments_variance(&of_a, c)) +
                        0.75 * sqrt(tn__moments_variance(&of_b, c));
            assert_near(of_f.mean[c], 0.25 * of_a.mean[c] + 0.75 * of_b.mean[c],
                        1e-3 * sd);
            assert_near(sqrt(tn__moments_variance(&of_f, c)), sd, 1e-3 * sd);
        }
        tn__moments_release(&of_a);
        tn__moments_release(&of_b);
        tn__moments_release(&of_f);
    }
    free(images);
    tn_dataset_free(data);
    tn_model_free(fused);
    tn_model_free(aligned);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_norm_gets_the_population_statistics),
        cmocka_unit_test(repair_meets_its_goals),
        cmocka_unit_test(a_constant_channel_keeps_its_weights),
        cmocka_unit_test(recalibrating_a_network_fused_with_itself_changes_nothing),
        cmocka_unit_test(goals_lie_between_the_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
