/* vgg.c - VGG in its CIFAR form: the convolutions of Simonyan and Zisserman (2015),
 * numbered as torchvision numbers `features`, and one Linear `classifier`. Without
 * biases unless the name ends in :bias. */
#include <stdio.h>

#include "arch/arch_family.h"

#define STAGES 5
static const int64_t stage_width[STAGES] = {64, 128, 256, 512, 512};

typedef struct configuration {
    int64_t depth;
    int convolutions[STAGES];
} configuration;
static const configuration configurations[] = {{11, {1, 1, 2, 2, 2}},
                                               {13, {2, 2, 2, 2, 2}},
                                               {16, {2, 2, 3, 3, 3}},
                                               {19, {2, 2, 4, 4, 4}}};

static const configuration *find(int64_t depth)
{
    for (size_t i = 0; i < TN__COUNT(configurations); i++)
        if (configurations[i].depth == depth)
            return &configurations[i];
    return NULL;
}

static bool vgg_parse(tn__arch_spec *spec, const char *name)
{
    const char *s = name;
    if (!tn__scan_word(&s, "vgg") || !tn__scan_number(&s, &spec->depth) ||
        !find(spec->depth))
        return false;
    spec->norm = tn__scan_word(&s, "-bn");
    if (!tn__scan_width(&s, &spec->width))
        return false;
    spec->bias = tn__scan_word(&s, ":bias");
    return !*s;
}

static void vgg_print(char *text, size_t size, const tn__arch_spec *spec)
{
    char width[24];
    (void)snprintf(text, size, "vgg%lld%s%s%s", (long long)spec->depth,
                   spec->norm ? "-bn" : "", tn__width_text(width, spec->width),
                   spec->bias ? ":bias" : "");
}

static tn_status vgg_settle(tn__arch_spec *spec, tn_error *err)
{
    tn_status status = tn__arch_settle(spec, (const int64_t[]){3, 32, 32}, 10, err);
    if (!status && (spec->input[1] >> STAGES < 1 || spec->input[2] >> STAGES < 1))
        status = tn__fail(err, TN_ERROR_ARGUMENT,
                          "an input of %lld x %lld is too small for vgg%lld, expected "
                          "at least 32 x 32",
                          (long long)spec->input[1], (long long)spec->input[2],
                          (long long)spec->depth);
    return status;
}

static void vgg_build(tn__builder *b, const tn__arch_spec *spec)
{
    const configuration *of = find(spec->depth);
    char path[TN__PATH_TEXT];
    int module = 0;
    int64_t in = spec->input[0];
    size_t x = tn__build_input(b, spec->input);
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < of->convolutions[stage]; i++) {
            tn__conv_layer layer = {.in = in,
                                    .out = tn__arch_width(spec, stage_width[stage]),
                                    .kernel = 3,
                                    .stride = 1,
                                    .pad = 1,
                                    .bias = spec->bias};
            x = tn__build_conv(b, tn__path(path, "features.%d", module++), x, &layer);
            if (spec->norm)
                x = tn__build_batch_norm(b, tn__path(path, "features.%d", module++), x,
                                         layer.out);
            x = tn__build_relu(b, tn__path(path, "features.%d", module++), x);
            in = layer.out;
        }
        x = tn__build_max_pool(b, tn__path(path, "features.%d", module++), x, 2, 2, 0);
    }
    x = tn__build_flatten(b, "flatten", x);
    tn__linear_layer last = {.in = in * (spec->input[1] >> STAGES) *
                                   (spec->input[2] >> STAGES),
                             .out = spec->classes,
                             .bias = spec->bias,
                             .last = true};
    tn__build_output(b, tn__build_linear(b, "classifier", x, &last), spec->classes);
}

/* The side of the square image that leaves `rest` pixels after the pools. */
static int64_t side_of(int64_t rest)
{
    int64_t side = 1;
    while (side * side < rest && side < TN__ARCH_EXTENT_MAX >> STAGES)
        side++;
    return side << STAGES;
}

static bool vgg_detect(tn__arch_spec *spec, const tn__names *names)
{
    char path[TN__PATH_TEXT];
    int convolutions = 0;
    int64_t last = 0;
    for (int module = 0; module < 2 * TN__ARCH_LAYERS; module++) {
        (void)tn__path(path, "features.%d.weight", module);
        if (tn__names_dim(names, path, 3) != 3)
            continue;
        convolutions++;
        last = tn__names_dim(names, path, 0);
    }
    spec->depth = convolutions + 3; /* the name counts three Linear layers */
    spec->norm = tn__names_has(names, "features.1.weight");
    spec->bias = tn__names_has(names, "features.0.bias");
    spec->width =
        (double)tn__names_dim(names, "features.0.weight", 0) / (double)stage_width[0];
    spec->classes = tn__names_dim(names, "classifier.weight", 0);
    if (!find(spec->depth) || !spec->classes || !last)
        return false;
    int64_t side = side_of(tn__names_dim(names, "classifier.weight", 1) / last);
    for (int k = 0; k < 3; k++)
        spec->input[k] = k ? side : tn__names_dim(names, "features.0.weight", 1);
    return true;
}

const tn__arch_family tn__family_vgg = {vgg_parse, vgg_print, vgg_settle, vgg_build,
                                        vgg_detect};
