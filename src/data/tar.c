/* tar.c - image files in a tar, plain, gzip or zstd.
 *
 * The members' bytes are taken into memory in one pass, since an archive cannot be read
 * in the order of its names; they are decoded after sorting.
 */
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "data/image_cache.h"
#include "data/listing.h"
#include "data/unpack.h"

#define MEMBER_MAX ((int64_t)64 << 20)  /* bytes of one image file */
#define ARCHIVE_MAX ((int64_t)64 << 30) /* bytes the whole archive may unpack to */

typedef struct shelf {
    uint8_t *bytes;
    size_t size, capacity;
} shelf;

static tn_status shelve(shelf *s, tn__member *member, struct archive *archive,
                        size_t size, const char *path, tn_error *err)
{
    if (size > s->capacity - s->size) {
        size_t wanted = TN__MAX(2 * s->capacity, s->size + size);
        uint8_t *grown = tn__realloc(s->bytes, wanted, 1);
        if (!grown)
            return tn__fail_memory(err, wanted);
        s->bytes = grown;
        s->capacity = wanted;
    }
    for (size_t done = 0; done < size;) {
        la_ssize_t got =
            archive_read_data(archive, s->bytes + s->size + done, size - done);
        if (got < 0)
            return tn__archive_fail(archive, path, err);
        if (got == 0)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot read '%s': member '%s' ends at byte %zu of %zu",
                            path, member->path, done, size);
        done += (size_t)got;
    }
    member->offset = s->size;
    member->size = size;
    s->size += size;
    return TN_OK;
}

static tn_status take_member(shelf *s, tn__listing *listing, struct archive *archive,
                             struct archive_entry *entry, const char *path,
                             tn_error *err)
{
    const char *name = archive_entry_pathname(entry);
    tn__member *member = NULL;
    int64_t size = archive_entry_size(entry);
    if (!name)
        name = archive_entry_pathname_utf8(entry);
    if (!name)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': a member's name is no text", path);
    if (archive_entry_filetype(entry) != AE_IFREG)
        return TN_OK;
    bool wanted = tn__listing_wants(name);
    if (size < 0 || size > (wanted ? MEMBER_MAX : ARCHIVE_MAX) ||
        archive_filter_bytes(archive, 0) > ARCHIVE_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': member '%s' has %lld bytes, too many", path,
                        name, (long long)size);
    if (!wanted)
        return TN_OK;
    if (size == 0)
        return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': member '%s' is empty",
                        path, name);
    tn_status status = tn__listing_add(&member, listing, name, err);
    return status ? status : shelve(s, member, archive, (size_t)size, path, err);
}

static tn_status load(void *user, tn__buffer **held, const uint8_t **bytes,
                      size_t *size, const tn__member *member, tn_error *err)
{
    const shelf *s = user;
    (void)held;
    (void)err;
    *bytes = s->bytes + member->offset;
    *size = member->size;
    return TN_OK;
}

static tn_status read_archive(tn_dataset *data, const tn__data_spec *spec,
                              const char *wanted, tn_error *err)
{
    struct archive *archive = NULL;
    struct archive_entry *entry = NULL;
    tn__listing listing = {0};
    shelf s = {0};
    tn_status status = tn__archive_open(&archive, spec->path, false, err);
    if (status)
        return status;
    while (!status) {
        int found = archive_read_next_header(archive, &entry);
        if (found == ARCHIVE_EOF)
            break;
        if (found != ARCHIVE_OK && found != ARCHIVE_WARN)
            status = tn__archive_fail(archive, spec->path, err);
        else
            status = take_member(&s, &listing, archive, entry, spec->path, err);
    }
    if (!status)
        status = tn__listing_read(data, &listing, spec, wanted, load, &s, err);
    archive_read_free(archive);
    tn__listing_release(&listing);
    tn__free(s.bytes);
    return status;
}

tn_status tn__tar_read(tn_dataset *data, const tn__data_spec *spec, const char *wanted,
                       tn_error *err)
{
    char *path = NULL;
    bool found = false;
    if (!spec->cache)
        return read_archive(data, spec, wanted, err);
    tn_status status = tn__image_cache_path(&path, spec, wanted, err);
    if (!status)
        status = tn__image_cache_load(&found, data, spec, path, err);
    if (!status && !found) {
        status = read_archive(data, spec, wanted, err);
        if (!status)
            status = tn__image_cache_store(data, path, err);
    }
    tn__free(path);
    return status;
}
