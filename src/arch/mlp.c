/* mlp.c - mlp:784-400-200-100-10[:bias]: Flatten, then Linear layers fc1, fc2, ... with
 * ReLU between them, as in OTFusion's reference code; bias-free unless told. */
#include <stdio.h>
#include <string.h>

#include "arch/arch_family.h"

static bool mlp_parse(tn__arch_spec *spec, const char *name)
{
    const char *s = name;
    if (!tn__scan_word(&s, "mlp"))
        return false;
    if (!*s)
        return true; /* the widths are the checkpoint's */
    if (!tn__scan_word(&s, ":"))
        return false;
    do {
        if (spec->layer_count == TN__ARCH_LAYERS ||
            !tn__scan_number(&s, &spec->layers[spec->layer_count++]))
            return false;
    } while (tn__scan_word(&s, "-"));
    spec->bias = tn__scan_word(&s, ":bias");
    return !*s && spec->layer_count >= 2;
}

static void mlp_print(char *text, size_t size, const tn__arch_spec *spec)
{
    size_t at = (size_t)snprintf(text, size, "mlp");
    for (size_t k = 0; k < spec->layer_count && at < size; k++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", k ? "-" : ":",
                               (long long)spec->layers[k]);
    if (at < size)
        (void)snprintf(text + at, size - at, "%s", spec->bias ? ":bias" : "");
}

/* The image that has so many pixels: MNIST's, CIFAR's, or a column. */
static const int64_t *image_of(int64_t pixels)
{
    static const int64_t mnist[3] = {1, 28, 28}, cifar[3] = {3, 32, 32};
    return pixels == 784 ? mnist : pixels == 3072 ? cifar : NULL;
}

static tn_status mlp_settle(tn__arch_spec *spec, tn_error *err)
{
    if (spec->layer_count < 2)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "architecture 'mlp' lacks its widths, expected something like "
                        "'mlp:784-400-200-100-10'");
    int64_t first = spec->layers[0], last = spec->layers[spec->layer_count - 1];
    const int64_t *image = image_of(first);
    tn_status status =
        tn__arch_settle(spec, image ? image : (int64_t[]){first, 1, 1}, last, err);
    if (status)
        return status;
    if (spec->classes != last)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "the architecture ends in %lld outputs, not %lld",
                        (long long)last, (long long)spec->classes);
    int64_t pixels = spec->input[0] * spec->input[1] * spec->input[2];
    if (pixels != first)
        return tn__fail(
            err, TN_ERROR_MISMATCH,
            "an input of %lld x %lld x %lld has %lld elements, expected %lld",
            (long long)spec->input[0], (long long)spec->input[1],
            (long long)spec->input[2], (long long)pixels, (long long)first);
    return TN_OK;
}

static void mlp_build(tn__builder *b, const tn__arch_spec *spec)
{
    char path[TN__PATH_TEXT];
    size_t x = tn__build_flatten(b, "flatten", tn__build_input(b, spec->input));
    for (size_t k = 1; k < spec->layer_count; k++) {
        tn__linear_layer layer = {.in = spec->layers[k - 1],
                                  .out = spec->layers[k],
                                  .bias = spec->bias,
                                  .last = k + 1 == spec->layer_count};
        x = tn__build_linear(b, tn__path(path, "fc%zu", k), x, &layer);
        if (!layer.last)
            x = tn__build_relu(b, tn__path(path, "relu%zu", k), x);
    }
    tn__build_output(b, x, spec->classes);
}

static bool mlp_detect(tn__arch_spec *spec, const tn__names *names)
{
    char path[TN__PATH_TEXT];
    size_t k = 1;
    while (k < TN__ARCH_LAYERS) {
        int64_t out = tn__names_dim(names, tn__path(path, "fc%zu.weight", k), 0);
        if (!out)
            break;
        spec->layers[k - 1] = tn__names_dim(names, path, 1);
        spec->layers[k++] = out;
    }
    spec->layer_count = k;
    spec->bias = tn__names_has(names, "fc1.bias");
    spec->classes = spec->layers[k - 1];
    return k > 1 && !tn__names_has(names, "conv1.weight");
}

const tn__arch_family tn__family_mlp = {mlp_parse, mlp_print, mlp_settle, mlp_build,
                                        mlp_detect};
