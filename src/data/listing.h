/* listing.h - image files in class folders, wherever they lie: on disc or in a tar.
 *
 * A source adds the relative path of each file; the listing tells which are images,
 * finds the split and the classes in the paths, sorts, and decodes through the source's
 * load().
 *
 *     [TOP/...][SPLIT/]CLASS/[.../]NAME.jpg
 *
 * Folders that all paths share are skipped; where the next one is train, test or val in
 * all paths, it is the split. Classes are numbered in byte order of their names.
 */
#ifndef TN_DATA_LISTING_H
#define TN_DATA_LISTING_H

#include "data/dataset.h"

typedef struct tn__member {
    char *path;           /* owned; parts joined by '/' */
    const char *class_at; /* in path: where the class begins; after resolving */
    int32_t label;
    size_t offset, size; /* of its bytes, for the source's use */
} tn__member;

typedef struct tn__listing {
    tn__member *members;
    size_t count, capacity;
} tn__listing;

/* Whether the path is an image's (.jpg, .jpeg, .png) and not hidden. */
bool tn__listing_wants(const char *path);
/* Adds an image; *out is borrowed until the next. */
tn_status tn__listing_add(tn__member **out, tn__listing *listing, const char *path,
                          tn_error *err) TN_MUST_USE;
void tn__listing_release(tn__listing *listing);

/* Borrows the bytes of a member; they live as long as the source, or as *held, which
 * the caller releases (NULL: none). Called from several threads. */
typedef tn_status tn__member_load(void *user, tn__buffer **held, const uint8_t **bytes,
                                  size_t *size, const tn__member *member,
                                  tn_error *err);

/* Fills data with the listed images. They are in order of their paths; with skip or
 * limit, shuffled by the seed before the choice. */
tn_status tn__listing_read(tn_dataset *data, tn__listing *listing,
                           const tn__data_spec *spec, const char *wanted,
                           tn__member_load *load, void *user,
                           tn_error *err) TN_MUST_USE;

#endif
