/* sha256.c - content hashes, by nettle. */
#include "base/file.h"

#include <nettle/sha2.h>
#include <stdio.h>

void tn__sha256_hex(char out[TN__SHA256_HEX], const void *bytes, size_t size)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t k = 0; k < sizeof digest; k++)
        (void)snprintf(out + 2 * k, 3, "%02x", digest[k]);
}

tn_status tn__sha256_file(char out[TN__SHA256_HEX], const char *path, tn_error *err)
{
    tn__buffer *buffer = NULL;
    tn_status status = tn__buffer_map(&buffer, path, err);
    if (status)
        return status;
    tn__sha256_hex(out, tn__buffer_bytes(buffer), tn__buffer_size(buffer));
    tn__buffer_release(buffer);
    return TN_OK;
}
