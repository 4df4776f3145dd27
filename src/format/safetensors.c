/* safetensors.c - the safetensors format, read and written.
 *
 *  1. bytes 0 to 7: n, the length of the header, little-endian
 *  2. n bytes: a JSON object: "name": {"dtype", "shape", "data_offsets": [begin, end]}
 * for each tensor, and "__metadata__", an object of texts; it may end in spaces
 *  3. the rest: the elements, row-major, little-endian; offsets count from here.
 * Tensors neither overlap nor leave holes
 *
 * Source: https://github.com/huggingface/safetensors (README, "Format").
 */
#include "base/reader.h"
#include "format/checkpoint.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX                                                                     \
    ((uint64_t)100000000) /* the limit of the reference implementation                 \
                           */
#define TENSORS_MAX ((size_t)1 << 20)
#define NAME_BYTES_MAX 4096           /* of a tensor */
#define NUMBER_MAX 9007199254740992.0 /* 2^53: JSON numbers are exact up to here */

static const struct {
    const char *name;
    tn_dtype dtype;
} types[] = {
    {"F64", TN_F64},   {"F32", TN_F32}, {"F16", TN_F16}, {"BF16", TN_BF16},
    {"I64", TN_I64},   {"I32", TN_I32}, {"I16", TN_I16}, {"I8", TN_I8},
    {"U64", TN_U64},   {"U32", TN_U32}, {"U16", TN_U16}, {"U8", TN_U8},
    {"BOOL", TN_BOOL},
};

/* --- reading ---------------------------------------------------------------------- */

typedef struct entry {
    const char *name; /* borrowed from the header */
    tn_dtype dtype;
    tn__shape shape;
    size_t begin, end; /* in part 3 */
} entry;

bool tn__safetensors_is(const tn__buffer *file)
{
    const uint8_t *bytes = tn__buffer_bytes(file);
    uint64_t length = 0;
    if (tn__buffer_size(file) < 10 || bytes[8] != '{')
        return false;
    for (int k = 7; k >= 0; k--)
        length = length << 8 | bytes[k];
    return length <= HEADER_MAX;
}

static tn_status fail(const char *path, const char *name, const char *problem,
                      tn_error *err)
{
    return tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': tensor '%s': %s", path,
                    name, problem);
}

/* A JSON number that is an integer from 0 to 2^53. */
static bool read_integer(size_t *out, const cJSON *number)
{
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0) ||
        !(number->valuedouble <= NUMBER_MAX))
        return false;
    *out = (size_t)number->valuedouble;
    return (double)*out == number->valuedouble;
}

static tn_status read_shape(tn__shape *out, const cJSON *shape, const char *name,
                            const char *path, tn_error *err)
{
    const cJSON *dim = NULL;
    size_t size = 0;
    if (!cJSON_IsArray(shape))
        return fail(path, name, "it has no shape", err);
    cJSON_ArrayForEach(dim, shape)
    {
        if (out->rank == TN__MAX_RANK)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "cannot read '%s': tensor '%s' has more than %d axes", path,
                            name, TN__MAX_RANK);
        if (!read_integer(&size, dim))
            return fail(path, name, "its shape is not made of whole numbers", err);
        out->dims[out->rank++] = (int64_t)size;
    }
    return TN_OK;
}

static tn_status read_dtype(tn_dtype *out, const cJSON *dtype, const char *name,
                            const char *path, tn_error *err)
{
    if (!cJSON_IsString(dtype))
        return fail(path, name, "it has no dtype", err);
    for (size_t k = 0; k < TN__COUNT(types); k++)
        if (strcmp(types[k].name, dtype->valuestring) == 0) {
            *out = types[k].dtype;
            return TN_OK;
        }
    return tn__fail(err, TN_ERROR_UNSUPPORTED,
                    "cannot read '%s': tensor '%s' has dtype '%.32s', which is not "
                    "supported",
                    path, name, dtype->valuestring);
}

/* One tensor of the header; `size` is that of part 3. */
static tn_status read_entry(entry *out, const cJSON *object, size_t size,
                            const char *path, tn_error *err)
{
    const char *name = object->string;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(object, "data_offsets");
    entry e = {.name = name};
    size_t count = 0, bytes = 0;
    char text[TN__SHAPE_TEXT];
    if (strlen(name) > NAME_BYTES_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "cannot read '%s': a tensor's name of %zu bytes, at most %d "
                        "are allowed",
                        path, strlen(name), NAME_BYTES_MAX);
    tn_status status = read_dtype(
        &e.dtype, cJSON_GetObjectItemCaseSensitive(object, "dtype"), name, path, err);
    if (!status)
        status = read_shape(&e.shape, cJSON_GetObjectItemCaseSensitive(object, "shape"),
                            name, path, err);
    if (status)
        return status;
    const cJSON *begin = cJSON_IsArray(offsets) ? offsets->child : NULL;
    if (!begin || !begin->next || begin->next->next || !read_integer(&e.begin, begin) ||
        !read_integer(&e.end, begin->next))
        return fail(path, name, "its data_offsets are not two whole numbers", err);
    if (e.begin > e.end || e.end > size)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': tensor '%s' lies at bytes %zu to %zu of %zu",
                        path, name, e.begin, e.end, size);
    if (!tn__shape_count(&count, &e.shape) ||
        !tn__mul(&bytes, count, tn__dtype_size(e.dtype)) || bytes != e.end - e.begin)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': tensor '%s' of %s %s has %zu bytes", path,
                        name, tn__dtype_name(e.dtype),
                        tn__shape_text(text, sizeof text, &e.shape), e.end - e.begin);
    *out = e;
    return TN_OK;
}

static tn_status read_metadata(tn__checkpoint *out, const cJSON *object,
                               const char *path, tn_error *err)
{
    const cJSON *text = NULL;
    if (!cJSON_IsObject(object))
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': __metadata__ is no object", path);
    cJSON_ArrayForEach(text, object)
    {
        if (!cJSON_IsString(text))
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot read '%s': __metadata__ '%s' is no text", path,
                            text->string);
        if (out->metadata_count == TN__METADATA_MAX)
            return tn__fail(err, TN_ERROR_UNSUPPORTED,
                            "cannot read '%s': __metadata__ has more than %d texts",
                            path, TN__METADATA_MAX);
        tn_status status = tn__grow(&out->metadata, &out->metadata_capacity,
                                    out->metadata_count, sizeof *out->metadata, err);
        if (status)
            return status;
        tn__entry *next = &out->metadata[out->metadata_count++];
        *next = (tn__entry){tn__strdup(text->string), tn__strdup(text->valuestring)};
        if (!next->key || !next->text)
            return tn__fail_memory(err, sizeof *next);
    }
    return TN_OK;
}

/* Where tensors lie; empty ones before the one that begins at the same byte. */
static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Sorted entries fill part 3 without holes. */
static tn_status check_cover(const entry *entries, size_t count, size_t size,
                             const char *path, tn_error *err)
{
    size_t at = 0;
    for (size_t k = 0; k < count; k++) {
        if (entries[k].begin != at)
            return tn__fail(err, TN_ERROR_FORMAT,
                            "cannot read '%s': tensor '%s' begins at byte %zu, %zu was "
                            "expected (a %s)",
                            path, entries[k].name, entries[k].begin, at,
                            entries[k].begin < at ? "overlap" : "hole");
        at = entries[k].end;
    }
    if (at != size)
        return tn__fail(err, TN_ERROR_FORMAT,
                        "cannot read '%s': tensors end at byte %zu of %zu", path, at,
                        size);
    return TN_OK;
}

static tn_status add_tensors(tn__checkpoint *out, const entry *entries, size_t count,
                             tn__buffer *file, size_t data, const char *path,
                             tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < count && !status; k++) {
        const entry *e = &entries[k];
        tn__tensor tensor = {0};
        status = tn__tensor_over(&tensor, e->dtype, e->shape.rank, e->shape.dims, file,
                                 data + e->begin, err);
        if (!status)
            status =
                tn__checkpoint_add(out, e->name, strlen(e->name), &tensor, path, err);
        tn__tensor_release(&tensor);
    }
    return status;
}

/* The tensors of header `root`; part 3 begins at byte `data`. */
static tn_status read_tensors(tn__checkpoint *out, const cJSON *root, tn__buffer *file,
                              size_t data, const char *path, tn_error *err)
{
    size_t size = tn__buffer_size(file) - data, count = 0, capacity = 0;
    entry *entries = NULL;
    const cJSON *object = NULL;
    tn_status status = TN_OK;
    cJSON_ArrayForEach(object, root)
    {
        if (strcmp(object->string, "__metadata__") == 0)
            status = read_metadata(out, object, path, err);
        else if (count == TENSORS_MAX)
            status =
                tn__fail(err, TN_ERROR_UNSUPPORTED,
                         "cannot read '%s': more than %zu tensors", path, TENSORS_MAX);
        else
            status = tn__grow(&entries, &capacity, count, sizeof *entries, err);
        if (!status && strcmp(object->string, "__metadata__") != 0)
            status = read_entry(&entries[count++], object, size, path, err);
        if (status)
            goto done;
    }
    if (count)
        qsort(entries, count, sizeof *entries, compare_entries);
    status = check_cover(entries, count, size, path, err);
    if (!status)
        status = add_tensors(out, entries, count, file, data, path, err);
    if (!status)
        status = tn__checkpoint_check_names(out, path, err);
done:
    tn__free(entries);
    return status;
}

tn_status tn__safetensors_read(tn__checkpoint *out, tn__buffer *file, const char *path,
                               tn_error *err)
{
    tn__reader r;
    uint64_t length = 0;
    const uint8_t *header = NULL;
    tn__checkpoint found = {0};
    tn__reader_init(&r, path, tn__buffer_bytes(file), tn__buffer_size(file));
    tn_status status = tn__read_u64le(&r, &length, "header length", err);
    if (!status && length > HEADER_MAX)
        status =
            tn__fail(err, TN_ERROR_FORMAT,
                     "cannot read '%s': a header of %llu bytes, at most %llu are "
                     "allowed",
                     path, (unsigned long long)length, (unsigned long long)HEADER_MAX);
    if (!status)
        status = tn__read_bytes(&r, &header, (size_t)length, "header", err);
    if (status)
        return status;
    cJSON *root = cJSON_ParseWithLength((const char *)header, (size_t)length);
    if (!cJSON_IsObject(root))
        status = tn__fail(err, TN_ERROR_FORMAT,
                          "cannot read '%s': its header is no JSON object", path);
    else
        status = read_tensors(&found, root, file, r.at, path, err);
    cJSON_Delete(root);
    if (status)
        tn__checkpoint_release(&found);
    else
        *out = found;
    return status;
}

/* --- writing ---------------------------------------------------------------------- */

/* Numbers of 64 bits are the graph's own: shapes, axes, paddings. Whoever builds the
 * graph from elsewhere has them already. */
static bool is_weight(const tn__value *value)
{
    return tn__value_is_parameter(value) && value->parameter.dtype != TN_I64;
}

/* Wide elements first, so that every tensor is aligned; then by name. */
static int compare_parameters(const void *a, const void *b)
{
    const tn__value *const *x = a, *const *y = b;
    size_t p = tn__dtype_size((*x)->parameter.dtype);
    size_t q = tn__dtype_size((*y)->parameter.dtype);
    if (p != q)
        return p > q ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_metadata(const void *a, const void *b)
{
    const tn__entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Adds "__metadata__", sorted by key. False where memory ran out. */
static bool write_metadata(cJSON *root, const tn_model *model)
{
    if (!model->metadata_count)
        return true;
    const tn__entry **entries = tn__alloc(model->metadata_count, sizeof *entries);
    cJSON *object = entries ? cJSON_AddObjectToObject(root, "__metadata__") : NULL;
    bool written = object != NULL;
    for (size_t k = 0; k < model->metadata_count && written; k++)
        entries[k] = &model->metadata[k];
    if (written)
        qsort(entries, model->metadata_count, sizeof *entries, compare_metadata);
    for (size_t k = 0; k < model->metadata_count && written; k++)
        written =
            cJSON_AddStringToObject(object, entries[k]->key, entries[k]->text) != NULL;
    tn__free(entries);
    return written;
}

static bool add_number(cJSON *array, double number)
{
    cJSON *item = cJSON_CreateNumber(number);
    return item && cJSON_AddItemToArray(array, item);
}

/* Adds the entry of a tensor at byte `begin`. False where memory ran out. */
static bool write_entry(cJSON *root, const tn__value *value, size_t begin)
{
    const tn__tensor *tensor = &value->parameter;
    const char *dtype = "";
    for (size_t k = 0; k < TN__COUNT(types); k++)
        if (types[k].dtype == tensor->dtype)
            dtype = types[k].name;
    cJSON *object = cJSON_AddObjectToObject(root, value->name);
    if (!object || !cJSON_AddStringToObject(object, "dtype", dtype))
        return false;
    cJSON *shape = cJSON_AddArrayToObject(object, "shape");
    for (int k = 0; shape && k < tensor->shape.rank; k++)
        if (!add_number(shape, (double)tensor->shape.dims[k]))
            return false;
    cJSON *offsets = shape ? cJSON_AddArrayToObject(object, "data_offsets") : NULL;
    return offsets && add_number(offsets, (double)begin) &&
           add_number(offsets, (double)(begin + tn__tensor_bytes(tensor)));
}

/* The header as text without its padding, for cJSON_free(); NULL without memory. */
static char *make_header(const tn_model *model, const tn__value *const *parameters,
                         size_t count)
{
    cJSON *root = cJSON_CreateObject();
    bool written = root && write_metadata(root, model);
    size_t begin = 0;
    for (size_t k = 0; k < count && written; k++) {
        written = write_entry(root, parameters[k], begin);
        begin += tn__tensor_bytes(&parameters[k]->parameter);
    }
    char *text = written ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

/* Parts 1 to 3; spaces fill the header up, so that part 3 is aligned to 8 bytes. */
static tn_status write_parts(tn__file_writer *w, const char *header,
                             const tn__value *const *parameters, size_t count,
                             tn_error *err)
{
    size_t length = strlen(header), padding = (8 - length % 8) % 8;
    uint8_t size[8];
    for (int k = 0; k < 8; k++)
        size[k] = (uint8_t)((uint64_t)(length + padding) >> 8 * k);
    tn_status status = tn__file_write(w, size, sizeof size, err);
    if (!status)
        status = tn__file_write(w, header, length, err);
    if (!status)
        status = tn__file_write(w, "        ", padding, err);
    for (size_t k = 0; k < count && !status; k++)
        status = tn__file_write(w, tn__tensor_data(&parameters[k]->parameter),
                                tn__tensor_bytes(&parameters[k]->parameter), err);
    return status;
}

tn_status tn__safetensors_write(const tn_model *model, const char *path, bool replace,
                                tn_error *err)
{
    const tn__value **parameters = tn__alloc(model->value_count, sizeof *parameters);
    tn__file_writer *w = NULL;
    char *header = NULL;
    size_t count = 0;
    tn_status status = TN_OK;
    if (!parameters)
        return tn__fail_memory(err, model->value_count * sizeof *parameters);
    for (size_t v = 0; v < model->value_count; v++)
        if (is_weight(&model->values[v]))
            parameters[count++] = &model->values[v];
    if (count)
        qsort(parameters, count, sizeof *parameters, compare_parameters);
    header = make_header(model, parameters, count);
    if (!header)
        status = tn__fail_memory(err, count * 256);
    if (!status)
        status = tn__file_create(&w, path, replace, err);
    if (!status) {
        status = write_parts(w, header, parameters, count, err);
        if (status)
            tn__file_abandon(w);
        else
            status = tn__file_commit(w, err);
    }
    cJSON_free(header);
    tn__free(parameters);
    return status;
}
