/* buffer.c - reference-counted bytes: mapped files, memory of ours and of others. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct tn__buffer {
    _Atomic size_t references;
    uint8_t *bytes;
    size_t size;
    bool mapped;                 /* read only; given back to the system */
    bool borrowed;               /* somebody else's, who frees it */
    void (*adopted)(void *user); /* gives the memory of a caller back, or NULL */
    void *user;
};

tn_status tn__buffer_create(tn__buffer **out, size_t bytes, tn_error *err)
{
    tn__buffer *buffer = tn__alloc(1, sizeof *buffer);
    uint8_t *memory = buffer ? tn__alloc_aligned(bytes) : NULL;
    if (!memory) {
        tn__free(buffer);
        return tn__fail_memory(err, bytes);
    }
    atomic_init(&buffer->references, 1);
    buffer->bytes = memory;
    buffer->size = bytes;
    *out = buffer;
    return TN_OK;
}

tn_status tn__buffer_borrow(tn__buffer **out, void *bytes, size_t size, tn_error *err)
{
    tn__buffer *buffer = tn__alloc(1, sizeof *buffer);
    if (!buffer)
        return tn__fail_memory(err, sizeof *buffer);
    atomic_init(&buffer->references, 1);
    buffer->bytes = bytes;
    buffer->size = size;
    buffer->borrowed = true;
    *out = buffer;
    return TN_OK;
}

tn_status tn__buffer_map(tn__buffer **out, const char *path, tn_error *err)
{
    tn_status status = TN_OK;
    tn__buffer *buffer = NULL;
    void *bytes = NULL;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info)) {
        status =
            tn__fail(err, TN_ERROR_IO, "cannot read '%s': %s", path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        status =
            tn__fail(err, TN_ERROR_IO, "cannot read '%s': %s, a file was expected",
                     path, S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
        goto done;
    }
    if (info.st_size == 0) {
        status =
            tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': the file is empty", path);
        goto done;
    }
    buffer = tn__alloc(1, sizeof *buffer);
    if (!buffer) {
        status = tn__fail_memory(err, sizeof *buffer);
        goto done;
    }
    bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        status =
            tn__fail(err, TN_ERROR_IO, "cannot map '%s': %s", path, strerror(errno));
        tn__free(buffer);
        goto done;
    }
    atomic_init(&buffer->references, 1);
    buffer->bytes = bytes;
    buffer->size = (size_t)info.st_size;
    buffer->mapped = true;
    *out = buffer;
done:
    if (fd >= 0)
        close(fd);
    return status;
}

tn_status tn__buffer_adopt(tn__buffer **out, const void *bytes, size_t size,
                           void (*release)(void *user), void *user, tn_error *err)
{
    tn__buffer *buffer = tn__alloc(1, sizeof *buffer);
    if (!buffer)
        return tn__fail_memory(err, sizeof *buffer);
    atomic_init(&buffer->references, 1);
    buffer->bytes = (uint8_t *)(uintptr_t)bytes; /* never written: it is not ours */
    buffer->size = size;
    buffer->adopted = release;
    buffer->user = user;
    *out = buffer;
    return TN_OK;
}

tn__buffer *tn__buffer_retain(tn__buffer *buffer)
{
    atomic_fetch_add(&buffer->references, 1);
    return buffer;
}

void tn__buffer_release(tn__buffer *buffer)
{
    if (!buffer || atomic_fetch_sub(&buffer->references, 1) != 1)
        return;
    if (buffer->mapped)
        munmap(buffer->bytes, buffer->size);
    else if (buffer->adopted)
        buffer->adopted(buffer->user);
    else if (!buffer->borrowed)
        tn__free(buffer->bytes);
    tn__free(buffer);
}

const uint8_t *tn__buffer_bytes(const tn__buffer *buffer)
{
    return buffer->bytes;
}

size_t tn__buffer_size(const tn__buffer *buffer)
{
    return buffer->size;
}

void tn__buffer_evict(const tn__buffer *buffer, size_t offset, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = (offset + page - 1) / page * page, last = offset + size;
    /* The page of the last byte ends with the mapping. */
    last = last == buffer->size ? last : last / page * page;
    if (buffer->mapped && last > first)
        (void)madvise(buffer->bytes + first, last - first, MADV_DONTNEED);
}

uint8_t *tn__buffer_writable(tn__buffer *buffer)
{
    if (buffer->mapped || buffer->adopted || atomic_load(&buffer->references) != 1)
        return NULL;
    return buffer->bytes;
}
