/* listing.c - from paths to splits, classes and decoded images.
 *
 * The result depends on the set of paths and their bytes alone, never on the order in
 * which a disc or an archive gives them.
 */
#include "data/listing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/threads.h"
#include "data/image.h"

enum { STRETCH = 64 }; /* images that a thread decodes at a time */

bool tn__listing_wants(const char *path)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png"};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path, *ending = strrchr(name, '.');
    bool image = false;
    for (size_t k = 0; ending && k < TN__COUNT(endings); k++)
        image = image || strcasecmp(ending, endings[k]) == 0;
    return image && name[0] != '.';
}

tn_status tn__listing_add(tn__member **out, tn__listing *listing, const char *path,
                          tn_error *err)
{
    while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
        path++;
    tn_status status = tn__grow(&listing->members, &listing->capacity, listing->count,
                                sizeof *listing->members, err);
    if (status)
        return status;
    char *copy = tn__strdup(path);
    if (!copy)
        return tn__fail_memory(err, strlen(path));
    *out = &listing->members[listing->count++];
    **out = (tn__member){.path = copy};
    return TN_OK;
}

void tn__listing_release(tn__listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        tn__free(listing->members[i].path);
    tn__free(listing->members);
    *listing = (tn__listing){0};
}

static size_t part_length(const char *path)
{
    return strcspn(path, "/");
}

static size_t folder_depth(const char *path)
{
    size_t depth = 0;
    for (; (path = strchr(path, '/')) != NULL; path++)
        depth++;
    return depth;
}

/* The first part of a path, where it is a split with a class below; else TN__SPLITS */
static size_t split_of(const char *path)
{
    return folder_depth(path) < 2 ? TN__SPLITS
                                  : tn__split_find(path, part_length(path));
}

/* Steps class_at over folders that all paths share, as long as a split or a class is
 * left below. */
static void skip_top(tn__listing *listing)
{
    while (true) {
        const char *top = listing->members[0].class_at;
        size_t length = part_length(top) + 1;
        if (split_of(top) != TN__SPLITS)
            return;
        for (size_t i = 0; i < listing->count; i++) {
            const char *at = listing->members[i].class_at;
            if (folder_depth(at) < 2 || strncmp(at, top, length) != 0)
                return;
        }
        for (size_t i = 0; i < listing->count; i++)
            listing->members[i].class_at += length;
    }
}

/* Keeps the chosen split's members, class_at past its name, where all are in splits. */
static tn_status choose_split(tn_dataset *data, tn__listing *listing,
                              const tn__data_spec *spec, const char *wanted,
                              tn_error *err)
{
    unsigned there = 0;
    size_t chosen = 0, kept = 0;
    for (size_t i = 0; i < listing->count; i++)
        there |= 1U << split_of(listing->members[i].class_at);
    if (there & 1U << TN__SPLITS) {
        if (spec->split)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "split=%s asked of '%s', which has no folders train, test "
                            "or val",
                            spec->split, spec->path);
        return TN_OK;
    }
    tn_status status = tn__split_choose(&chosen, there, spec, wanted, err);
    if (status)
        return status;
    for (size_t i = 0; i < listing->count; i++) {
        tn__member member = listing->members[i];
        if (split_of(member.class_at) != chosen) {
            tn__free(member.path);
            continue;
        }
        member.class_at += part_length(member.class_at) + 1;
        listing->members[kept++] = member;
    }
    listing->count = kept;
    data->split = tn__split_names[chosen];
    return TN_OK;
}

/* '/' sorts before every other byte, so that classes stay together */
static int compare_paths(const void *a, const void *b)
{
    const char *p = ((const tn__member *)a)->class_at;
    const char *q = ((const tn__member *)b)->class_at;
    while (*p && *p == *q) {
        p++;
        q++;
    }
    int x = *p == '/' ? 1 : (unsigned char)*p + (*p != '\0');
    int y = *q == '/' ? 1 : (unsigned char)*q + (*q != '\0');
    return (x > y) - (x < y);
}

static tn_status check_members(const tn__listing *listing, const char *path,
                               tn_error *err)
{
    for (size_t i = 0; i < listing->count; i++) {
        const tn__member *member = &listing->members[i], *before = member - (i > 0);
        if (folder_depth(member->class_at) == 0)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "'%s' in '%s' lies in no class folder", member->path, path);
        if (folder_depth(member->class_at) != folder_depth(before->class_at))
            return tn__fail(err, TN_ERROR_FORMAT,
                            "images in '%s' lie at different depths: '%s' and '%s'",
                            path, before->path, member->path);
        if (i && strcmp(member->path, before->path) == 0)
            return tn__fail(err, TN_ERROR_FORMAT, "'%s' is twice in '%s'", member->path,
                            path);
    }
    return TN_OK;
}

/* Numbers the classes of the sorted members and names them. */
static tn_status label_members(tn_dataset *data, tn__listing *listing, const char *path,
                               tn_error *err)
{
    char **names = NULL;
    size_t count = 0, capacity = 0;
    tn_status status = TN_OK;
    for (size_t i = 0; i < listing->count; i++) {
        tn__member *member = &listing->members[i];
        size_t length = part_length(member->class_at);
        if (!count || strncmp(names[count - 1], member->class_at, length) != 0 ||
            names[count - 1][length]) {
            if (count == TN__DATA_CLASSES_MAX) {
                status =
                    tn__fail(err, TN_ERROR_UNSUPPORTED, "more than %d classes in '%s'",
                             TN__DATA_CLASSES_MAX, path);
                goto done;
            }
            if ((status = tn__grow(&names, &capacity, count, sizeof *names, err)) !=
                TN_OK)
                goto done;
            names[count] = tn__strndup(member->class_at, length);
            if (!names[count]) {
                status = tn__fail_memory(err, length);
                goto done;
            }
            count++;
        }
        member->label = (int32_t)(count - 1);
    }
    status = tn__dataset_name_classes(data, (const char *const *)names, count, err);
    data->classes = count;
done:
    for (size_t k = 0; k < count; k++)
        tn__free(names[k]);
    tn__free(names);
    return status;
}

/* What decoding needs at hand. */
typedef struct reading {
    tn_dataset *data;
    const tn__data_spec *spec;
    const tn__listing *listing;
    uint32_t *index; /* [count]: the members wanted */
    size_t count, channels;
    tn__decoder **decoders; /* [workers] */
    size_t workers;
    tn__member_load *load;
    void *user;
} reading;

static tn_status fail_member(const reading *r, const tn__member *member,
                             tn_status status, tn_error *err)
{
    return tn__fail_in(err, status, "cannot read '%s' in '%s'", member->path,
                       r->spec->path);
}

/* What the header of a member says. */
static tn_status inspect_member(tn__image *out, reading *r, const tn__member *member,
                                tn_error *err)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    tn__buffer *held = NULL;
    tn_status status = r->load(r->user, &held, &bytes, &size, member, err);
    if (status)
        return status;
    status = tn__image_inspect(out, r->decoders[0], bytes, size, err);
    tn__buffer_release(held);
    return status ? fail_member(r, member, status, err) : TN_OK;
}

/* 3 where any image has colour, else 1; most sets tell by their first image */
static tn_status find_channels(reading *r, tn_error *err)
{
    r->channels = 1;
    for (size_t i = 0; i < r->listing->count && r->channels == 1; i++) {
        tn__image image = {0};
        tn_status status = inspect_member(&image, r, &r->listing->members[i], err);
        if (status)
            return status;
        r->channels = image.channels;
    }
    return TN_OK;
}

/* All images have the size of the first, or that of the spec. */
static tn_status reserve(reading *r, tn_error *err)
{
    tn__image image = {0};
    tn_status status =
        inspect_member(&image, r, &r->listing->members[r->index[0]], err);
    if (status)
        return status;
    return tn__dataset_reserve(r->data, r->spec, r->count, r->channels, image.height,
                               image.width, err);
}

static tn_status decode_member(reading *r, size_t i, size_t worker, tn_error *err)
{
    tn_dataset *data = r->data;
    const tn__member *member = &r->listing->members[r->index[i]];
    const uint8_t *bytes = NULL, *pixels = NULL;
    size_t size = 0;
    tn__buffer *held = NULL;
    tn__image image = {0};
    tn_status status = r->load(r->user, &held, &bytes, &size, member, err);
    if (status)
        return status;
    status = tn__image_decode(&pixels, &image, r->decoders[worker], bytes, size,
                              r->channels, err);
    tn__buffer_release(held);
    if (status)
        return fail_member(r, member, status, err);
    if (!r->spec->size && (image.height != data->height || image.width != data->width))
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "'%s' in '%s' is %zu x %zu, others are %zu x %zu: give size=N",
                        member->path, r->spec->path, image.width, image.height,
                        data->width, data->height);
    data->labels[i] = member->label;
    return tn__dataset_put(data, i, pixels, image.height, image.width, err);
}

static tn_status decode_stretch(void *user, size_t t, size_t worker, tn_error *err)
{
    reading *r = user;
    size_t end = TN__MIN((t + 1) * STRETCH, r->count);
    tn_status status = TN_OK;
    for (size_t i = t * STRETCH; i < end && !status; i++)
        status = decode_member(r, i, worker, err);
    return status;
}

/* Stretches of images on as many threads as there are processors; what is read, and the
 * first failure, do not depend on how many that is. */
static tn_status decode_chosen(reading *r, tn_error *err)
{
    size_t stretches = (r->count + STRETCH - 1) / STRETCH;
    tn__workers *workers = NULL;
    r->workers = TN__MIN(tn__processors(), stretches);
    r->decoders = tn__alloc(r->workers, sizeof(tn__decoder *));
    if (!r->decoders)
        return tn__fail_memory(err, r->workers * sizeof(tn__decoder *));
    tn_status status = TN_OK;
    for (size_t w = 0; w < r->workers && !status; w++)
        status = tn__decoder_create(&r->decoders[w], err);
    if (status || (status = find_channels(r, err)) != TN_OK ||
        (status = reserve(r, err)) != TN_OK ||
        (status = tn__workers_create(&workers, r->workers, err)) != TN_OK)
        return status;
    status = tn__workers_run(workers, stretches, decode_stretch, r, err);
    tn__workers_free(workers);
    return status;
}

static tn_status decode_members(reading *r, tn_error *err)
{
    size_t total = r->listing->count;
    int32_t *labels = tn__alloc(total, sizeof *labels);
    if (!labels)
        return tn__fail_memory(err, total * sizeof *labels);
    for (size_t i = 0; i < total; i++)
        labels[i] = r->listing->members[i].label;
    tn__source source = {labels, total, r->data->classes, .sorted = true};
    tn_status status = tn__data_select(&r->index, &r->count, r->spec, &source, err);
    if (!status)
        status = decode_chosen(r, err);
    for (size_t w = 0; w < r->workers && r->decoders; w++)
        tn__decoder_free(r->decoders[w]);
    tn__free(r->decoders);
    tn__free(labels);
    tn__free(r->index);
    return status;
}

tn_status tn__listing_read(tn_dataset *data, tn__listing *listing,
                           const tn__data_spec *spec, const char *wanted,
                           tn__member_load *load, void *user, tn_error *err)
{
    if (!listing->count || listing->count > UINT32_MAX)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "no images in '%s': expected CLASS/NAME.jpg or .png",
                        spec->path);
    for (size_t i = 0; i < listing->count; i++)
        listing->members[i].class_at = listing->members[i].path;
    skip_top(listing);
    tn_status status = choose_split(data, listing, spec, wanted, err);
    if (status)
        return status;
    qsort(listing->members, listing->count, sizeof *listing->members, compare_paths);
    if ((status = check_members(listing, spec->path, err)) != TN_OK ||
        (status = label_members(data, listing, spec->path, err)) != TN_OK)
        return status;
    reading r = {
        .data = data, .spec = spec, .listing = listing, .load = load, .user = user};
    return decode_members(&r, err);
}
