/* nets.h - small networks with random parameters, and comparisons, for tests of the
 * engine. */
#ifndef TN_TESTS_ENGINE_NETS_H
#define TN_TESTS_ENGINE_NETS_H

#include "base/rng.h"
#include "engine/engine.h"
#include "test.h"

#define NET_VALUES 1024

typedef struct net {
    tn_model *model;
    tn__rng rng;
    int64_t channels[NET_VALUES]; /* of the activations */
    size_t count;                 /* makes names unique */
} net;

static inline void net_begin(net *t, size_t *x, int rank, const int64_t *dims)
{
    memset(t, 0, sizeof *t);
    tn__rng_seed(&t->rng, 7, 0);
    assert_ok(tn__model_create(&t->model, "net", err));
    assert_ok(tn__model_add_input(x, t->model, "x", TN_F32, rank, dims, err));
    t->channels[*x] = dims[1];
}

/* Normal values times `scale` plus `shift`. */
static inline size_t net_parameter(net *t, int rank, const int64_t *dims, double scale,
                                   double shift)
{
    char name[32];
    size_t value;
    tn__tensor tensor;
    snprintf(name, sizeof name, "p%zu", t->count++);
    assert_ok(tn__tensor_create(&tensor, TN_F32, rank, dims, err));
    float *data = tn__tensor_f32(&tensor);
    for (size_t i = 0; i < tn__tensor_count(&tensor); i++)
        data[i] = (float)(tn__rng_normal(&t->rng) * scale + shift);
    assert_ok(tn__model_add_parameter(&value, t->model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

/* Positive values around 1: variances and scales. */
static inline size_t net_positive(net *t, int64_t n)
{
    size_t value = net_parameter(t, 1, &n, 0, 0);
    void *data;
    assert_ok(tn__tensor_write(&t->model->values[value].parameter, &data, err));
    for (int64_t i = 0; i < n; i++)
        ((float *)data)[i] = (float)(0.5 + tn__rng_uniform(&t->rng));
    return value;
}

static inline size_t net_node(net *t, const char *type, size_t count, const size_t *in,
                              int64_t channels)
{
    char name[32];
    size_t value, node;
    snprintf(name, sizeof name, "v%zu", t->count++);
    assert_ok(tn__model_add_value(&value, t->model, name, err));
    assert_ok(
        tn__model_add_node(&node, t->model, type, name, count, in, 1, &value, err));
    assert_true(value < NET_VALUES);
    t->channels[value] = channels;
    return value;
}

static inline void net_ints(net *t, const char *name, size_t count, const int64_t *ints)
{
    tn__node *node = &t->model->nodes[t->model->node_count - 1];
    assert_ok(tn__node_set_ints(node, name, count, ints, err));
}

static inline void net_int(net *t, const char *name, int64_t i)
{
    tn__node *node = &t->model->nodes[t->model->node_count - 1];
    assert_ok(tn__node_set_int(node, name, i, err));
}

typedef struct conv_shape {
    int64_t out, kernel, stride, pad, group, dilation;
    bool bias;
} conv_shape;

static inline size_t net_conv(net *t, size_t x, conv_shape s)
{
    int64_t group = s.group ? s.group : 1, gap = s.dilation ? s.dilation : 1;
    int64_t in = t->channels[x] / group;
    double scale = sqrt(2.0 / (double)(in * s.kernel * s.kernel));
    size_t w =
        net_parameter(t, 4, (int64_t[]){s.out, in, s.kernel, s.kernel}, scale, 0);
    size_t operands[3] = {x, w, TN__NONE};
    if (s.bias)
        operands[2] = net_parameter(t, 1, &s.out, 0.1, 0);
    size_t y = net_node(t, "Conv", s.bias ? 3 : 2, operands, s.out);
    net_ints(t, "kernel_shape", 2, (int64_t[]){s.kernel, s.kernel});
    net_ints(t, "strides", 2, (int64_t[]){s.stride, s.stride});
    net_ints(t, "pads", 4, (int64_t[]){s.pad, s.pad, s.pad, s.pad});
    net_ints(t, "dilations", 2, (int64_t[]){gap, gap});
    net_int(t, "group", group);
    return y;
}

static inline size_t net_norm(net *t, size_t x)
{
    int64_t c = t->channels[x];
    size_t scale = net_positive(t, c), shift = net_parameter(t, 1, &c, 0.1, 0);
    size_t mean = net_parameter(t, 1, &c, 0.1, 0), variance = net_positive(t, c);
    return net_node(t, "BatchNormalization", 5,
                    (size_t[]){x, scale, shift, mean, variance}, c);
}

static inline size_t net_unary(net *t, const char *type, size_t x)
{
    return net_node(t, type, 1, &x, t->channels[x]);
}

static inline size_t net_add(net *t, size_t a, size_t b)
{
    return net_node(t, "Add", 2, (size_t[]){a, b}, t->channels[a]);
}

static inline size_t net_pool(net *t, const char *type, size_t x, int64_t kernel,
                              int64_t stride, int64_t pad)
{
    size_t y = net_unary(t, type, x);
    net_ints(t, "kernel_shape", 2, (int64_t[]){kernel, kernel});
    net_ints(t, "strides", 2, (int64_t[]){stride, stride});
    net_ints(t, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    return y;
}

/* features: of one image after flattening */
static inline size_t net_flatten(net *t, size_t x, int64_t features)
{
    return net_node(t, "Flatten", 1, &x, features);
}

static inline size_t net_gemm(net *t, size_t x, int64_t out, bool rows, bool bias)
{
    int64_t in = t->channels[x];
    int64_t dims[2] = {rows ? out : in, rows ? in : out};
    size_t w = net_parameter(t, 2, dims, sqrt(2.0 / (double)in), 0);
    size_t operands[3] = {x, w, TN__NONE};
    if (bias)
        operands[2] = net_parameter(t, 1, &out, 0.1, 0);
    size_t y = net_node(t, "Gemm", bias ? 3 : 2, operands, out);
    net_int(t, "transB", rows);
    return y;
}

static inline tn_model *net_end(net *t, size_t y)
{
    assert_ok(tn__model_add_output(t->model, y, err));
    return t->model;
}

/* --- whole networks --- */

static inline tn_model *net_mlp(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 2, (int64_t[]){-1, 20});
    x = net_unary(&t, "Relu", net_gemm(&t, x, 33, true, true));
    x = net_unary(&t, "Relu", net_gemm(&t, x, 17, false, true));
    return net_end(&t, net_gemm(&t, x, 5, true, false));
}

static inline tn_model *net_lenet(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 4, (int64_t[]){-1, 1, 16, 16});
    x = net_conv(&t, x, (conv_shape){.out = 6, .kernel = 5, .stride = 1, .bias = true});
    x = net_pool(&t, "MaxPool", net_unary(&t, "Relu", x), 2, 2, 0);
    x = net_conv(&t, x,
                 (conv_shape){.out = 16, .kernel = 3, .stride = 1, .bias = true});
    x = net_pool(&t, "AveragePool", net_unary(&t, "Relu", x), 2, 2, 0);
    x = net_flatten(&t, x, 64);
    return net_end(&t, net_gemm(&t, x, 10, true, true));
}

static inline size_t net_matmul(net *t, size_t x, int64_t out)
{
    int64_t in = t->channels[x];
    size_t w = net_parameter(t, 2, (int64_t[]){in, out}, 1 / sqrt((double)in), 0);
    return net_node(t, "MatMul", 2, (size_t[]){x, w}, out);
}

static inline size_t net_integer(net *t, int64_t i)
{
    char name[32];
    size_t value;
    tn__tensor tensor;
    void *data;
    snprintf(name, sizeof name, "i%zu", t->count++);
    assert_ok(tn__tensor_create(&tensor, TN_I64, 1, (int64_t[]){1}, err));
    assert_ok(tn__tensor_write(&tensor, &data, err));
    *(int64_t *)data = i;
    assert_ok(tn__model_add_parameter(&value, t->model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

/* x[:, from:to:step] */
static inline size_t net_slice(net *t, size_t x, int64_t from, int64_t to, int64_t step)
{
    size_t in[5] = {x, net_integer(t, from), net_integer(t, to), net_integer(t, 1),
                    net_integer(t, step)};
    return net_node(t, "Slice", 5, in, (to - from) / step);
}

/* Parts of one projection, side by side and overlapping, beside a reader of the whole;
 * input [N, 12]. */
static inline tn_model *net_parts(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 2, (int64_t[]){-1, 12});
    size_t all = net_matmul(&t, x, 12), few = net_unary(&t, "Tanh", all);
    size_t a = net_slice(&t, all, 0, 4, 1), b = net_slice(&t, all, 4, 8, 1);
    size_t c = net_slice(&t, all, 8, 12, 1), d = net_slice(&t, all, 2, 10, 2);
    size_t y = net_add(&t, net_add(&t, a, net_unary(&t, "Tanh", b)),
                       net_unary(&t, "Sigmoid", net_add(&t, c, d)));
    y = net_add(&t, y, net_slice(&t, few, 1, 5, 1));
    return net_end(&t, net_add(&t, y, net_slice(&t, few, 3, 11, 2)));
}

/* Values that share memory, each read again after it could have been added to in place:
 * the input [N, 12], products, and what Identity shows of them. */
static inline tn_model *net_shared(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 2, (int64_t[]){-1, 12});
    size_t a = net_matmul(&t, x, 12), shown = net_unary(&t, "Identity", a);
    size_t y = net_add(&t, net_matmul(&t, a, 12), shown);
    size_t z = net_add(&t, net_matmul(&t, y, 12), a);
    size_t again = net_unary(&t, "Identity", net_unary(&t, "Identity", z));
    size_t u = net_add(&t, net_matmul(&t, z, 12), net_unary(&t, "Identity", x));
    u = net_add(&t, net_matmul(&t, u, 12), again);
    u = net_add(&t, net_matmul(&t, net_unary(&t, "Tanh", u), 12), x);
    return net_end(&t, net_add(&t, u, z));
}

static inline size_t net_block(net *t, size_t x, int64_t out, int64_t stride)
{
    size_t y = net_conv(t, x, (conv_shape){out, 3, stride, 1, 1, 1, false});
    y = net_unary(t, "Relu", net_norm(t, y));
    y = net_norm(t, net_conv(t, y, (conv_shape){out, 3, 1, 1, 1, 1, false}));
    if (stride != 1 || t->channels[x] != out)
        x = net_norm(t, net_conv(t, x, (conv_shape){out, 1, stride, 0, 1, 1, false}));
    return net_unary(t, "Relu", net_add(t, y, x));
}

/* Residual, batch norm, projection shortcuts; widths w and 2 w. */
static inline tn_model *net_resnet(int64_t w, int64_t size)
{
    net t;
    size_t x;
    net_begin(&t, &x, 4, (int64_t[]){-1, 3, size, size});
    x = net_conv(&t, x, (conv_shape){w, 3, 1, 1, 1, 1, false});
    x = net_unary(&t, "Relu", net_norm(&t, x));
    x = net_block(&t, net_block(&t, x, w, 1), w, 1);
    x = net_block(&t, net_block(&t, x, 2 * w, 2), 2 * w, 1);
    x = net_flatten(&t, net_unary(&t, "GlobalAveragePool", x), 2 * w);
    return net_end(&t, net_gemm(&t, x, 10, true, true));
}

/* Convolution, batch norm, ReLU and maximum pooling in a row. */
static inline tn_model *net_vgg(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 4, (int64_t[]){-1, 3, 16, 16});
    for (int64_t width = 16; width <= 32; width += 16) {
        x = net_conv(&t, x, (conv_shape){width, 3, 1, 1, 1, 1, true});
        x = net_unary(&t, "Relu", net_norm(&t, x));
        x = net_pool(&t, "MaxPool", x, 2, 2, 0);
    }
    x = net_flatten(&t, x, 32 * 16);
    return net_end(&t, net_gemm(&t, x, 10, true, true));
}

/* --- running and comparing --- */

/* A transformer block: one head of attention over 6 tokens of 8 channels, norms, a
 * token mixer (the parameter on the left) and a head. */
static inline tn_model *net_transformer(void)
{
    net t;
    size_t x;
    net_begin(&t, &x, 3, (int64_t[]){-1, 6, 8});
    t.model->opsets[0].version = 17;
    size_t qkv[3];
    for (size_t i = 0; i < 3; i++) {
        size_t w = net_parameter(&t, 2, (int64_t[]){8, 8}, 0.3, 0);
        qkv[i] = net_node(&t, "MatMul", 2, (size_t[]){x, w}, 8);
    }
    size_t k = net_unary(&t, "Transpose", qkv[1]);
    net_ints(&t, "perm", 3, (int64_t[]){0, 2, 1});
    size_t scores = net_node(&t, "MatMul", 2, (size_t[]){qkv[0], k}, 6);
    scores = net_unary(&t, "Softmax", scores);
    size_t y = net_node(&t, "MatMul", 2, (size_t[]){scores, qkv[2]}, 8);
    y = net_add(&t, y, x);
    size_t scale = net_positive(&t, 8),
           shift = net_parameter(&t, 1, (int64_t[]){8}, 1, 0);
    y = net_node(&t, "LayerNormalization", 3, (size_t[]){y, scale, shift}, 8);
    size_t mixer = net_parameter(&t, 2, (int64_t[]){5, 6}, 0.4, 0);
    y = net_node(&t, "MatMul", 2, (size_t[]){mixer, y}, 8);
    y = net_unary(&t, "Erf", y);
    y = net_unary(&t, "ReduceMean", y);
    net_ints(&t, "axes", 1, (int64_t[]){1});
    net_int(&t, "keepdims", 0);
    return net_end(&t, net_gemm(&t, y, 3, true, true));
}

static inline float *random_floats(size_t count, uint64_t seed)
{
    tn__rng rng;
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    tn__rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)tn__rng_normal(&rng);
    return x;
}

/* Largest difference as a share of the largest magnitude in b. */
static inline double distance(const float *a, const float *b, size_t count)
{
    double most = 0, scale = 1e-30;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i]))
            return HUGE_VAL;
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        scale = fmax(scale, fabs((double)b[i]));
    }
    return most / scale;
}

static inline tn__engine *engine_of(const tn_model *model, tn__engine_options options)
{
    tn__engine *engine = NULL;
    assert_ok(tn__engine_create(&engine, model, &options, err));
    return engine;
}

static inline float *infer_all(const tn_model *model, tn__engine_options options,
                               const float *images, size_t n, size_t *count)
{
    tn__engine *engine = engine_of(model, options);
    *count = n * tn__engine_output_count(engine);
    float *out = malloc(*count * sizeof *out);
    assert_non_null(out);
    assert_ok(tn__engine_infer(engine, out, images, n, err));
    tn__engine_free(engine);
    return out;
}

/* Half the mean square distance to targets that follow from the image's number. */
typedef struct square_loss {
    size_t outputs, images;
} square_loss;

static inline tn_status square_loss_of(void *user, float *dlogits, double *loss,
                                       const float *logits, size_t first, size_t n,
                                       tn_error *err)
{
    const square_loss *s = user;
    (void)err;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s->outputs; k++) {
            double target = (first + i) % s->outputs == k;
            double d = (double)logits[i * s->outputs + k] - target;
            dlogits[i * s->outputs + k] = (float)(d / (double)s->images);
            *loss += d * d / 2 / (double)s->images;
        }
    return TN_OK;
}

static inline double step_of(tn__engine *engine, const float *images, size_t n)
{
    square_loss s = {tn__engine_output_count(engine), n};
    double loss = 0;
    assert_ok(tn__engine_step(engine, &loss, images, n, square_loss_of, &s, 0.1, err));
    return loss;
}

/* Some gradients are zero but for rounding. */
static inline void assert_near_all(const float *g, const float *h, size_t count)
{
    double largest = 0, farthest = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)h[i]));
        farthest = fmax(farthest, fabs((double)g[i] - (double)h[i]));
    }
    if (!(farthest <= 2e-5 * largest + 1e-6))
        fail_msg("a gradient is off by %g of %g", farthest, largest);
}

/* Fast kernels against plain C: outputs of `model`, which is taken, and gradients of
 * all its parameters. */
static inline void check_against_plain(tn_model *model, size_t image)
{
    enum { N = 6, SHARD = 3 };
    tn__engine_options quick = {.shard = SHARD}, plain_c = quick, quick_steps = quick;
    plain_c.reference = true;
    quick_steps.training = true;
    tn__engine_options plain_steps = plain_c;
    plain_steps.training = true;
    size_t count, compared = 0;
    float *images = random_floats(N * image, 11);
    float *fast = infer_all(model, quick, images, N, &count);
    float *plain = infer_all(model, plain_c, images, N, &count);
    assert_true(distance(fast, plain, count) < 3e-6);
    tn__engine *a = engine_of(model, quick_steps);
    tn__engine *b = engine_of(model, plain_steps);
    double loss = step_of(b, images, N);
    assert_near(step_of(a, images, N), loss, 1e-5 * fabs(loss));
    for (size_t v = 0; v < model->value_count; v++) {
        const float *g = tn__engine_gradient(a, v), *h = tn__engine_gradient(b, v);
        if (!g)
            continue;
        compared++;
        assert_near_all(g, h, tn__tensor_count(&model->values[v].parameter));
    }
    assert_true(compared > 0);
    tn__engine_free(a);
    tn__engine_free(b);
    free(images);
    free(fast);
    free(plain);
    tn_model_free(model);
}

#endif
