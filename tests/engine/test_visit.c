/* Visits: kept values, order, several engines; and sweeps. */
#include "nets.h"

#define ENGINE(...) ((tn__engine_options){__VA_ARGS__})

typedef struct gathered {
    size_t next, counts[2];
    float *kept[2]; /* [images, counts] */
    double sum;
} gathered;

static tn_status gather(void *user, const tn__shard *shard, size_t worker,
                        tn_error *err)
{
    gathered *g = user;
    (void)worker;
    if (shard->index != g->next++)
        return tn__fail(err, TN_ERROR_NUMERIC, "shard %zu out of order", shard->index);
    for (size_t k = 0; k < 2; k++)
        memcpy(g->kept[k] + shard->first * g->counts[k], shard->kept[0][k],
               shard->images * g->counts[k] * sizeof(float));
    for (size_t i = 0; i < shard->images * 10; i++)
        g->sum = 0.5 * g->sum + (double)shard->outputs[0][i];
    return TN_OK;
}

static gathered gather_all(const tn_model *model, tn__engine_options options,
                           const float *images, size_t n, const size_t counts[2])
{
    gathered g = {.counts = {counts[0], counts[1]}};
    for (size_t k = 0; k < 2; k++)
        assert_non_null(g.kept[k] = malloc(n * counts[k] * sizeof(float)));
    tn__engine *engine = engine_of(model, options);
    tn__visitor visitor = {.reduce = gather, .user = &g};
    assert_ok(tn__engine_visit(&engine, 1, images, n, &visitor, err));
    tn__engine_free(engine);
    return g;
}

/* Outputs of the first convolution and the first batch norm: both would be fused away.
 */
static void kept_values_are_those_of_the_graph(void **state)
{
    (void)state;
    tn_model *model = net_resnet(16, 8);
    tn__workers *two = NULL;
    assert_ok(tn__workers_create(&two, 2, err));
    size_t keep[2] = {model->nodes[0].outputs[0], model->nodes[4].outputs[0]};
    size_t counts[2] = {16 * 64, 16 * 64}, n = 11;
    float *images = random_floats(n * 192, 31);
    tn__engine_options options = {.shard = 4, .keep = keep, .keep_count = 2};
    gathered fast = gather_all(model, options, images, n, counts);
    options.workers = two;
    gathered both = gather_all(model, options, images, n, counts);
    options.reference = true;
    gathered plain = gather_all(model, options, images, n, counts);
    for (size_t k = 0; k < 2; k++) {
        assert_near(distance(fast.kept[k], plain.kept[k], n * counts[k]), 0, 1e-5);
        assert_memory_equal(fast.kept[k], both.kept[k], n * counts[k] * sizeof(float));
        free(fast.kept[k]);
        free(both.kept[k]);
        free(plain.kept[k]);
    }
    assert_true(fast.sum == both.sum);
    free(images);
    tn__workers_free(two);
    tn_model_free(model);
}

static tn_status compare(void *user, const tn__shard *shard, size_t worker,
                         tn_error *err)
{
    (void)worker;
    (void)err;
    *(double *)user =
        fmax(*(double *)user,
             distance(shard->outputs[0], shard->outputs[1], shard->images * 10));
    return TN_OK;
}

static void engines_are_visited_together(void **state)
{
    (void)state;
    tn_model *model = net_resnet(16, 8);
    float *images = random_floats(7 * 192, 33);
    tn__engine *engines[2] = {engine_of(model, ENGINE(.shard = 4)),
                              engine_of(model, ENGINE(.shard = 4, .reference = true))};
    double worst = 0;
    tn__visitor visitor = {.reduce = compare, .user = &worst};
    assert_ok(tn__engine_visit(engines, 2, images, 7, &visitor, err));
    assert_true(worst > 0 && worst < 1e-5);
    tn__engine *other = engine_of(model, ENGINE(.shard = 2));
    assert_fails(tn__engine_visit((tn__engine *[]){engines[0], other}, 2, images, 7,
                                  &visitor, err),
                 TN_ERROR_ARGUMENT, "shards of 4 and 2");
    tn__engine_free(other);
    tn__engine_free(engines[0]);
    tn__engine_free(engines[1]);
    free(images);
    tn_model_free(model);
}

static tn_status fail_at_two(void *user, const tn__shard *shard, size_t worker,
                             tn_error *err)
{
    (void)user;
    (void)worker;
    return shard->index == 2 ? tn__fail(err, TN_ERROR_CANCELLED, "enough") : TN_OK;
}

static void a_visitor_may_stop(void **state)
{
    (void)state;
    tn_model *model = net_mlp();
    tn__workers *two = NULL;
    assert_ok(tn__workers_create(&two, 2, err));
    tn__engine *engine = engine_of(model, ENGINE(.shard = 2, .workers = two));
    float *images = random_floats(20 * 20, 35);
    tn__visitor visitor = {.reduce = fail_at_two};
    assert_fails(tn__engine_visit(&engine, 1, images, 20, &visitor, err),
                 TN_ERROR_CANCELLED, "enough");
    tn__engine_free(engine);
    tn__workers_free(two);
    free(images);
    tn_model_free(model);
}

/* --- sweeps --- */

typedef struct swept {
    float *out; /* [images, 10] of the last node */
    size_t nodes, last;
    size_t scaled; /* parameter doubled before the first node, or NONE */
    tn__engine *engine;
} swept;

static tn_status before_node(void *user, const tn__sweep_node *at, tn_error *err)
{
    swept *s = user;
    (void)err;
    if (at->node == 0 && s->scaled != TN__NONE) {
        float *p = tn__engine_parameter(s->engine, s->scaled);
        for (size_t i = 0; i < tn__engine_parameter_count(s->engine, s->scaled); i++)
            p[i] *= 2;
        tn__engine_touch(s->engine);
    }
    return TN_OK;
}

static tn_status after_node(void *user, const tn__sweep_node *at, tn_error *err)
{
    swept *s = user;
    (void)err;
    s->nodes++;
    for (size_t shard = 0, done = 0; at->node == s->last && shard < at->shards;
         shard++) {
        size_t images;
        float *y = tn__sweep_data(at, TN__OUT(0), shard, &images);
        assert_non_null(y);
        assert_null(tn__sweep_data(at, 1, shard, &images)); /* a parameter */
        memcpy(s->out + done * 10, y, images * 10 * sizeof *y);
        done += images;
    }
    return TN_OK;
}

static swept sweep_all(tn__engine *engine, const tn_model *model, const float *images,
                       size_t n, size_t scaled)
{
    swept s = {.out = malloc(n * 10 * sizeof(float)),
               .last = model->node_count - 1,
               .scaled = scaled,
               .engine = engine};
    assert_non_null(s.out);
    tn__sweep sweep = {.before = before_node, .after = after_node, .user = &s};
    assert_ok(tn__engine_sweep(engine, images, n, &sweep, err));
    assert_int_equal(s.nodes, model->node_count);
    return s;
}

static void a_sweep_computes_what_inference_does(void **state)
{
    (void)state;
    tn_model *model = net_resnet(16, 8);
    size_t n = 11, count;
    float *images = random_floats(n * 192, 41);
    float *expected = infer_all(model, ENGINE(.shard = 4), images, n, &count);
    tn__workers *two = NULL;
    assert_ok(tn__workers_create(&two, 2, err));
    tn__engine *one = engine_of(model, ENGINE(.shard = 4));
    tn__engine *both = engine_of(model, ENGINE(.shard = 4, .workers = two));
    swept a = sweep_all(one, model, images, n, TN__NONE);
    swept b = sweep_all(both, model, images, n, TN__NONE);
    assert_near(distance(a.out, expected, count), 0, 1e-5);
    assert_memory_equal(a.out, b.out, count * sizeof(float));
    tn__engine_free(one);
    tn__engine_free(both);
    tn__workers_free(two);
    free(a.out);
    free(b.out);
    free(expected);
    free(images);
    tn_model_free(model);
}

/* A sweep that stops after every third node and the last. */
static void a_sweep_by_runs_computes_what_inference_does(void **state)
{
    (void)state;
    tn_model *nets[2] = {net_resnet(16, 8), net_lenet()};
    for (size_t i = 0; i < 2; i++) {
        size_t n = 11, count, nodes = nets[i]->node_count, stopped = 0;
        float *images = random_floats(n * 256, 41);
        float *expected = infer_all(nets[i], ENGINE(.shard = 4), images, n, &count);
        tn__engine *engine = engine_of(nets[i], ENGINE(.shard = 4));
        bool *stops = calloc(nodes, sizeof *stops);
        for (size_t k = 0; k < nodes; k++)
            stopped += stops[k] = k % 3 == 2 || k + 1 == nodes;
        swept s = {.out = malloc(count * sizeof(float)), .last = nodes - 1};
        tn__sweep sweep = {.after = after_node, .user = &s, .stops = stops};
        assert_ok(tn__engine_sweep(engine, images, n, &sweep, err));
        assert_int_equal(s.nodes, stopped);
        assert_near(distance(s.out, expected, count), 0, 1e-5);
        tn__engine_free(engine);
        free(stops);
        free(s.out);
        free(expected);
        free(images);
        tn_model_free(nets[i]);
    }
}

static void a_sweep_sees_parameters_changed_on_the_way(void **state)
{
    (void)state;
    tn_model *model = net_lenet();
    size_t n = 3, count;
    float *images = random_floats(n * 256, 43);
    tn__engine *engine = engine_of(model, ENGINE(.shard = 2));
    swept s = sweep_all(engine, model, images, n, model->nodes[0].inputs[1]);
    assert_ok(tn__engine_store(engine, model, err));
    float *expected = infer_all(model, ENGINE(.shard = 2), images, n, &count);
    assert_near(distance(s.out, expected, count), 0, 1e-5);
    tn__engine_free(engine);
    free(s.out);
    free(expected);
    free(images);
    tn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_values_are_those_of_the_graph),
        cmocka_unit_test(engines_are_visited_together),
        cmocka_unit_test(a_visitor_may_stop),
        cmocka_unit_test(a_sweep_computes_what_inference_does),
        cmocka_unit_test(a_sweep_by_runs_computes_what_inference_does),
        cmocka_unit_test(a_sweep_sees_parameters_changed_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
