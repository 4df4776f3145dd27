/* mobilenet.c - MobileNet (Howard et al., arXiv 1704.04861, table 1) in its CIFAR form:
 * the stem has stride 1, and the tensor names are those of kuangliu/pytorch-cifar:
 * conv1, bn1, layers.0.conv1 (depthwise), layers.0.bn1, layers.0.conv2 (pointwise),
 * layers.0.bn2, ..., linear.
 */
#include <stdio.h>

#include "arch/arch_family.h"

#define STEM 32
#define BLOCKS 13

static const struct {
    int64_t out, stride;
} blocks[BLOCKS] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                    {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                    {512, 1}, {1024, 2}, {1024, 1}};

static bool mobilenet_parse(tn__arch_spec *spec, const char *name)
{
    const char *s = name;
    return tn__scan_word(&s, "mobilenet") && tn__scan_width(&s, &spec->width) && !*s;
}

static void mobilenet_print(char *text, size_t size, const tn__arch_spec *spec)
{
    char width[24];
    (void)snprintf(text, size, "mobilenet%s", tn__width_text(width, spec->width));
}

static tn_status mobilenet_settle(tn__arch_spec *spec, tn_error *err)
{
    return tn__arch_settle(spec, (const int64_t[]){3, 32, 32}, 10, err);
}

/* relu(bn2(conv2(relu(bn1(conv1(x)))))): 3 x 3 within each channel, then 1 x 1. */
static size_t block(tn__builder *b, const char *path, size_t x, int64_t in, int64_t out,
                    int64_t stride)
{
    char name[TN__PATH_TEXT];
    tn__conv_layer conv1 = {
        .in = in, .out = in, .kernel = 3, .stride = stride, .pad = 1, .groups = in};
    tn__conv_layer conv2 = {.in = in, .out = out, .kernel = 1, .stride = 1};
    x = tn__build_conv(b, tn__path(name, "%s.conv1", path), x, &conv1);
    x = tn__build_batch_norm(b, tn__path(name, "%s.bn1", path), x, in);
    x = tn__build_relu(b, tn__path(name, "%s.relu1", path), x);
    x = tn__build_conv(b, tn__path(name, "%s.conv2", path), x, &conv2);
    x = tn__build_batch_norm(b, tn__path(name, "%s.bn2", path), x, out);
    return tn__build_relu(b, tn__path(name, "%s.relu2", path), x);
}

static void mobilenet_build(tn__builder *b, const tn__arch_spec *spec)
{
    char path[TN__PATH_TEXT];
    int64_t in = tn__arch_width(spec, STEM);
    tn__conv_layer stem = {
        .in = spec->input[0], .out = in, .kernel = 3, .stride = 1, .pad = 1};
    size_t x = tn__build_conv(b, "conv1", tn__build_input(b, spec->input), &stem);
    x = tn__build_relu(b, "relu", tn__build_batch_norm(b, "bn1", x, in));
    for (int i = 0; i < BLOCKS; i++) {
        int64_t out = tn__arch_width(spec, blocks[i].out);
        x = block(b, tn__path(path, "layers.%d", i), x, in, out, blocks[i].stride);
        in = out;
    }
    tn__build_output(b, tn__build_head(b, "linear", x, in, spec->classes),
                     spec->classes);
}

static bool mobilenet_detect(tn__arch_spec *spec, const tn__names *names)
{
    spec->width = (double)tn__names_dim(names, "conv1.weight", 0) / STEM;
    spec->classes = tn__names_dim(names, "linear.weight", 0);
    spec->input[0] = tn__names_dim(names, "conv1.weight", 1);
    return spec->classes && spec->input[0] &&
           tn__names_dim(names, "layers.0.conv1.weight", 1) == 1 &&
           tn__names_has(names, "layers.12.conv2.weight");
}

const tn__arch_family tn__family_mobilenet = {mobilenet_parse, mobilenet_print,
                                              mobilenet_settle, mobilenet_build,
                                              mobilenet_detect};
