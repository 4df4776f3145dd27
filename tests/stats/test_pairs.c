/* test_pairs.c - streamed co-moments against sums over everything at once. */
#include "test.h"

#include "base/rng.h"
#include "stats/stats.h"

enum { IMAGES = 150, PIXELS = 784 };

static float *images_of(uint64_t seed)
{
    float *images = calloc(IMAGES, PIXELS * sizeof *images);
    tn__rng rng;
    tn__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < IMAGES * PIXELS; i++)
        images[i] = (float)(tn__rng_normal(&rng) + 0.5);
    return images;
}

typedef struct seen { /* a network, and the value it is watched at */
    tn_model *model;
    size_t value;
    tn__extent extent;
    tn__engine *engine;
} seen;

static seen see(const char *arch, uint64_t seed, size_t node, tn__workers *workers)
{
    seen s = {0};
    tn__shapes shapes = {0};
    assert_ok(tn_model_create(&s.model, arch, NULL, 0, seed, err));
    s.value = s.model->nodes[node].outputs[0];
    assert_ok(tn__shapes_infer(&shapes, s.model, 1, err));
    assert_ok(tn__extent_of(&s.extent, &shapes.shape[s.value], err));
    tn__shapes_release(&shapes);
    tn__engine_options options = TN__ENGINE_OPTIONS_INIT;
    options.workers = workers;
    options.keep = &s.value;
    options.keep_count = 1;
    assert_ok(tn__engine_create(&s.engine, s.model, &options, err));
    return s;
}

static void leave(seen *s)
{
    tn__engine_free(s->engine);
    tn_model_free(s->model);
}

static tn_status copy_kept(void *user, const tn__shard *shard, size_t worker,
                           tn_error *err)
{
    (void)worker;
    (void)err;
    float **to = user;
    size_t size = (size_t)(to[1] - to[0]) / IMAGES;
    memcpy(to[0] + shard->first * size, shard->kept[0][0],
           shard->images * size * sizeof **to);
    return TN_OK;
}

/* The kept value of all images. */
static float *answers_of(const seen *s, const float *images)
{
    size_t count = IMAGES * s->extent.channels * s->extent.positions;
    float *out = calloc(count, sizeof *out), *range[2] = {out, out + count};
    tn__visitor visitor = {.reduce = copy_kept, .user = range};
    assert_ok(tn__engine_visit(&s->engine, 1, images, IMAGES, &visitor, err));
    return out;
}

static double at(const float *x, const tn__extent *e, size_t row, size_t c)
{
    size_t i = row / e->positions, p = row % e->positions;
    return (double)x[(i * e->channels + c) * e->positions + p];
}

static void expect(const tn__comoments *found, const seen *a, const seen *b,
                   const float *images)
{
    float *x = answers_of(a, images), *y = answers_of(b, images);
    size_t rows = IMAGES * a->extent.positions;
    assert_near(found->a.rows, (double)rows, 0);
    for (size_t i = 0; i < a->extent.channels; i++) {
        for (size_t j = 0; j < b->extent.channels; j++) {
            double mean_x = 0, mean_y = 0, sum = 0;
            for (size_t r = 0; r < rows; r++) {
                mean_x += at(x, &a->extent, r, i) / (double)rows;
                mean_y += at(y, &b->extent, r, j) / (double)rows;
            }
            for (size_t r = 0; r < rows; r++)
                sum += (at(x, &a->extent, r, i) - mean_x) *
                       (at(y, &b->extent, r, j) - mean_y);
            double scale = sqrt(found->a.m2[i] * found->b.m2[j]) + 1e-12;
            assert_near(found->cross[i * b->extent.channels + j], sum, 1e-5 * scale);
            assert_near(found->a.mean[i], mean_x, 1e-9 + 1e-9 * fabs(mean_x));
        }
    }
    free(x);
    free(y);
}

static void co_moments_are_those_of_all_rows(void **state)
{
    (void)state;
    static const struct {
        const char *arch[2];
        size_t node;
    } cases[] = {{{"mlp:784-12-10", "mlp:784-9-10"}, 1}, {{"lenet5", "lenet5"}, 0}};
    for (size_t k = 0; k < TN__COUNT(cases); k++) {
        float *images = images_of(1);
        seen a = see(cases[k].arch[0], 1, cases[k].node, NULL);
        seen b = see(cases[k].arch[1], 2, cases[k].node, NULL);
        tn__engine *engines[2] = {a.engine, b.engine};
        tn__pair pairs[2] = {{0, 0, 1, 0, a.extent, b.extent},
                             {0, 0, 0, 0, a.extent, a.extent}};
        tn__comoments found[2];
        assert_ok(tn__stats_pairs(found, engines, 2, pairs, 2, images, IMAGES, err));
        expect(&found[0], &a, &b, images);
        expect(&found[1], &a, &a, images);
        tn__comoments_release(&found[0]);
        tn__comoments_release(&found[1]);
        leave(&a);
        leave(&b);
        free(images);
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    float *images = images_of(1);
    tn__comoments found[2];
    tn__moments moments[2];
    for (size_t k = 0; k < 2; k++) {
        tn__workers *workers = NULL;
        assert_ok(tn__workers_create(&workers, k + 1, err));
        seen a = see("lenet5", 1, 0, workers);
        tn__pair pair = {0, 0, 0, 0, a.extent, a.extent};
        moments[k] = (tn__moments){.extent = a.extent};
        assert_ok(
            tn__stats_pairs(&found[k], &a.engine, 1, &pair, 1, images, IMAGES, err));
        assert_ok(tn__stats_moments(&moments[k], a.engine, 1, images, IMAGES, err));
        leave(&a);
        tn__workers_free(workers);
    }
    size_t n = found[0].a.channels;
    assert_memory_equal(found[0].cross, found[1].cross, n * n * sizeof(double));
    assert_memory_equal(moments[0].m2, moments[1].m2, n * sizeof(double));
    assert_memory_equal(moments[0].mean, found[0].a.mean, n * sizeof(double));
    for (size_t k = 0; k < 2; k++) {
        tn__comoments_release(&found[k]);
        tn__moments_release(&moments[k]);
    }
    free(images);
}

static void values_of_other_resolution_cannot_be_paired(void **state)
{
    (void)state;
    float *images = images_of(1);
    seen a = see("lenet5", 1, 0, NULL), b = see("mlp:784-9-10", 1, 1, NULL);
    tn__engine *engines[2] = {a.engine, b.engine};
    tn__pair pair = {0, 0, 1, 0, a.extent, b.extent};
    tn__comoments found = {0};
    assert_fails(tn__stats_pairs(&found, engines, 2, &pair, 1, images, IMAGES, err),
                 TN_ERROR_MISMATCH, "positions");
    leave(&a);
    leave(&b);
    free(images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(co_moments_are_those_of_all_rows),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(values_of_other_resolution_cannot_be_paired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
