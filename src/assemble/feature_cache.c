/* feature_cache.c - features of a member kept in a folder, found again by content.
 *
 * The name of a file is the SHA-256 of all that its content depends on: the member's
 * file, the images, how features are made, and the version. A file that is not of the
 * expected size, or holds a number that is not finite, is made anew. Members that were
 * not read from a file are not kept.
 */
#include <stdio.h>
#include <string.h>

#include "assemble/cut_features.h"
#include "eval/metrics.h"
#include "tenon/version.h"

#define LAYOUT 1 /* of the files: rows, then Gram matrices, of each cut in order */

/* "FOLDER/0123....features", owned; *path is NULL where the member has no content hash.
 */
static tn_status path_of(char **path, const tn__zoo_features *f, size_t first,
                         size_t count, const tn_model *model, const tn__probe *probe,
                         tn_error *err)
{
    char hash[TN__SHA256_HEX];
    *path = NULL;
    if (!model->source_sha256[0])
        return TN_OK;
    char *key = tn__format("%s %d %s nodes=%zu cuts=%zu,%zu images=%zu sampled=%zu "
                           "pooled=%d rbf=%d %s",
                           tn_version(), LAYOUT, model->source_sha256,
                           model->node_count, count, f->list[first].channels, probe->n,
                           f->sampled, probe->pooled, probe->rbf, probe->describe);
    if (key) {
        tn__sha256_hex(hash, key, strlen(key));
        *path = tn__format("%s/%s.features", probe->cache, hash);
    }
    tn__free(key);
    return *path ? TN_OK : tn__fail_memory(err, sizeof hash);
}

static size_t rows_bytes(const tn__zoo_features *f, const tn__cut_features *cut)
{
    return f->sampled * cut->positions * cut->channels * sizeof(float);
}

static size_t gram_bytes(const tn__zoo_features *f)
{
    return f->shards * f->shard * f->shard * sizeof(float);
}

tn_status tn__cache_read(bool *found, tn__zoo_features *features, size_t first,
                         size_t count, const tn_model *model, const tn__probe *probe,
                         tn_error *err)
{
    char *path = NULL;
    tn__buffer *file = NULL;
    size_t at = 0, wanted = 0;
    *found = false;
    tn_status status = path_of(&path, features, first, count, model, probe, err);
    if (status != TN_OK || !path)
        return status;
    if (tn__buffer_map(&file, path, NULL) == TN_OK) {
        for (size_t c = first; c < first + count; c++)
            wanted += rows_bytes(features, &features->list[c]) + gram_bytes(features);
        const void *bytes = tn__buffer_bytes(file); /* a mapping: aligned */
        *found = tn__buffer_size(file) == wanted &&
                 tn__all_finite(bytes, wanted / sizeof(float));
        for (size_t c = first; *found && c < first + count; c++) {
            tn__cut_features *cut = &features->list[c];
            memcpy(cut->rows, tn__buffer_bytes(file) + at, rows_bytes(features, cut));
            at += rows_bytes(features, cut);
            memcpy(cut->gram, tn__buffer_bytes(file) + at, gram_bytes(features));
            at += gram_bytes(features);
        }
    }
    tn__buffer_release(file);
    tn__free(path);
    return TN_OK;
}

tn_status tn__cache_write(const tn__zoo_features *features, size_t first, size_t count,
                          const tn_model *model, const tn__probe *probe, tn_error *err)
{
    char *path = NULL;
    tn__file_writer *file = NULL;
    tn_status status = path_of(&path, features, first, count, model, probe, err);
    if (status != TN_OK || !path)
        return status;
    status = tn__file_create(&file, path, true, err);
    for (size_t c = first; c < first + count && status == TN_OK; c++) {
        const tn__cut_features *cut = &features->list[c];
        status = tn__file_write(file, cut->rows, rows_bytes(features, cut), err);
        if (status == TN_OK)
            status = tn__file_write(file, cut->gram, gram_bytes(features), err);
    }
    if (status == TN_OK)
        status = tn__file_commit(file, err);
    else
        tn__file_abandon(file);
    tn__free(path);
    return status;
}
