/* plan_file.c - plans as JSON. docs/formats/plan.md says what is in it.
 *
 * Numbers of maps have 17 digits: they come back as they were. What is read is
 * untrusted: every index is held against its range before anything is made of it.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prune/plan.h"
#include "prune/prune.h"

#define VERSION 2
#define BYTES_MAX ((size_t)256 << 20)
#define NEURONS_MAX ((size_t)1 << 24)
#define GROUPS_MAX ((size_t)1 << 20)
#define SEED_TEXT 24

/* --- writing -----------------------------------------------------------------------
 */

static void add_real(cJSON *array, double x)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", x);
    cJSON_AddItemToArray(array, cJSON_CreateRaw(text));
}

static cJSON *map_json(const tn__map *map)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *first = cJSON_AddArrayToObject(json, "first");
    cJSON *column = cJSON_AddArrayToObject(json, "column");
    cJSON *out = cJSON_AddArrayToObject(json, "out");
    cJSON *in = cJSON_AddArrayToObject(json, "in");
    for (size_t j = 0; j <= map->rows; j++)
        cJSON_AddItemToArray(first, cJSON_CreateNumber((double)map->first[j]));
    for (size_t e = 0; e < map->first[map->rows]; e++) {
        cJSON_AddItemToArray(column, cJSON_CreateNumber(map->column[e]));
        add_real(out, map->out[e]);
        add_real(in, map->in[e]);
    }
    return json;
}

static cJSON *group_json(const tn__plan_group *group)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "group", (double)group->group);
    cJSON_AddStringToObject(json, "name", group->name);
    cJSON_AddNumberToObject(json, "neurons", (double)group->neurons);
    cJSON *kept = cJSON_AddArrayToObject(json, "kept");
    for (size_t i = 0; i < group->neurons; i++)
        if (group->kept[i])
            cJSON_AddItemToArray(kept, cJSON_CreateNumber((double)i));
    if (group->map.first) {
        cJSON_AddStringToObject(json, "by", tn__prune_method_names[group->by]);
        cJSON_AddItemToObject(json, "map", map_json(&group->map));
    }
    return json;
}

static cJSON *plan_json(const tn_prune_plan *plan, const char *note)
{
    char seed[SEED_TEXT], sparsity[40];
    cJSON *json = cJSON_CreateObject();
    snprintf(seed, sizeof seed, "%" PRIu64, plan->seed);
    snprintf(sparsity, sizeof sparsity, "%.17g", plan->sparsity);
    cJSON_AddNumberToObject(json, "tenon_prune_plan", VERSION);
    cJSON_AddStringToObject(json, "model", plan->model);
    cJSON_AddStringToObject(json, "method", tn__prune_method_names[plan->method]);
    cJSON_AddStringToObject(json, "repair", tn__prune_repair_names[plan->repair]);
    cJSON_AddBoolToObject(json, "compat", plan->compat);
    cJSON_AddRawToObject(json, "sparsity", sparsity);
    cJSON_AddStringToObject(json, "seed", seed);
    cJSON *images = cJSON_AddObjectToObject(json, "images");
    cJSON_AddNumberToObject(images, "count", (double)plan->images);
    cJSON_AddBoolToObject(images, "synthetic", plan->synthetic);
    cJSON_AddStringToObject(images, "sha256", plan->images_hash);
    if (plan->data)
        cJSON_AddStringToObject(images, "data", plan->data);
    if (note)
        cJSON_AddItemToObject(json, "options", cJSON_Parse(note));
    cJSON *groups = cJSON_AddArrayToObject(json, "groups");
    for (size_t i = 0; i < plan->group_count; i++)
        cJSON_AddItemToArray(groups, group_json(&plan->groups[i]));
    return json;
}

tn_status tn_prune_plan_save(const tn_prune_plan *plan, const char *path,
                             const char *note, const tn_save_options *options,
                             tn_error *err)
{
    tn__file_writer *file = NULL;
    cJSON *json = plan_json(plan, note);
    char *text = cJSON_Print(json);
    tn_status status =
        text ? tn__file_create(&file, path, options && options->replace, err)
             : tn__fail_memory(err, BYTES_MAX);
    if (status == TN_OK)
        status = tn__file_write(file, text, strlen(text), err);
    if (status == TN_OK)
        status = tn__file_write(file, "\n", 1, err);
    if (status == TN_OK)
        status = tn__file_commit(file, err);
    else
        tn__file_abandon(file);
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

/* --- reading -----------------------------------------------------------------------
 */

static tn_status wrong(const char *name, const char *wanted, tn_error *err)
{
    return tn__fail(err, TN_ERROR_FORMAT, "'%s' is not there or not %s", name, wanted);
}

static tn_status read_text(const char **out, const cJSON *json, const char *name,
                           tn_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsString(item))
        return wrong(name, "text", err);
    *out = item->valuestring;
    return TN_OK;
}

static tn_status read_bool(bool *out, const cJSON *json, const char *name,
                           tn_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsBool(item))
        return wrong(name, "true or false", err);
    *out = cJSON_IsTrue(item);
    return TN_OK;
}

/* Which of `names`, that end at NULL; not the first, which leaves the choice open. */
static tn_status read_choice(int *out, const cJSON *json, const char *name,
                             const char *const *names, tn_error *err)
{
    const char *text = NULL;
    tn_status status = read_text(&text, json, name, err);
    for (int k = 1; status == TN_OK && names[k]; k++)
        if (!strcmp(names[k], text)) {
            *out = k;
            return TN_OK;
        }
    return status != TN_OK ? status
                           : tn__fail(err, TN_ERROR_FORMAT,
                                      "'%s' is '%.100s': not known", name, text);
}

/* Whether item is a whole number below `end`. */
static bool is_index(const cJSON *item, size_t end)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 0 &&
           item->valuedouble < (double)end &&
           item->valuedouble == floor(item->valuedouble);
}

static tn_status read_count(size_t *out, const cJSON *json, const char *name,
                            size_t most, tn_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!is_index(item, most + 1))
        return tn__fail(err, TN_ERROR_FORMAT,
                        "'%s' is not there or not a whole number up to %zu", name,
                        most);
    *out = (size_t)item->valuedouble;
    return TN_OK;
}

static tn_status read_hash(char out[TN__SHA256_HEX], const cJSON *json,
                           const char *name, tn_error *err)
{
    const char *text = NULL;
    tn_status status = read_text(&text, json, name, err);
    if (status != TN_OK)
        return status;
    if (*text &&
        (strlen(text) != 64 || strspn(text, "0123456789abcdef") != strlen(text)))
        return wrong(name, "64 hexadecimal digits", err);
    snprintf(out, TN__SHA256_HEX, "%s", text);
    return TN_OK;
}

static tn_status read_array(const cJSON **out, const cJSON *json, const char *name,
                            size_t most, tn_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsArray(item))
        return wrong(name, "a list", err);
    if ((size_t)cJSON_GetArraySize(item) > most)
        return tn__fail(err, TN_ERROR_FORMAT, "'%s' has %d members, at most %zu can be",
                        name, cJSON_GetArraySize(item), most);
    *out = item;
    return TN_OK;
}

static tn_status read_kept(tn__plan_group *to, const cJSON *json, tn_error *err)
{
    const cJSON *list = NULL, *item = NULL;
    tn_status status = read_array(&list, json, "kept", to->neurons, err);
    if (status != TN_OK)
        return status;
    to->kept = tn__alloc(to->neurons, sizeof *to->kept);
    if (!to->kept)
        return tn__fail_memory(err, to->neurons);
    size_t next = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!is_index(item, to->neurons) || item->valuedouble < (double)next)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "'kept' is not a list of ascending neurons below %zu",
                            to->neurons);
        to->kept[(size_t)item->valuedouble] = true;
        next = (size_t)item->valuedouble + 1;
        to->left++;
    }
    if (to->left < 2)
        return tn__fail(err, TN_ERROR_FORMAT, "'kept' has %zu neurons, two must stay",
                        to->left);
    return TN_OK;
}

static tn_status read_reals(double *to, const cJSON *list, const char *name,
                            tn_error *err)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
            return wrong(name, "a list of numbers", err);
        *to++ = item->valuedouble;
    }
    return TN_OK;
}

/* map->first, whose last is the number of entries. */
static tn_status read_first(tn__map *map, size_t entries, const cJSON *list,
                            tn_error *err)
{
    const cJSON *item = NULL;
    size_t j = 0;
    cJSON_ArrayForEach(item, list)
    {
        size_t least = j ? map->first[j - 1] : 0;
        if (!is_index(item, entries + 1) || item->valuedouble < (double)least)
            return wrong("first", "a list of ascending numbers", err);
        map->first[j++] = (size_t)item->valuedouble;
    }
    if (map->first[0] != 0 || map->first[map->rows] != entries)
        return wrong("first", "the bounds of all rows", err);
    return TN_OK;
}

static tn_status read_columns(tn__map *map, const cJSON *list, tn_error *err)
{
    const cJSON *item = NULL;
    size_t e = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!is_index(item, map->columns))
            return wrong("column", "a list of neurons", err);
        map->column[e++] = (uint32_t)item->valuedouble;
    }
    return TN_OK;
}

static tn_status read_map(tn__map *map, const tn__plan_group *group, const cJSON *json,
                          tn_error *err)
{
    static const char *const names[] = {"first", "column", "out", "in"};
    const cJSON *list[TN__COUNT(names)] = {0};
    tn_status status = TN_OK;
    for (size_t k = 0; k < TN__COUNT(names) && status == TN_OK; k++)
        status = read_array(&list[k], json, names[k], BYTES_MAX, err);
    if (status != TN_OK)
        return status;
    size_t entries = (size_t)cJSON_GetArraySize(list[1]);
    if ((size_t)cJSON_GetArraySize(list[0]) != group->left + 1 ||
        (size_t)cJSON_GetArraySize(list[2]) != entries ||
        (size_t)cJSON_GetArraySize(list[3]) != entries)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "the lists of 'map' do not fit %zu neurons that stay",
                        group->left);
    *map = (tn__map){.rows = group->left, .columns = group->neurons};
    map->first = tn__alloc(map->rows + 1, sizeof *map->first);
    map->column = tn__alloc(entries, sizeof *map->column);
    map->out = tn__alloc(entries, sizeof *map->out);
    map->in = tn__alloc(entries, sizeof *map->in);
    if (!map->first || !map->column || !map->out || !map->in)
        return tn__fail_memory(err, entries * sizeof *map->out);
    if ((status = read_first(map, entries, list[0], err)) ||
        (status = read_columns(map, list[1], err)) ||
        (status = read_reals(map->out, list[2], "out", err)))
        return status;
    return read_reals(map->in, list[3], "in", err);
}

static tn_status read_group(tn__plan_group *to, size_t least, const cJSON *json,
                            tn_error *err)
{
    const char *name = NULL;
    tn_status status = read_count(&to->group, json, "group", GROUPS_MAX, err);
    if (status == TN_OK && to->group < least)
        status = wrong("group", "in ascending order", err);
    if (status == TN_OK)
        status = read_text(&name, json, "name", err);
    if (status == TN_OK && !(to->name = tn__strdup(name)))
        status = tn__fail_memory(err, strlen(name));
    if (status == TN_OK)
        status = read_count(&to->neurons, json, "neurons", NEURONS_MAX, err);
    if (status == TN_OK)
        status = read_kept(to, json, err);
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json, "map");
    int by = TN_PRUNE_DELETE;
    if (status == TN_OK && map)
        status = read_choice(&by, json, "by", tn__prune_method_names, err);
    if (status == TN_OK && map && !tn__method_mixes((tn_prune_method)by))
        status = wrong("by", "a method that mixes neurons", err);
    to->by = (tn_prune_method)by;
    if (status == TN_OK && map)
        status = read_map(&to->map, to, map, err);
    return status;
}

static tn_status read_groups(tn_prune_plan *plan, const cJSON *json, tn_error *err)
{
    const cJSON *list = NULL, *item = NULL;
    size_t least = 0;
    tn_status status = read_array(&list, json, "groups", GROUPS_MAX, err);
    if (status != TN_OK)
        return status;
    plan->groups = tn__alloc((size_t)cJSON_GetArraySize(list), sizeof *plan->groups);
    if (!plan->groups)
        return tn__fail_memory(err, sizeof *plan->groups);
    cJSON_ArrayForEach(item, list)
    {
        tn__plan_group *to = &plan->groups[plan->group_count++];
        if ((status = read_group(to, least, item, err)) != TN_OK)
            return tn__fail_in(err, status, "group %zu of the list", plan->group_count);
        least = to->group + 1;
    }
    return TN_OK;
}

static tn_status read_note(tn_prune_plan *plan, const cJSON *json, tn_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "options");
    if (!item)
        return TN_OK;
    if (!cJSON_IsObject(item))
        return wrong("options", "an object", err);
    char *text = cJSON_PrintUnformatted(item);
    plan->note = text ? tn__strdup(text) : NULL;
    cJSON_free(text);
    return plan->note ? TN_OK : tn__fail_memory(err, BYTES_MAX);
}

static tn_status read_images(tn_prune_plan *plan, const cJSON *json, tn_error *err)
{
    const cJSON *images = cJSON_GetObjectItemCaseSensitive(json, "images");
    tn_status status;
    if (!cJSON_IsObject(images))
        return wrong("images", "an object", err);
    if ((status = read_count(&plan->images, images, "count", NEURONS_MAX, err)) ||
        (status = read_bool(&plan->synthetic, images, "synthetic", err)) ||
        (status = read_hash(plan->images_hash, images, "sha256", err)))
        return status;
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(images, "data");
    if (cJSON_IsString(data) && !(plan->data = tn__strdup(data->valuestring)))
        return tn__fail_memory(err, strlen(data->valuestring));
    return TN_OK;
}

static tn_status read_method(tn_prune_plan *plan, const cJSON *json, tn_error *err)
{
    const char *seed = NULL;
    char *end = NULL;
    int method = 0, repair = 0;
    tn_status status;
    if ((status = read_choice(&method, json, "method", tn__prune_method_names, err)) ||
        (status = read_choice(&repair, json, "repair", tn__prune_repair_names, err)) ||
        (status = read_text(&seed, json, "seed", err)) ||
        (status = read_bool(&plan->compat, json, "compat", err)))
        return status;
    plan->method = (tn_prune_method)method;
    plan->repair = (tn_prune_repair)repair;
    plan->seed = strtoull(seed, &end, 10);
    if (!*seed || *end || strspn(seed, "0123456789") != strlen(seed))
        return wrong("seed", "digits", err);
    const cJSON *sparsity = cJSON_GetObjectItemCaseSensitive(json, "sparsity");
    if (!cJSON_IsNumber(sparsity) ||
        !(sparsity->valuedouble >= 0 && sparsity->valuedouble < 1))
        return wrong("sparsity", "a number of 0 or more and less than 1", err);
    plan->sparsity = sparsity->valuedouble;
    return TN_OK;
}

static tn_status read_plan(tn_prune_plan *plan, const cJSON *json, tn_error *err)
{
    size_t version = 0;
    tn_status status;
    if (!cJSON_GetObjectItemCaseSensitive(json, "tenon_prune_plan"))
        return tn__fail(err, TN_ERROR_FORMAT, "this is no pruning plan");
    if ((status = read_count(&version, json, "tenon_prune_plan", NEURONS_MAX, err)))
        return status;
    if (version != VERSION)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "version %zu of plans, version %d is known", version, VERSION);
    if ((status = read_hash(plan->model, json, "model", err)) ||
        (status = read_method(plan, json, err)) ||
        (status = read_images(plan, json, err)) ||
        (status = read_note(plan, json, err)))
        return status;
    return read_groups(plan, json, err);
}

tn_status tn_prune_plan_load(tn_prune_plan **out, const char *path, tn_error *err)
{
    tn__buffer *file = NULL;
    cJSON *json = NULL;
    tn_prune_plan *plan = tn__alloc(1, sizeof *plan);
    tn_status status = plan ? TN_OK : tn__fail_memory(err, sizeof *plan);
    if (status == TN_OK)
        status = tn__buffer_map(&file, path, err);
    if (status != TN_OK)
        goto done;
    size_t size = tn__buffer_size(file);
    json = size <= BYTES_MAX
               ? cJSON_ParseWithLength((const char *)tn__buffer_bytes(file), size)
               : NULL;
    status = json ? read_plan(plan, json, err)
                  : tn__fail(err, TN_ERROR_FORMAT, "this is no JSON of at most %zu MiB",
                             BYTES_MAX >> 20);
    if (status != TN_OK)
        status = tn__fail_in(err, status, "cannot read '%s'", path);
done:
    cJSON_Delete(json);
    tn__buffer_release(file);
    if (status == TN_OK)
        *out = plan;
    else
        tn_prune_plan_free(plan);
    return status;
}
