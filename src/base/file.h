/* file.h - whole files in, whole files out.
 *
 * Reading maps the file read-only. Writing goes to a temporary name beside the target,
 * is synced, and is renamed over it only by tn__file_commit(): a crash or an error
 * leaves the old file or none, never half of one.
 */
#ifndef TN_BASE_FILE_H
#define TN_BASE_FILE_H

#include <stdio.h>

#include "base/base.h"

/* A reference-counted run of bytes: a mapping, memory of ours, or of a caller. */
typedef struct tn__buffer tn__buffer;

/* Maps the regular file `path`, read-only and private. The caller owns one reference.
 */
tn_status tn__buffer_map(tn__buffer **out, const char *path, tn_error *err) TN_MUST_USE;
/* Zeroed, 64-byte aligned memory. */
tn_status tn__buffer_create(tn__buffer **out, size_t bytes, tn_error *err) TN_MUST_USE;
/* Memory of the caller's, which outlives the buffer and may be written. */
tn_status tn__buffer_borrow(tn__buffer **out, void *bytes, size_t size,
                            tn_error *err) TN_MUST_USE;
/* Memory of somebody else, read-only here: release(user) is called once, when the last
 * reference goes. On failure it is not called. */
tn_status tn__buffer_adopt(tn__buffer **out, const void *bytes, size_t size,
                           void (*release)(void *user), void *user,
                           tn_error *err) TN_MUST_USE;
tn__buffer *tn__buffer_retain(tn__buffer *buffer);
void tn__buffer_release(tn__buffer *buffer); /* takes NULL */
const uint8_t *tn__buffer_bytes(const tn__buffer *buffer);
size_t tn__buffer_size(const tn__buffer *buffer);
/* Lets the system take the pages of a mapping that lie wholly in these bytes back until
 * they are read again. */
void tn__buffer_evict(const tn__buffer *buffer, size_t offset, size_t size);
/* The bytes for writing, or NULL where they are not ours alone. */
uint8_t *tn__buffer_writable(tn__buffer *buffer);

/* Whether something is there by that name. */
bool tn__file_exists(const char *path);

/* A file being written. */
typedef struct tn__file_writer tn__file_writer;

/* Opens a temporary file beside `path`; TN_ERROR_EXISTS where `path` is there and
 * `replace` is false. */
tn_status tn__file_create(tn__file_writer **out, const char *path, bool replace,
                          tn_error *err) TN_MUST_USE;
tn_status tn__file_write(tn__file_writer *w, const void *bytes, size_t size,
                         tn_error *err) TN_MUST_USE;
/* Syncs, renames over the target and frees the writer, whatever it returns. */
tn_status tn__file_commit(tn__file_writer *w, tn_error *err) TN_MUST_USE;
/* Removes the temporary file and frees the writer; takes NULL. */
void tn__file_abandon(tn__file_writer *w);

/* Lower-case hexadecimal SHA-256 (64 characters and a zero). */
#define TN__SHA256_HEX 65
void tn__sha256_hex(char out[TN__SHA256_HEX], const void *bytes, size_t size);
/* Of a buffer; a mapping is not left in memory. */
void tn__sha256_buffer(char out[TN__SHA256_HEX], const tn__buffer *buffer);
tn_status tn__sha256_file(char out[TN__SHA256_HEX], const char *path,
                          tn_error *err) TN_MUST_USE;

#endif
