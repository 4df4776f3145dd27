/* resnet_imagenet.c - ResNet-18 and -34 (He et al. 2016, table 1). With the CIFAR stem
 * (3 x 3, no pool) the tensor names are those of kuangliu/pytorch-cifar (shortcut.0,
 * linear), with the ImageNet stem torchvision's (downsample.0, fc).
 */
#include <stdio.h>

#include "arch/arch_family.h"

#define STAGES 4
#define STEM 64 /* channels of the first stage; each further one doubles them */

static const int blocks_18[STAGES] = {2, 2, 2, 2}, blocks_34[STAGES] = {3, 4, 6, 3};

static bool resnet_imagenet_parse(tn__arch_spec *spec, const char *name)
{
    const char *s = name;
    if (!tn__scan_word(&s, "resnet") || !tn__scan_number(&s, &spec->depth) ||
        (spec->depth != 18 && spec->depth != 34))
        return false;
    spec->imagenet = tn__scan_word(&s, "-imagenet");
    return tn__scan_width(&s, &spec->width) && !*s;
}

static void resnet_imagenet_print(char *text, size_t size, const tn__arch_spec *spec)
{
    char width[24];
    (void)snprintf(text, size, "resnet%lld%s%s", (long long)spec->depth,
                   spec->imagenet ? "-imagenet" : "",
                   tn__width_text(width, spec->width));
}

static tn_status resnet_imagenet_settle(tn__arch_spec *spec, tn_error *err)
{
    static const int64_t cifar[3] = {3, 32, 32}, imagenet[3] = {3, 224, 224};
    return tn__arch_settle(spec, spec->imagenet ? imagenet : cifar,
                           spec->imagenet ? 1000 : 10, err);
}

typedef struct basic_block {
    int64_t in, out, stride;
    const char *shortcut; /* what the projection is called */
} basic_block;

/* relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)) */
static size_t build_block(tn__builder *b, const char *path, size_t x,
                          const basic_block *of)
{
    char name[TN__PATH_TEXT];
    tn__conv_layer conv1 = {
        .in = of->in, .out = of->out, .kernel = 3, .stride = of->stride, .pad = 1};
    tn__conv_layer conv2 = {
        .in = of->out, .out = of->out, .kernel = 3, .stride = 1, .pad = 1};
    size_t y = tn__build_conv(b, tn__path(name, "%s.conv1", path), x, &conv1);
    y = tn__build_batch_norm(b, tn__path(name, "%s.bn1", path), y, of->out);
    y = tn__build_relu(b, tn__path(name, "%s.relu1", path), y);
    y = tn__build_conv(b, tn__path(name, "%s.conv2", path), y, &conv2);
    y = tn__build_batch_norm(b, tn__path(name, "%s.bn2", path), y, of->out);
    if (of->stride != 1) {
        tn__conv_layer conv = {
            .in = of->in, .out = of->out, .kernel = 1, .stride = of->stride};
        x = tn__build_conv(b, tn__path(name, "%s.%s.0", path, of->shortcut), x, &conv);
        x = tn__build_batch_norm(b, tn__path(name, "%s.%s.1", path, of->shortcut), x,
                                 of->out);
    }
    y = tn__build_add(b, tn__path(name, "%s.add", path), y, x);
    return tn__build_relu(b, tn__path(name, "%s.relu2", path), y);
}

static size_t build_stem(tn__builder *b, const tn__arch_spec *spec, int64_t out)
{
    bool imagenet = spec->imagenet;
    tn__conv_layer stem = {.in = spec->input[0],
                           .out = out,
                           .kernel = imagenet ? 7 : 3,
                           .stride = imagenet ? 2 : 1,
                           .pad = imagenet ? 3 : 1};
    size_t x = tn__build_conv(b, "conv1", tn__build_input(b, spec->input), &stem);
    x = tn__build_relu(b, "relu", tn__build_batch_norm(b, "bn1", x, out));
    return imagenet ? tn__build_max_pool(b, "maxpool", x, 3, 2, 1) : x;
}

static void resnet_imagenet_build(tn__builder *b, const tn__arch_spec *spec)
{
    char path[TN__PATH_TEXT];
    const int *blocks = spec->depth == 18 ? blocks_18 : blocks_34;
    int64_t in = tn__arch_width(spec, STEM);
    size_t x = build_stem(b, spec, in);
    for (int stage = 0; stage < STAGES; stage++)
        for (int i = 0; i < blocks[stage]; i++) {
            basic_block of = {.in = in,
                              .out = tn__arch_width(spec, (int64_t)STEM << stage),
                              .stride = i == 0 && stage > 0 ? 2 : 1,
                              .shortcut = spec->imagenet ? "downsample" : "shortcut"};
            x = build_block(b, tn__path(path, "layer%d.%d", stage + 1, i), x, &of);
            in = of.out;
        }
    x = tn__build_head(b, spec->imagenet ? "fc" : "linear", x, in, spec->classes);
    tn__build_output(b, x, spec->classes);
}

static bool resnet_imagenet_detect(tn__arch_spec *spec, const tn__names *names)
{
    spec->depth = tn__names_has(names, "layer3.5.conv1.weight") ? 34 : 18;
    spec->imagenet = tn__names_dim(names, "conv1.weight", 3) == 7;
    spec->width = (double)tn__names_dim(names, "conv1.weight", 0) / STEM;
    spec->classes = tn__names_dim(names, "linear.weight", 0);
    spec->input[0] = tn__names_dim(names, "conv1.weight", 1);
    return spec->classes && spec->input[0] &&
           tn__names_has(names, "layer4.1.conv1.weight");
}

const tn__arch_family tn__family_resnet_imagenet = {
    resnet_imagenet_parse, resnet_imagenet_print, resnet_imagenet_settle,
    resnet_imagenet_build, resnet_imagenet_detect};
