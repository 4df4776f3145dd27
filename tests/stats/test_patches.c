/* test_patches.c - rows times weights are what the engine computes. */
#include "test.h"

#include "base/rng.h"
#include "engine/engine.h"
#include "stats/patches.h"

typedef struct seen {
    const tn__shapes *shapes;
    tn__engine *engine;
    const tn_model *model;
    size_t layers;
    double worst;
} seen;

/* Compares a few outputs of every layer of the sweep. */
static tn_status compare(void *user, const tn__sweep_node *at, tn_error *e)
{
    seen *s = user;
    tn__patches p = {0};
    size_t images = 0;
    if (!tn__patches_has(s->model, s->shapes, at->node))
        return TN_OK;
    tn_status status = tn__patches_create(&p, s->model, s->shapes, at->node, e);
    if (status != TN_OK)
        return status;
    const tn__node *node = &s->model->nodes[at->node];
    const float *x = tn__sweep_data(at, 0, 0, &images);
    const float *w = tn__engine_parameter(s->engine, node->inputs[1]);
    const float *b =
        node->input_count > 2 ? tn__engine_parameter(s->engine, node->inputs[2]) : NULL;
    const float *y = tn__sweep_data(at, TN__OUT(0), 0, NULL);
    float *row = calloc(p.width, sizeof *row);
    for (size_t q = 0; q < p.area_out; q += p.area_out / 7 + 1)
        for (size_t o = 0; o < p.outputs; o += p.outputs / 3 + 1) {
            size_t image = images - 1;
            double sum = b ? (double)b[o] : 0;
            tn__patches_row(row, &p, x + image * p.inputs * p.area_in, q);
            for (size_t k = 0; k < p.width; k++)
                sum += (double)row[k] * (double)w[tn__patches_weight(&p, o, k)];
            double is = (double)y[(image * p.outputs + o) * p.area_out + q];
            s->worst = TN__MAX(s->worst, fabs(sum - is) / (1 + fabs(is)));
        }
    free(row);
    tn__patches_release(&p);
    s->layers++;
    return TN_OK;
}

static void rows_times_weights_are_the_layers_output(void **state)
{
    (void)state;
    static const struct {
        const char *arch;
        size_t pixels, layers;
    } nets[] = {{"resnet18x0.125", 3072, 21}, {"mlp:784-16-10:bias", 784, 2}};
    for (size_t i = 0; i < TN__COUNT(nets); i++) {
        tn_model *model = NULL;
        tn__shapes shapes = {0};
        tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
        float *images = calloc(2 * nets[i].pixels, sizeof *images);
        tn__rng rng;
        tn__rng_seed(&rng, 3, 0);
        for (size_t k = 0; k < 2 * nets[i].pixels; k++)
            images[k] = (float)tn__rng_normal(&rng);
        assert_ok(tn_model_create(&model, nets[i].arch, NULL, 0, 1, err));
        assert_ok(tn__shapes_infer(&shapes, model, 1, err));
        seen s = {.shapes = &shapes, .model = model};
        tn__sweep sweep = {.after = compare, .user = &s};
        assert_ok(tn__engine_create(&s.engine, model, &options, err));
        assert_ok(tn__engine_sweep(s.engine, images, 2, &sweep, err));
        assert_int_equal(s.layers, nets[i].layers);
        assert_true(s.worst < 1e-4);
        tn__engine_free(s.engine);
        tn__shapes_release(&shapes);
        free(images);
        tn_model_free(model);
    }
}

static void positions_are_all_or_drawn(void **state)
{
    (void)state;
    tn__patches p = {.area_out = 100};
    size_t different = 0;
    for (size_t k = 0; k < 100; k++)
        assert_int_equal(tn__patches_position(&p, 100, 5, k, 1), k);
    for (size_t k = 0; k < 10; k++) {
        size_t q = tn__patches_position(&p, 10, 5, k, 1);
        assert_true(q < 100);
        assert_int_equal(q, tn__patches_position(&p, 10, 5, k, 1));
        different += q != tn__patches_position(&p, 10, 6, k, 1);
    }
    assert_true(different > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_times_weights_are_the_layers_output),
        cmocka_unit_test(positions_are_all_or_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
