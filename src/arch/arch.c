/* arch.c - built-in architectures by name: parsing, building, help. */
#include "arch/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch_family.h"

const tn__arch_family *const tn__arch_families[] = {
    &tn__family_mlp,
    &tn__family_lenet5,
    &tn__family_vgg,
    &tn__family_resnet_cifar,
    &tn__family_resnet_imagenet,
    &tn__family_mobilenet,
    NULL,
};

const char *tn_arch_help(void)
{
    return "mlp:784-400-200-100-10[:bias]   fully connected: fc1, fc2, ...\n"
           "lenet5                          conv1, conv2, fc1, fc2, fc3\n"
           "vgg11|13|16|19[-bn][xW][:bias]  CIFAR form: features.N, classifier\n"
           "resnet8|14|20|32|44|56|110[a|b][xW]  CIFAR form, shortcut A (default) or "
           "B\n"
           "resnet18|34[-imagenet][xW]      CIFAR stem, or ImageNet stem\n"
           "mobilenet[xW]                   CIFAR form: layers.N.conv1 (depthwise), "
           "conv2\n"
           "xW multiplies every width: resnet20x4, vgg11x0.5\n";
}

bool tn__scan_word(const char **s, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*s, word, length) != 0)
        return false;
    *s += length;
    return true;
}

bool tn__scan_number(const char **s, int64_t *number)
{
    int64_t n = 0;
    const char *at = *s;
    for (; *at >= '0' && *at <= '9' && n <= TN__ARCH_EXTENT_MAX; at++)
        n = 10 * n + (*at - '0');
    if (at == *s || n < 1 || n > TN__ARCH_EXTENT_MAX)
        return false;
    *s = at;
    *number = n;
    return true;
}

bool tn__scan_width(const char **s, double *width)
{
    *width = 1;
    if (!tn__scan_word(s, "x"))
        return true;
    const char *at = *s;
    double value = 0, place = 1;
    for (; *at >= '0' && *at <= '9'; at++)
        value = 10 * value + (*at - '0');
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++)
            value += (*at - '0') * (place /= 10);
    if (at == *s || !(value > 0) || value > TN__ARCH_WIDTH_MAX)
        return false;
    *s = at;
    *width = value;
    return true;
}

const char *tn__width_text(char text[24], double width)
{
    text[0] = 0;
    if (fabs(width - 1) > 1e-9)
        (void)snprintf(text, 24, "x%g", width);
    return text;
}

int64_t tn__arch_width(const tn__arch_spec *spec, int64_t base)
{
    return TN__MAX(INT64_C(1), (int64_t)llround((double)base * spec->width));
}

tn_status tn__arch_settle(tn__arch_spec *spec, const int64_t input[3], int64_t classes,
                          tn_error *err)
{
    for (int k = 0; k < 3; k++) {
        if (spec->input[k] == 0)
            spec->input[k] = input[k];
        if (spec->input[k] < 1 || spec->input[k] > TN__ARCH_EXTENT_MAX)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "input extent %lld is not in [1, %lld]",
                            (long long)spec->input[k], (long long)TN__ARCH_EXTENT_MAX);
    }
    if (spec->classes == 0)
        spec->classes = classes;
    if (spec->classes < 1 || spec->classes > TN__ARCH_EXTENT_MAX)
        return tn__fail(err, TN_ERROR_ARGUMENT, "%lld classes are not in [1, %lld]",
                        (long long)spec->classes, (long long)TN__ARCH_EXTENT_MAX);
    return TN_OK;
}

tn_status tn__arch_parse(tn__arch_spec *out, const char *name, tn_error *err)
{
    for (size_t i = 0; tn__arch_families[i]; i++) {
        tn__arch_spec spec = {.family = tn__arch_families[i], .width = 1};
        if (spec.family->parse(&spec, name)) {
            *out = spec;
            return TN_OK;
        }
    }
    return tn__fail(err, TN_ERROR_ARGUMENT,
                    "architecture '%s' is not known, expected mlp:784-...-10[:bias], "
                    "lenet5, vgg11|13|16|19[-bn][xW][:bias], "
                    "resnet8|14|20|32|44|56|110[a|b][xW], resnet18|34[-imagenet][xW] "
                    "or mobilenet[xW]",
                    name);
}

tn_status tn__arch_build_spec(tn_model **out, const tn__arch_spec *spec, uint64_t seed,
                              size_t room, tn_error *err)
{
    char name[TN__ARCH_NAME_TEXT];
    tn__arch_spec settled = *spec;
    tn__builder b = {.seed = seed, .room = room, .err = err};
    tn_status status = spec->family->settle(&settled, err);
    if (status)
        goto done;
    settled.family->print(name, sizeof name, &settled);
    if ((status = tn__model_create(&b.model, name, err)) != TN_OK)
        goto done;
    settled.family->build(&b, &settled);
    status = b.status;
    if (!status)
        status = tn__model_check(b.model, err);
    if (!status) {
        *out = b.model;
        b.model = NULL;
    }
done:
    tn_model_free(b.model);
    return status;
}

tn_status tn__arch_build(tn_model **out, const char *arch, const int64_t *input,
                         int64_t classes, uint64_t seed, tn_error *err)
{
    tn__arch_spec spec;
    tn_status status = tn__arch_parse(&spec, arch, err);
    if (status)
        return status;
    for (int k = 0; input && k < 3; k++)
        spec.input[k] = input[k];
    spec.classes = classes;
    status = tn__arch_build_spec(out, &spec, seed, 0, err);
    return status ? tn__fail_in(err, status, "cannot build '%s'", arch) : TN_OK;
}

tn_status tn_model_create(tn_model **out, const char *arch, const int64_t *input,
                          int64_t classes, uint64_t seed, tn_error *err)
{
    return tn__arch_build(out, arch, input, classes, seed, err);
}
