/* test_composites.c - nodes that are one operator, and what a step takes in behind a
 * product: the numbers stay those of the nodes one by one. */
#include "engine/state.h"
#include "nets.h"

enum { D = 9, IMAGE = 12 };

static size_t number(net *t, double x)
{
    return net_parameter(t, 0, NULL, 0, x);
}

static size_t pair(net *t, const char *type, size_t a, size_t b)
{
    return net_node(t, type, 2, (size_t[]){a, b}, t->channels[a]);
}

/* Type of the operator that makes the graph's output, as the engine runs it. */
static void assert_runs_as(const tn_model *model, const char *type, size_t back)
{
    tn__engine *engine = engine_of(model, (tn__engine_options){.shard = 3});
    const tn_model *own = engine->source.model;
    assert_string_equal(own->nodes[own->node_count - 1 - back].type, type);
    tn__engine_free(engine);
}

/* x Phi(x) as exporters write it; `form` permutes what may be permuted. */
static size_t gelu(net *t, size_t x, int form, double half)
{
    size_t scaled = form & 1 ? pair(t, "Mul", x, number(t, 0.70710678118654752))
                             : pair(t, "Div", x, number(t, 1.4142135623730951));
    size_t erf = net_unary(t, "Erf", scaled);
    size_t sum = form & 2 ? pair(t, "Add", number(t, 1), erf)
                          : pair(t, "Add", erf, number(t, 1));
    t->channels[sum] = t->channels[x];
    switch (form >> 2) {
    case 0:
        return pair(t, "Mul", pair(t, "Mul", x, sum), number(t, half));
    case 1:
        return pair(t, "Mul", pair(t, "Mul", x, number(t, half)), sum);
    default:
        return pair(t, "Mul", x, pair(t, "Mul", sum, number(t, half)));
    }
}

static void gelu_by_erf_is_one_step(void **state)
{
    (void)state;
    for (int form = 0; form < 12; form++) {
        net t;
        size_t x;
        net_begin(&t, &x, 2, (int64_t[]){-1, IMAGE});
        x = gelu(&t, net_gemm(&t, x, D, true, true), form, 0.5);
        net_end(&t, net_gemm(&t, x, 3, true, true));
        assert_runs_as(t.model, "Gelu", 1);
        check_against_plain(t.model, IMAGE);
    }
}

static void another_factor_is_no_gelu(void **state)
{
    (void)state;
    net t;
    size_t x;
    net_begin(&t, &x, 2, (int64_t[]){-1, IMAGE});
    x = gelu(&t, net_gemm(&t, x, D, true, true), 0, 0.6);
    net_end(&t, net_gemm(&t, x, 3, true, true));
    assert_runs_as(t.model, "Mul", 1);
    check_against_plain(t.model, IMAGE);
}

static size_t mean_of(net *t, size_t x, int64_t axis, bool listed)
{
    if (!listed) {
        size_t y = net_unary(t, "ReduceMean", x);
        net_ints(t, "axes", 1, &axis);
        return y;
    }
    size_t list;
    tn__tensor tensor;
    char name[32];
    snprintf(name, sizeof name, "axes%zu", t->count++);
    assert_ok(tn__tensor_create(&tensor, TN_I64, 1, (int64_t[]){1}, err));
    void *data;
    assert_ok(tn__tensor_write(&tensor, &data, err));
    *(int64_t *)data = axis;
    assert_ok(tn__model_add_parameter(&list, t->model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return pair(t, "ReduceMean", x, list);
}

static size_t layer_norm(net *t, size_t x, int64_t axis, bool listed, bool shifted)
{
    int64_t n = t->channels[x];
    size_t centred = pair(t, "Sub", x, mean_of(t, x, axis, listed));
    size_t square = pair(t, "Pow", centred, number(t, 2));
    size_t variance = mean_of(t, square, axis, listed);
    size_t deviation = net_unary(t, "Sqrt", pair(t, "Add", variance, number(t, 1e-3)));
    size_t y = pair(t, "Div", centred, deviation);
    y = pair(t, "Mul", y, net_positive(t, n));
    return shifted ? pair(t, "Add", y, net_parameter(t, 1, &n, 1, 0)) : y;
}

static void layer_norm_in_nine_nodes_is_one_step(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        net t;
        size_t x;
        net_begin(&t, &x, 2, (int64_t[]){-1, IMAGE});
        t.model->opsets[0].version = form & 1 ? 18 : 13;
        x = net_gemm(&t, x, D, true, true);
        x = layer_norm(&t, x, form & 2 ? 1 : -1, form & 1, form & 4);
        net_end(&t, net_gemm(&t, x, 3, true, true));
        assert_runs_as(t.model, "LayerNormalization", 1);
        check_against_plain(t.model, IMAGE);
    }
}

static void a_mean_over_another_axis_is_no_layer_norm(void **state)
{
    (void)state;
    net t;
    size_t x;
    net_begin(&t, &x, 3, (int64_t[]){-1, 4, D});
    t.channels[x] = D;
    x = layer_norm(&t, x, 1, false, true);
    net_end(&t, x);
    assert_runs_as(t.model, "Add", 0);
    tn_model_free(t.model);
}

static tn_status keep_first(void *user, const tn__shard *shard, size_t worker,
                            tn_error *e)
{
    (void)worker;
    (void)e;
    memcpy(user, shard->kept[0][0], shard->images * D * sizeof(float));
    return TN_OK;
}

static void values_inside_can_be_kept(void **state)
{
    (void)state;
    enum { N = 3 };
    float kept[2][N * D];
    net t;
    size_t x;
    net_begin(&t, &x, 2, (int64_t[]){-1, IMAGE});
    x = gelu(&t, net_gemm(&t, x, D, true, true), 0, 0.5);
    tn_model *model = net_end(&t, net_gemm(&t, x, 3, true, true));
    float *images = random_floats(N * IMAGE, 3);
    for (size_t n = 0; n + 1 < model->node_count; n++) {
        size_t inside = model->nodes[n].outputs[0];
        for (int reference = 0; reference < 2; reference++) {
            tn__engine *engine =
                engine_of(model, (tn__engine_options){.shard = N,
                                                      .reference = reference,
                                                      .keep = &inside,
                                                      .keep_count = 1});
            tn__visitor visitor = {.map = keep_first, .user = kept[reference]};
            assert_ok(tn__engine_visit(&engine, 1, images, N, &visitor, err));
            tn__engine_free(engine);
        }
        assert_true(distance(kept[0], kept[1], N * D) < 3e-6);
    }
    free(images);
    tn_model_free(model);
}

static size_t linear(net *t, size_t x, int64_t out, bool bias)
{
    int64_t in = t->channels[x];
    size_t w = net_parameter(t, 2, (int64_t[]){in, out}, sqrt(2.0 / (double)in), 0);
    size_t y = net_node(t, "MatMul", 2, (size_t[]){x, w}, out);
    return bias ? net_add(t, y, net_parameter(t, 1, &out, 0.1, 0)) : y;
}

/* A curve of parameters that are not the usual ones. */
static size_t curve(net *t, const char *type, size_t x)
{
    if (strcmp(type, "Clip") == 0)
        return net_node(t, type, 3, (size_t[]){x, number(t, -0.3), number(t, 0.7)},
                        t->channels[x]);
    if (strcmp(type, "Gelu") == 0)
        return gelu(t, x, 0, 0.5);
    return net_unary(t, type, x);
}

static const char *const curves[] = {"Relu",    "Gelu",      "Clip",
                                     "Sigmoid", "HardSwish", "LeakyRelu"};

static void products_take_in_what_follows(void **state)
{
    (void)state;
    for (size_t k = 0; k < TN__COUNT(curves); k++)
        for (int form = 0; form < 4; form++) {
            net t;
            size_t x;
            net_begin(&t, &x, 3, (int64_t[]){-1, 4, 3});
            t.model->opsets[0].version = 14;
            t.channels[x] = 3;
            x = linear(&t, x, D, true);
            size_t y = linear(&t, x, D, form & 1);
            if (form & 2)
                y = net_add(&t, y, x);
            y = linear(&t, curve(&t, curves[k], y), 7, true);
            y = net_flatten(&t, y, 4 * 7);
            check_against_plain(net_end(&t, net_gemm(&t, y, 3, true, true)), IMAGE);
        }
}

static void convolutions_take_in_what_follows(void **state)
{
    (void)state;
    for (size_t k = 0; k < TN__COUNT(curves); k++)
        for (int form = 0; form < 4; form++) {
            net t;
            size_t x;
            int64_t c = form & 1 ? 16 : 5;
            net_begin(&t, &x, 4, (int64_t[]){-1, 3, 2, 2});
            t.model->opsets[0].version = 14;
            x = net_conv(&t, x, (conv_shape){c, 3, 1, 1, 1, 1, true});
            size_t y = net_conv(&t, x, (conv_shape){c, 3, 1, 1, 1, 1, true});
            if (form & 2)
                y = net_add(&t, y, x);
            y = net_flatten(&t, curve(&t, curves[k], y), c * 4);
            y = curve(&t, curves[k], net_gemm(&t, y, 8, true, true));
            check_against_plain(net_end(&t, net_gemm(&t, y, 3, true, true)), IMAGE);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_by_erf_is_one_step),
        cmocka_unit_test(another_factor_is_no_gelu),
        cmocka_unit_test(layer_norm_in_nine_nodes_is_one_step),
        cmocka_unit_test(a_mean_over_another_axis_is_no_layer_norm),
        cmocka_unit_test(values_inside_can_be_kept),
        cmocka_unit_test(products_take_in_what_follows),
        cmocka_unit_test(convolutions_take_in_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
