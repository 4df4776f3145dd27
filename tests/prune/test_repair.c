/* test_repair.c - layers without batch norms answer as before: in mean and standard
 * deviation, with nothing gone at all, and where neurons are nearly copies. */
#include "fuse/nets.h"

#include "prune/prune.h"
#include "stats/stats.h"
#include "tenon/eval.h"

#define NET "mlp:48-24-12-10:bias"
#define IMAGES "random:3x4x4,limit=512"

static tn_model *pruned(const tn_model *model, tn_prune_method method,
                        tn_prune_repair repair, tn_prune_report *report)
{
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_model *out = NULL;
    tn_dataset *data = open_data(IMAGES);
    options.sparsity = 0.5;
    options.method = method;
    options.repair = repair;
    options.samples = 512;
    options.threads = 1;
    assert_ok(tn_prune(&out, report, model, data, &options, NULL, err));
    tn_dataset_free(data);
    return out;
}

/* Moments of the answers of Gemm k on the images. */
static tn__moments moments_of(const tn_model *model, size_t k)
{
    tn__engine *engine = NULL;
    tn__moments found = {0};
    tn__shapes shapes = {0};
    size_t node = 0;
    for (size_t seen = 0; node < model->node_count; node++)
        if (!strcmp(model->nodes[node].type, "Gemm") && seen++ == k)
            break;
    size_t value = model->nodes[node].outputs[0], keep[] = {value};
    tn_dataset *data = open_data(IMAGES);
    float *images = calloc(512 * 48, sizeof *images);
    int32_t labels[512];
    uint32_t order[512];
    for (uint32_t i = 0; i < 512; i++)
        order[i] = i;
    assert_ok(tn_dataset_read(images, labels, data, order, 0, 512, err));
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    assert_ok(tn__extent_of(&found.extent, &shapes.shape[value], err));
    tn__engine_options options = {.keep = keep, .keep_count = 1};
    assert_ok(tn__engine_create(&engine, model, &options, err));
    assert_ok(tn__stats_moments(&found, engine, 1, images, 512, err));
    tn__engine_free(engine);
    tn__shapes_release(&shapes);
    tn_dataset_free(data);
    free(images);
    return found;
}

static void answers_have_the_moments_they_had(void **state)
{
    (void)state;
    tn_model *model = make_net(NET, 1);
    tn_prune_report report = {0};
    tn_model *out = pruned(model, TN_PRUNE_DELETE, TN_PRUNE_REPAIR_REPAIR, &report);
    assert_int_equal(report.layers_repaired, 1); /* the first has all its inputs */
    tn__moments was = moments_of(model, 1), is = moments_of(out, 1);
    for (size_t j = 0; j < report.groups[1].left; j++) {
        size_t i = report.groups[1].kept[j];
        double sd = sqrt(tn__moments_variance(&was, i));
        assert_near(is.mean[j], was.mean[i], 1e-4 * sd);
        assert_near(sqrt(tn__moments_variance(&is, j)), sd, 1e-3 * sd);
    }
    tn__moments_release(&was);
    tn__moments_release(&is);
    tn_prune_report_release(&report);
    tn_model_free(out);
    tn_model_free(model);
}

/* Every neuron twice, the copies moved a little, and twins folded. */
static double error_of_near_twins(tn_prune_repair repair)
{
    tn_model *model = near_twins(0.05);
    tn_prune_report report = {0};
    tn_model_free(pruned(model, TN_PRUNE_FOLD, repair, &report));
    double error = report.error;
    tn_prune_report_release(&report);
    tn_model_free(model);
    return error;
}

static void near_twins_are_not_made_worse(void **state)
{
    (void)state;
    double repaired = error_of_near_twins(TN_PRUNE_REPAIR_REPAIR);
    double foreseen = error_of_near_twins(TN_PRUNE_REPAIR_DATA_FREE);
    if (!(repaired < 0.02 && foreseen < 0.02))
        fail_msg("outputs move by %g, foreseen %g", repaired, foreseen);
}

static void what_foresees_wants_neurons_that_are_mixed(void **state)
{
    (void)state;
    tn_model *model = make_net(NET, 1), *out = NULL;
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    options.sparsity = 0.5;
    options.repair = TN_PRUNE_REPAIR_DATA_FREE;
    assert_fails(tn_prune(&out, NULL, model, NULL, &options, NULL, err),
                 TN_ERROR_ARGUMENT, "wants the method to be fold");
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_have_the_moments_they_had),
        cmocka_unit_test(near_twins_are_not_made_worse),
        cmocka_unit_test(what_foresees_wants_neurons_that_are_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
