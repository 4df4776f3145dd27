/* toys.h - small networks made by hand, and random content for any network. */
#ifndef TN_TESTS_NEURONS_TOYS_H
#define TN_TESTS_NEURONS_TOYS_H

#include "test.h"

#include "base/rng.h"
#include "graph/model.h"
#include "neurons/groups.h"

#define DIMS(...)                                                                      \
    (const int64_t[]){__VA_ARGS__},                                                    \
        (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define VALUES(...)                                                                    \
    (const size_t[]){__VA_ARGS__},                                                     \
        (sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static inline tn_model *toy_create(void)
{
    tn_model *model = NULL;
    assert_ok(tn__model_create(&model, "toy", err));
    return model;
}

static inline size_t toy_input(tn_model *model, const int64_t *dims, int rank)
{
    size_t value;
    assert_ok(tn__model_add_input(&value, model, "input", TN_F32, rank, dims, err));
    return value;
}

/* A parameter of standard normal elements over sqrt(fan in); vectors are in [0.5, 1.5),
 * so that they may be variances. */
static inline size_t toy_parameter(tn_model *model, const char *name,
                                   const int64_t *dims, int rank)
{
    tn__tensor tensor = {0};
    tn__rng rng;
    size_t value, count = 1;
    assert_ok(tn__tensor_create(&tensor, TN_F32, rank, dims, err));
    tn__rng_seed(&rng, model->value_count + 1, 7);
    for (int a = 0; a < rank; a++)
        count *= (size_t)dims[a];
    double scale = rank > 1 ? sqrt((double)dims[0] / (double)count) : 0;
    for (size_t i = 0; i < count; i++)
        tn__tensor_f32(&tensor)[i] = rank > 1 ? (float)(scale * tn__rng_normal(&rng))
                                              : (float)(0.5 + tn__rng_uniform(&rng));
    assert_ok(tn__model_add_parameter(&value, model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

static inline size_t toy_integers(tn_model *model, const char *name,
                                  const int64_t *list, int count)
{
    tn__tensor tensor = {0};
    size_t value;
    assert_ok(tn__tensor_integers(&tensor, list, (size_t)count, err));
    assert_ok(tn__model_add_parameter(&value, model, name, &tensor, err));
    tn__tensor_release(&tensor);
    return value;
}

/* Appends a node with one output, called `name`, and returns the output. */
static inline size_t toy_node(tn_model *model, const char *type, const char *name,
                              const size_t *inputs, size_t count)
{
    size_t node, output;
    char text[64];
    snprintf(text, sizeof text, "%s_out", name);
    assert_ok(tn__model_add_value(&output, model, text, err));
    assert_ok(
        tn__model_add_node(&node, model, type, name, count, inputs, 1, &output, err));
    return output;
}

static inline void toy_int(tn_model *model, const char *name, int64_t i)
{
    assert_ok(tn__node_set_int(&model->nodes[model->node_count - 1], name, i, err));
}

static inline void toy_ints(tn_model *model, const char *name, const int64_t *ints,
                            int count)
{
    assert_ok(tn__node_set_ints(&model->nodes[model->node_count - 1], name,
                                (size_t)count, ints, err));
}

/* A convolution 3x3 with padding 1, without bias. */
static inline size_t toy_conv(tn_model *model, const char *name, size_t x, int64_t out,
                              int64_t in, int64_t groups)
{
    char text[64];
    snprintf(text, sizeof text, "%s.weight", name);
    size_t w = toy_parameter(model, text, DIMS(out, in / groups, 3, 3));
    size_t y = toy_node(model, "Conv", name, VALUES(x, w));
    toy_int(model, "group", groups);
    toy_ints(model, "kernel_shape", DIMS(3, 3));
    toy_ints(model, "pads", DIMS(1, 1, 1, 1));
    return y;
}

/* y = x W^T + b */
static inline size_t toy_linear(tn_model *model, const char *name, size_t x,
                                int64_t out, int64_t in)
{
    char text[64];
    snprintf(text, sizeof text, "%s.weight", name);
    size_t w = toy_parameter(model, text, DIMS(out, in));
    snprintf(text, sizeof text, "%s.bias", name);
    size_t b = toy_parameter(model, text, DIMS(out));
    size_t y = toy_node(model, "Gemm", name, VALUES(x, w, b));
    toy_int(model, "transB", 1);
    return y;
}

static inline size_t toy_relu(tn_model *model, const char *name, size_t x)
{
    return toy_node(model, "Relu", name, VALUES(x));
}

static inline size_t toy_turn(tn_model *model, const char *name, size_t x,
                              const int64_t *perm, int rank)
{
    size_t y = toy_node(model, "Transpose", name, VALUES(x));
    toy_ints(model, "perm", perm, rank);
    return y;
}

static inline size_t toy_reshape(tn_model *model, const char *name, size_t x,
                                 const int64_t *dims, int rank)
{
    char text[64];
    snprintf(text, sizeof text, "%s.shape", name);
    size_t shape = toy_integers(model, text, dims, rank);
    return toy_node(model, "Reshape", name, VALUES(x, shape));
}

static inline size_t toy_flatten(tn_model *model, size_t x)
{
    return toy_node(model, "Flatten", "flatten", VALUES(x));
}

static inline size_t toy_batch_norm(tn_model *model, const char *name, size_t x,
                                    int64_t channels)
{
    const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    size_t inputs[5] = {x};
    for (int k = 0; k < 4; k++) {
        char text[64];
        snprintf(text, sizeof text, "%s.%s", name, parts[k]);
        inputs[k + 1] = toy_parameter(model, text, DIMS(channels));
    }
    return toy_node(model, "BatchNormalization", name, inputs, 5);
}

static inline tn_model *toy_finish(tn_model *model, size_t output)
{
    assert_ok(tn__model_add_output(model, output, err));
    assert_ok(tn__model_check(model, err));
    return model;
}

/* 6 inputs, two hidden layers of 5 and 4, 3 outputs. */
static inline tn_model *toy_mlp(void)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 6));
    x = toy_relu(model, "relu1", toy_linear(model, "fc1", x, 5, 6));
    x = toy_relu(model, "relu2", toy_linear(model, "fc2", x, 4, 5));
    return toy_finish(model, toy_linear(model, "fc3", x, 3, 4));
}

/* A stem of `w` channels, then a block of `k` inner channels onto p + w + p, whose
 * shortcut pads p channels on either side; 3 classes. */
static inline tn_model *toy_residual(int64_t w, int64_t k, int64_t p)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 4, 4));
    x = toy_batch_norm(model, "bn1", toy_conv(model, "stem", x, w, 2, 1), w);
    size_t stem = toy_relu(model, "relu1", x);
    x = toy_batch_norm(model, "bn2", toy_conv(model, "conv1", stem, k, w, 1), k);
    x = toy_relu(model, "relu2", x);
    x = toy_batch_norm(model, "bn3", toy_conv(model, "conv2", x, w + 2 * p, k, 1),
                       w + 2 * p);
    size_t pads = toy_integers(model, "pads", DIMS(0, p, 0, 0, 0, p, 0, 0));
    size_t pad = toy_node(model, "Pad", "pad", VALUES(stem, pads));
    x = toy_relu(model, "relu3", toy_node(model, "Add", "sum", VALUES(x, pad)));
    x = toy_flatten(model, x);
    return toy_finish(model, toy_linear(model, "fc", x, 3, (w + 2 * p) * 16));
}

/* conv1 of 2 a channels, conv2 in two groups onto 2 b, a depthwise convolution, conv3.
 */
static inline tn_model *toy_grouped(int64_t a, int64_t b)
{
    tn_model *model = toy_create();
    size_t x = toy_input(model, DIMS(-1, 2, 4, 4));
    x = toy_relu(model, "relu1", toy_conv(model, "conv1", x, 2 * a, 2, 1));
    x = toy_relu(model, "relu2", toy_conv(model, "conv2", x, 2 * b, 2 * a, 2));
    x = toy_relu(model, "relu3", toy_conv(model, "depth", x, 2 * b, 2 * b, 2 * b));
    return toy_finish(model, toy_conv(model, "conv3", x, 3, 2 * b, 1));
}

/* Gives every float parameter random content that hides no error: biases, scales and
 * running statistics are neither 0 nor 1. */
static inline void toy_randomise(tn_model *model, uint64_t seed)
{
    for (size_t v = 0; v < model->value_count; v++) {
        tn__tensor *tensor = &model->values[v].parameter;
        tn__rng rng;
        void *data;
        if (tensor->dtype != TN_F32 || tensor->shape.rank != 1)
            continue;
        tn__rng_seed(&rng, seed, v);
        assert_ok(tn__tensor_write(tensor, &data, err));
        for (size_t i = 0; i < tn__tensor_count(tensor); i++)
            ((float *)data)[i] = (float)(0.5 + tn__rng_uniform(&rng));
    }
}

/* Runs a model on one standard normal image, node by node in plain C. *out is owned by
 * the caller (free); the number of floats is returned. */
static inline size_t toy_run(float **out, const tn_model *model)
{
    tn__shapes shapes;
    tn__site site;
    tn__site_memory memory = {0};
    assert_ok(tn__shapes_infer(&shapes, model, 1, err));
    tn__tensor *value = calloc(model->value_count, sizeof *value);
    const tn__tensor *in[8];
    for (size_t v = 0; v < model->value_count; v++)
        if (shapes.constant[v].dtype != TN_UNDEFINED)
            value[v] = tn__tensor_ref(&shapes.constant[v]);
    size_t x = model->inputs[0];
    assert_ok(tn__tensor_create(&value[x], TN_F32, shapes.shape[x].rank,
                                shapes.shape[x].dims, err));
    tn__rng rng;
    tn__rng_seed(&rng, 5, 5);
    for (size_t i = 0; i < tn__tensor_count(&value[x]); i++)
        tn__tensor_f32(&value[x])[i] = (float)tn__rng_normal(&rng);
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        size_t y = node->outputs[0];
        if (value[y].dtype != TN_UNDEFINED)
            continue; /* known at compile time */
        assert_ok(tn__site_fill(&site, &memory, model, &shapes, n, err));
        for (size_t k = 0; k < node->input_count; k++)
            in[k] = node->inputs[k] == TN__NONE ? NULL : &value[node->inputs[k]];
        assert_ok(tn__tensor_create(&value[y], TN_F32, shapes.shape[y].rank,
                                    shapes.shape[y].dims, err));
        tn__tensor *made = &value[y];
        assert_ok(
            tn__op_find(node->domain, node->type)->forward(&made, in, &site, err));
    }
    const tn__tensor *result = &value[model->outputs[0]];
    size_t count = tn__tensor_count(result);
    *out = malloc(count * sizeof **out);
    memcpy(*out, tn__tensor_data(result), count * sizeof **out);
    for (size_t v = 0; v < model->value_count; v++)
        tn__tensor_release(&value[v]);
    free(value);
    tn__site_memory_release(&memory);
    tn__shapes_release(&shapes);
    return count;
}

/* How far the outputs of two models are apart, relative to the largest. */
static inline double toy_distance(const tn_model *a, const tn_model *b)
{
    float *x, *y;
    size_t count = toy_run(&x, a);
    assert_int_equal(count, toy_run(&y, b));
    double largest = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)x[i]));
        difference = fmax(difference, fabs((double)x[i] - (double)y[i]));
    }
    free(x);
    free(y);
    assert_true(largest > 0);
    return difference / largest;
}

static inline tn__groups *toy_groups(const tn_model *model)
{
    tn__groups *groups = NULL;
    assert_ok(tn__groups_find(&groups, model, err));
    return groups;
}

/* The group called `name`, which must be there. */
static inline size_t toy_find_group(const tn__groups *groups, const char *name)
{
    for (size_t g = 0; g < groups->count; g++)
        if (strcmp(groups->list[g].name, name) == 0)
            return g;
    fail_msg("there is no group '%s'", name);
    return 0;
}

/* The entry of a group on an axis of a value, which must be there. */
static inline size_t toy_find_entry(const tn_model *model, const tn__group *group,
                                    const char *name, int axis)
{
    for (size_t e = 0; e < group->entry_count; e++)
        if (strcmp(model->values[group->entries[e].value].name, name) == 0 &&
            group->entries[e].axis == axis)
            return e;
    fail_msg("group '%s' is not on axis %d of '%s'", group->name, axis, name);
    return 0;
}

/* Takes that entry out of the group, as if it had been overlooked. */
static inline void toy_forget_entry(tn__groups *groups, const tn_model *model,
                                    tn__group *group, const char *name, int axis)
{
    size_t e = toy_find_entry(model, group, name, axis);
    tn__free(group->entries[e].index);
    group->entry_count--;
    for (; e < group->entry_count; e++)
        group->entries[e] = group->entries[e + 1];
    tn__free(groups->meetings);
    assert_ok(tn__groups_index(groups, model, err));
}

/* Both models have the same bytes in every parameter. */
static inline bool toy_same_parameters(const tn_model *a, const tn_model *b)
{
    for (size_t v = 0; v < a->value_count; v++) {
        const tn__tensor *x = &a->values[v].parameter, *y = &b->values[v].parameter;
        if (x->dtype != y->dtype)
            return false;
        if (x->dtype != TN_UNDEFINED &&
            (!tn__shape_equal(&x->shape, &y->shape) ||
             memcmp(tn__tensor_data(x), tn__tensor_data(y), tn__tensor_bytes(x)) != 0))
            return false;
    }
    return true;
}

#endif
