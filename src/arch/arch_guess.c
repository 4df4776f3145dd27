/* arch_guess.c - which architecture the tensors of a checkpoint are of, by their names
 * and shapes. */
#include <stdio.h>
#include <string.h>

#include "arch/arch_family.h"

enum { PREFIX_MAX = 256 }; /* each part of a prefix costs a search */

/* Two words for one module, in different public implementations. */
static const struct {
    const char *word, *same;
} aliases[] = {{"downsample", "shortcut"}, {"fc", "linear"}};

/* The part of a dotted name up to the next dot, by the word it is known under. */
static size_t segment(const char **text, const char *name)
{
    size_t length = strcspn(name, ".");
    *text = name;
    for (size_t i = 0; i < TN__COUNT(aliases); i++)
        if (length == strlen(aliases[i].word) &&
            strncmp(name, aliases[i].word, length) == 0)
            *text = aliases[i].same;
    return *text == name ? length : strlen(*text);
}

static bool same_name(const char *a, const char *b)
{
    for (;;) {
        const char *s, *t;
        size_t m = segment(&s, a), n = segment(&t, b);
        if (m != n || strncmp(s, t, m) != 0)
            return false;
        a += strcspn(a, ".");
        b += strcspn(b, ".");
        if (*a != *b || !*a)
            return *a == *b;
        a++;
        b++;
    }
}

tn__names tn__names_of(const tn__named_tensor *tensors, size_t count)
{
    tn__names names = {.tensors = tensors, .count = count};
    if (count == 0)
        return names;
    size_t common = TN__MIN(strlen(tensors[0].name), PREFIX_MAX);
    for (size_t i = 1; i < count; i++) {
        size_t k = 0;
        while (k < common && tensors[i].name[k] == tensors[0].name[k])
            k++;
        common = k;
    }
    while (common && tensors[0].name[common - 1] != '.')
        common--;
    names.prefix = common;
    return names;
}

size_t tn__names_find(const tn__names *names, const char *name)
{
    /* Whole names first; then without as much of the shared prefix as matches. */
    for (size_t drop = 0; drop <= names->prefix; drop++) {
        if (drop && names->tensors[0].name[drop - 1] != '.')
            continue;
        for (size_t i = 0; i < names->count; i++)
            if (same_name(names->tensors[i].name + drop, name))
                return i;
    }
    return TN__NONE;
}

size_t tn__arch_room(const tn__names *names)
{
    size_t room = 0;
    for (size_t i = 0; i < names->count; i++)
        if (!tn__add(&room, room, tn__tensor_count(&names->tensors[i].tensor)))
            return SIZE_MAX;
    return TN__MAX(room, TN__ARCH_ROOM - 1) + 1;
}

int64_t tn__names_dim(const tn__names *names, const char *name, int axis)
{
    size_t i = tn__names_find(names, name);
    if (i == TN__NONE || axis >= names->tensors[i].tensor.shape.rank)
        return 0;
    return names->tensors[i].tensor.shape.dims[axis];
}

/* The spec that a family sees in the tensors. */
static bool detect(tn__arch_spec *out, const tn__arch_family *family,
                   const tn__names *names)
{
    tn__arch_spec spec = {.family = family, .width = 1};
    if (!family->detect(&spec, names) || !(spec.width > 0) ||
        spec.width > TN__ARCH_WIDTH_MAX)
        return false;
    *out = spec;
    return true;
}

void tn__arch_complete(tn__arch_spec *spec, const tn__names *names)
{
    tn__arch_spec seen;
    if (!detect(&seen, spec->family, names))
        return;
    spec->bias |= seen.bias;
    spec->projection |= seen.projection;
    if (spec->layer_count == 0) {
        spec->layer_count = seen.layer_count;
        memcpy(spec->layers, seen.layers, sizeof spec->layers);
    }
    for (int k = 0; k < 3; k++)
        spec->input[k] = spec->input[k] ? spec->input[k] : seen.input[k];
    spec->classes = spec->classes ? spec->classes : seen.classes;
}

void tn__arch_suggest(char *text, size_t size, const tn__named_tensor *tensors,
                      size_t count)
{
    tn__names names = tn__names_of(tensors, count);
    size_t at = 0;
    if (size)
        text[0] = 0;
    for (size_t i = 0; tn__arch_families[i]; i++) {
        tn__arch_spec spec;
        tn_model *model = NULL;
        char name[TN__ARCH_NAME_TEXT];
        if (!detect(&spec, tn__arch_families[i], &names) ||
            tn__arch_build_spec(&model, &spec, 0, tn__arch_room(&names), NULL) != TN_OK)
            continue;
        spec.family->print(name, sizeof name, &spec);
        if (tn__arch_fits(model, &names) && at + strlen(name) + 2 < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", name);
        tn_model_free(model);
    }
}
