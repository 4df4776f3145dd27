/* lenet5.c - LeNet-5 with ReLU and max pooling, as in PyTorch's tutorial and kuangliu's
 * pytorch-cifar: conv1, conv2, fc1, fc2, fc3 with biases. Images of 28 x 28 are padded
 * by 2, as LeCun et al. (1998) do. */
#include <stdio.h>

#include "arch/arch_family.h"

#define KERNEL 5
#define CHANNELS_1 6
#define CHANNELS_2 16

static bool lenet5_parse(tn__arch_spec *spec, const char *name)
{
    (void)spec;
    const char *s = name;
    return tn__scan_word(&s, "lenet5") && !*s;
}

static void lenet5_print(char *text, size_t size, const tn__arch_spec *spec)
{
    (void)spec;
    (void)snprintf(text, size, "lenet5");
}

static int64_t padding_of(int64_t extent)
{
    return extent == 28 ? 2 : 0;
}

/* Extent after the two convolutions and pools; at most 0 where nothing is left. */
static int64_t rest_of(int64_t extent)
{
    int64_t first = (extent + 2 * padding_of(extent) - KERNEL + 1) / 2;
    return (first - KERNEL + 1) / 2;
}

static tn_status lenet5_settle(tn__arch_spec *spec, tn_error *err)
{
    tn_status status = tn__arch_settle(spec, (const int64_t[]){1, 28, 28}, 10, err);
    for (int k = 1; k < 3 && !status; k++)
        if (rest_of(spec->input[k]) < 1)
            status = tn__fail(err, TN_ERROR_ARGUMENT,
                              "an input of %lld x %lld is too small for lenet5",
                              (long long)spec->input[1], (long long)spec->input[2]);
    return status;
}

static void lenet5_build(tn__builder *b, const tn__arch_spec *spec)
{
    int64_t rest = rest_of(spec->input[1]) * rest_of(spec->input[2]);
    bool padded = padding_of(spec->input[1]) && padding_of(spec->input[2]);
    tn__conv_layer conv1 = {.in = spec->input[0],
                            .out = CHANNELS_1,
                            .kernel = KERNEL,
                            .stride = 1,
                            .pad = padded ? 2 : 0,
                            .bias = true};
    tn__conv_layer conv2 = {.in = CHANNELS_1,
                            .out = CHANNELS_2,
                            .kernel = KERNEL,
                            .stride = 1,
                            .bias = true};
    size_t x = tn__build_conv(b, "conv1", tn__build_input(b, spec->input), &conv1);
    x = tn__build_max_pool(b, "pool1", tn__build_relu(b, "relu1", x), 2, 2, 0);
    x = tn__build_conv(b, "conv2", x, &conv2);
    x = tn__build_max_pool(b, "pool2", tn__build_relu(b, "relu2", x), 2, 2, 0);
    x = tn__build_flatten(b, "flatten", x);
    tn__linear_layer fc1 = {.in = CHANNELS_2 * rest, .out = 120, .bias = true};
    tn__linear_layer fc2 = {.in = 120, .out = 84, .bias = true};
    tn__linear_layer fc3 = {.in = 84, .out = spec->classes, .bias = true, .last = true};
    x = tn__build_relu(b, "relu3", tn__build_linear(b, "fc1", x, &fc1));
    x = tn__build_relu(b, "relu4", tn__build_linear(b, "fc2", x, &fc2));
    tn__build_output(b, tn__build_linear(b, "fc3", x, &fc3), spec->classes);
}

/* Colour images are taken for CIFAR's, others for MNIST's: the weights do not say. */
static bool lenet5_detect(tn__arch_spec *spec, const tn__names *names)
{
    int64_t channels = tn__names_dim(names, "conv1.weight", 1);
    int64_t extent = channels == 3 ? 32 : 28;
    for (int k = 0; k < 3; k++)
        spec->input[k] = k ? extent : channels;
    spec->classes = tn__names_dim(names, "fc3.weight", 0);
    return channels && spec->classes && tn__names_has(names, "conv2.weight");
}

const tn__arch_family tn__family_lenet5 = {lenet5_parse, lenet5_print, lenet5_settle,
                                           lenet5_build, lenet5_detect};
