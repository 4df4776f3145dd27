/* test_layers.c - networks compared layer by layer. */
#include "test.h"

#include "graph/model.h"
#include "tenon/eval.h"

enum { MOST = 64 };

typedef struct list {
    char a[MOST][64], b[MOST][64];
    double cka[MOST];
    size_t count, stop_at;
} list;

static int add(void *user, const tn_similarity *s)
{
    list *l = user;
    snprintf(l->a[l->count], sizeof l->a[0], "%s", s->a);
    snprintf(l->b[l->count], sizeof l->b[0], "%s", s->b);
    l->cka[l->count++] = s->cka;
    return l->count == l->stop_at;
}

static tn_model *net(const char *arch, uint64_t seed)
{
    tn_model *model = NULL;
    assert_ok(tn_model_create(&model, arch, NULL, 0, seed, err));
    return model;
}

static tn_dataset *images(const char *spec)
{
    tn_dataset *data = NULL;
    assert_ok(tn_dataset_open(&data, spec, "test", err));
    return data;
}

static void a_network_is_like_itself_everywhere(void **state)
{
    (void)state;
    tn_model *a = net("resnet20x0.5", 1);
    tn_dataset *data = images("random:3x32x32,limit=70");
    list l = {.stop_at = MOST};
    assert_ok(tn_compare_layers(a, a, data, NULL, add, &l, err));
    assert_true(l.count >= 10);
    for (size_t i = 0; i < l.count; i++) {
        assert_near(l.cka[i], 1, 1e-9);
        assert_string_equal(l.a[i], l.b[i]);
    }
    tn_dataset_free(data);
    tn_model_free(a);
}

static void other_weights_and_widths_are_less_alike(void **state)
{
    (void)state;
    tn_model *a = net("mlp:784-64-32-10", 1), *b = net("mlp:784-32-16-10", 2);
    tn_dataset *data = images("random:1x28x28,limit=256");
    list l = {.stop_at = MOST};
    assert_ok(tn_compare_layers(a, b, data, NULL, add, &l, err));
    assert_int_equal(l.count, 2);
    for (size_t i = 0; i < l.count; i++)
        assert_true(fabs(l.cka[i]) < 0.7);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void a_callback_may_stop(void **state)
{
    (void)state;
    tn_model *a = net("mlp:784-8-8-8-10", 1);
    tn_dataset *data = images("random:1x28x28,limit=16");
    list l = {.stop_at = 1};
    assert_ok(tn_compare_layers(a, a, data, NULL, add, &l, err));
    assert_int_equal(l.count, 1);
    tn_dataset_free(data);
    tn_model_free(a);
}

static void other_activations_are_compared_at_cut_points(void **state)
{
    (void)state;
    tn_model *a = net("mlp:784-16-8-10", 1), *b = net("mlp:784-16-8-10", 2);
    tn_dataset *data = images("random:1x28x28,limit=64");
    list l = {.stop_at = MOST};
    for (size_t n = 0; n < b->node_count; n++) {
        if (strcmp(b->nodes[n].type, "Relu"))
            continue;
        free(b->nodes[n].type);
        b->nodes[n].type = tn__strdup("Sigmoid");
    }
    assert_ok(tn_compare_layers(a, b, data, NULL, add, &l, err));
    assert_true(l.count >= 3);
    tn_dataset_free(data);
    tn_model_free(a);
    tn_model_free(b);
}

static void networks_that_cannot_be_paired_are_refused(void **state)
{
    (void)state;
    tn_model *a = net("mlp:784-16-8-10", 1), *b = net("mlp:784-16-10", 1);
    tn_dataset *data = images("random:1x28x28,limit=16");
    tn_dataset *colour = images("random:3x32x32,limit=16");
    list l = {.stop_at = MOST};
    assert_fails(tn_compare_layers(a, b, data, NULL, add, &l, err), TN_ERROR_MISMATCH,
                 "cut points");
    assert_fails(tn_compare_layers(a, a, colour, NULL, add, &l, err), TN_ERROR_MISMATCH,
                 "3072");
    assert_int_equal(l.count, 0);
    tn_dataset_free(data);
    tn_dataset_free(colour);
    tn_model_free(a);
    tn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_is_like_itself_everywhere),
        cmocka_unit_test(other_weights_and_widths_are_less_alike),
        cmocka_unit_test(a_callback_may_stop),
        cmocka_unit_test(other_activations_are_compared_at_cut_points),
        cmocka_unit_test(networks_that_cannot_be_paired_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
