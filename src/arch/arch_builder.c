/* arch_builder.c - layers of the built-in architectures as ONNX nodes (operator set
 * 13).
 *
 * Nodes and values are called by the module's path ("layer1.0.conv1"), parameters by
 * path and PyTorch's name ("layer1.0.conv1.weight").
 */
#include "arch/arch_builder.h"

#include <stdarg.h>
#include <stdio.h>

const char *tn__path(char text[TN__PATH_TEXT], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, TN__PATH_TEXT, format, args);
    va_end(args);
    return text;
}

static size_t add_tensor(tn__builder *b, const char *path, const char *suffix,
                         const tn__tensor *tensor)
{
    char name[TN__PATH_TEXT];
    size_t value = TN__NONE;
    b->status = tn__model_add_parameter(
        &value, b->model, tn__path(name, "%s.%s", path, suffix), tensor, b->err);
    return b->status ? TN__NONE : value;
}

/* Blank parameters take what room there is: a small file may not ask for a network that
 * fills the memory. */
static tn_status take_room(tn__builder *b, const char *path, const char *suffix,
                           const tn__shape *shape)
{
    char text[TN__SHAPE_TEXT];
    size_t count = 0;
    if (!b->room)
        return TN_OK;
    if (!tn__shape_count(&count, shape) || count >= b->room)
        return tn__fail(b->err, TN_ERROR_MISMATCH,
                        "parameter '%s.%s' %s is more than the file has tensors for",
                        path, suffix, tn__shape_text(text, sizeof text, shape));
    b->room -= count;
    return TN_OK;
}

size_t tn__build_parameter(tn__builder *b, const char *path, const char *suffix,
                           const tn__shape *shape, tn__init init, int64_t fan)
{
    tn__tensor tensor = {0};
    if (b->status)
        return TN__NONE;
    b->status = take_room(b, path, suffix, shape);
    if (!b->status)
        b->status =
            tn__tensor_create(&tensor, TN_F32, shape->rank, shape->dims, b->err);
    if (b->status)
        return TN__NONE;
    if (!b->room)
        tn__init_fill(&tensor, init, fan, b->seed, b->stream);
    b->stream++;
    size_t value = add_tensor(b, path, suffix, &tensor);
    tn__tensor_release(&tensor);
    return value;
}

size_t tn__build_list(tn__builder *b, const char *path, const char *suffix,
                      size_t count, const int64_t *list)
{
    tn__tensor tensor = {0};
    void *data;
    if (b->status)
        return TN__NONE;
    int64_t extent = (int64_t)count;
    b->status = tn__tensor_create(&tensor, TN_I64, 1, &extent, b->err);
    if (!b->status)
        b->status = tn__tensor_write(&tensor, &data, b->err);
    size_t value = TN__NONE;
    if (!b->status) {
        for (size_t i = 0; i < count; i++)
            ((int64_t *)data)[i] = list[i];
        value = add_tensor(b, path, suffix, &tensor);
    }
    tn__tensor_release(&tensor);
    return value;
}

size_t tn__build_node(tn__builder *b, const char *type, const char *path, size_t count,
                      const size_t *inputs)
{
    size_t value, node;
    if (b->status)
        return TN__NONE;
    if ((b->status = tn__model_add_value(&value, b->model, path, b->err)) != TN_OK)
        return TN__NONE;
    b->status = tn__model_add_node(&node, b->model, type, path, count, inputs, 1,
                                   &value, b->err);
    return b->status ? TN__NONE : value;
}

/* Attributes go to the node that was built last. */
static void set_int(tn__builder *b, const char *name, int64_t i)
{
    if (!b->status)
        b->status = tn__node_set_int(&b->model->nodes[b->model->node_count - 1], name,
                                     i, b->err);
}

static void set_square(tn__builder *b, const char *name, size_t count, int64_t extent)
{
    int64_t list[4] = {extent, extent, extent, extent};
    if (!b->status)
        b->status = tn__node_set_ints(&b->model->nodes[b->model->node_count - 1], name,
                                      count, list, b->err);
}

static void name_batch(tn__builder *b, size_t value)
{
    char **name = &b->model->values[value].dim_names[0];
    tn__free(*name);
    *name = tn__strdup("N");
    if (!*name)
        b->status = tn__fail_memory(b->err, 2);
}

size_t tn__build_input(tn__builder *b, const int64_t chw[3])
{
    int64_t dims[4] = {-1, chw[0], chw[1], chw[2]};
    size_t value = TN__NONE;
    if (b->status)
        return TN__NONE;
    b->status = tn__model_add_input(&value, b->model, "input", TN_F32, 4, dims, b->err);
    if (!b->status)
        name_batch(b, value);
    return b->status ? TN__NONE : value;
}

void tn__build_output(tn__builder *b, size_t x, int64_t classes)
{
    if (b->status)
        return;
    tn__value *value = &b->model->values[x];
    char *name = tn__strdup("logits");
    if (!name) {
        b->status = tn__fail_memory(b->err, sizeof "logits");
        return;
    }
    tn__free(value->name);
    value->name = name;
    value->dtype = TN_F32;
    value->shaped = true;
    value->rank = 2;
    value->dims[0] = -1;
    value->dims[1] = classes;
    name_batch(b, x);
    if (!b->status)
        b->status = tn__model_add_output(b->model, x, b->err);
}

size_t tn__build_conv(tn__builder *b, const char *path, size_t x,
                      const tn__conv_layer *layer)
{
    int64_t k = layer->kernel, groups = TN__MAX(layer->groups, 1);
    tn__shape weight = {.rank = 4, .dims = {layer->out, layer->in / groups, k, k}};
    tn__shape bias = {.rank = 1, .dims = {layer->out}};
    size_t inputs[3] = {x};
    inputs[1] = tn__build_parameter(b, path, "weight", &weight, TN__INIT_HE,
                                    layer->out / groups * k * k);
    if (layer->bias)
        inputs[2] = tn__build_parameter(b, path, "bias", &bias, TN__INIT_ZERO, 0);
    size_t y = tn__build_node(b, "Conv", path, layer->bias ? 3 : 2, inputs);
    set_square(b, "kernel_shape", 2, k);
    set_square(b, "strides", 2, layer->stride);
    set_square(b, "pads", 4, layer->pad);
    if (groups > 1 && !b->status)
        b->status = tn__node_set_int(&b->model->nodes[b->model->node_count - 1],
                                     "group", groups, b->err);
    return y;
}

size_t tn__build_batch_norm(tn__builder *b, const char *path, size_t x,
                            int64_t channels)
{
    static const char *const names[] = {"weight", "bias", "running_mean",
                                        "running_var"};
    static const tn__init inits[] = {TN__INIT_ONE, TN__INIT_ZERO, TN__INIT_ZERO,
                                     TN__INIT_ONE};
    tn__shape shape = {.rank = 1, .dims = {channels}};
    size_t inputs[5] = {x};
    for (size_t k = 0; k < 4; k++)
        inputs[k + 1] = tn__build_parameter(b, path, names[k], &shape, inits[k], 0);
    return tn__build_node(b, "BatchNormalization", path, 5, inputs);
}

size_t tn__build_relu(tn__builder *b, const char *path, size_t x)
{
    return tn__build_node(b, "Relu", path, 1, &x);
}

size_t tn__build_max_pool(tn__builder *b, const char *path, size_t x, int64_t kernel,
                          int64_t stride, int64_t pad)
{
    size_t y = tn__build_node(b, "MaxPool", path, 1, &x);
    set_square(b, "kernel_shape", 2, kernel);
    set_square(b, "strides", 2, stride);
    set_square(b, "pads", 4, pad);
    return y;
}

size_t tn__build_add(tn__builder *b, const char *path, size_t x, size_t y)
{
    return tn__build_node(b, "Add", path, 2, (size_t[]){x, y});
}

size_t tn__build_flatten(tn__builder *b, const char *path, size_t x)
{
    return tn__build_node(b, "Flatten", path, 1, &x);
}

size_t tn__build_linear(tn__builder *b, const char *path, size_t x,
                        const tn__linear_layer *layer)
{
    tn__shape weight = {.rank = 2, .dims = {layer->out, layer->in}};
    tn__shape bias = {.rank = 1, .dims = {layer->out}};
    tn__init init = layer->last ? TN__INIT_UNIFORM : TN__INIT_HE;
    tn__init bias_init = layer->last ? TN__INIT_UNIFORM : TN__INIT_ZERO;
    size_t inputs[3] = {x};
    inputs[1] = tn__build_parameter(b, path, "weight", &weight, init, layer->in);
    if (layer->bias)
        inputs[2] = tn__build_parameter(b, path, "bias", &bias, bias_init, layer->in);
    size_t y = tn__build_node(b, "Gemm", path, layer->bias ? 3 : 2, inputs);
    set_int(b, "transB", 1);
    return y;
}

size_t tn__build_head(tn__builder *b, const char *path, size_t x, int64_t in,
                      int64_t classes)
{
    size_t y = tn__build_node(b, "GlobalAveragePool", "avgpool", 1, &x);
    y = tn__build_flatten(b, "flatten", y);
    tn__linear_layer last = {.in = in, .out = classes, .bias = true, .last = true};
    return tn__build_linear(b, path, y, &last);
}
