/* zoo_file.c - a zoo named by a JSON file: {"members": [{"file": "a.onnx", ...}]}. */
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "assemble/zoo.h"
#include "base/file.h"

#define CHANNELS_MAX 16
#define MEMBERS_MAX 1024
#define BYTES_MAX ((size_t)16 << 20)

/* The text under `key`, NULL where it is absent; borrowed from the JSON. */
static tn_status text_of(const char **out, const cJSON *item, const char *key,
                         const char *path, tn_error *err)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(item, key);
    *out = NULL;
    if (at && !cJSON_IsString(at))
        return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': '%s' is no text", path,
                        key);
    if (at)
        *out = at->valuestring;
    return TN_OK;
}

/* Numbers under `key`; *count is 0 where it is absent. */
static tn_status numbers_of(double out[CHANNELS_MAX], size_t *count, const cJSON *item,
                            const char *key, const char *path, tn_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(item, key), *at;
    *count = 0;
    if (list && !cJSON_IsArray(list))
        return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': '%s' is no list", path,
                        key);
    cJSON_ArrayForEach(at, list)
    {
        if (*count == CHANNELS_MAX || !cJSON_IsNumber(at) || !isfinite(at->valuedouble))
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot read '%s': '%s' is not at most %d finite numbers",
                            path, key, CHANNELS_MAX);
        out[(*count)++] = at->valuedouble;
    }
    return TN_OK;
}

static tn_status read_normalisation(tn_zoo_member *as, double mean[CHANNELS_MAX],
                                    double std[CHANNELS_MAX], const cJSON *item,
                                    const char *path, tn_error *err)
{
    size_t means = 0, stds = 0;
    tn_status status = numbers_of(mean, &means, item, "mean", path, err);
    if (status == TN_OK)
        status = numbers_of(std, &stds, item, "std", path, err);
    if (status != TN_OK || (!means && !stds))
        return status;
    if (means != stds)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': %zu means and %zu standard deviations", path,
                        means, stds);
    for (size_t c = 0; c < stds; c++)
        if (!(std[c] > 0))
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot read '%s': a standard deviation of %g", path,
                            std[c]);
    as->channels = means;
    as->mean = mean;
    as->std = std;
    return TN_OK;
}

/* A file named beside another, unless its path is absolute; owned. */
static char *beside(const char *path, const char *file)
{
    const char *slash = strrchr(path, '/');
    if (file[0] == '/' || !slash)
        return tn__strdup(file);
    return tn__format("%.*s/%s", (int)(slash - path), path, file);
}

static tn_status add_member(tn_zoo *zoo, const cJSON *item, const char *path,
                            tn_error *err)
{
    const char *file = NULL, *arch = NULL;
    double mean[CHANNELS_MAX], std[CHANNELS_MAX];
    tn_zoo_member as = {0};
    tn_load_options load = TN_LOAD_OPTIONS_INIT;
    tn_model *model = NULL;
    tn_status status = text_of(&file, item, "file", path, err);
    if (status == TN_OK && !file)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': a member has no 'file'", path);
    if (status == TN_OK)
        status = text_of(&arch, item, "arch", path, err);
    if (status == TN_OK)
        status = text_of(&as.name, item, "name", path, err);
    if (status == TN_OK)
        status = text_of(&as.licence, item, "licence", path, err);
    if (status == TN_OK)
        status = read_normalisation(&as, mean, std, item, path, err);
    if (status != TN_OK)
        return status;
    char *full = beside(path, file);
    load.arch = arch;
    status = full ? tn_model_load(&model, full, &load, err) : tn__fail_memory(err, 1);
    if (status == TN_OK)
        status = tn_zoo_add(zoo, model, &as, err);
    tn_model_free(model);
    tn__free(full);
    return status;
}

tn_status tn_zoo_load(tn_zoo *zoo, const char *path, tn_error *err)
{
    tn__buffer *buffer = NULL;
    tn_status status = tn__buffer_map(&buffer, path, err);
    if (status != TN_OK)
        return status;
    size_t size = tn__buffer_size(buffer);
    cJSON *json =
        size <= BYTES_MAX
            ? cJSON_ParseWithLength((const char *)tn__buffer_bytes(buffer), size)
            : NULL;
    const cJSON *members = cJSON_GetObjectItemCaseSensitive(json, "members"), *item;
    int count = cJSON_GetArraySize(members);
    if (!json || !cJSON_IsArray(members) || count < 1 || count > MEMBERS_MAX)
        status =
            tn__fail(err, TN_ERROR_FORMAT,
                     "cannot read '%s': expected {\"members\": [...]} with 1 to %d "
                     "members, of at most %zu MiB",
                     path, MEMBERS_MAX, BYTES_MAX >> 20);
    if (status == TN_OK)
        cJSON_ArrayForEach(item, members)
        {
            status = add_member(zoo, item, path, err);
            if (status != TN_OK)
                break;
        }
    cJSON_Delete(json);
    tn__buffer_release(buffer);
    return status;
}
