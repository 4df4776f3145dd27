/* unpack.h - files that may be compressed, by libarchive.
 *
 * Whether a file is plain, gzip or zstd is told by its bytes, not by its name.
 */
#ifndef TN_DATA_UNPACK_H
#define TN_DATA_UNPACK_H

#include "base/base.h"

struct archive;

/* Opens `path` as a tar, or (raw) as one nameless member. Close with
 * archive_read_free(). TN_ERROR_IO. */
tn_status tn__archive_open(struct archive **out, const char *path, bool raw,
                           tn_error *err) TN_MUST_USE;
/* Fails with what libarchive says of `path`. */
tn_status tn__archive_fail(struct archive *archive, const char *path, tn_error *err);

/* Reads all of `path`, decompressed; *bytes is freed by the caller. TN_ERROR_IO,
 * _FORMAT (damaged, or more than `limit` bytes). */
tn_status tn__unpack_file(uint8_t **bytes, size_t *size, const char *path, size_t limit,
                          tn_error *err) TN_MUST_USE;

#endif
