/* unpack.c - files that may be compressed, by libarchive.
 *
 * A small file can unpack to terabytes, so memory grows only as bytes arrive and stops
 * at the caller's limit.
 */
#include "data/unpack.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

tn_status tn__archive_fail(struct archive *archive, const char *path, tn_error *err)
{
    const char *why = archive_error_string(archive);
    return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': %s", path,
                    why ? why : "damaged archive");
}

tn_status tn__archive_open(struct archive **out, const char *path, bool raw,
                           tn_error *err)
{
    enum { BLOCK = 1 << 16 };
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return tn__fail(err, TN_ERROR_IO, "cannot read '%s': %s", path,
                        strerror(errno));
    if (!S_ISREG(info.st_mode))
        return tn__fail(err, TN_ERROR_IO, "cannot read '%s': not a regular file", path);
    struct archive *archive = archive_read_new();
    if (!archive)
        return tn__fail_memory(err, BLOCK);
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_zstd(archive);
    if (raw) {
        archive_read_support_format_raw(archive);
        archive_read_support_format_empty(archive);
    } else {
        archive_read_support_format_tar(archive);
    }
    if (archive_read_open_filename(archive, path, BLOCK) != ARCHIVE_OK) {
        tn_status status = tn__archive_fail(archive, path, err);
        archive_read_free(archive);
        return status;
    }
    *out = archive;
    return TN_OK;
}

/* Appends all data of the current member. */
static tn_status read_all(uint8_t **bytes, size_t *size, struct archive *archive,
                          const char *path, size_t limit, tn_error *err)
{
    size_t capacity = *size;
    while (true) {
        if (*size == capacity) {
            size_t wanted = TN__MAX((size_t)1 << 16, 2 * capacity);
            uint8_t *grown = tn__realloc(*bytes, wanted, 1);
            if (!grown)
                return tn__fail_memory(err, wanted);
            *bytes = grown;
            capacity = wanted;
        }
        la_ssize_t got = archive_read_data(archive, *bytes + *size, capacity - *size);
        if (got < 0)
            return tn__archive_fail(archive, path, err);
        if (got == 0)
            return TN_OK;
        *size += (size_t)got;
        if (*size > limit)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot read '%s': it unpacks to more than %zu bytes", path,
                            limit);
    }
}

tn_status tn__unpack_file(uint8_t **bytes, size_t *size, const char *path, size_t limit,
                          tn_error *err)
{
    struct archive *archive = NULL;
    struct archive_entry *entry = NULL;
    uint8_t *all = NULL;
    size_t used = 0;
    tn_status status = tn__archive_open(&archive, path, true, err);
    if (status)
        return status;
    int found = archive_read_next_header(archive, &entry);
    if (found == ARCHIVE_OK || found == ARCHIVE_WARN)
        status = read_all(&all, &used, archive, path, limit, err);
    else if (found != ARCHIVE_EOF)
        status = tn__archive_fail(archive, path, err);
    archive_read_free(archive);
    if (status) {
        tn__free(all);
        return status;
    }
    *bytes = all;
    *size = used;
    return TN_OK;
}
