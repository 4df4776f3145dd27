/* test_importance.c - scores of neurons: formulas on weights set by hand, what images
 * and labels say, and what is refused. */
#include "fuse/nets.h"

#include "fuse/recalibrate.h"
#include "prune/prune.h"
#include "tenon/prune.h"

#define HIDDEN 6

typedef struct scene {
    tn_model *model, *folded;
    tn__groups *groups;
    double *scores[32];
    tn__scoring how;
} scene;

static void open_scene(scene *s, const char *arch)
{
    *s = (scene){.model = make_net(arch, 1)};
    assert_ok(tn__norms_fold(&s->folded, s->model, TN__FOLD_ALL, err));
    s->groups = groups_of(s->folded);
    assert_true(s->groups->count <= TN__COUNT(s->scores));
    s->how = (tn__scoring){
        .model = s->model, .folded = s->folded, .probe = s->model, .groups = s->groups};
    assert_ok(tn__workers_create(&s->how.workers, 1, err));
}

static void score(scene *s, tn_prune_importance by)
{
    for (size_t g = 0; g < s->groups->count; g++) {
        tn__free(s->scores[g]);
        s->scores[g] = tn__alloc(s->groups->list[g].neurons, sizeof **s->scores);
    }
    s->how.by = by;
    assert_ok(tn__prune_scores(s->scores, NULL, &s->how, err));
}

static void close_scene(scene *s)
{
    tn__workers_free(s->how.workers);
    for (size_t g = 0; g < s->groups->count; g++)
        tn__free(s->scores[g]);
    tn__groups_free(s->groups);
    tn_model_free(s->model);
    tn_model_free(s->folded);
}

static float *weight(scene *s, const char *name)
{
    size_t v = tn__model_find_value(s->folded, name);
    assert_true(v != TN__NONE);
    return parameter_of(s->folded, v);
}

static void weights_score_as_the_formulas_say(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "mlp:784-6-10");
    float *in = weight(&s, "fc1.weight"), *out = weight(&s, "fc2.weight");
    memset(in, 0, sizeof *in * HIDDEN * 784);
    memset(out, 0, sizeof *out * HIDDEN * 10);
    for (size_t i = 0; i < HIDDEN; i++)
        in[i * 784] = in[i * 784 + 1] = (float)(i + 1);
    score(&s, TN_PRUNE_IMPORTANCE_L1); /* 2 (i + 1) over its mean 7 */
    assert_near(s.scores[0][2], 6.0 / 7, 1e-12);
    score(&s, TN_PRUNE_IMPORTANCE_L2);
    assert_near(s.scores[0][2], 6.0 / 7, 1e-12);
    score(&s, TN_PRUNE_IMPORTANCE_LAMP); /* one layer of two has weights at all */
    assert_near(s.scores[0][HIDDEN - 1], 0.5, 1e-12);
    assert_near(s.scores[0][2], 9.0 / (36 + 25 + 16 + 9) / 2, 1e-12);
    score(&s, TN_PRUNE_IMPORTANCE_MEDIAN);
    assert_near(s.scores[0][0], s.scores[0][HIDDEN - 1], 1e-12);
    assert_true(s.scores[0][0] > s.scores[0][2]);
    in[5] = (float)NAN;
    bool kept[HIDDEN];
    score(&s, TN_PRUNE_IMPORTANCE_L1);
    assert_fails(tn__prune_keep(kept, s.scores[0], HIDDEN, 2, err), TN_ERROR_NUMERIC,
                 "neuron 0");
    close_scene(&s);
}

static void the_most_important_stay_and_the_first_of_equals(void **state)
{
    (void)state;
    const double score[HIDDEN] = {1, 3, 2, 3, 0, 2};
    bool kept[HIDDEN];
    assert_ok(tn__prune_keep(kept, score, HIDDEN, 3, err));
    assert_true(kept[1] && kept[2] && kept[3] && !kept[0] && !kept[4] && !kept[5]);
}

/* A neuron that nothing reads and one that never answers are worth nothing. */
static void images_find_neurons_that_do_nothing(void **state)
{
    (void)state;
    static const tn_prune_importance by[] = {
        TN_PRUNE_IMPORTANCE_TAYLOR, TN_PRUNE_IMPORTANCE_ACTIVATION,
        TN_PRUNE_IMPORTANCE_CHIP, TN_PRUNE_IMPORTANCE_ERROR};
    scene s;
    int32_t labels[48];
    open_scene(&s, "mlp:784-6-10");
    float *images = random_images(48, 784, 2), *in = weight(&s, "fc1.weight");
    for (size_t k = 0; k < 784; k++)
        in[4 * 784 + k] = 0;
    for (size_t i = 0; i < 48; i++)
        labels[i] = (int32_t)(i % 10);
    s.how.probe = s.folded;
    s.how.images = images;
    s.how.labels = labels;
    s.how.n = 48;
    for (size_t k = 0; k < TN__COUNT(by); k++) {
        double least = by[k] == TN_PRUNE_IMPORTANCE_ERROR ? 1e-4 : 1e-6; /* a ridge */
        score(&s, by[k]);
        for (size_t i = 0; i < HIDDEN; i++)
            if (!(i == 4 ? fabs(s.scores[0][i]) < least : s.scores[0][i] > least))
                fail_msg("importance %d: neuron %zu scores %g", (int)by[k], i,
                         s.scores[0][i]);
    }
    labels[3] = 10;
    s.how.by = TN_PRUNE_IMPORTANCE_TAYLOR;
    assert_fails(tn__prune_scores(s.scores, NULL, &s.how, err), TN_ERROR_MISMATCH,
                 "label 10");
    s.how.labels = NULL;
    assert_fails(tn__prune_scores(s.scores, NULL, &s.how, err), TN_ERROR_ARGUMENT,
                 "wants labelled images");
    close_scene(&s);
    free(images);
}

/* The first to stay loses all without it; each later one less. */
static void recovery_is_an_order_good_for_every_width(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "resnet20x0.25");
    float *images = random_images(8, 3072, 2);
    s.how.images = images;
    s.how.n = 8;
    score(&s, TN_PRUNE_IMPORTANCE_ERROR);
    for (size_t g = 0; g < s.groups->count; g++) {
        size_t n = s.groups->list[g].neurons, ones = 0;
        for (size_t i = 0; i < n; i++) {
            assert_true(s.scores[g][i] >= 0 && s.scores[g][i] <= 1);
            ones += s.scores[g][i] == 1;
        }
        assert_int_equal(ones, 1);
    }
    close_scene(&s);
    free(images);
}

/* In a network of idle norms the gradients are those of the network: scaling a batch
 * norm moves nothing once it is folded. */
static void norms_do_not_hide_gradients(void **state)
{
    (void)state;
    scene s;
    int32_t labels[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    open_scene(&s, "resnet20x0.25");
    float *images = random_images(8, 3072, 2);
    s.how.images = images;
    s.how.labels = labels;
    s.how.n = 8;
    tn_model *products = NULL;
    assert_ok(tn__prune_products(&products, &s.how, err));
    size_t norms = 0;
    for (size_t n = 0; n < products->node_count; n++)
        norms += tn__node_is_norm(&products->nodes[n]);
    assert_int_equal(norms, 0);
    tn_model_free(products);
    score(&s, TN_PRUNE_IMPORTANCE_TAYLOR);
    for (size_t g = 0; g < s.groups->count; g++) {
        double sum = 0;
        for (size_t i = 0; i < s.groups->list[g].neurons; i++)
            sum += s.scores[g][i];
        assert_near(sum, s.groups->list[g].neurons, 1e-9);
    }
    close_scene(&s);
    free(images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_score_as_the_formulas_say),
        cmocka_unit_test(the_most_important_stay_and_the_first_of_equals),
        cmocka_unit_test(images_find_neurons_that_do_nothing),
        cmocka_unit_test(recovery_is_an_order_good_for_every_width),
        cmocka_unit_test(norms_do_not_hide_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
