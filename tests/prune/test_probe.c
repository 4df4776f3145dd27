/* test_probe.c - probes of a network and of its folded form are one function, and their
 * goals are what enters their batch norms. */
#include "fuse/nets.h"

#include "fuse/recalibrate.h"
#include "prune/pruning.h"

static void the_folded_probe_is_the_same_function(void **state)
{
    (void)state;
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn_model *model = make_net("resnet20x0.25", 1), *again = NULL;
    float *images = random_images(16, 3072, 2);
    tn__pruning p = {
        .options = &options, .model = model, .images = images, .image_count = 16};
    assert_ok(tn__norms_fold(&p.folded, model, TN__FOLD_ALL, err));
    assert_ok(tn__workers_create(&p.workers, 1, err));
    assert_ok(tn__prune_probe(&p, err));
    assert_true(output_distance(model, p.probe.model, images, 16) > 1e-2);
    double found = output_distance(p.probe.model, p.folded_probe.model, images, 16);
    if (!(found < 1e-4))
        fail_msg("the folded probe's outputs differ by %g", found);
    /* what enters its norms, found again in a sweep */
    tn__recalibration how = {
        .norms = true, .workers = p.workers, .images = images, .n = 16};
    size_t norms = 0;
    assert_ok(tn__model_clone(&again, p.probe.model, err));
    assert_ok(tn__recalibrate(again, &norms, &how, err));
    assert_int_equal(norms, 19);
    assert_true(distance(again, p.probe.model) < 1e-4);
    tn_model_free(again);
    tn__probe_models_release(&p.probe);
    tn__probe_models_release(&p.folded_probe);
    tn_model_free(p.folded);
    tn__workers_free(p.workers);
    tn_model_free(model);
    free(images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folded_probe_is_the_same_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
