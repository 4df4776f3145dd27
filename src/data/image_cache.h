/* image_cache.h - decoded images on disc, by the content that they were decoded from.
 *
 * An entry is a safetensors file DIR/KEY.images with `images` u8 [N, C, H, W], `labels`
 * i32 [N], and as metadata `classes` (names, joined by '/') and `split` ("" where there
 * are none). KEY is the SHA-256 of that of the archive, of what the spec chooses from
 * it and of Tenon's version. Entries are written whole or not at all; one that cannot
 * be read is made again.
 */
#ifndef TN_DATA_IMAGE_CACHE_H
#define TN_DATA_IMAGE_CACHE_H

#include "data/dataset.h"

/* The entry's path, in new memory; hashes the archive. The folder spec->cache is made
 * where it is not there. TN_ERROR_IO. */
tn_status tn__image_cache_path(char **out, const tn__data_spec *spec,
                               const char *wanted, tn_error *err) TN_MUST_USE;
/* Fills data as a reader would; *found is false where there is no such entry. */
tn_status tn__image_cache_load(bool *found, tn_dataset *data, const tn__data_spec *spec,
                               const char *path, tn_error *err) TN_MUST_USE;
tn_status tn__image_cache_store(const tn_dataset *data, const char *path,
                                tn_error *err) TN_MUST_USE;

#endif
