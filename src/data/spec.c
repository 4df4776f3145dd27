/* spec.c - kind:path[,key=value...], read and written.
 *
 * The grammar is in tenon/data.h. Nothing here touches a file. A path cannot hold a
 * comma: the first one ends it.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

const char *const tn__split_names[TN__SPLITS] = {"train", "test", "val"};

enum {
    KEY_SPLIT,
    KEY_LIMIT,
    KEY_SKIP,
    KEY_MEAN,
    KEY_STD,
    KEY_SIZE,
    KEY_CLASSES,
    KEY_SEED,
    KEY_ONLY,
    KEY_PART,
    KEY_SHARES,
    KEY_DIRICHLET,
    KEY_SPECIAL,
    KEY_CACHE,
    KEYS
};
static const char *const key_names[KEYS] = {
    "split", "limit", "skip", "mean",   "std",       "size",    "classes",
    "seed",  "only",  "part", "shares", "dirichlet", "special", "cache"};
#define KEY_LIST                                                                       \
    "split, limit, skip, only, part, shares, dirichlet, special, mean, std, size, "    \
    "classes, seed, cache"

/* Levenshtein's distance of two short words, cut at 3; row[j] holds the distance of a's
 * first i letters to b's first j. */
static size_t word_distance(const char *a, const char *b)
{
    enum { LETTERS = 24 };
    size_t n = strlen(a), m = strlen(b), row[LETTERS + 1];
    if (n > LETTERS || m > LETTERS)
        return 3;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = TN__MIN(replaced, TN__MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

const char *tn__nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t k = 0; k < count; k++) {
        size_t distance = word_distance(word, names[k]);
        if (distance < best_distance) {
            best_distance = distance;
            best = names[k];
        }
    }
    return best;
}

size_t tn__split_find(const char *name, size_t length)
{
    size_t s = 0;
    while (s < TN__SPLITS && (strlen(tn__split_names[s]) != length ||
                              memcmp(tn__split_names[s], name, length) != 0))
        s++;
    return s;
}

/* "train, test" of the bits in `there` */
static const char *split_list(char text[32], unsigned there)
{
    text[0] = '\0';
    for (size_t s = 0; s < TN__SPLITS; s++) {
        if (!(there & 1U << s))
            continue;
        if (text[0])
            strcat(text, ", ");
        strcat(text, tn__split_names[s]);
    }
    return text;
}

tn_status tn__split_choose(size_t *out, unsigned there, const tn__data_spec *spec,
                           const char *wanted, tn_error *err)
{
    static const size_t any[] = {TN__SPLIT_TEST, TN__SPLIT_VAL, TN__SPLIT_TRAIN};
    const char *name = spec->split ? spec->split : wanted;
    size_t split = name ? tn__split_find(name, strlen(name)) : TN__SPLITS;
    char list[32];
    for (size_t k = 0; !name && k < TN__COUNT(any); k++) {
        if (split == TN__SPLITS && (there & 1U << any[k]))
            split = any[k];
    }
    if (!spec->split) {
        bool alone = there && !(there & (there - 1));
        bool absent = split < TN__SPLITS && !(there & 1U << split);
        if (absent && alone)
            split = (size_t)__builtin_ctz(there);
        else if (absent && split == TN__SPLIT_TEST && (there & 1U << TN__SPLIT_VAL))
            split = TN__SPLIT_VAL;
        else if (absent && split == TN__SPLIT_VAL && (there & 1U << TN__SPLIT_TEST))
            split = TN__SPLIT_TEST;
    }
    if (split == TN__SPLITS || !(there & 1U << split))
        return tn__fail(err, TN_ERROR_MISMATCH, "no split '%s' in '%s', it has %s",
                        name ? name : "test", spec->path, split_list(list, there));
    *out = split;
    return TN_OK;
}

tn_status tn__split_check_file(const char *path, const tn__data_spec *spec,
                               tn_error *err)
{
    static const struct {
        const char *word;
        size_t split;
    } words[] = {{"t10k", TN__SPLIT_TEST},
                 {"test", TN__SPLIT_TEST},
                 {"train", TN__SPLIT_TRAIN},
                 {"data_batch", TN__SPLIT_TRAIN}};
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    for (size_t k = 0; spec->split && k < TN__COUNT(words); k++) {
        const char *own = tn__split_names[words[k].split];
        if (!strstr(base, words[k].word))
            continue;
        if (strcmp(own, spec->split) == 0)
            return TN_OK;
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "split=%s asked of '%s', which by its name is %s", spec->split,
                        path, own);
    }
    return TN_OK;
}

static tn_status parse_count(uint64_t *out, const char *key, const char *text,
                             uint64_t least, uint64_t most, tn_error *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno || value < least ||
        value > most)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "'%s=%s' in a data spec: expected a whole number from %llu to "
                        "%llu",
                        key, text, (unsigned long long)least, (unsigned long long)most);
    *out = value;
    return TN_OK;
}

/* a/b/c; `positive` values must be above 0 */
static tn_status parse_list(double out[TN__DATA_LIST_MAX], size_t *count,
                            const char *key, const char *text, bool positive,
                            tn_error *err)
{
    double list[TN__DATA_LIST_MAX];
    size_t n = 0;
    for (const char *at = text;; at++) {
        char *end = NULL;
        double value = strtod(at, &end);
        bool number = end != at && isfinite(value) && (*end == '/' || *end == '\0');
        if (!number || n == TN__DATA_LIST_MAX || (positive && value <= 0))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "'%s=%s' in a data spec: expected at most %d finite%s "
                            "numbers as a/b/c",
                            key, text, TN__DATA_LIST_MAX, positive ? " positive" : "");
        list[n++] = value;
        at = end;
        if (!*at)
            break;
    }
    memcpy(out, list, n * sizeof *out);
    *count = n;
    return TN_OK;
}

/* A whole number of digits from 0 to `most` at *at, which moves behind it */
static bool read_number(uint32_t *out, const char **at, uint32_t most)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(*at, &end, 10);
    if (!isdigit((unsigned char)**at) || errno || value > most)
        return false;
    *out = (uint32_t)value;
    *at = end;
    return true;
}

/* a/b-c/d: single classes and ranges */
static tn_status parse_classes(tn__class_set *out, const char *key, const char *text,
                               tn_error *err)
{
    tn__class_set set = {0};
    const char *at = text;
    for (bool more = true; more; more = *at++ == '/') {
        uint32_t range[2] = {0};
        bool fine = set.count < TN__DATA_LIST_MAX &&
                    read_number(&range[0], &at, TN__DATA_CLASSES_MAX - 1);
        range[1] = range[0];
        if (fine && *at == '-') {
            at++;
            fine = read_number(&range[1], &at, TN__DATA_CLASSES_MAX - 1);
        }
        if (!fine || range[0] > range[1] || (*at && *at != '/'))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "'%s=%s' in a data spec: expected at most %d classes or "
                            "ranges as 0/3/5-7",
                            key, text, TN__DATA_LIST_MAX);
        memcpy(set.range[set.count++], range, sizeof range);
    }
    *out = set;
    return TN_OK;
}

/* K/N */
static tn_status parse_part(tn__data_spec *spec, const char *text, tn_error *err)
{
    const char *at = text;
    uint32_t part = 0, parts = 0;
    bool fine = read_number(&part, &at, TN__DATA_PARTS_MAX) && *at++ == '/' &&
                read_number(&parts, &at, TN__DATA_PARTS_MAX) && !*at;
    if (!fine || part < 1 || part > parts)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "'part=%s' in a data spec: expected K/N, the part K from 1 to "
                        "N of at most %d",
                        text, TN__DATA_PARTS_MAX);
    spec->part = part;
    spec->parts = parts;
    return TN_OK;
}

static tn_status parse_dirichlet(double *out, const char *text, tn_error *err)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value <= 0)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "'dirichlet=%s' in a data spec: expected a number above 0",
                        text);
    *out = value;
    return TN_OK;
}

/* What only makes sense together */
static tn_status check_parts(const tn__data_spec *spec, unsigned seen, tn_error *err)
{
    static const size_t wants_part[] = {KEY_SHARES, KEY_DIRICHLET, KEY_SPECIAL};
    for (size_t k = 0; k < TN__COUNT(wants_part) && !spec->part; k++) {
        if (seen & 1U << wants_part[k])
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "key '%s' in a data spec without part=K/N",
                            key_names[wants_part[k]]);
    }
    if (spec->share_count && spec->share_count != spec->parts)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "shares= in a data spec has %zu values, part= has %zu parts",
                        spec->share_count, spec->parts);
    return TN_OK;
}

static tn_status parse_value(tn__data_spec *spec, size_t key, const char *text,
                             tn_error *err)
{
    const char *name = key_names[key];
    uint64_t number = 0;
    tn_status status = TN_OK;
    switch (key) {
    case KEY_SPLIT: {
        size_t split = tn__split_find(text, strlen(text));
        if (split == TN__SPLITS)
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "'split=%s' in a data spec: expected train, test or val",
                            text);
        spec->split = tn__split_names[split];
        return TN_OK;
    }
    case KEY_MEAN:
        return parse_list(spec->mean, &spec->mean_count, name, text, false, err);
    case KEY_STD:
        return parse_list(spec->std, &spec->std_count, name, text, true, err);
    case KEY_LIMIT:
        status = parse_count(&number, name, text, 1, UINT32_MAX, err);
        spec->limit = (size_t)number;
        return status;
    case KEY_SKIP:
        status = parse_count(&number, name, text, 0, UINT32_MAX, err);
        spec->skip = (size_t)number;
        return status;
    case KEY_SIZE:
        status = parse_count(&number, name, text, 1, TN__IMAGE_SIDE_MAX, err);
        spec->size = (size_t)number;
        return status;
    case KEY_CLASSES:
        if (strpbrk(text, "-/"))
            return tn__fail(err, TN_ERROR_ARGUMENT,
                            "'classes=%s' in a data spec: expected their number; "
                            "only=%s chooses classes",
                            text, text);
        status = parse_count(&number, name, text, 1, TN__DATA_CLASSES_MAX, err);
        spec->classes = (size_t)number;
        return status;
    case KEY_ONLY:
        return parse_classes(&spec->only, name, text, err);
    case KEY_SPECIAL:
        return parse_classes(&spec->special, name, text, err);
    case KEY_PART:
        return parse_part(spec, text, err);
    case KEY_SHARES:
        return parse_list(spec->shares, &spec->share_count, name, text, true, err);
    case KEY_CACHE:
        spec->cache = tn__strdup(text);
        return !spec->cache ? tn__fail_memory(err, strlen(text))
               : *text      ? TN_OK
                            : tn__fail(err, TN_ERROR_ARGUMENT,
                                       "'cache=' in a data spec: expected a folder");
    case KEY_DIRICHLET:
        return parse_dirichlet(&spec->dirichlet, text, err);
    default:
        return parse_count(&spec->seed, name, text, 0, UINT64_MAX, err);
    }
}

/* One key=value; `seen` has a bit for each key that was there. `item` is changed. */
static tn_status parse_item(tn__data_spec *spec, unsigned *seen, char *item,
                            tn_error *err)
{
    char *equals = strchr(item, '=');
    if (equals)
        *equals = '\0';
    size_t key = 0;
    while (key < KEYS && strcmp(item, key_names[key]) != 0)
        key++;
    if (key == KEYS) {
        const char *near = tn__nearest_name(item, key_names, KEYS);
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "unknown key '%s' in a data spec%s%s%s: known are " KEY_LIST,
                        item, near ? ", did you mean '" : "", near ? near : "",
                        near ? "'" : "");
    }
    if (!equals)
        return tn__fail(err, TN_ERROR_ARGUMENT,
                        "key '%s' in a data spec has no value, expected %s=...", item,
                        item);
    if (*seen & 1U << key)
        return tn__fail(err, TN_ERROR_ARGUMENT, "key '%s' is twice in a data spec",
                        item);
    *seen |= 1U << key;
    return parse_value(spec, key, equals + 1, err);
}

tn_status tn__data_spec_parse(tn__data_spec *out, const char *text, tn_error *err)
{
    tn__data_spec spec = {.seed = 1};
    tn_status status = TN_OK;
    size_t head = strcspn(text, ","), kind = strcspn(text, ":,");
    unsigned seen = 0;
    char *rest = tn__strdup(text[head] ? text + head + 1 : "");
    spec.kind = tn__strndup(text, kind);
    spec.path =
        kind < head ? tn__strndup(text + kind + 1, head - kind - 1) : tn__strdup("");
    if (!rest || !spec.kind || !spec.path) {
        status = tn__fail_memory(err, strlen(text));
        goto done;
    }
    for (char *item = rest, *next = NULL; text[head] && item && !status; item = next) {
        next = strchr(item, ',');
        if (next)
            *next++ = '\0';
        status = parse_item(&spec, &seen, item, err);
    }
    if (!status)
        status = check_parts(&spec, seen, err);
    if (!status && spec.cache && strcmp(spec.kind, "tar") != 0)
        status = tn__fail(err, TN_ERROR_ARGUMENT,
                          "key 'cache' in a data spec of kind '%s': only tar has it",
                          spec.kind);
done:
    tn__free(rest);
    if (status)
        tn__data_spec_release(&spec);
    else
        *out = spec;
    return status;
}

void tn__data_spec_release(tn__data_spec *spec)
{
    tn__free(spec->kind);
    tn__free(spec->path);
    tn__free(spec->cache);
    *spec = (tn__data_spec){0};
}

/* ",mean=a/b/c" with the fewest digits that read back as the same doubles; all equal:
 * one of them. */
static void format_list(char *text, size_t size, const char *key, const double *values,
                        size_t count)
{
    bool equal = true;
    for (size_t c = 1; c < count; c++)
        equal = equal && values[c] == values[0];
    size_t at = (size_t)snprintf(text, size, ",%s=", key);
    for (size_t c = 0; c < (equal ? 1 : count) && at + 32 < size; c++) {
        char number[32];
        int digits = 6;
        do
            snprintf(number, sizeof number, "%.*g", digits, values[c]);
        while (strtod(number, NULL) != values[c] && digits++ < 17);
        at += (size_t)snprintf(text + at, size - at, "%s%s", c ? "/" : "", number);
    }
}

static void format_count(char *text, size_t size, const char *key, size_t value)
{
    text[0] = '\0';
    if (value)
        snprintf(text, size, ",%s=%zu", key, value);
}

static void format_classes(char *text, size_t size, const char *key,
                           const tn__class_set *set)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t k = 0; k < set->count && at + 32 < size; k++) {
        uint32_t first = set->range[k][0], last = set->range[k][1];
        if (k == 0)
            at += (size_t)snprintf(text, size, ",%s=", key);
        at += (size_t)snprintf(text + at, size - at, "%s%u", k ? "/" : "", first);
        if (last > first)
            at += (size_t)snprintf(text + at, size - at, "-%u", last);
    }
}

/* ",only=0-4,part=1/2,shares=1/3,dirichlet=0.5,special=9", of it what there is */
static void format_choice(char *text, size_t size, const tn__data_spec *spec)
{
    char shares[512] = "", dirichlet[64] = "", special[512], only[512], part[48] = "";
    format_classes(only, sizeof only, "only", &spec->only);
    format_classes(special, sizeof special, "special", &spec->special);
    if (spec->part)
        snprintf(part, sizeof part, ",part=%zu/%zu", spec->part, spec->parts);
    if (spec->dirichlet > 0)
        format_list(dirichlet, sizeof dirichlet, "dirichlet", &spec->dirichlet, 1);
    bool equal = true;
    for (size_t k = 1; k < spec->share_count; k++)
        equal = equal && spec->shares[k] == spec->shares[0];
    if (!equal)
        format_list(shares, sizeof shares, "shares", spec->shares, spec->share_count);
    snprintf(text, size, "%s%s%s%s%s", only, part, shares, dirichlet, special);
}

tn_status tn__data_spec_chosen(char **out, const tn__data_spec *spec, tn_error *err)
{
    char skip[32], limit[32], size[32], choice[1700];
    format_choice(choice, sizeof choice, spec);
    format_count(skip, sizeof skip, "skip", spec->skip);
    format_count(limit, sizeof limit, "limit", spec->limit);
    format_count(size, sizeof size, "size", spec->size);
    *out = tn__format("%s%s%s%s,seed=%llu", choice, skip, limit, size,
                      (unsigned long long)spec->seed);
    return *out ? TN_OK : tn__fail_memory(err, strlen(choice));
}

tn_status tn__data_spec_format(char **out, const tn__data_spec *spec,
                               const tn_dataset *data, tn_error *err)
{
    char mean[512], std[512], skip[32], limit[32], size[32], choice[1700];
    format_choice(choice, sizeof choice, spec);
    format_list(mean, sizeof mean, "mean", data->mean, data->channels);
    format_list(std, sizeof std, "std", data->std, data->channels);
    format_count(skip, sizeof skip, "skip", spec->skip);
    format_count(limit, sizeof limit, "limit", spec->limit);
    format_count(size, sizeof size, "size", spec->size);
    char *text =
        tn__format("%s%s%s%s%s%s%s%s%s%s%s,classes=%zu,seed=%llu", spec->kind,
                   spec->path[0] ? ":" : "", spec->path, data->split ? ",split=" : "",
                   data->split ? data->split : "", choice, skip, limit, size, mean, std,
                   data->classes, (unsigned long long)spec->seed);
    if (!text)
        return tn__fail_memory(err, strlen(spec->path));
    *out = text;
    return TN_OK;
}
