/* file_writer.c - files that appear whole or not at all. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tn__file_writer {
    int fd;
    bool replace;
    char *path, *temporary;
    uint8_t *pending; /* bytes not yet written */
    size_t used;
};

enum { PENDING_MAX = 1 << 16 };

static void writer_free(tn__file_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    tn__free(w->path);
    tn__free(w->temporary);
    tn__free(w->pending);
    tn__free(w);
}

static tn_status fail_write(const tn__file_writer *w, tn_error *err)
{
    return tn__fail(err, TN_ERROR_IO, "cannot write '%s': %s", w->path,
                    strerror(errno));
}

static tn_status fail_exists(const char *path, tn_error *err)
{
    return tn__fail(err, TN_ERROR_EXISTS, "cannot write '%s': the file exists", path);
}

bool tn__file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

tn_status tn__file_create(tn__file_writer **out, const char *path, bool replace,
                          tn_error *err)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && !replace)
        return fail_exists(path, err);
    if (exists && !S_ISREG(info.st_mode))
        return tn__fail(err, TN_ERROR_IO, "cannot write '%s': not a regular file",
                        path);
    tn__file_writer *w = tn__alloc(1, sizeof *w);
    if (!w)
        return tn__fail_memory(err, sizeof *w);
    w->fd = -1;
    w->replace = replace;
    w->path = tn__strdup(path);
    w->temporary = tn__format("%s.XXXXXX.tmp", path);
    w->pending = tn__alloc(PENDING_MAX, 1);
    if (!w->path || !w->temporary || !w->pending) {
        writer_free(w);
        return tn__fail_memory(err, PENDING_MAX);
    }
    w->fd = mkostemps(w->temporary, 4, O_CLOEXEC);
    if (w->fd < 0) {
        tn_status status = fail_write(w, err);
        writer_free(w);
        return status;
    }
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(w->fd, 0666 & ~mask);
    *out = w;
    return TN_OK;
}

static tn_status write_all(tn__file_writer *w, const uint8_t *bytes, size_t size,
                           tn_error *err)
{
    while (size) {
        ssize_t wrote = write(w->fd, bytes, TN__MIN(size, (size_t)1 << 30));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return fail_write(w, err);
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return TN_OK;
}

static tn_status flush(tn__file_writer *w, tn_error *err)
{
    tn_status status = write_all(w, w->pending, w->used, err);
    w->used = 0;
    return status;
}

tn_status tn__file_write(tn__file_writer *w, const void *bytes, size_t size,
                         tn_error *err)
{
    if (size == 0)
        return TN_OK;
    if (size > PENDING_MAX - w->used) {
        tn_status status = flush(w, err);
        if (status)
            return status;
    }
    if (size >= PENDING_MAX)
        return write_all(w, bytes, size, err);
    memcpy(w->pending + w->used, bytes, size);
    w->used += size;
    return TN_OK;
}

tn_status tn__file_commit(tn__file_writer *w, tn_error *err)
{
    tn_status status = flush(w, err);
    if (!status && fsync(w->fd))
        status = fail_write(w, err);
    /* link() refuses an existing name where rename() would replace it */
    if (!status && !w->replace && link(w->temporary, w->path) == 0) {
        (void)unlink(w->temporary);
        writer_free(w);
        return TN_OK;
    }
    if (!status && !w->replace && errno == EEXIST)
        status = fail_exists(w->path, err);
    if (!status && rename(w->temporary, w->path))
        status = fail_write(w, err);
    if (status)
        (void)unlink(w->temporary);
    writer_free(w);
    return status;
}

void tn__file_abandon(tn__file_writer *w)
{
    if (!w)
        return;
    (void)unlink(w->temporary);
    writer_free(w);
}
