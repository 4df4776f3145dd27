/* sha256.c - content hashes, by nettle. */
#include "base/file.h"

#include <nettle/sha2.h>
#include <stdio.h>

#define STRETCH ((size_t)16 << 20) /* hashed before its pages are given back */

static void finish(char out[TN__SHA256_HEX], struct sha256_ctx *context)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(context, sizeof digest, digest);
    for (size_t k = 0; k < sizeof digest; k++)
        (void)snprintf(out + 2 * k, 3, "%02x", digest[k]);
}

void tn__sha256_hex(char out[TN__SHA256_HEX], const void *bytes, size_t size)
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    finish(out, &context);
}

void tn__sha256_buffer(char out[TN__SHA256_HEX], const tn__buffer *buffer)
{
    struct sha256_ctx context;
    size_t size = tn__buffer_size(buffer);
    sha256_init(&context);
    for (size_t at = 0; at < size; at += STRETCH) {
        size_t n = TN__MIN(STRETCH, size - at);
        sha256_update(&context, n, tn__buffer_bytes(buffer) + at);
        tn__buffer_evict(buffer, at, n);
    }
    finish(out, &context);
}

tn_status tn__sha256_file(char out[TN__SHA256_HEX], const char *path, tn_error *err)
{
    tn__buffer *buffer = NULL;
    tn_status status = tn__buffer_map(&buffer, path, err);
    if (status)
        return status;
    tn__sha256_buffer(out, buffer);
    tn__buffer_release(buffer);
    return TN_OK;
}
