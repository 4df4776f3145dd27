/* test_many.c - three and more parents: copies of one come back however they are
 * aligned, cycles of maps close, and alignment with means brings parents together. */
#include "nets.h"

#include "fuse/many.h"

#define MODELS 4

static tn_fuse_options options_of(tn_many many)
{
    tn_fuse_options options = TN_FUSE_OPTIONS_INIT;
    options.recalibrate = TN_RECALIBRATE_NONE;
    options.many = many;
    options.reference = 1;
    options.samples = 32;
    options.threads = 1;
    return options;
}

static void permuted_copies_come_back(void **state)
{
    (void)state;
    static const char *const archs[] = {"mlp:784-24-12-10:bias", "vgg11-bnx0.125",
                                        "resnet20x0.25"};
    static const char *const data_of[] = {NULL, "random:3x32x32,limit=32",
                                          "random:3x32x32,limit=32"};
    for (size_t i = 0; i < TN__COUNT(archs); i++) {
        for (int many = TN_MANY_TO_ONE; many <= TN_MANY_CYCLE; many++) {
            tn_model *models[MODELS] = {make_net(archs[i], 1)}, *fused = NULL;
            for (uint64_t k = 1; k < MODELS; k++)
                models[k] = permuted(models[0], k);
            tn_dataset *data = data_of[i] ? open_data(data_of[i]) : NULL;
            tn_fuse_options options = options_of((tn_many)many);
            assert_ok(tn_fuse(&fused, NULL, (const tn_model *const *)models, MODELS,
                              data, &options, NULL, err));
            double found = distance(models[1], fused);
            if (!(found < 1e-5))
                fail_msg("%s, way %d: off by %g", archs[i], many, found);
            tn_model_free(fused);
            tn_dataset_free(data);
            for (size_t k = 0; k < MODELS; k++)
                tn_model_free(models[k]);
        }
    }
}

/* Neuron of parent b that stands where neuron i of parent a does. */
static size_t follow(const tn__fusion *f, size_t a, size_t b, size_t g, size_t i)
{
    const tn__map *from = &f->parents[a].maps[g], *to = &f->parents[b].maps[g];
    size_t j = 0;
    while (from->select && from->select[j] != i)
        j++;
    j = from->select ? j : i;
    return to->select ? to->select[j] : j;
}

static double spread_of(tn_many many, tn_model *const *models)
{
    tn_fuse_options options = options_of(many);
    tn__fusion f = {0};
    tn__fuse_notes notes = {0};
    double spread = 0;
    assert_ok(tn__fusion_create(&f, (const tn_model *const *)models, MODELS, NULL,
                                &options, err));
    assert_ok(tn__fuse_notes_create(&notes, &f, err));
    assert_ok(tn__fusion_align_all(&f, &notes, NULL, err));
    assert_ok(tn__fusion_spread(&spread, &f, err));
    for (size_t n = 0; n < notes.count; n++) {
        assert_true(notes.groups[n].model != 1);
        assert_true(notes.groups[n].marginal_error <= 1e-6);
    }
    for (size_t g = 0; g < f.parents[0].groups->count; g++)
        for (size_t i = 0; i < f.parents[0].groups->list[g].neurons; i++)
            assert_int_equal(
                follow(&f, 3, 0, g, follow(&f, 2, 3, g, follow(&f, 0, 2, g, i))), i);
    tn__free(notes.groups);
    tn__fusion_release(&f);
    return spread;
}

static void alignment_with_means_brings_parents_together(void **state)
{
    (void)state;
    tn_model *models[MODELS];
    for (size_t k = 0; k < MODELS; k++)
        models[k] = make_net("mlp:784-24-12-10:bias", k + 1);
    double one = spread_of(TN_MANY_TO_ONE, models);
    double mean = spread_of(TN_MANY_MEAN, models);
    assert_true(mean < one);
    assert_true(spread_of(TN_MANY_ITERATIVE, models) > 0);
    assert_true(spread_of(TN_MANY_MEAN, models) == mean);
    assert_true(spread_of(TN_MANY_CYCLE, models) < mean);
    for (size_t k = 0; k < MODELS; k++)
        tn_model_free(models[k]);
}

static void the_universe_does_not_prefer_the_reference(void **state)
{
    (void)state;
    tn_model *models[MODELS], *fused[2];
    float *images = random_images(8, 784, 4);
    for (size_t k = 0; k < MODELS; k++) {
        tn_model *made = make_net("mlp:784-24-12-10:bias", k + 1);
        models[k] = permuted(made, k + 7);
        tn_model_free(made);
    }
    for (size_t r = 0; r < 2; r++) {
        tn_fuse_options options = options_of(TN_MANY_CYCLE);
        options.reference = r;
        options.descents = 1;
        assert_ok(tn_fuse(&fused[r], NULL, (const tn_model *const *)models, 2, NULL,
                          &options, NULL, err));
    }
    assert_true(output_distance(fused[0], fused[1], images, 8) < 1e-5);
    for (size_t k = 0; k < MODELS; k++)
        tn_model_free(models[k]);
    tn_model_free(fused[0]);
    tn_model_free(fused[1]);
    free(images);
}

static void what_cannot_share_a_universe_is_refused(void **state)
{
    (void)state;
    tn_model *a = make_net("mlp:784-24-12-10", 1), *b = make_net("mlp:784-20-12-10", 1);
    tn_model *fused = NULL;
    const tn_model *models[3] = {a, b, a};
    tn_fuse_options options = options_of(TN_MANY_CYCLE);
    assert_fails(tn_fuse(&fused, NULL, models, 3, NULL, &options, NULL, err),
                 TN_ERROR_UNSUPPORTED, "different widths");
    assert_null(fused);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permuted_copies_come_back),
        cmocka_unit_test(alignment_with_means_brings_parents_together),
        cmocka_unit_test(the_universe_does_not_prefer_the_reference),
        cmocka_unit_test(what_cannot_share_a_universe_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
