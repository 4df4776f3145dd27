/* resnet_cifar.c - ResNet-(6n + 2) for CIFAR (He et al. 2016, section 4.2) with the
 * tensor names of akamaster/pytorch_resnet_cifar10: conv1, bn1, layer1.0.conv1, ...,
 * linear. Where the width changes the shortcut takes every second pixel and adds zero
 * channels on both sides (option A), or is a 1 x 1 convolution and a batch norm (B).
 */
#include <stdio.h>

#include "arch/arch_family.h"

#define STAGES 3
#define STEM 16 /* channels of the first stage; each further one doubles them */

static bool is_depth(int64_t depth)
{
    return depth == 8 || depth == 14 || depth == 20 || depth == 32 || depth == 44 ||
           depth == 56 || depth == 110;
}

static bool resnet_cifar_parse(tn__arch_spec *spec, const char *name)
{
    const char *s = name;
    if (!tn__scan_word(&s, "resnet") || !tn__scan_number(&s, &spec->depth) ||
        !is_depth(spec->depth))
        return false;
    spec->projection = tn__scan_word(&s, "b");
    if (!spec->projection)
        (void)tn__scan_word(&s, "a");
    return tn__scan_width(&s, &spec->width) && !*s;
}

static void resnet_cifar_print(char *text, size_t size, const tn__arch_spec *spec)
{
    char width[24];
    (void)snprintf(text, size, "resnet%lld%s%s", (long long)spec->depth,
                   spec->projection ? "b" : "", tn__width_text(width, spec->width));
}

static tn_status resnet_cifar_settle(tn__arch_spec *spec, tn_error *err)
{
    return tn__arch_settle(spec, (const int64_t[]){3, 32, 32}, 10, err);
}

/* Option A: x[:, :, ::2, ::2], then zero channels. */
static size_t padding_shortcut(tn__builder *b, const char *path, size_t x, int64_t in,
                               int64_t out)
{
    char name[TN__PATH_TEXT];
    size_t slice[5] = {x};
    static const int64_t zeros[] = {0, 0}, ends[] = {INT64_MAX, INT64_MAX};
    static const int64_t axes[] = {2, 3}, steps[] = {2, 2};
    tn__path(name, "%s.slice", path);
    slice[1] = tn__build_list(b, name, "starts", 2, zeros);
    slice[2] = tn__build_list(b, name, "ends", 2, ends);
    slice[3] = tn__build_list(b, name, "axes", 2, axes);
    slice[4] = tn__build_list(b, name, "steps", 2, steps);
    x = tn__build_node(b, "Slice", name, 5, slice);
    int64_t begin = (out - in) / 2, end = out - in - begin;
    tn__path(name, "%s.pad", path);
    size_t pads =
        tn__build_list(b, name, "pads", 8, (int64_t[]){0, begin, 0, 0, 0, end, 0, 0});
    return tn__build_node(b, "Pad", name, 2, (size_t[]){x, pads});
}

/* relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)) */
static size_t block(tn__builder *b, const char *path, size_t x, int64_t in, int64_t out,
                    int64_t stride, bool projection)
{
    char name[TN__PATH_TEXT];
    tn__conv_layer conv1 = {
        .in = in, .out = out, .kernel = 3, .stride = stride, .pad = 1};
    tn__conv_layer conv2 = {.in = out, .out = out, .kernel = 3, .stride = 1, .pad = 1};
    size_t y = tn__build_conv(b, tn__path(name, "%s.conv1", path), x, &conv1);
    y = tn__build_batch_norm(b, tn__path(name, "%s.bn1", path), y, out);
    y = tn__build_relu(b, tn__path(name, "%s.relu1", path), y);
    y = tn__build_conv(b, tn__path(name, "%s.conv2", path), y, &conv2);
    y = tn__build_batch_norm(b, tn__path(name, "%s.bn2", path), y, out);
    if (stride != 1 && projection) {
        tn__conv_layer conv = {.in = in, .out = out, .kernel = 1, .stride = stride};
        x = tn__build_conv(b, tn__path(name, "%s.shortcut.0", path), x, &conv);
        x = tn__build_batch_norm(b, tn__path(name, "%s.shortcut.1", path), x, out);
    } else if (stride != 1) {
        x = padding_shortcut(b, tn__path(name, "%s.shortcut", path), x, in, out);
    }
    y = tn__build_add(b, tn__path(name, "%s.add", path), y, x);
    return tn__build_relu(b, tn__path(name, "%s.relu2", path), y);
}

static void resnet_cifar_build(tn__builder *b, const tn__arch_spec *spec)
{
    char path[TN__PATH_TEXT];
    int64_t blocks = (spec->depth - 2) / (2 * STAGES), in = tn__arch_width(spec, STEM);
    tn__conv_layer stem = {
        .in = spec->input[0], .out = in, .kernel = 3, .stride = 1, .pad = 1};
    size_t x = tn__build_conv(b, "conv1", tn__build_input(b, spec->input), &stem);
    x = tn__build_relu(b, "relu", tn__build_batch_norm(b, "bn1", x, in));
    for (int stage = 0; stage < STAGES; stage++) {
        int64_t out = tn__arch_width(spec, (int64_t)STEM << stage);
        for (int64_t i = 0; i < blocks; i++) {
            tn__path(path, "layer%d.%lld", stage + 1, (long long)i);
            x = block(b, path, x, in, out, i == 0 && stage > 0 ? 2 : 1,
                      spec->projection);
            in = out;
        }
    }
    x = tn__build_head(b, "linear", x, in, spec->classes);
    tn__build_output(b, x, spec->classes);
}

static bool resnet_cifar_detect(tn__arch_spec *spec, const tn__names *names)
{
    char path[TN__PATH_TEXT];
    int64_t blocks = 0;
    while (blocks < TN__ARCH_LAYERS &&
           tn__names_has(names,
                         tn__path(path, "layer3.%lld.conv1.weight", (long long)blocks)))
        blocks++;
    spec->depth = 2 * STAGES * blocks + 2;
    spec->projection = tn__names_has(names, "layer2.0.shortcut.0.weight");
    spec->width = (double)tn__names_dim(names, "conv1.weight", 0) / STEM;
    spec->classes = tn__names_dim(names, "linear.weight", 0);
    spec->input[0] = tn__names_dim(names, "conv1.weight", 1);
    return is_depth(spec->depth) && spec->classes && spec->input[0] &&
           !tn__names_has(names, "layer4.0.conv1.weight");
}

const tn__arch_family tn__family_resnet_cifar = {
    resnet_cifar_parse, resnet_cifar_print, resnet_cifar_settle, resnet_cifar_build,
    resnet_cifar_detect};
